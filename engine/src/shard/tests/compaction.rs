//! Compaction on a real disk: what a reader finds afterwards, and after every stop in between.

use std::collections::BTreeMap;

use super::*;
use crate::{error::IoFailure, op::Op, record::UncheckedBatch};

/// Key to offset and value.
type Newest = BTreeMap<Vec<u8>, (i64, Option<Vec<u8>>)>;

fn compacted(more: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "20000"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("index.interval.bytes", "1000"),
    ];
    configs.iter().chain(more).map(|(name, value)| ((*name).into(), Some((*value).into()))).collect()
}

impl Broker {
    fn elapse(&mut self, ms: u64) {
        self.now.mono_ns += ms * 1_000_000;
        self.now.wall = Timestamp(self.now.wall.0 + ms as i64);
        self.settle();
    }

    /// Turns the shards a few times only: whatever is under way then is cut off by a drop.
    fn turn_a_little(&mut self, rounds: usize) {
        for _ in 0..rounds {
            let shard = &mut self.shards[0];
            shard.turn(self.now);
            let mut ops = Vec::new();
            shard.drain_ops(&mut ops);
            let (ids, ops): (Vec<_>, Vec<_>) = ops.into_iter().unzip();
            for (id, done) in ids.into_iter().zip(self.device.perform(ops)) {
                self.shards[0].complete(self.now, id, done);
            }
        }
    }

    /// Every record that a reader gets from the beginning on.
    fn records(&mut self) -> Vec<(i64, Vec<u8>, Option<Vec<u8>>)> {
        let (mut records, mut next) = (Vec::new(), 0);
        loop {
            let bytes = self.fetch(0, next);
            if bytes.is_empty() {
                return records;
            }
            for (at, header) in headers(&bytes) {
                let batch = UncheckedBatch::split_first(&bytes[at..]).unwrap().0.check().unwrap();
                for record in batch.records(1 << 20).unwrap().iter() {
                    let record = record.unwrap();
                    let value = record.value.map(<[u8]>::to_vec);
                    records.push((record.offset.0, record.key.unwrap().to_vec(), value));
                }
                assert!(header.next_offset().0 > next, "offsets go on");
                next = header.next_offset().0;
            }
        }
    }

    fn newest(&mut self) -> Newest {
        let mut newest = Newest::new();
        let mut before = -1;
        for (offset, key, value) in self.records() {
            assert!(offset > before, "in order");
            before = offset;
            newest.insert(key, (offset, value));
        }
        newest
    }

    /// Twenty records a batch over `keys` keys, every seventh a tombstone.
    fn write_keys(&mut self, batches: usize, keys: usize, from: usize, newest: &mut Newest) {
        for number in from..from + batches {
            let codec = Codec::ALL[number % 5];
            let mut builder = BatchBuilder::new(codec, 1 << 20).producer(
                ProducerId(3 + number as i64 % 2),
                ProducerEpoch(0),
                Sequence(number as i32 / 2 * 20),
            );
            let mut sent = Vec::new();
            for record in 0..20 {
                let serial = number * 20 + record;
                let key = format!("key-{}", (serial * 7919) % keys).into_bytes();
                let value =
                    (serial % 7 != 0).then(|| format!("value-{serial}-{}", "x".repeat(80)).into_bytes());
                let timestamp = Timestamp(self.now.wall.0 - 1000);
                let data = RecordData { timestamp, key: Some(&key), value: value.as_deref(), headers: &[] };
                assert!(builder.push(data));
                sent.push((key, value));
            }
            let base = self.produce(0, builder.build().unwrap()).0;
            for (offset, (key, value)) in (base..).zip(sent) {
                newest.insert(key, (offset, value));
            }
        }
    }

    /// Forty records of other keys, two segments of them.
    fn write_others(&mut self) {
        for number in 0..40 {
            let (key, value) = (format!("other-{number}").into_bytes(), vec![b'v'; 1000]);
            let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
            let timestamp = self.now.wall;
            let data = RecordData { timestamp, key: Some(&key), value: Some(&value), headers: &[] };
            assert!(builder.push(data));
            self.produce(0, builder.build().unwrap());
        }
    }

    fn flushed(&self) -> &crate::log::Log {
        let shard = &self.shards[0];
        let slot = shard.table.find(id(0)).expect("exists");
        &shard.table.get(slot).expect("exists").flushed
    }
}

#[test]
fn the_newest_record_of_each_key_is_kept_and_little_else_whatever_the_stop() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, compacted(&[]));
    let mut newest = Newest::new();
    for round in 0..4 {
        broker.write_keys(60, 50, round * 60, &mut newest);
        broker.elapse(20_000);
        broker.elapse(20_000);
        let active = broker.flushed().active().base.0;
        let segments: Vec<_> = broker.flushed().segments().map(|one| (one.base.0, one.size.0)).collect();
        let cleaned = broker.flushed().cleaned().0;
        assert_eq!(cleaned, active, "all but the active segment is compacted, round {round}: {segments:?}");
        assert_eq!(broker.newest(), newest, "round {round}");
        let below: Vec<_> = broker.records().into_iter().filter(|(offset, ..)| *offset < active).collect();
        assert!(below.len() <= 50, "{} records of 50 keys below {active}", below.len());
        if round % 2 == 0 {
            drop(broker);
        } else {
            broker.stop();
        }
        broker = Broker::start(directory.path(), 1);
        assert_eq!(broker.newest(), newest, "round {round}, after the stop");
        for offset in (0..broker.flushed().next().0).step_by(97) {
            let bytes = broker.fetch(0, offset);
            let (_, first) = headers(&bytes).next().expect("what comes next is found from anywhere");
            assert!(first.next_offset().0 > offset);
        }
    }
}

#[test]
fn a_process_killed_at_any_step_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, compacted(&[]));
    let (mut newest, mut written) = (Newest::new(), 0);
    for rounds in 1..45 {
        broker.write_keys(12, 30, written, &mut newest);
        written += 12;
        broker.now.mono_ns += 20_000_000_000;
        broker.turn_a_little(rounds);
        drop(broker);
        broker = Broker::start(directory.path(), 1);
        assert_eq!(broker.newest(), newest, "killed after {rounds} turns");
    }
}

/// What the shard hears of the removals of a swap's sources.
#[derive(Clone, Copy, Debug)]
enum Removals {
    /// Nothing yet.
    AreSlow,
    /// They fail, though they happened.
    Fail,
}

/// Compacts, and writes another checkpoint between the first removal of a source and the last new name.
fn checkpoint_during_a_swap(directory: &std::path::Path, removals: Removals) -> Newest {
    let mut broker = Broker::start(directory, 1);
    broker.create(1, compacted(&[]));
    let mut newest = Newest::new();
    broker.write_keys(60, 50, 0, &mut newest);
    broker.now.mono_ns += 20_000_000_000;
    let mut removed = 0;
    for _ in 0..1000 {
        let shard = &mut broker.shards[0];
        shard.turn(broker.now);
        let mut ops = Vec::new();
        shard.drain_ops(&mut ops);
        for (id, op) in ops {
            let removes = matches!(&op, Op::Remove { .. });
            removed += usize::from(removes);
            let done = broker.device.perform(vec![op]).remove(0);
            let failure =
                IoFailure { operation: "remove", path: "t-0".into(), errno: 5, reason: "EIO".into() };
            match removals {
                Removals::AreSlow if removes => {}
                Removals::Fail if removes => broker.shards[0].complete(broker.now, id, Done::Failed(failure)),
                _ => broker.shards[0].complete(broker.now, id, done),
            }
        }
        if removed > 0 {
            break;
        }
    }
    assert!(removed > 0, "a swap began");
    let (name, id) = ("u".into(), TopicId([8; 16]));
    let (replication_factor, assignments, configs) = (1, Vec::new(), Vec::new());
    let topic = NewTopic { name, id, partitions: 1, replication_factor, assignments, configs };
    let create = Instruction::CreateTopics { topics: vec![topic], mode: Mode::Apply };
    broker.call(CoreId(0), Command::Control(create));
    broker.elapse(5_000);
    newest
}

/// A checkpoint came while the sources were being removed and listed them again: the next start found neither them nor, removed as a
/// leftover, what was to take their place.
#[test]
fn a_checkpoint_during_a_swap_counts_the_swap() {
    let directory = tempfile::tempdir().unwrap();
    let newest = checkpoint_during_a_swap(directory.path(), Removals::AreSlow);
    assert_eq!(Broker::start(directory.path(), 1).newest(), newest);
}

#[test]
fn a_swap_that_failed_is_finished_by_the_next_start_whatever_checkpoint_came_between() {
    let directory = tempfile::tempdir().unwrap();
    let newest = checkpoint_during_a_swap(directory.path(), Removals::Fail);
    assert_eq!(Broker::start(directory.path(), 1).newest(), newest);
}

#[test]
fn a_tombstone_stays_for_its_time_and_goes_then() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, compacted(&[("delete.retention.ms", "100000")]));
    let mut newest = Newest::new();
    broker.write_keys(60, 40, 0, &mut newest);
    broker.write_others();
    broker.elapse(20_000);
    let dead: Vec<Vec<u8>> =
        newest.iter().filter(|(_, (_, value))| value.is_none()).map(|(key, _)| key.clone()).collect();
    assert!(!dead.is_empty());
    let now = broker.newest();
    assert!(dead.iter().all(|key| now[key] == newest[key]), "the mark is kept");
    broker.elapse(100_000);
    broker.write_others();
    broker.elapse(20_000);
    let now = broker.newest();
    assert!(dead.iter().all(|key| !now.contains_key(key)), "and neither the mark nor a value comes back");
    newest.retain(|_, (_, value)| value.is_some());
    assert!(newest.iter().all(|(key, newest)| now[key] == *newest));
}

#[test]
fn an_ordinary_topic_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, vec![("segment.bytes".into(), Some("20000".into()))]);
    let mut newest = Newest::new();
    broker.write_keys(60, 10, 0, &mut newest);
    broker.elapse(60_000);
    assert_eq!(broker.records().len(), 1200);
}
