use std::fs;
use std::path::Path;

use clap::Parser;
use engine::base::{LeaderEpoch, Offset, Timestamp};
use engine::record::{BatchBuilder, BatchHeader, Codec, RecordData, place};

use crate::cli::failure::Failure;
use crate::cli::{Arguments, run};

/// A batch of `count` records from `offset` on, with times that are ten times their offsets.
fn batch(offset: i64, count: i64, codec: Codec) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec, 1 << 20);
    for number in offset..offset + count {
        let value = format!("value {number}");
        let timestamp = Timestamp(number * 10);
        assert!(builder.push(RecordData { timestamp, value: Some(value.as_bytes()), ..Default::default() }));
    }
    let mut bytes = builder.build().unwrap().to_vec();
    place(&mut bytes, Offset(offset), LeaderEpoch(3));
    bytes
}

/// A segment's three files from its batches: each batch but the first is indexed.
fn write_segment(directory: &Path, base: i64, batches: &[Vec<u8>]) {
    let (mut log, mut index, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for batch in batches {
        let last = BatchHeader::parse(batch).unwrap().last_offset().0;
        if !log.is_empty() {
            index.extend(((last - base) as u32).to_be_bytes());
            index.extend((log.len() as u32).to_be_bytes());
            times.extend((last * 10).to_be_bytes());
            times.extend(((last - base) as u32).to_be_bytes());
        }
        log.extend_from_slice(batch);
    }
    for (extension, bytes) in [("log", log), ("index", index), ("timeindex", times)] {
        fs::write(directory.join(format!("{base:020}.{extension}")), bytes).unwrap();
    }
}

/// Two segments: offsets 0..30 and 30..50.
fn partition() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let first = [batch(0, 10, Codec::None), batch(10, 10, Codec::Zstd), batch(20, 10, Codec::Gzip)];
    write_segment(directory.path(), 0, &first);
    write_segment(directory.path(), 30, &[batch(30, 10, Codec::Lz4), batch(40, 10, Codec::Snappy)]);
    directory
}

fn corelog(arguments: &[&str]) -> (bool, String) {
    let mut out = Vec::new();
    let arguments = ["corelog", "log"].iter().chain(arguments);
    let outcome = run(Arguments::try_parse_from(arguments).unwrap(), &mut out);
    assert!(matches!(outcome, Ok(()) | Err(Failure::Reported)), "{outcome:?}");
    (outcome.is_ok(), String::from_utf8(out).unwrap())
}

fn verify(directory: &Path) -> (bool, String) {
    corelog(&["verify", directory.to_str().unwrap()])
}

fn change(directory: &Path, name: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let path = directory.join(name);
    let mut bytes = fs::read(&path).unwrap();
    edit(&mut bytes);
    fs::write(path, bytes).unwrap();
}

const FIRST: &str = "00000000000000000000";
const SECOND: &str = "00000000000000000030";

#[test]
fn a_whole_partition_has_no_damage() {
    let directory = partition();
    let (whole, said) = verify(directory.path());
    assert!(whole, "{said}");
    assert_eq!(said, "1 partitions, 2 segments, 5 batches, 50 records: no damage\n");
    let (whole, said) = verify(directory.path().parent().unwrap().join(directory.path()).as_path());
    assert!(whole, "{said}");
}

#[test]
fn allocated_space_behind_the_active_segment_is_no_damage() {
    let directory = partition();
    for extension in ["log", "index", "timeindex"] {
        change(directory.path(), &format!("{SECOND}.{extension}"), |bytes| {
            bytes.resize(bytes.len() + 70_000, 0)
        });
    }
    let (whole, said) = verify(directory.path());
    assert!(whole, "{said}");
}

#[test]
fn every_kind_of_damage_is_found() {
    let size = batch(0, 10, Codec::None).len();
    let second = |bytes: &mut Vec<u8>, edit: fn(&mut [u8])| edit(&mut bytes[size..]);
    type Edit<'a> = Box<dyn FnOnce(&mut Vec<u8>) + 'a>;
    let cases: Vec<(String, Edit<'_>, &str)> = vec![
        (format!("{FIRST}.log"), Box::new(|b| b[80] ^= 1), "CRC-32C"),
        (format!("{FIRST}.log"), Box::new(|b| b.truncate(b.len() - 1)), "is cut"),
        (format!("{FIRST}.log"), Box::new(|b| b.resize(b.len() + 4096, 0)), "zero bytes"),
        (format!("{SECOND}.log"), Box::new(|b| b.extend([7; 100])), "are no batch"),
        (format!("{SECOND}.log"), Box::new(|b| b.truncate(b.len() - 1)), "is cut"),
        (
            format!("{FIRST}.log"),
            Box::new(|b| second(b, |batch| place(batch, Offset(11), LeaderEpoch(3)))),
            "offset 10 was expected",
        ),
        (
            format!("{FIRST}.log"),
            Box::new(|b| second(b, |batch| place(batch, Offset(10), LeaderEpoch(2)))),
            "leader epoch 2 after 3",
        ),
        (format!("{FIRST}.index"), Box::new(|b| b[7] ^= 1), "where no batch begins"),
        (format!("{FIRST}.index"), Box::new(|b| b[3] ^= 1), "where a batch ends at offset 19"),
        (format!("{FIRST}.index"), Box::new(|b| b.copy_within(0..8, 8)), "is not behind"),
        (format!("{FIRST}.index"), Box::new(|b| b.push(1)), "no whole entry"),
        (format!("{FIRST}.timeindex"), Box::new(|b| b[7] ^= 1), "the largest time up to there is 190"),
        (format!("{FIRST}.timeindex"), Box::new(|b| b.copy_within(0..12, 12)), "is not behind"),
        (format!("{SECOND}.timeindex"), Box::new(|b| b[11] = 99), "behind the end of the log"),
    ];
    for (name, edit, expected) in cases {
        let directory = partition();
        change(directory.path(), &name, edit);
        let (whole, said) = verify(directory.path());
        assert!(!whole && said.contains(expected) && said.contains(&name), "{name}: {expected}: {said}");
    }
}

#[test]
fn a_missing_segment_is_damage_unless_gaps_are_allowed() {
    let directory = tempfile::tempdir().unwrap();
    write_segment(directory.path(), 0, &[batch(0, 10, Codec::None)]);
    write_segment(directory.path(), 30, &[batch(30, 10, Codec::None)]);
    let (whole, said) = verify(directory.path());
    assert!(!whole && said.contains("begins at offset 30, the segment before ends at 10"), "{said}");
    let (whole, said) = corelog(&["verify", "--allow-gaps", directory.path().to_str().unwrap()]);
    assert!(whole, "{said}");
}

#[test]
fn a_dump_shows_batches_records_and_entries() {
    let directory = partition();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (whole, said) = corelog(&["dump", "--records", &path(&format!("{FIRST}.log"))]);
    assert!(whole, "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("batch ")).count(), 3);
    assert!(
        said.contains("record  offset 19  1970-01-01T00:00:00.190Z  key -  value \"value 19\""),
        "{said}"
    );
    let (whole, said) = corelog(&["dump", &path(&format!("{FIRST}.index"))]);
    assert!(whole && said.starts_with("entry  offset 19  position "), "{said}");
    let (whole, said) = corelog(&["dump", "--json", &path(&format!("{FIRST}.timeindex"))]);
    assert!(whole && said.starts_with("{\"timestamp\":190,\"offset\":19}\n"), "{said}");
}

#[test]
fn a_dump_tells_damage_and_goes_on() {
    let directory = partition();
    let name = format!("{FIRST}.log");
    change(directory.path(), &name, |bytes| bytes[80] ^= 1);
    let (whole, said) = corelog(&["dump", directory.path().join(&name).to_str().unwrap()]);
    assert!(!whole, "{said}");
    assert_eq!(said.lines().filter(|line| line.ends_with("ok")).count(), 2, "{said}");
}
