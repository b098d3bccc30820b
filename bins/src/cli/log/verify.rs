//! `corelog log verify`: whether a partition's files are what they should be. Checks of a `.log` file: every CRC, every
//! record readable, offsets dense and never going back, leader epochs never falling, segments joining each other; of an
//! index: entries in order, each pointing at a batch and naming its last offset (as Kafka's own checker demands); of a time index:
//! times rising, each the largest of all up to its offset.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use engine::base::{LeaderEpoch, Offset, Timestamp};
use engine::limits::EXPANSION_BYTES_MAX;
use engine::record::{RecordError, UncheckedBatch};

use super::Verify;
use super::index::{self, Entries, OffsetEntry, TimeEntry};
use super::segment::{Located, Segment, Step, Tail, base_offset};
use crate::cli::failure::Failure;

/// Of one damaged file this many findings are told, and the others counted.
const FINDINGS_TOLD_MAX: usize = 20;

pub fn run(arguments: &Verify, out: &mut dyn Write) -> Result<(), Failure> {
    let mut sum = Sum::default();
    for directory in &arguments.directories {
        let partitions = partitions_below(directory)?;
        if partitions.is_empty() {
            return Err(Failure::Failed(format!(
                "{} holds no log: no .log file in it or below it",
                directory.display()
            )));
        }
        for partition in partitions {
            verify_partition(&partition, arguments, &mut sum, out)?;
        }
    }
    let Sum { partitions, segments, batches, records, findings } = sum;
    let damage =
        if findings == 0 { "no damage".to_owned() } else { format!("{findings} findings of damage") };
    writeln!(
        out,
        "{partitions} partitions, {segments} segments, {batches} batches, {records} records: {damage}"
    )?;
    if findings == 0 { Ok(()) } else { Err(Failure::Reported) }
}

#[derive(Default)]
struct Sum {
    partitions: u64,
    segments: u64,
    batches: u64,
    records: u64,
    findings: usize,
}

/// The directory itself if it holds segments, and its subdirectories that do.
fn partitions_below(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    if !segments_of(directory)?.is_empty() {
        found.push(directory.to_owned());
    }
    for path in entries_of(directory)? {
        if path.is_dir() && !segments_of(&path)?.is_empty() {
            found.push(path);
        }
    }
    Ok(found)
}

fn entries_of(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| Failure::file("read", directory, &error);
    let entries = fs::read_dir(directory).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// The `.log` files, in the order of their base offsets.
fn segments_of(directory: &Path) -> Result<Vec<(Offset, PathBuf)>, Failure> {
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let logs = entries_of(directory)?.into_iter().filter(is_log);
    Ok(logs.filter_map(|path| Some((base_offset(&path)?, path))).collect())
}

fn verify_partition(
    directory: &Path,
    arguments: &Verify,
    sum: &mut Sum,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    sum.partitions += 1;
    let segments = segments_of(directory)?;
    let mut chain = Chain { next: None, epoch: LeaderEpoch(-1), allow_gaps: arguments.allow_gaps };
    for (place, (base, path)) in segments.iter().enumerate() {
        let role = if place + 1 == segments.len() { Role::Last } else { Role::Sealed };
        sum.segments += 1;
        let scanned = scan(path, *base, role, &mut chain)?;
        sum.batches += scanned.batches.len() as u64;
        sum.records += scanned.records;
        report(path, &scanned.findings, arguments, sum, out)?;
        // An index of a segment that cannot be read to its end would be blamed for what is not its fault.
        if !scanned.findings.is_empty() {
            continue;
        }
        for (path, findings) in [
            check_file(path.with_extension("index"), *base, index::read_offsets, |entries| {
                check_offsets(entries, &scanned)
            })?,
            check_file(path.with_extension("timeindex"), *base, index::read_times, |entries| {
                check_times(entries, &scanned)
            })?,
        ] {
            report(&path, &findings, arguments, sum, out)?;
        }
    }
    Ok(())
}

fn report(
    path: &Path,
    findings: &[String],
    arguments: &Verify,
    sum: &mut Sum,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    sum.findings += findings.len();
    for finding in findings.iter().take(FINDINGS_TOLD_MAX) {
        writeln!(out, "{}: {finding}", path.display())?;
    }
    if findings.len() > FINDINGS_TOLD_MAX {
        writeln!(out, "{}: and {} more", path.display(), findings.len() - FINDINGS_TOLD_MAX)?;
    }
    if arguments.verbose && findings.is_empty() {
        writeln!(out, "{}: ok", path.display())?;
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Sealed,
    Last,
}

/// What the next batch is held against, over all segments of a partition.
struct Chain {
    next: Option<Offset>,
    epoch: LeaderEpoch,
    allow_gaps: bool,
}

/// What the indexes are held against.
struct Scanned {
    findings: Vec<String>,
    records: u64,
    /// By position: last offset, and the largest timestamp up to here.
    batches: BTreeMap<u64, (Offset, Timestamp)>,
    end: u64,
}

fn scan(path: &Path, base: Offset, role: Role, chain: &mut Chain) -> Result<Scanned, Failure> {
    let mut scanned = Scanned { findings: Vec::new(), records: 0, batches: BTreeMap::new(), end: 0 };
    if let Some(next) = chain.next
        && (base < next || base > next && !chain.allow_gaps)
    {
        scanned.findings.push(format!("begins at offset {base}, the segment before ends at {next}"));
    }
    chain.next = Some(chain.next.map_or(base, |next| next.max(base)));
    let mut segment = Segment::open(path)?;
    let mut largest = Timestamp::NONE;
    loop {
        let located = match segment.step()? {
            Step::Batch(located) => located,
            Step::End(tail) => {
                match tail {
                    Tail::Nothing => {}
                    Tail::Zeros { .. } if role == Role::Last => {}
                    tail => scanned.findings.push(tail.to_string()),
                }
                return Ok(scanned);
            }
        };
        let (position, header) = (located.position, located.header);
        scanned.end = position + header.size() as u64;
        largest = largest.max(header.max_timestamp);
        scanned.batches.insert(position, (header.last_offset(), largest));
        let at = format!("batch at position {position}, offset {}", header.base_offset);
        match check_batch(&located) {
            Ok(records) => scanned.records += records,
            Err(error) => scanned.findings.push(format!("{at}: {error}")),
        }
        if let Some(next) = chain.next
            && (header.base_offset < next || header.base_offset > next && !chain.allow_gaps)
        {
            scanned.findings.push(format!("{at}: offset {next} was expected"));
        }
        if header.leader_epoch < chain.epoch {
            let (epoch, before) = (header.leader_epoch, chain.epoch);
            scanned.findings.push(format!("{at}: leader epoch {epoch} after {before}"));
        }
        chain.next = Some(header.next_offset());
        chain.epoch = chain.epoch.max(header.leader_epoch);
    }
}

/// How many records it holds; their offsets are within the batch's and rise.
fn check_batch(located: &Located) -> Result<u64, RecordError> {
    let (batch, _) = UncheckedBatch::split_first(&located.bytes)?;
    let batch = batch.check()?;
    let (mut count, mut last) = (0, -1);
    for record in batch.records(EXPANSION_BYTES_MAX)?.iter() {
        let record = record?;
        if record.offset_delta <= last || record.offset_delta > located.header.last_offset_delta {
            return Err(RecordError::Invalid("a record's offset is out of order or outside of its batch"));
        }
        last = record.offset_delta;
        count += 1;
    }
    Ok(count)
}

/// An index may be missing: it is made anew at the next start.
fn check_file<E>(
    path: PathBuf,
    base: Offset,
    read: fn(&Path, Offset) -> Result<Entries<E>, Failure>,
    check: impl Fn(&[E]) -> Vec<String>,
) -> Result<(PathBuf, Vec<String>), Failure> {
    if !path.exists() {
        return Ok((path, Vec::new()));
    }
    let found = read(&path, base)?;
    let mut findings = check(&found.entries);
    if found.odd_bytes > 0 {
        findings.push(format!("{} bytes at the end are no whole entry", found.odd_bytes));
    }
    Ok((path, findings))
}

fn check_offsets(entries: &[OffsetEntry], scanned: &Scanned) -> Vec<String> {
    let mut findings = Vec::new();
    let mut before: Option<&OffsetEntry> = None;
    for entry in entries {
        let OffsetEntry { offset, position } = *entry;
        if before.is_some_and(|before| offset <= before.offset || position <= before.position) {
            findings.push(format!("the entry for offset {offset} is not behind the one before it"));
        }
        match scanned.batches.get(&position) {
            Some((last, _)) if *last == offset => {}
            Some((last, _)) => findings.push(format!(
                "the entry for offset {offset} points at position {position}, where a batch ends at offset {last}"
            )),
            None => findings.push(format!(
                "the entry for offset {offset} points at position {position}, where no batch begins (the log ends at {})",
                scanned.end
            )),
        }
        before = Some(entry);
    }
    findings
}

fn check_times(entries: &[TimeEntry], scanned: &Scanned) -> Vec<String> {
    let mut findings = Vec::new();
    let mut before: Option<&TimeEntry> = None;
    // By last offset, since an entry names any offset of the batch with its timestamp.
    let batches: Vec<(Offset, Timestamp)> = scanned.batches.values().copied().collect();
    for entry in entries {
        let TimeEntry { timestamp, offset } = *entry;
        let shown = format!("the entry for time {timestamp}, offset {offset},");
        if before.is_some_and(|before| timestamp <= before.timestamp || offset < before.offset) {
            findings.push(format!("{shown} is not behind the one before it"));
        }
        match batches.get(batches.partition_point(|(last, _)| *last < offset)) {
            Some((_, largest)) if *largest == timestamp => {}
            Some((_, largest)) => {
                findings.push(format!("{shown} is wrong: the largest time up to there is {largest}"));
            }
            None => findings.push(format!("{shown} lies behind the end of the log")),
        }
        before = Some(entry);
    }
    findings
}
