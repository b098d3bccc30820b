//! Segment files hold what they say: whole batches without a gap from the offset in the name on (but for what compaction left out), index entries that point at batches,
//! time entries that rise; no file that belongs to no segment. After a clean stop nothing else either: no preallocated space.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::{
    base::{FilePosition, Offset, PartitionIndex, TopicId, TopicPartition},
    log::{
        Log, names,
        segment::{INDEX_ENTRY_BYTES, IndexEntry, Segment, TIME_ENTRY_BYTES, TimeEntry},
    },
    producer::Producers,
    record::headers,
};

use super::{Promise, Verdict, Violation, stale};
use crate::sim::{
    disk::Disk,
    model::{Existence, Model},
};

/// Right after a start: every segment that recovery speaks of, its batches compared with what was written. Answers with those of a
/// compacted partition, for which others know what may be left.
pub fn recovered(
    disk: &Disk,
    model: &Model,
    id: TopicPartition,
    directory: &str,
    log: &Log,
) -> Result<BTreeMap<Offset, Bytes>, Violation> {
    let compacted = model.partitions.get(&id).is_some_and(|partition| partition.compacted.is_some());
    let gaps = if compacted { Gaps::Compacted } else { Gaps::None };
    let mut found = BTreeMap::new();
    let mut expected = log.start();
    for segment in log.segments() {
        if segment.size.0 == 0 {
            continue;
        }
        let facts = walk(disk, directory, segment.base, Some(segment.size), gaps)?;
        let continues =
            segment.base == expected || segment.base < log.start() || gaps.may_lie(expected, segment.base);
        Promise::SegmentsWellFormed.holds(continues, || {
            format!("{directory}: segment {} follows a segment that ends at {expected}", segment.base)
        })?;
        expected = facts.end;
        if id.topic != TopicId::METADATA {
            for (base, at, size) in &facts.batches {
                let bytes = disk.bytes(names::log(directory, segment.base).as_str()).unwrap_or_default();
                let bytes = &bytes[*at..at + size];
                match gaps {
                    Gaps::None => stale::unchanged(model, id, *base, bytes)?,
                    Gaps::Compacted => drop(found.insert(*base, Bytes::copy_from_slice(bytes))),
                }
            }
        }
        indexes(disk, directory, segment, &facts)?;
    }
    let emptied = log.active().size.0 == 0 && gaps.may_lie(expected, log.next());
    Promise::SegmentsWellFormed.holds(expected == log.next() || emptied, || {
        format!("{directory} ends at {expected} on disk, and at {} as recovery says", log.next())
    })?;
    let known: Vec<Offset> = log.segments().map(|segment| segment.base).collect();
    for (base, name) in segment_files(disk, directory) {
        let is_left = names::of_cleaned(&name).is_some() || names::is_deleted(&name);
        Promise::SegmentsWellFormed.holds(known.contains(&base) && !is_left, || {
            format!("{directory}/{name} belongs to no segment of a log that ends at {}", log.next())
        })?;
    }
    for base in known {
        snapshot(disk, directory, base)?;
    }
    Ok(found)
}

/// After a clean stop: the directory of every topic that is surely there, by itself, without anybody's word for it.
pub fn closed(disk: &Disk, model: &Model) -> Verdict {
    let live = model.topics.values().filter(|topic| topic.existence == Existence::Live);
    let live = live.flat_map(|topic| {
        let gaps = if topic.compaction.is_some() { Gaps::Compacted } else { Gaps::None };
        (0..topic.partitions).map(move |index| (names::directory(&topic.name, PartitionIndex(index)), gaps))
    });
    for (directory, gaps) in live.chain([("__cluster_metadata-0".to_owned(), Gaps::None)]) {
        // A compaction that the stop cut short leaves its files to the next start.
        let files = segment_files(disk, &directory).filter(|(_, name)| names::of_cleaned(name).is_none());
        let mut bases: Vec<Offset> = files.map(|(base, _)| base).collect();
        bases.dedup();
        let mut expected = None;
        for base in bases {
            let fits = expected.is_none_or(|end| end == base || gaps.may_lie(end, base));
            Promise::SegmentsWellFormed.holds(fits, || {
                format!("{directory}: segment {base} follows a segment that ends at {expected:?}")
            })?;
            let facts = walk(disk, &directory, base, None, gaps)?;
            let bytes = disk.bytes(names::log(&directory, base).as_str()).unwrap_or_default();
            let behind = bytes.len() - facts.size;
            Promise::SegmentsWellFormed.holds(behind == 0, || {
                format!("{directory}: {behind} bytes lie behind the last batch of segment {base} after a clean stop")
            })?;
            let entries = |name: &str, width: usize| (disk.bytes(name).map_or(0, <[u8]>::len) / width) as u32;
            let mut segment = Segment::empty(base);
            segment.size = FilePosition(facts.size as u32);
            segment.index_entries = entries(names::index(&directory, base).as_str(), INDEX_ENTRY_BYTES);
            segment.time_entries = entries(names::time_index(&directory, base).as_str(), TIME_ENTRY_BYTES);
            indexes(disk, &directory, &segment, &facts)?;
            expected = Some(facts.end);
        }
        // Of a compacted log the last batches may be gone: its end is not where its files end.
        if let Some(end) = expected.filter(|_| gaps == Gaps::None && directory != "__cluster_metadata-0") {
            Promise::SegmentsWellFormed.holds(snapshot(disk, &directory, end)?, || {
                format!("{directory}: no snapshot of the producers at {end} after a clean stop")
            })?;
        }
    }
    Ok(())
}

/// Whether offsets may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gaps {
    None,
    Compacted,
}

impl Gaps {
    fn may_lie(self, from: Offset, to: Offset) -> bool {
        self == Gaps::Compacted && from < to
    }
}

/// What the batches of one segment say.
struct Facts {
    end: Offset,
    size: usize,
    /// Base offset, position, size.
    batches: Vec<(Offset, usize, usize)>,
    last_offsets: Vec<Offset>,
}

fn walk(
    disk: &Disk,
    directory: &str,
    base: Offset,
    size: Option<FilePosition>,
    gaps: Gaps,
) -> Result<Facts, Violation> {
    let file = names::log(directory, base);
    let Some(bytes) = disk.bytes(file.as_str()) else {
        return Promise::SegmentsWellFormed.broken(format!("{} is not there", file.as_str()));
    };
    let size = size.map_or(bytes.len(), |size| size.0 as usize);
    Promise::SegmentsWellFormed.holds(size <= bytes.len(), || {
        format!("{} has {} bytes, and should have {size}", file.as_str(), bytes.len())
    })?;
    let mut facts = Facts { end: base, size: 0, batches: Vec::new(), last_offsets: Vec::new() };
    for (at, header) in headers(&bytes[..size]) {
        let follows = header.base_offset == facts.end || gaps.may_lie(facts.end, header.base_offset);
        if !follows || header.magic != 2 {
            return Promise::SegmentsWellFormed.broken(format!(
                "{}: the batch at byte {at} begins at offset {}, {} is due",
                file.as_str(),
                header.base_offset,
                facts.end
            ));
        }
        facts.end = header.next_offset();
        facts.size = at + header.size();
        facts.batches.push((header.base_offset, at, header.size()));
        facts.last_offsets.push(header.last_offset());
    }
    Promise::SegmentsWellFormed.holds(facts.size == size, || {
        format!("{}: whole batches end at byte {} of {size}", file.as_str(), facts.size)
    })?;
    Ok(facts)
}

fn indexes(disk: &Disk, directory: &str, segment: &Segment, facts: &Facts) -> Verdict {
    let base = segment.base;
    let wanted = segment.index_entries as usize * INDEX_ENTRY_BYTES;
    let entries = entries(disk, names::index(directory, base).as_str(), wanted)?;
    for entry in entries.as_chunks::<INDEX_ENTRY_BYTES>().0 {
        let entry = IndexEntry::decode(entry, base);
        let points = facts
            .batches
            .iter()
            .zip(&facts.last_offsets)
            .any(|((_, at, _), last)| *at == entry.position.0 as usize && *last == entry.offset);
        Promise::SegmentsWellFormed.holds(points, || {
            format!("{directory}: an index entry of segment {base} is {entry:?}, where no batch is")
        })?;
    }
    let wanted = segment.time_entries as usize * TIME_ENTRY_BYTES;
    let entries = self::entries(disk, names::time_index(directory, base).as_str(), wanted)?;
    let mut before: Option<TimeEntry> = None;
    for entry in entries.as_chunks::<TIME_ENTRY_BYTES>().0 {
        let entry = TimeEntry::decode(entry, base);
        let rises =
            before.is_none_or(|before| before.timestamp < entry.timestamp && before.offset < entry.offset);
        let inside = entry.offset >= base && entry.offset < facts.end;
        Promise::SegmentsWellFormed.holds(rises && inside, || {
            format!("{directory}: a time index entry of segment {base} is {entry:?} after {before:?}")
        })?;
        before = Some(entry);
    }
    Ok(())
}

fn entries<'a>(disk: &'a Disk, file: &str, wanted: usize) -> Result<&'a [u8], Violation> {
    let bytes = disk.bytes(file).unwrap_or_default();
    match bytes.get(..wanted) {
        Some(entries) => Ok(entries),
        None => Promise::SegmentsWellFormed
            .broken(format!("{file} has {} bytes, and should have {wanted}", bytes.len())),
    }
}

/// Every file of a directory that is named after an offset, in order, but for the snapshots of producers.
fn segment_files(disk: &Disk, directory: &str) -> impl Iterator<Item = (Offset, String)> {
    let names = disk.names(directory).into_iter().filter(|name| names::snapshot_of(name).is_none());
    names.filter_map(|name| Some((Offset(name.split_once('.')?.0.parse().ok()?), name)))
}

/// Whether Kafka's tools can read the snapshot at this offset, if it is there.
fn snapshot(disk: &Disk, directory: &str, at: Offset) -> Result<bool, Violation> {
    let file = names::snapshot(directory, at);
    let Some(bytes) = disk.bytes(file.as_str()) else { return Ok(false) };
    match Producers::decode_snapshot(bytes, usize::MAX) {
        Ok(_) => Ok(true),
        Err(error) => Promise::SegmentsWellFormed.broken(format!("{}: {error}", file.as_str())),
    }
}
