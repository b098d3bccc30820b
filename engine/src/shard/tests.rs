//! A shard on a real disk: what it acknowledges is there after a start, whatever the stop was.

mod compaction;
mod damage;
mod read_ahead;
mod removal;
mod snapshots;

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Boot, BootConfig, RetentionCheck, Shard, boot,
    command::{
        Acks, Bearer, CallId, Command, Fetch, FetchPartition, Message, OffsetQuery, OffsetSpec, Produce,
        ProducePartition, Reply,
    },
    inspect::{EpochEnd, EpochQuery, Inspect, Inspected},
    settings::{BrokerOptions, Budget, Pacing, SegmentIo},
};
use crate::{
    base::{
        CoreId, Now, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId,
        TopicPartition,
    },
    config::Overrides,
    controller::{Instruction, Mode, NewTopic, Outcome},
    error::ErrorCode,
    io::{Device, RingConfig},
    op::{Done, Op, OpId},
    record::{BatchBuilder, Codec, RecordData, headers},
};

const TOPIC: TopicId = TopicId([7; 16]);

/// Every core of a broker, driven by hand on one device.
pub(super) struct Broker {
    pub(super) device: Device,
    pub(super) shards: Vec<Shard>,
    calls: u64,
    pub(super) now: Now,
}

impl Broker {
    pub(super) fn start(directory: &std::path::Path, cores: u16) -> Broker {
        Broker::start_with(directory, cores, Budget::of(16 << 20, 3))
    }

    pub(super) fn start_with(directory: &std::path::Path, cores: u16, budget: Budget) -> Broker {
        let mut device = Device::open(&RingConfig::default(), directory, None).expect("device");
        let now = Now { mono_ns: 1, wall: Timestamp(1_700_000_000_000) };
        let config = BootConfig {
            options: Arc::new(BrokerOptions::plain(Overrides::new())),
            cores,
            budget,
            pacing: Pacing::default(),
            read_bytes: 1 << 20,
            segment_io: SegmentIo::Direct,
            checkpoint_interval_ms: 1000,
            retention_check: RetentionCheck { first_ms: 30_000, interval_ms: 300_000 },
            secret_seed: 42,
            now,
        };
        let Boot { seeds, .. } = boot(&mut |ops| device.perform(ops), &config).expect("boot");
        Broker { device, shards: seeds.into_iter().map(Shard::new).collect(), calls: 0, now }
    }

    /// Turns every shard until nothing is under way; answers the replies.
    pub(super) fn settle(&mut self) -> Vec<(CallId, Reply)> {
        let mut replies = Vec::new();
        loop {
            let mut busy = false;
            for number in 0..self.shards.len() {
                let shard = &mut self.shards[number];
                shard.turn(self.now);
                let (mut ops, mut messages) = (Vec::new(), Vec::new());
                shard.drain_ops(&mut ops);
                shard.drain_messages(&mut messages);
                shard.drain_replies(&mut replies);
                busy |= !ops.is_empty() || !messages.is_empty() || shard.wants_turn();
                let (ids, ops): (Vec<_>, Vec<_>) = ops.into_iter().unzip();
                for (id, done) in ids.into_iter().zip(self.device.perform(ops)) {
                    if let Done::Failed(failure) = &done {
                        assert!(failure.is_not_found(), "{failure}");
                    }
                    self.shards[number].complete(self.now, id, done);
                }
                for (to, message) in messages {
                    self.shards[to.0 as usize].receive(self.now, CoreId(number as u16), message);
                }
                assert_eq!(self.shards[number].failure(), None);
            }
            if !busy {
                return replies;
            }
        }
    }

    pub(super) fn call(&mut self, core: CoreId, command: Command) -> Reply {
        self.calls += 1;
        let call = CallId { origin: core, number: self.calls };
        self.shards[core.0 as usize].receive(self.now, core, Message::Command(call, command));
        let replies = self.settle();
        replies.into_iter().find(|(id, _)| *id == call).expect("a reply").1
    }

    /// Performs what was drained of the only shard.
    pub(super) fn perform(&mut self, ops: Vec<(OpId, Op)>) {
        let (ids, ops): (Vec<_>, Vec<_>) = ops.into_iter().unzip();
        for (id, done) in ids.into_iter().zip(self.device.perform(ops)) {
            self.shards[0].complete(self.now, id, done);
        }
    }

    pub(super) fn create(&mut self, partitions: i32, configs: Vec<(String, Option<String>)>) {
        self.create_named("t", partitions, configs);
    }

    pub(super) fn create_named(
        &mut self,
        name: &str,
        partitions: i32,
        configs: Vec<(String, Option<String>)>,
    ) {
        let topic = NewTopic {
            name: name.into(),
            id: TOPIC,
            partitions,
            replication_factor: 1,
            assignments: Vec::new(),
            configs,
        };
        let create = Instruction::CreateTopics { topics: vec![topic], mode: Mode::Apply };
        match self.call(CoreId(0), Command::Control(create)) {
            Reply::Controlled(Outcome::TopicsCreated(created)) => {
                assert!(created[0].result.is_ok(), "{created:?}")
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn core_of(&self, partition: i32) -> CoreId {
        self.shards[0].image().partition(id(partition)).expect("exists").core
    }

    pub(super) fn produce(&mut self, partition: i32, records: Bytes) -> Offset {
        let part = ProducePartition { partition: id(partition), records };
        let request = Produce { acks: Acks::All, deadline: None, partitions: vec![part] };
        match self.call(self.core_of(partition), Command::Produce(request)) {
            Reply::Produced(answers) => {
                assert_eq!(answers[0].error, ErrorCode::None, "{answers:?}");
                answers[0].base_offset
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn fetch(&mut self, partition: i32, offset: i64) -> Vec<u8> {
        let part = FetchPartition {
            partition: id(partition),
            offset: Offset(offset),
            bytes_max: 1 << 20,
            leader_epoch: None,
        };
        match self.call(
            self.core_of(partition),
            Command::Fetch(Fetch { partitions: vec![part], bytes_max: 1 << 20, bearer: Bearer::File }),
        ) {
            Reply::Fetched(answers) => {
                assert_eq!(answers[0].error, ErrorCode::None, "{answers:?}");
                answers[0].records.concat()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn ask(&mut self, partition: i32, spec: OffsetSpec) -> (Offset, Timestamp) {
        let query = OffsetQuery { partition: id(partition), spec, leader_epoch: None };
        match self.call(self.core_of(partition), Command::ListOffsets(vec![query])) {
            Reply::OffsetsListed(answers) => {
                assert_eq!(answers[0].error, ErrorCode::None);
                (answers[0].offset, answers[0].timestamp)
            }
            other => panic!("{other:?}"),
        }
    }

    /// All offsets of a partition, each fetched once, in order.
    pub(super) fn read_all(&mut self, partition: i32) -> Vec<i64> {
        self.read_from(partition, 0)
    }

    pub(super) fn read_from(&mut self, partition: i32, mut next: i64) -> Vec<i64> {
        let mut offsets = Vec::new();
        loop {
            let bytes = self.fetch(partition, next);
            if bytes.is_empty() {
                return offsets;
            }
            for (_, header) in headers(&bytes) {
                offsets.extend(header.base_offset.0..header.next_offset().0);
                next = header.next_offset().0;
            }
        }
    }

    pub(super) fn stop(mut self) {
        for shard in &mut self.shards {
            shard.stop(self.now);
        }
        self.settle();
        assert!(self.shards.iter().all(Shard::is_stopped));
    }
}

pub(super) fn id(partition: i32) -> TopicPartition {
    TopicPartition { topic: TOPIC, partition: PartitionIndex(partition) }
}

pub(super) fn batch(records: usize, bytes: usize, time: i64) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None, 8 << 20);
    let value = vec![b'v'; bytes];
    for number in 0..records {
        let timestamp = Timestamp(time + number as i64);
        assert!(builder.push(RecordData { timestamp, value: Some(&value), ..RecordData::default() }));
    }
    builder.build().expect("batch")
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_a_stop_on_any_number_of_cores() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 2);
    broker.create(4, Vec::new());
    let mut written = [0i64; 4];
    for (round, cores) in [2u16, 1, 3, 2, 1].into_iter().enumerate() {
        for turn in 0..60 {
            let partition = turn % 4;
            let offset = broker.produce(partition, batch(3, 700, turn as i64));
            assert_eq!(offset.0, written[partition as usize]);
            written[partition as usize] += 3;
        }
        if round % 2 == 0 {
            drop(broker);
        } else {
            broker.stop();
        }
        broker = Broker::start(directory.path(), cores);
        for partition in 0..4 {
            let offsets = broker.read_all(partition);
            assert_eq!(offsets, (0..written[partition as usize]).collect::<Vec<_>>(), "round {round}");
        }
    }
}

#[test]
fn segments_roll_and_are_read_back_cold_from_any_offset_and_time() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, vec![("segment.bytes".into(), Some("1048576".into()))]);
    for turn in 0..300 {
        broker.produce(0, batch(10, 5000, turn * 100));
    }
    let segments = std::fs::read_dir(directory.path().join("t-0")).expect("directory").count();
    assert!(segments > 10, "{segments} files");
    for restart in [false, true] {
        if restart {
            broker.stop();
            broker = Broker::start(directory.path(), 1);
        }
        assert_eq!(broker.read_all(0).len(), 3000);
        for offset in [0, 1, 9, 10, 777, 1500, 2999] {
            let bytes = broker.fetch(0, offset);
            let (_, first) = headers(&bytes).next().expect("a batch");
            assert!(first.base_offset.0 <= offset && offset < first.next_offset().0);
        }
        for turn in [0i64, 1, 150, 299] {
            let (offset, timestamp) = broker.ask(0, OffsetSpec::At(Timestamp(turn * 100 + 3)));
            assert_eq!((offset.0, timestamp.0), (turn * 10 + 3, turn * 100 + 3));
        }
        assert_eq!(broker.ask(0, OffsetSpec::At(Timestamp(10_000_000))).0, Offset(-1));
        assert_eq!(broker.ask(0, OffsetSpec::MaxTimestamp), (Offset(2999), Timestamp(29_909)));
        assert_eq!(broker.ask(0, OffsetSpec::Latest).0, Offset(3000));
    }
}

#[test]
fn a_deleted_topic_leaves_nothing_and_its_name_starts_empty() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 2);
    broker.create(2, Vec::new());
    broker.produce(0, batch(5, 100, 0));
    let doomed = crate::controller::DoomedTopic { name: Some("t".into()), id: TopicId::ZERO };
    broker.call(CoreId(0), Command::Control(Instruction::DeleteTopics(vec![doomed])));
    assert!(broker.shards[1].image().topic("t").is_none());
    assert!(!directory.path().join("t-0").exists());
    let again = NewTopic {
        name: "t".into(),
        id: TopicId([8; 16]),
        partitions: 2,
        replication_factor: 1,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    broker.call(
        CoreId(0),
        Command::Control(Instruction::CreateTopics { topics: vec![again], mode: Mode::Apply }),
    );
    drop(broker);
    let broker = Broker::start(directory.path(), 1);
    assert!(broker.shards[0].image().topic("t").is_some());
    assert!(broker.shards[0].ends().all(|(id, _, _, end)| id.topic == TopicId::METADATA || end == Offset(0)));
}

/// One batch of an idempotent producer.
fn sequenced(sequence: i32) -> Bytes {
    let mut builder =
        BatchBuilder::new(Codec::None, 1 << 20).producer(ProducerId(9), ProducerEpoch(0), Sequence(sequence));
    for _ in 0..2 {
        assert!(builder.push(RecordData {
            // Recent: producers that were silent for long are forgotten.
            timestamp: Timestamp(1_700_000_000_000),
            value: Some(b"v"),
            ..RecordData::default()
        }));
    }
    builder.build().expect("batch")
}

#[test]
fn a_duplicate_is_answered_with_its_offset_also_after_a_kill() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, Vec::new());
    for number in 0..8 {
        assert_eq!(broker.produce(0, sequenced(number * 2)).0, i64::from(number) * 2);
    }
    for stop in [false, true] {
        for number in 3..8 {
            assert_eq!(broker.produce(0, sequenced(number * 2)).0, i64::from(number) * 2, "a duplicate");
        }
        if stop {
            broker.stop();
        } else {
            drop(broker);
        }
        broker = Broker::start(directory.path(), 1);
    }
    assert_eq!(broker.produce(0, sequenced(16)).0, 16);
    let part = ProducePartition { partition: id(0), records: sequenced(30) };
    match broker.call(
        CoreId(0),
        Command::Produce(Produce { acks: Acks::All, deadline: None, partitions: vec![part] }),
    ) {
        Reply::Produced(answers) => assert_eq!(answers[0].error, ErrorCode::OutOfOrderSequenceNumber),
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_a_leader_epoch_ended_is_known_after_every_kind_of_stop() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, Vec::new());
    let mut ends = Vec::new();
    for round in 0..4 {
        let epoch = broker.shards[0].image().partition(id(0)).expect("exists").leader_epoch;
        for number in 0..=round {
            ends.push((epoch, broker.produce(0, batch(1, 10, number)).plus(1)));
        }
        if round % 2 == 0 {
            drop(broker);
        } else {
            broker.stop();
            let file = std::fs::read_to_string(directory.path().join("t-0/leader-epoch-checkpoint"));
            let lines: Vec<String> = file.expect("the file").lines().map(str::to_owned).collect();
            assert_eq!(lines[..2], ["0".to_owned(), (round + 1).to_string()]);
            assert_eq!(lines.len() as i64, round + 3);
        }
        broker = Broker::start(directory.path(), 1);
    }
    let query = |wanted| EpochQuery { partition: id(0), current: None, wanted };
    let queries = ends.iter().map(|(epoch, _)| query(*epoch)).collect();
    let answered = match broker.call(CoreId(0), Command::Inspect(Inspect::EpochEnds(queries))) {
        Reply::Inspected(Inspected::EpochEnds(answered)) => answered,
        other => panic!("{other:?}"),
    };
    for ((epoch, _), answer) in ends.iter().zip(answered) {
        let end = ends.iter().rfind(|(other, _)| other == epoch).expect("its last").1;
        assert_eq!(answer, Ok(EpochEnd { epoch: *epoch, end }));
    }
}

/// A group takes a block at least: many groups of one small batch each held far more memory than their batches have bytes, and
/// nothing was flushed because the batches were so few bytes.
#[test]
fn what_cannot_be_given_back_of_the_cache_stays_within_its_bound() {
    let directory = tempfile::tempdir().expect("directory");
    let budget = Budget { cache_bytes: 256 << 10, ..Budget::of(16 << 20, 3) };
    let mut broker = Broker::start_with(directory.path(), 1, budget);
    broker.create(1, Vec::new());
    for number in 0..200 {
        broker.produce(0, batch(1, 10, number));
        assert!(broker.shards[0].commit.cached_bytes <= budget.cache_bytes, "after {number} batches");
    }
}

/// Ten thousand partitions took tens of megabytes beside what `--memory` counts.
#[test]
fn partitions_take_their_part_of_the_cache_and_leave_half_of_it() {
    let left = |partitions| {
        let directory = tempfile::tempdir().expect("directory");
        let mut broker = Broker::start(directory.path(), 1);
        let all = broker.shards[0].config.budget.cache_bytes;
        broker.create(partitions, Vec::new());
        (broker.shards[0].cache_bytes(), all)
    };
    let (some, all) = left(100);
    assert!(some + 100 * 4096 <= all, "{some} of {all} bytes are left");
    let (half, all) = left(5000);
    assert_eq!(half, all / 2);
}
