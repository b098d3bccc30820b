package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// settings of a member: see members.py, which also says what it prints.
type settings struct {
	Group     string
	Topic     string
	Protocol  string
	Assignor  string
	Instance  string
	SessionMs int `json:"session_ms"`
	Commit    string
}

var saying sync.Mutex

func say(event string, facts map[string]any) {
	saying.Lock()
	defer saying.Unlock()
	line := map[string]any{"event": event, "at": monotonic()}
	for name, fact := range facts {
		line[name] = fact
	}
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

// monotonic is the machine's clock that everybody else reads too; package time keeps it to itself.
func monotonic() float64 {
	const clockMonotonic = 1
	var now syscall.Timespec
	_, _, failed := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	if failed != 0 {
		panic(failed)
	}
	return float64(now.Sec) + float64(now.Nsec)/1e9
}

func sayPartitions(event, topic string, of map[string][]int32) {
	if partitions := of[topic]; len(partitions) > 0 {
		slices.Sort(partitions)
		say(event, map[string]any{"partitions": partitions})
	}
}

func (s *settings) options(bootstrap string) ([]kgo.Opt, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumerGroup(s.Group),
		kgo.ConsumeTopics(s.Topic),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MetadataMaxAge(time.Second),
		// No rebalance between a poll and its records' commit.
		kgo.BlockRebalanceOnPoll(),
	}
	if strings.HasPrefix(s.Topic, "^") {
		options = append(options, kgo.ConsumeRegex())
	}
	if s.Instance != "" {
		options = append(options, kgo.InstanceID(s.Instance))
	}
	if s.Protocol == "consumer" {
		options = append(options, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	} else {
		balancers := map[string]kgo.GroupBalancer{
			"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer(),
		}
		balancer, known := balancers[s.Assignor]
		if !known {
			return nil, fmt.Errorf("no assignor %q", s.Assignor)
		}
		session := time.Duration(s.SessionMs) * time.Millisecond
		heartbeats := kgo.HeartbeatInterval(500 * time.Millisecond)
		options = append(options, kgo.Balancers(balancer), kgo.SessionTimeout(session), heartbeats)
	}
	topicOf := func(of map[string][]int32) string {
		for topic := range of {
			return topic
		}
		return ""
	}
	options = append(options,
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, of map[string][]int32) {
			sayPartitions("assigned", topicOf(of), of)
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, client *kgo.Client, of map[string][]int32) {
			commit := client.CommitUncommittedOffsets
			if s.Commit == "auto" {
				commit = client.CommitMarkedOffsets
			}
			if err := commit(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "commit:", err)
			}
			sayPartitions("revoked", topicOf(of), of)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, of map[string][]int32) {
			sayPartitions("lost", topicOf(of), of)
		}),
	)
	if s.Commit == "auto" {
		options = append(options, kgo.AutoCommitInterval(200*time.Millisecond))
	} else {
		options = append(options, kgo.DisableAutoCommit())
	}
	return options, nil
}

// member reads as a member of a group until its stdin says something or ends.
func member(bootstrap, given string) error {
	var s settings
	if err := json.Unmarshal([]byte(given), &s); err != nil {
		return err
	}
	options, err := s.options(bootstrap)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		stop()
	}()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(record *kgo.Record) {
			say("record", map[string]any{"partition": record.Partition, "offset": record.Offset})
		})
		if s.Commit == "sync" {
			_ = client.CommitUncommittedOffsets(ctx)
		} else if s.Commit == "async" {
			client.CommitOffsets(ctx, client.UncommittedOffsets(), nil)
		}
		client.AllowRebalance()
		if name := fatal(fetches); name != "" {
			say("error", map[string]any{"name": name})
			break
		}
	}
	client.CloseAllowingRebalance()
	say("closed", nil)
	return nil
}

// fatal is the name of an error after which the client is no member any more.
func fatal(fetches kgo.Fetches) string {
	for _, failed := range fetches.Errors() {
		var session *kgo.ErrGroupSession
		if code := new(kerr.Error); errors.As(failed.Err, &session) && errors.As(session.Err, &code) && !code.Retriable {
			return code.Message
		}
	}
	return ""
}
