//! Producer snapshots on a real disk: there where Kafka's tools look for them, with what the producers had sent by then.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::producer::Producers;
use crate::shard::command::{DeleteBefore, RecordsDeletion};

/// One batch of a producer, half a segment long.
fn sent(producer: i64, sequence: i32) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20).producer(
        ProducerId(producer),
        ProducerEpoch(0),
        Sequence(sequence),
    );
    let value = vec![b'v'; 500];
    let timestamp = Timestamp(1_700_000_000_000);
    assert!(builder.push(RecordData { timestamp, value: Some(&value), ..RecordData::default() }));
    builder.build().expect("batch")
}

/// A partition that has rolled often: producer 1 sent the first batch, producer 2 all others.
fn rolled(directory: &Path) -> Broker {
    let mut broker = Broker::start(directory, 1);
    broker.create(1, vec![("segment.bytes".into(), Some("1300".into()))]);
    broker.produce(0, sent(1, 0));
    for sequence in 0..20 {
        broker.produce(0, sent(2, sequence));
    }
    broker
}

/// The files with this ending by their offset.
fn files(directory: &Path, ending: &str) -> BTreeMap<i64, Vec<u8>> {
    let entries = std::fs::read_dir(directory.join("t-0"))
        .expect("directory")
        .map(|entry| entry.expect("entry").path());
    let of_kind = entries.filter(|path| path.extension().is_some_and(|extension| extension == ending));
    let offset =
        |path: &Path| path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).expect("an offset");
    of_kind.map(|path| (offset(&path), std::fs::read(&path).expect("read"))).collect()
}

/// Every segment but the first has the snapshot of what came before it.
fn all_segments_have_theirs(directory: &Path) {
    let snapshots = files(directory, "snapshot");
    let bases: Vec<i64> = files(directory, "log").into_keys().collect();
    assert!(bases.len() > 8, "{bases:?}");
    for base in &bases[1..] {
        let producers = Producers::decode_snapshot(&snapshots[base], 10).expect("a snapshot");
        let last = |producer| producers.last_offset(ProducerId(producer)).map(|offset| offset.0);
        assert_eq!((last(1), last(2)), (Some(0), Some(base - 1)), "as of {base}");
    }
    assert!(!snapshots.contains_key(&0));
}

#[test]
fn every_roll_leaves_the_producers_as_of_the_new_segment() {
    let directory = tempfile::tempdir().expect("directory");
    rolled(directory.path()).stop();
    all_segments_have_theirs(directory.path());
}

#[test]
fn a_start_after_a_kill_writes_the_snapshots_of_what_it_redoes() {
    let directory = tempfile::tempdir().expect("directory");
    drop(rolled(directory.path()));
    let broker = Broker::start(directory.path(), 1);
    all_segments_have_theirs(directory.path());
    drop(broker);
}

#[test]
fn a_clean_stop_leaves_one_at_the_end_and_a_start_keeps_the_newest_of_those_without_a_segment() {
    let directory = tempfile::tempdir().expect("directory");
    rolled(directory.path()).stop();
    let end = |snapshots: &BTreeMap<i64, Vec<u8>>| *snapshots.last_key_value().expect("some").0;
    assert_eq!(end(&files(directory.path(), "snapshot")), 21);
    let mut broker = Broker::start(directory.path(), 1);
    assert_eq!(end(&files(directory.path(), "snapshot")), 21, "the newest stays");
    for sequence in 20..23 {
        broker.produce(0, sent(2, sequence));
    }
    broker.stop();
    drop(Broker::start(directory.path(), 1));
    let (snapshots, logs) = (files(directory.path(), "snapshot"), files(directory.path(), "log"));
    let without: Vec<&i64> = snapshots.keys().filter(|at| !logs.contains_key(at)).collect();
    assert_eq!(without, [&24], "one without a segment, at the end");
    let producers = Producers::decode_snapshot(&snapshots[&24], 10).expect("a snapshot");
    assert_eq!(producers.last_offset(ProducerId(2)), Some(Offset(23)));
}

#[test]
fn a_snapshot_goes_with_its_segment_and_the_newest_stays() {
    let directory = tempfile::tempdir().expect("directory");
    rolled(directory.path()).stop();
    let mut broker = Broker::start(directory.path(), 1);
    let part = RecordsDeletion { partition: id(0), before: DeleteBefore::HighWatermark };
    broker.call(CoreId(0), Command::DeleteRecords(vec![part]));
    for _ in 0..3 {
        broker.now.mono_ns += 120_000_000_000;
        broker.settle();
    }
    let (snapshots, logs) = (files(directory.path(), "snapshot"), files(directory.path(), "log"));
    assert!(logs.len() <= 2, "{:?}", logs.keys());
    let without: Vec<&i64> = snapshots.keys().filter(|at| !logs.contains_key(at)).collect();
    assert_eq!(without, [&21]);
    assert!(files(directory.path(), "deleted").is_empty());
}
