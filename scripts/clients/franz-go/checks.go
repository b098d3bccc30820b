package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const checkSecondsMax = 30

// checks is what they share: the broker, a client of it for administration, and what their topics' names begin with.
type checks struct {
	bootstrap string
	prefix    string
	now       time.Time
	admin     *kadm.Client
}

func newChecks(bootstrap string) (*checks, error) {
	now := time.Now()
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("franz-%d", now.UnixMilli())
	return &checks{bootstrap, prefix, now, kadm.NewClient(client)}, nil
}

func (c *checks) topic(name string) string { return c.prefix + "-" + name }

// check gives a check its time.
func (c *checks) check(name string, run func(context.Context) error) check {
	return check{name, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), checkSecondsMax*time.Second)
		defer cancel()
		return run(ctx)
	}}
}

func (c *checks) chains() [][]check {
	gzip, snappy, lz4, zstd := kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()
	return [][]check{
		append(c.codec("none", kgo.NoCompression()), c.check("reads_from_an_offset", c.readsFromAnOffset)),
		append(c.codec("gzip", gzip), c.check("lists_offsets", c.listsOffsets)),
		append(c.codec("snappy", snappy), c.check("describes_log_dirs", c.describesLogDirs)),
		append(c.codec("lz4", lz4), c.check("reads_from_a_time", c.readsFromATime)),
		append(c.codec("zstd", zstd), c.check("reads_with_small_fetches", c.readsWithSmallFetches)),
		{c.writesWith("writes_with_acks_0", kgo.NoAck())},
		{c.writesWith("writes_with_acks_1", kgo.LeaderAck())},
		{c.check("writes_idempotently", c.writesIdempotently)},
		{c.check("creates_describes_and_deletes_topics", c.createsDescribesAndDeletesTopics)},
		{c.check("describes_and_alters_options", c.describesAndAltersOptions)},
		{c.check("adds_partitions", c.addsPartitions)},
		{c.check("deletes_records", c.deletesRecords)},
		{c.check("lists_describes_and_deletes_groups", c.listsDescribesAndDeletesGroups)},
	}
}

// create returns when the broker has heard of the topic.
func (c *checks) create(ctx context.Context, topic string, partitions int32, options map[string]*string) error {
	if _, err := c.admin.CreateTopic(ctx, partitions, 1, options, topic); err != nil {
		return err
	}
	return c.eventuallyHas(ctx, topic, int(partitions))
}

// eventuallyHas waits until the topic is listed with so many partitions; 0 is not at all. This client remembers metadata for a moment.
func (c *checks) eventuallyHas(ctx context.Context, topic string, partitions int) error {
	return eventually(ctx, func() error {
		listed, err := c.admin.ListTopics(ctx)
		if found := len(listed[topic].Partitions); err == nil && found != partitions {
			err = fmt.Errorf("%d partitions instead of %d", found, partitions)
		}
		return err
	})
}

// eventually asks again until there is no error, as long as the check may take.
func eventually(ctx context.Context, step func() error) error {
	for {
		err := step()
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
		if err == nil {
			return nil
		}
	}
}

// write writes to partition 0, and fails unless the offsets that are acknowledged are those from 0 on; with acks=0 there are none.
func (c *checks) write(ctx context.Context, records []*kgo.Record, options ...kgo.Opt) error {
	options = append([]kgo.Opt{kgo.SeedBrokers(c.bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner())}, options...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	results := client.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		return err
	}
	for i, result := range results {
		if offset := result.Record.Offset; offset != int64(i) && client.OptValue(kgo.RequiredAcks) != kgo.NoAck() {
			return fmt.Errorf("record %d was acknowledged as offset %d", i, offset)
		}
	}
	return nil
}

// read reads so many records of partition 0 by assignment, from this place on.
func (c *checks) read(ctx context.Context, topic string, count int, from kgo.Offset, options ...kgo.Opt) ([]*kgo.Record, error) {
	partitions := map[string]map[int32]kgo.Offset{topic: {0: from}}
	options = append(options, kgo.SeedBrokers(c.bootstrap), kgo.ConsumePartitions(partitions))
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var found []*kgo.Record
	for len(found) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d of %d records: %w", len(found), count, err)
		}
		found = append(found, fetches.Records()...)
	}
	return found[:count], nil
}

// expect reads the topic's records from this offset on and compares them with what was written.
func (c *checks) expect(ctx context.Context, wanted []*kgo.Record, offset int64, from kgo.Offset, options ...kgo.Opt) error {
	found, err := c.read(ctx, wanted[0].Topic, len(wanted), from, options...)
	if err != nil {
		return err
	}
	return same(wanted, found, offset)
}

func (c *checks) codec(name string, codec kgo.CompressionCodec) []check {
	records := made(c.topic(name), c.now)
	return []check{
		c.check(name+"_is_written", func(ctx context.Context) error {
			if err := c.create(ctx, c.topic(name), 1, nil); err != nil {
				return err
			}
			return c.write(ctx, records, kgo.ProducerBatchCompression(codec), kgo.DisableIdempotentWrite())
		}),
		c.check(name+"_is_read_byte_for_byte", func(ctx context.Context) error {
			return c.expect(ctx, records, 0, kgo.NewOffset().AtStart())
		}),
	}
}

func (c *checks) writesWith(name string, acks kgo.Acks) check {
	return c.check(name, func(ctx context.Context) error {
		records := made(c.topic(name), c.now)
		if err := c.create(ctx, c.topic(name), 1, nil); err != nil {
			return err
		}
		if err := c.write(ctx, records, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite()); err != nil {
			return err
		}
		return c.expect(ctx, records, 0, kgo.NewOffset().AtStart())
	})
}

// Idempotent, as this client is by default; the broker then knows the producer.
func (c *checks) writesIdempotently(ctx context.Context) error {
	topic := c.topic("idempotent")
	records := made(topic, c.now)
	if err := c.create(ctx, topic, 1, nil); err != nil {
		return err
	}
	if err := c.write(ctx, records); err != nil {
		return err
	}
	producers, err := c.admin.DescribeProducers(ctx, kadm.TopicsSet{topic: {0: {}}})
	if err != nil {
		return err
	}
	active := producers[topic].Partitions[0].ActiveProducers.Sorted()
	if len(active) != 1 || active[0].LastSequence != recordsMade-1 || active[0].ProducerEpoch != 0 {
		return fmt.Errorf("its producers are %v", active)
	}
	return c.expect(ctx, records, 0, kgo.NewOffset().AtStart())
}

func (c *checks) readsFromAnOffset(ctx context.Context) error {
	return c.expect(ctx, made(c.topic("none"), c.now)[123:133], 123, kgo.NewOffset().At(123))
}

func (c *checks) readsWithSmallFetches(ctx context.Context) error {
	small := []kgo.Opt{kgo.FetchMaxPartitionBytes(1000), kgo.FetchMaxBytes(2000), kgo.FetchMaxWait(50 * time.Millisecond)}
	return c.expect(ctx, made(c.topic("zstd"), c.now), 0, kgo.NewOffset().AtStart(), small...)
}

func (c *checks) readsFromATime(ctx context.Context) error {
	records := made(c.topic("lz4"), c.now)
	return c.expect(ctx, records[200:], 200, kgo.NewOffset().AfterMilli(records[200].Timestamp.UnixMilli()))
}

func (c *checks) listsOffsets(ctx context.Context) error {
	topic := c.topic("gzip")
	records := made(topic, c.now)
	time := func(i int) int64 { return records[i].Timestamp.UnixMilli() }
	after := func(millis int64) func(context.Context, ...string) (kadm.ListedOffsets, error) {
		return func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
			return c.admin.ListOffsetsAfterMilli(ctx, millis, topics...)
		}
	}
	for name, asked := range map[string]struct {
		list           func(context.Context, ...string) (kadm.ListedOffsets, error)
		offset, millis int64
	}{
		"start":           {c.admin.ListStartOffsets, 0, -1},
		"end":             {c.admin.ListEndOffsets, recordsMade, -1},
		"the newest time": {c.admin.ListMaxTimestampOffsets, recordsMade - 1, time(recordsMade - 1)},
		"time 0":          {after(0), 0, time(0)},
		"a record's time": {after(time(200)), 200, time(200)},
		"just after it":   {after(time(200) + 1), 201, time(201)},
		// This client asks for the end where there is nothing so late.
		"beyond the end": {after(time(recordsMade-1) + 1), recordsMade, -1},
	} {
		listed, err := asked.list(ctx, topic)
		if err != nil {
			return err
		}
		found, _ := listed.Lookup(topic, 0)
		if found.Err != nil || found.Offset != asked.offset || found.Timestamp != asked.millis {
			return fmt.Errorf("%s: %+v instead of %d at %d", name, found, asked.offset, asked.millis)
		}
	}
	return nil
}

func (c *checks) describesLogDirs(ctx context.Context) error {
	topic := c.topic("snappy")
	described, err := c.admin.DescribeAllLogDirs(ctx, kadm.TopicsSet{topic: {0: {}}})
	if err != nil {
		return err
	}
	for _, directories := range described {
		if found, ok := directories.LookupPartition(topic, 0); ok && found.Size > 500_000 && found.OffsetLag == 0 {
			return directories.Error()
		}
	}
	return fmt.Errorf("the partition is not in %+v", described)
}

func (c *checks) createsDescribesAndDeletesTopics(ctx context.Context) error {
	topic := c.topic("listed")
	if err := c.create(ctx, topic, 3, nil); err != nil {
		return err
	}
	if err := c.create(ctx, topic, 3, nil); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("created twice: %v", err)
	}
	listed, err := c.admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	found := listed[topic]
	if found.Err != nil || found.ID == (kadm.TopicID{}) || len(found.Partitions) != 3 || found.IsInternal {
		return fmt.Errorf("listed as %+v", found)
	}
	for _, partition := range found.Partitions {
		if partition.Err != nil || len(partition.ISR) != 1 || partition.ISR[0] != partition.Leader {
			return fmt.Errorf("partition %+v", partition)
		}
	}
	if _, err := c.admin.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	return c.eventuallyHas(ctx, topic, 0)
}

func (c *checks) describesAndAltersOptions(ctx context.Context) error {
	topic := c.topic("options")
	day, hour, compact, soon := "86400000", "3600000", "compact", "soon"
	if err := c.create(ctx, topic, 1, map[string]*string{"retention.ms": &day}); err != nil {
		return err
	}
	expect := func(retention, cleanup string) error {
		return eventually(ctx, func() error {
			described, err := c.admin.DescribeTopicConfigs(ctx, topic)
			if err != nil {
				return err
			}
			found := map[string]string{}
			for _, option := range described[0].Configs {
				found[option.Key] = option.MaybeValue()
			}
			if found["retention.ms"] != retention || found["cleanup.policy"] != cleanup {
				err = fmt.Errorf("%s and %s instead of %s and %s", found["retention.ms"], found["cleanup.policy"], retention, cleanup)
			}
			return err
		})
	}
	alter := func(changes ...kadm.AlterConfig) error {
		altered, err := c.admin.AlterTopicConfigs(ctx, changes, topic)
		if err != nil {
			return err
		}
		return altered[0].Err
	}
	policy := kadm.AlterConfig{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: &compact}
	retention := kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: &hour}
	if err := errors.Join(expect(day, "delete"), alter(policy, retention), expect(hour, "delete,compact")); err != nil {
		return err
	}
	retention.Value = &soon
	if err := alter(retention); !errors.Is(err, kerr.InvalidConfig) {
		return fmt.Errorf("a wrong value: %v", err)
	}
	retention.Op, policy.Op = kadm.DeleteConfig, kadm.SubtractConfig
	retention.Value = nil
	return errors.Join(alter(retention, policy), expect("604800000", "delete"))
}

func (c *checks) addsPartitions(ctx context.Context) error {
	topic := c.topic("wider")
	if err := c.create(ctx, topic, 1, nil); err != nil {
		return err
	}
	added, err := c.admin.UpdatePartitions(ctx, 4, topic)
	if err = errors.Join(err, added.Error(), c.eventuallyHas(ctx, topic, 4)); err != nil {
		return err
	}
	fewer, err := c.admin.UpdatePartitions(ctx, 2, topic)
	if err != nil || !errors.Is(fewer.Error(), kerr.InvalidPartitions) {
		return fmt.Errorf("fewer partitions: %v %v", err, fewer.Error())
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	for partition := range int32(4) {
		record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte("first")}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil || record.Offset != 0 {
			return fmt.Errorf("partition %d: offset %d, %v", partition, record.Offset, err)
		}
	}
	return nil
}

func (c *checks) deletesRecords(ctx context.Context) error {
	topic := c.topic("shorter")
	records := made(topic, c.now)
	if err := errors.Join(c.create(ctx, topic, 1, nil), c.write(ctx, records)); err != nil {
		return err
	}
	before := kadm.Offsets{}
	before.AddOffset(topic, 0, 150, -1)
	deleted, err := c.admin.DeleteRecords(ctx, before)
	if err != nil {
		return err
	}
	if found, _ := deleted.Lookup(topic, 0); found.Err != nil || found.LowWatermark != 150 {
		return fmt.Errorf("answered %+v", found)
	}
	return c.expect(ctx, records[150:], 150, kgo.NewOffset().AtStart())
}

func (c *checks) listsDescribesAndDeletesGroups(ctx context.Context) error {
	topic := c.topic("group")
	if err := errors.Join(c.create(ctx, topic, 2, nil), c.write(ctx, made(topic, c.now))); err != nil {
		return err
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 100, LeaderEpoch: -1, Metadata: "why"})
	offsets.AddOffset(topic, 1, 7, -1)
	if err := c.admin.CommitAllOffsets(ctx, topic, offsets); err != nil {
		return err
	}
	listed, err := c.admin.ListGroups(ctx)
	if err != nil {
		return err
	}
	if found := listed[topic]; found.State != "Empty" || found.GroupType != "classic" {
		return fmt.Errorf("listed as %+v", found)
	}
	described, err := c.admin.DescribeGroups(ctx, topic)
	if found := described[topic]; err != nil || found.Err != nil || found.State != "Empty" || len(found.Members) != 0 {
		return fmt.Errorf("described as %+v, %v", found, err)
	}
	committed := func(partition int32) kadm.OffsetResponse {
		fetched, err := c.admin.FetchOffsets(ctx, topic)
		found, ok := fetched.Lookup(topic, partition)
		if !ok {
			found.At = -1
		}
		found.Err = errors.Join(found.Err, err)
		return found
	}
	if found := committed(0); found.Err != nil || found.At != 100 || found.Metadata != "why" {
		return fmt.Errorf("committed %+v", found)
	}
	if _, err := c.admin.DeleteOffsets(ctx, topic, kadm.TopicsSet{topic: {1: {}}}); err != nil {
		return err
	}
	if found := committed(1); found.Err != nil || found.At != -1 {
		return fmt.Errorf("committed though deleted: %+v", found)
	}
	if deleted, err := c.admin.DeleteGroup(ctx, topic); err != nil || deleted.Err != nil {
		return fmt.Errorf("not deleted: %v %v", err, deleted.Err)
	}
	listed, err = c.admin.ListGroups(ctx)
	if _, still := listed[topic]; err == nil && still {
		err = errors.New("still listed")
	}
	return err
}
