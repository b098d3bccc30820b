//! Log starts that move and segments that go, on a real disk.

use std::path::Path;

use super::*;
use crate::controller::{ConfigChange, ConfigEdit, ConfigResource};
use crate::shard::command::{Bearer, DeleteBefore, RecordsDeleted, RecordsDeletion};

const SEGMENT_BYTES: &str = "1048576";

impl Broker {
    /// Time passes, and what was due then is done.
    fn pass(&mut self, ms: u64) {
        self.now.mono_ns += ms * 1_000_000;
        self.now.wall = Timestamp(self.now.wall.0 + ms as i64);
        self.settle();
    }

    fn delete(&mut self, before: DeleteBefore) -> RecordsDeleted {
        let part = RecordsDeletion { partition: id(0), before };
        match self.call(self.core_of(0), Command::DeleteRecords(vec![part])) {
            Reply::RecordsDeleted(answers) => answers[0],
            other => panic!("{other:?}"),
        }
    }

    /// These are the topic's options from now on.
    fn alter(&mut self, options: &[(&str, &str)]) {
        let set = |(key, value): &(&str, &str)| ((*key).to_owned(), Some((*value).to_owned()));
        let change = ConfigChange {
            resource: ConfigResource::Topic("t".into()),
            edit: ConfigEdit::Replace(options.iter().map(set).collect()),
        };
        let alter = Instruction::AlterConfigs { resources: vec![change], mode: Mode::Apply };
        self.call(CoreId(0), Command::Control(alter));
    }

    fn fetch_error(&mut self, offset: i64) -> ErrorCode {
        let part = FetchPartition {
            partition: id(0),
            offset: Offset(offset),
            bytes_max: 1 << 20,
            leader_epoch: None,
        };
        let fetch = Fetch { partitions: vec![part], bytes_max: 1 << 20, bearer: Bearer::File };
        match self.call(self.core_of(0), Command::Fetch(fetch)) {
            Reply::Fetched(answers) => answers[0].error,
            other => panic!("{other:?}"),
        }
    }

    /// Batches of ten offsets, 50 kB each, a hundred milliseconds apart.
    fn fill(&mut self, batches: i64) {
        for turn in 0..batches {
            self.produce(0, batch(10, 5000, turn * 100));
        }
    }
}

fn deleted(start: i64) -> RecordsDeleted {
    RecordsDeleted { error: ErrorCode::None, low_watermark: Offset(start) }
}

fn failed(error: ErrorCode) -> RecordsDeleted {
    RecordsDeleted { error, low_watermark: Offset(-1) }
}

fn before(offset: i64) -> DeleteBefore {
    DeleteBefore::Offset(Offset(offset))
}

/// Base offsets of the log files of a partition's directory, and how many files wait for their removal.
fn files(directory: &Path) -> (Vec<i64>, usize) {
    let names = std::fs::read_dir(directory.join("t-0")).expect("directory");
    let names: Vec<String> =
        names.map(|entry| entry.expect("entry").file_name().into_string().expect("text")).collect();
    let mut bases: Vec<i64> =
        names.iter().filter_map(|name| name.strip_suffix(".log")?.parse().ok()).collect();
    bases.sort_unstable();
    (bases, names.iter().filter(|name| name.ends_with(".deleted")).count())
}

#[test]
fn deleted_records_stay_deleted_and_the_others_stay_after_a_kill_and_after_a_stop() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, vec![("segment.bytes".into(), Some(SEGMENT_BYTES.into()))]);
    broker.fill(100);
    assert_eq!(broker.delete(before(505)), deleted(505));
    for stops in [false, true, false] {
        if stops {
            broker.stop();
        } else {
            drop(broker);
        }
        broker = Broker::start(directory.path(), 1);
        assert_eq!(broker.ask(0, OffsetSpec::Earliest).0, Offset(505));
        assert_eq!(broker.fetch_error(504), ErrorCode::OffsetOutOfRange);
        let (_, first) = headers(&broker.fetch(0, 505)).next().expect("a batch");
        assert_eq!(first.base_offset, Offset(500), "a batch is not cut");
        assert_eq!(broker.ask(0, OffsetSpec::Latest).0, Offset(1000));
    }
}

#[test]
fn segments_below_the_log_start_are_renamed_once_a_checkpoint_has_sealed_them_and_removed_later() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    let options = [("segment.bytes", SEGMENT_BYTES), ("retention.ms", "-1")];
    broker.create(1, options.map(|(key, value)| (key.into(), Some(value.into()))).to_vec());
    broker.fill(100);
    broker.pass(2000);
    let (all, _) = files(directory.path());
    broker.delete(before(505));
    let (left, waiting) = files(directory.path());
    let kept: Vec<i64> = all.iter().copied().filter(|base| *base > 505 - 200).collect();
    assert!(left[0] <= 505 && left[1] > 505 && kept.ends_with(&left), "{left:?} of {all:?}");
    // Three files each, and a snapshot of the producers where one is: not for the first.
    assert_eq!(waiting, 4 * (all.len() - left.len()) - 1);
    broker.pass(60_001);
    assert_eq!(files(directory.path()), (left, 0));
    assert_eq!(broker.read_from(0, 505), (500..1000).collect::<Vec<_>>());
}

#[test]
fn files_that_wait_for_their_removal_are_gone_after_a_stop_and_after_the_start_that_follows_a_kill() {
    for stops in [true, false] {
        let directory = tempfile::tempdir().expect("directory");
        let mut broker = Broker::start(directory.path(), 1);
        broker.create(1, vec![("segment.bytes".into(), Some(SEGMENT_BYTES.into()))]);
        broker.fill(100);
        broker.pass(2000);
        broker.delete(before(505));
        assert!(files(directory.path()).1 > 0);
        if stops {
            broker.stop();
            assert_eq!(files(directory.path()).1, 0);
        } else {
            drop(broker);
        }
        let mut broker = Broker::start(directory.path(), 1);
        assert_eq!(files(directory.path()).1, 0);
        assert_eq!(broker.read_from(0, 505), (500..1000).collect::<Vec<_>>());
    }
}

#[test]
fn everything_up_to_the_high_watermark_can_go_and_offsets_go_on() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, Vec::new());
    broker.fill(3);
    assert_eq!(broker.delete(DeleteBefore::HighWatermark), deleted(30));
    assert_eq!(broker.delete(before(10)), deleted(30), "a start never goes back");
    drop(broker);
    let mut broker = Broker::start(directory.path(), 1);
    assert_eq!(broker.ask(0, OffsetSpec::Earliest).0, Offset(30));
    assert_eq!(broker.produce(0, batch(1, 10, 0)), Offset(30));
}

#[test]
fn an_offset_that_is_none_is_out_of_range_and_a_compacted_topic_keeps_its_records() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, Vec::new());
    broker.fill(3);
    for offset in [31, -2, i64::MAX, i64::MIN] {
        assert_eq!(broker.delete(before(offset)), failed(ErrorCode::OffsetOutOfRange));
    }
    drop(broker);
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, vec![("cleanup.policy".into(), Some("compact".into()))]);
    assert_eq!(broker.delete(before(0)), failed(ErrorCode::PolicyViolation));
}

#[test]
fn a_search_by_time_finds_nothing_below_the_log_start() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, vec![("segment.bytes".into(), Some(SEGMENT_BYTES.into()))]);
    broker.fill(60);
    broker.delete(before(305));
    for stops in [false, true] {
        assert_eq!(broker.ask(0, OffsetSpec::At(Timestamp(0))), (Offset(305), Timestamp(3005)));
        if stops {
            broker.stop();
            broker = Broker::start(directory.path(), 1);
        }
    }
}

/// A topic with these options, whose records are as old as the first second of the clock, and what it keeps after a check.
fn kept(configs: &[(&str, &str)], now: i64) -> (Broker, tempfile::TempDir, Offset) {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.now.wall = Timestamp(now);
    let configs = [("segment.bytes", SEGMENT_BYTES)].iter().chain(configs);
    broker.create(1, configs.map(|(key, value)| ((*key).into(), Some((*value).into()))).collect());
    broker.fill(100);
    broker.pass(30_001);
    let start = broker.ask(0, OffsetSpec::Earliest).0;
    (broker, directory, start)
}

#[test]
fn a_topic_whose_records_are_all_too_old_is_emptied_and_goes_on() {
    let (mut broker, directory, start) = kept(&[("retention.ms", "1000")], 100_000);
    assert_eq!(start, Offset(1000));
    broker.pass(2000);
    broker.pass(60_001);
    assert_eq!(files(directory.path()), (vec![], 0));
    assert_eq!(broker.produce(0, batch(10, 5000, 1_000_000)), Offset(1000));
    for stops in [false, true, false] {
        if stops {
            broker.stop();
        } else {
            drop(broker);
        }
        broker = Broker::start(directory.path(), 1);
        assert_eq!(broker.ask(0, OffsetSpec::Earliest).0, Offset(1000));
        assert_eq!(broker.read_from(0, 1000), (1000..1010).collect::<Vec<_>>());
    }
    assert_eq!(files(directory.path()), (vec![1000], 0));
}

#[test]
fn an_emptied_topic_stays_empty_after_a_stop() {
    let (broker, directory, _) = kept(&[("retention.ms", "1000")], 100_000);
    broker.stop();
    let mut broker = Broker::start(directory.path(), 1);
    assert_eq!(broker.ask(0, OffsetSpec::Earliest).0, Offset(1000));
    assert_eq!(broker.produce(0, batch(1, 10, 0)), Offset(1000));
    broker.stop();
    let mut broker = Broker::start(directory.path(), 1);
    assert_eq!(broker.read_from(0, 1000), [1000]);
}

#[test]
fn segments_with_a_record_that_is_young_enough_stay() {
    // The last record is 5 s old at the check, the first 14.9 s.
    let (mut broker, _directory, start) = kept(&[("retention.ms", "10000")], 14_900 - 30_001);
    assert!(Offset(300) < start && start < Offset(700), "{start}");
    assert_eq!(broker.read_from(0, start.0), (start.0..1000).collect::<Vec<_>>());
}

#[test]
fn the_oldest_segments_beyond_retention_bytes_go() {
    let (_broker, directory, start) = kept(&[("retention.bytes", "2000000"), ("retention.ms", "-1")], 0);
    let sizes = files(directory.path()).0.len() as i64;
    assert!(start > Offset(500) && (2..=3).contains(&sizes), "{start}, {sizes} segments");
}

#[test]
fn a_topic_that_is_only_compacted_keeps_old_segments() {
    let (mut broker, _directory, start) = kept(&[("retention.ms", "-1")], 100_000);
    assert_eq!(start, Offset(0));
    broker.alter(&[("retention.ms", "1"), ("retention.bytes", "1"), ("cleanup.policy", "compact")]);
    broker.pass(300_000);
    assert_eq!(broker.ask(0, OffsetSpec::Earliest).0, Offset(0));
}

#[test]
fn a_change_of_retention_takes_effect_at_the_next_check() {
    let (mut broker, _directory, start) = kept(&[("retention.ms", "-1")], 100_000);
    assert_eq!(start, Offset(0));
    broker.alter(&[("retention.ms", "1000")]);
    broker.pass(300_000);
    assert_eq!(broker.ask(0, OffsetSpec::Earliest).0, Offset(1000));
}

/// The simulator's seed 127: the only record of that time was below the log start, and behind its segment stood an empty one, where
/// the search read on and took nothing for damage.
#[test]
fn a_search_by_time_does_not_read_an_empty_active_segment() {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, vec![("retention.ms".into(), Some("-1".into()))]);
    broker.produce(0, batch(10, 100, 1000));
    broker.produce(0, batch(10, 100, 10));
    broker.delete(before(10));
    let (slot, _) = broker.shards[0].table.lookup(id(0)).expect("open");
    assert!(broker.shards[0].roll(slot));
    broker.settle();
    broker.stop();
    let mut broker = Broker::start(directory.path(), 1);
    assert_eq!(broker.ask(0, OffsetSpec::At(Timestamp(1000))).0, Offset(-1));
}
