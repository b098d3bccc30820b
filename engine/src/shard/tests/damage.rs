//! Segment files that are not what the checkpoint knows: whoever reads them is told so, once, and soon.

use std::fs;
use std::path::Path;

use super::*;

/// Four batches of 1,000 bytes and more, flushed and closed; then the file is changed, and read after a new start.
fn read_after(change: impl Fn(&mut Vec<u8>)) -> (Reply, Reply) {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, Vec::new());
    for turn in 0..4 {
        broker.produce(0, batch(1, 1000, turn));
    }
    broker.stop();
    let file = directory.path().join("t-0/00000000000000000000.log");
    change_file(&file, change);
    let mut broker = Broker::start(directory.path(), 1);
    let part = FetchPartition { partition: id(0), offset: Offset(3), bytes_max: 1 << 20, leader_epoch: None };
    let fetched = broker.call(
        CoreId(0),
        Command::Fetch(Fetch { partitions: vec![part], bytes_max: 1 << 20, bearer: Bearer::File }),
    );
    let query = OffsetQuery { partition: id(0), spec: OffsetSpec::At(Timestamp(3)), leader_epoch: None };
    (fetched, broker.call(CoreId(0), Command::ListOffsets(vec![query])))
}

fn change_file(file: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).expect("a segment");
    change(&mut bytes);
    fs::write(file, bytes).expect("written");
}

fn is_refused((fetched, listed): (Reply, Reply)) {
    let Reply::Fetched(fetched) = fetched else { panic!("{fetched:?}") };
    assert_eq!(fetched[0].error, ErrorCode::KafkaStorageError);
    let Reply::OffsetsListed(listed) = listed else { panic!("{listed:?}") };
    assert_eq!(listed[0].error, ErrorCode::KafkaStorageError);
}

/// The last batch of the file, where it begins.
fn last(bytes: &[u8]) -> usize {
    headers(bytes).last().expect("batches").0
}

#[test]
fn a_batch_that_claims_more_than_its_segment_holds_is_refused() {
    is_refused(read_after(|bytes| {
        let length = last(bytes) + 8;
        // Less than the segment has, and more than is left of it: reading again brings nothing new.
        bytes[length..length + 4].copy_from_slice(&3000i32.to_be_bytes());
    }));
}

#[test]
fn a_segment_that_is_shorter_than_the_checkpoint_says_is_refused() {
    is_refused(read_after(|bytes| bytes.truncate(last(bytes) + 100)));
}

/// A partition with a batch in the journal, killed; then a start record is lost.
fn start_without(record: &str) {
    let directory = tempfile::tempdir().expect("directory");
    let mut broker = Broker::start(directory.path(), 1);
    broker.create(1, Vec::new());
    broker.produce(0, batch(1, 1000, 0));
    drop(broker);
    let file = directory.path().join("journal").join(record);
    if file.exists() {
        change_file(&file, |bytes| bytes.fill(0));
    }
    drop(Broker::start(directory.path(), 1));
}

/// The first start has but one record. A start that took the directory for an empty one removed every partition.
#[test]
#[should_panic(expected = "StartRecord { ran: 1 }")]
fn a_lost_start_record_does_not_make_an_empty_directory() {
    start_without("start-1");
}

#[test]
fn a_start_record_that_never_counted_is_not_missed() {
    start_without("start-0");
}
