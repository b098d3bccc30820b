//! What is read ahead for sequential readers, on a real disk: it is there before it is asked for, and never stale.

use super::*;
use crate::shard::command::{DeleteBefore, RecordsDeletion};

/// Five batches of ten offsets.
const FETCH_BYTES: u32 = 256 << 10;
const FETCH_OFFSETS: i64 = 50;

/// Batches of ten offsets, 50 kB each, none of them cached.
fn cold(directory: &std::path::Path, partitions: i32, cold_bytes: u64) -> Broker {
    let budget = Budget { cold_bytes, ..Budget::of(16 << 20, 3) };
    let mut broker = Broker::start_with(directory, 1, budget);
    let options = [("segment.bytes", "3000000"), ("retention.ms", "-1")];
    broker.create(partitions, options.map(|(key, value)| (key.into(), Some(value.into()))).to_vec());
    for turn in 0..100 {
        for partition in 0..partitions {
            broker.produce(partition, batch(10, 5000, turn * 100));
        }
    }
    broker.stop();
    Broker::start_with(directory, 1, budget)
}

impl Broker {
    /// Hands in a Fetch, and nothing is performed: the answer, if it is there, and what the disk is asked for.
    fn begin(&mut self, partition: i32, offset: i64, bytes_max: u32) -> (Option<Vec<u8>>, Vec<(OpId, Op)>) {
        self.calls += 1;
        let call = CallId { origin: CoreId(0), number: self.calls };
        let (partition, offset) = (id(partition), Offset(offset));
        let part = FetchPartition { partition, offset, bytes_max, leader_epoch: None };
        let fetch = Fetch { partitions: vec![part], bytes_max, bearer: Bearer::File };
        self.shards[0].handle(self.now, call, Command::Fetch(fetch));
        let (answer, ops) = (self.answer(), self.ops());
        (answer, ops)
    }

    fn ops(&mut self) -> Vec<(OpId, Op)> {
        let mut ops = Vec::new();
        self.shards[0].drain_ops(&mut ops);
        ops
    }

    fn answer(&mut self) -> Option<Vec<u8>> {
        let mut replies = Vec::new();
        self.shards[0].drain_replies(&mut replies);
        replies.pop().map(|(_, reply)| match reply {
            Reply::Fetched(answers) => {
                assert_eq!(answers[0].error, ErrorCode::None, "{answers:?}");
                answers[0].records.concat()
            }
            other => panic!("{other:?}"),
        })
    }

    /// A Fetch, and all that follows of it is done; where it ends.
    fn fetch_wholly(&mut self, partition: i32, offset: i64) -> i64 {
        let (mut answer, mut ops) = self.begin(partition, offset, FETCH_BYTES);
        while !ops.is_empty() {
            self.perform(ops);
            answer = self.answer().or(answer);
            ops = self.ops();
            self.assert_bound();
        }
        range(&answer.expect("an answer")).1
    }

    fn assert_bound(&self) {
        let (bytes, bytes_max) = self.shards[0].cold_turns.bytes();
        assert!(bytes <= bytes_max, "{bytes} of {bytes_max} bytes");
    }

    /// For cold reads and read-ahead.
    fn bytes_held(&self) -> u64 {
        self.shards[0].cold_turns.bytes().0
    }

    /// Two Fetches of the first partition: the third one's bytes are held.
    fn read_twice(&mut self) {
        assert_eq!(self.fetch_wholly(0, 0), FETCH_OFFSETS);
        assert_eq!(self.bytes_held(), 0, "one Fetch is no sequence");
        assert_eq!(self.fetch_wholly(0, FETCH_OFFSETS), 2 * FETCH_OFFSETS);
        assert_eq!(self.bytes_held(), u64::from(FETCH_BYTES));
    }

    fn delete_before(&mut self, offset: i64) {
        let before = DeleteBefore::Offset(Offset(offset));
        let part = RecordsDeletion { partition: id(0), before };
        self.call(CoreId(0), Command::DeleteRecords(vec![part]));
    }

    fn pass_ms(&mut self, ms: u64) {
        self.now.mono_ns += ms * 1_000_000;
        self.settle();
    }
}

/// The offsets of batches that follow each other: the first, and the one behind them.
fn range(bytes: &[u8]) -> (i64, i64) {
    let all: Vec<_> = headers(bytes).map(|(_, header)| header).collect();
    assert!(all.windows(2).all(|pair| pair[0].next_offset() == pair[1].base_offset));
    assert_eq!(all.iter().map(|header| header.size()).sum::<usize>(), bytes.len(), "whole batches");
    (all[0].base_offset.0, all[all.len() - 1].next_offset().0)
}

#[test]
fn a_sequential_reader_is_answered_at_once_and_the_next_read_begins() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = cold(directory.path(), 1, 2 << 20);
    broker.read_twice();
    for round in 2..8 {
        let from = round * FETCH_OFFSETS;
        let (answer, ops) = broker.begin(0, from, FETCH_BYTES);
        assert_eq!(range(&answer.expect("it was read ahead")), (from, from + FETCH_OFFSETS));
        assert!(matches!(ops[..], [(_, Op::Read { .. })]), "{ops:?}");
        broker.perform(ops);
        broker.assert_bound();
    }
    assert_eq!(broker.read_all(0), (0..1000).collect::<Vec<_>>(), "over the ends of segments, too");
}

#[test]
fn who_comes_while_it_is_being_read_waits_for_that_read() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = cold(directory.path(), 1, 2 << 20);
    broker.read_twice();
    let (_, under_way) = broker.begin(0, 100, FETCH_BYTES);
    let (answer, ops) = broker.begin(0, 150, FETCH_BYTES);
    assert!(answer.is_none() && ops.is_empty(), "{ops:?}");
    broker.perform(under_way);
    assert_eq!(range(&broker.answer().expect("an answer")), (150, 200));
    assert_eq!(broker.ops().len(), 1, "the next read");
}

#[test]
fn what_is_beyond_the_limit_of_an_answer_stays_for_the_next_one() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = cold(directory.path(), 1, 2 << 20);
    broker.read_twice();
    for (from, ops) in [(100, 0), (110, 0), (120, 0), (130, 0), (140, 1)] {
        let (answer, begun) = broker.begin(0, from, 60_000);
        assert_eq!(range(&answer.expect("it was read ahead")), (from, from + 10));
        assert_eq!(begun.len(), ops, "{begun:?}");
        broker.perform(begun);
    }
    let (answer, _) = broker.begin(0, 150, 1);
    assert_eq!(range(&answer.expect("it was read ahead")), (150, 160), "one batch at least");
}

#[test]
fn batches_that_are_longer_than_a_read_come_whole() {
    let directory = tempfile::tempdir().expect("directory");
    let budget = Budget { cold_bytes: 3 << 20, ..Budget::of(16 << 20, 3) };
    let mut broker = Broker::start_with(directory.path(), 1, budget);
    broker.create(1, Vec::new());
    for number in 0..20 {
        broker.produce(0, batch(1 + number % 3, 300_000, number as i64));
    }
    broker.stop();
    let mut broker = Broker::start_with(directory.path(), 1, budget);
    let (mut offset, end) = (0, broker.ask(0, OffsetSpec::Latest).0.0);
    while offset < end {
        offset = broker.fetch_wholly(0, offset);
    }
}

#[test]
fn readers_that_jump_read_nothing_ahead() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = cold(directory.path(), 1, 2 << 20);
    for round in 0..40 {
        let offset = round * 330 % 900;
        broker.fetch_wholly(0, offset);
        assert_eq!(broker.bytes_held(), 0);
    }
}

#[test]
fn what_nobody_comes_for_is_dropped_after_a_second() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = cold(directory.path(), 1, 2 << 20);
    broker.read_twice();
    broker.pass_ms(999);
    assert!(broker.bytes_held() > 0);
    broker.pass_ms(1);
    assert_eq!(broker.bytes_held(), 0);
    let (answer, ops) = broker.begin(0, 100, FETCH_BYTES);
    assert!(answer.is_none() && ops.len() == 1, "it is read when it is asked for");
}

#[test]
fn a_read_that_takes_longer_than_that_is_dropped_when_it_is_over() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = cold(directory.path(), 1, 2 << 20);
    broker.read_twice();
    let (_, under_way) = broker.begin(0, 100, FETCH_BYTES);
    broker.pass_ms(1001);
    assert!(broker.bytes_held() > 0, "the kernel writes into its buffer");
    broker.perform(under_way);
    assert_eq!(broker.bytes_held(), 0);
}

#[test]
fn segments_that_went_or_were_replaced_are_read_anew_held_or_under_way() {
    for is_under_way in [false, true] {
        let directory = tempfile::tempdir().expect("directory");
        let mut broker = cold(directory.path(), 1, 2 << 20);
        broker.read_twice();
        let mut under_way = Vec::new();
        let mut at = 100;
        if is_under_way {
            (_, under_way) = broker.begin(0, at, FETCH_BYTES);
            at += FETCH_OFFSETS;
        }
        let slot = broker.shards[0].table.find(id(0)).expect("open");
        broker.shards[0].table.get_mut(slot).expect("open").removals += 1;
        let (answer, ops) = broker.begin(0, at, FETCH_BYTES);
        assert!(answer.is_none() && ops.len() == 1, "under way: {is_under_way}");
        broker.perform(under_way);
        assert_eq!(broker.answer(), None);
        broker.perform(ops);
        assert_eq!(range(&broker.answer().expect("an answer")), (at, at + FETCH_OFFSETS));
    }
}

#[test]
fn a_log_start_that_moves_and_a_topic_that_goes_leave_nothing_held() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = cold(directory.path(), 1, 2 << 20);
    broker.read_twice();
    broker.delete_before(300);
    assert_eq!(broker.bytes_held(), 0);
    let next = broker.fetch_wholly(0, 300);
    assert_eq!(broker.fetch_wholly(0, next), next + FETCH_OFFSETS);
    assert!(broker.bytes_held() > 0);
    let doomed = crate::controller::DoomedTopic { name: Some("t".into()), id: TopicId::ZERO };
    broker.call(CoreId(0), Command::Control(Instruction::DeleteTopics(vec![doomed])));
    assert_eq!(broker.bytes_held(), 0);
    assert!(!directory.path().join("t-0").exists());
}

#[test]
fn read_ahead_has_half_of_the_share_and_gives_way_to_who_waits() {
    let directory = tempfile::tempdir().expect("directory");
    let share = 8 * u64::from(FETCH_BYTES + 4096);
    let mut broker = cold(directory.path(), 8, share);
    for from in [0, 50] {
        for partition in 0..8 {
            assert_eq!(broker.fetch_wholly(partition, from), from + FETCH_OFFSETS);
        }
    }
    assert_eq!(broker.bytes_held(), 4 * u64::from(FETCH_BYTES));
    // Six that read elsewhere: two of the four held reads go, the oldest.
    let searches = (0..6).flat_map(|partition| broker.begin(partition, 500, FETCH_BYTES).1).collect();
    broker.perform(searches);
    broker.assert_bound();
    let reads = broker.ops();
    assert_eq!(reads.len(), 6);
    broker.perform(reads);
    broker.settle();
    let at_once: Vec<bool> =
        (0..4).map(|partition| broker.begin(partition, 100, FETCH_BYTES).0.is_some()).collect();
    assert_eq!(at_once, [false, false, true, true]);
}

#[test]
fn compaction_leaves_nothing_held_of_what_it_replaces() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    let options = [("cleanup.policy", "compact"), ("segment.bytes", "30000")];
    broker.create(1, options.map(|(key, value)| (key.into(), Some(value.into()))).to_vec());
    for number in 0..60 {
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
        let (key, value) = ([number % 7], [b'v'; 2000]);
        let timestamp = Timestamp(broker.now.wall.0 - 1000);
        assert!(builder.push(RecordData { timestamp, key: Some(&key), value: Some(&value), headers: &[] }));
        broker.produce(0, builder.build().expect("batch"));
    }
    broker.stop();
    let mut broker = Broker::start(directory.path(), 1);
    broker.now.mono_ns += 60_000_000_000;
    for offset in 0..2 {
        let (mut answer, mut ops) = broker.begin(0, offset, 1);
        while !ops.is_empty() {
            broker.perform(ops);
            answer = broker.answer().or(answer);
            ops = broker.ops();
        }
        assert_eq!(range(&answer.expect("an answer")), (offset, offset + 1));
    }
    assert!(broker.bytes_held() > 0);
    for _ in 0..1000 {
        broker.shards[0].turn(broker.now);
        let ops = broker.ops();
        if ops.iter().any(|(_, op)| matches!(op, Op::Remove { file } if file.as_str().ends_with("0.log"))) {
            assert_eq!(broker.bytes_held(), 0);
            return;
        }
        assert!(broker.bytes_held() > 0, "until then it is good");
        broker.perform(ops);
    }
    panic!("nothing was compacted");
}
