//! Compaction: the newest record of each key stays, what is superseded goes and does not come back, a tombstone stays for its time, and
//! nothing else changes; never in the active segment, and a segment takes the place of others only when the disk holds all of it. Each
//! change is looked at when a durable checkpoint counts it, in the files as they are then, and all of the log after each start.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use engine::{
    base::{Offset, TopicPartition},
    log::{Log, names},
    op::Op,
    record::{Attributes, BatchHeader, headers},
};

use super::{Promise, Verdict, Violation, recovered::Stop};
use crate::sim::{
    compacted::{Version, keyed_records, records},
    disk::Disk,
    model::{Model, PartitionModel, Placed},
};

/// What compaction left of some batches, by base offset.
pub type Changes = Vec<(Offset, Version)>;

/// A durable checkpoint has this log: what it replaces is looked at in the files that take its place.
pub fn checkpointed(
    disk: &Disk,
    model: &Model,
    id: TopicPartition,
    directory: &str,
    log: &Log,
) -> Result<Changes, Violation> {
    let Some((_, compacted)) = parts(model, id) else { return Ok(Vec::new()) };
    let mut changes = Vec::new();
    for range in compacted.replaced(log) {
        let mut found = BTreeMap::new();
        let new = log.segments().filter(|one| range.contains(&one.base) && one.unsettled);
        for segment in new {
            let names = names::segment_files(directory, segment.base).map(|file| names::cleaned(&file));
            for name in &names {
                let (seen, stable) = (disk.bytes(name.as_str()), disk.stable(name.as_str()));
                Promise::SwapsWhole.holds(seen.is_some() && seen == stable, || {
                    let length = |bytes: Option<&[u8]>| bytes.map(<[u8]>::len);
                    format!(
                        "{} counts by the checkpoint; it has {:?} bytes, in stable storage {:?}, or others",
                        name.as_str(),
                        length(seen),
                        length(stable)
                    )
                })?;
            }
            let bytes = disk.bytes(names[0].as_str()).unwrap_or_default();
            let bytes = &bytes[..bytes.len().min(segment.size.0 as usize)];
            let whole: usize = headers(bytes).map(|(_, header)| header.size()).sum();
            Promise::SwapsWhole.holds(whole == segment.size.0 as usize, || {
                format!("{} has whole batches up to {whole} of {}", names[0].as_str(), segment.size)
            })?;
            for (at, header) in headers(bytes) {
                let batch = Bytes::copy_from_slice(&bytes[at..at + header.size()]);
                found.insert(header.base_offset, batch);
            }
        }
        changes.extend(changed(model, id, range, &found)?);
    }
    Ok(changes)
}

/// Compaction has been everywhere below `log.cleaned()`: of each key the newest record is left there, and no other. Call it when the
/// model has learned the changes.
pub fn compacted(model: &Model, id: TopicPartition, log: &Log) -> Verdict {
    let Some((partition, compacted)) = parts(model, id) else { return Ok(()) };
    // What lies below the log start is not looked at, and it may have moved since the checkpoint was made.
    let range = log.start().max(partition.starts.durable)..log.cleaned();
    let mut newest = BTreeMap::new();
    for (offset, keyed) in keyed_records(&partition.batches, &model.sent, range.clone()) {
        newest.insert(keyed.key, offset);
    }
    for (base, placed) in partition.batches.range(..range.end) {
        let sent = &model.sent[placed.sent];
        for offset in compacted.offsets(*base, sent.records) {
            let key = sent.keys[(offset.0 - base.0) as usize].key;
            let superseded =
                range.contains(&offset) && newest.get(&key).is_some_and(|newest| *newest > offset);
            Promise::DeletedStaysDeleted.holds(!superseded, || {
                format!(
                    "{id:?} is compacted up to {}, and has a record of key {key} at {offset} and one at {:?}",
                    range.end, newest[&key]
                )
            })?;
        }
    }
    Ok(())
}

/// A start found these batches in sealed and active segments.
pub fn recovered(
    model: &Model,
    id: TopicPartition,
    stop: Stop,
    log: &Log,
    found: &BTreeMap<Offset, Bytes>,
) -> Result<Changes, Violation> {
    let Some((partition, compacted)) = parts(model, id) else { return Ok(Vec::new()) };
    let changes = changed(model, id, log.start()..log.next(), found)?;
    if let (Stop::Clean, Some((base, _))) = (stop, changes.first()) {
        return Promise::RecoveredEqualsLive
            .broken(format!("{id:?}: after a clean stop the batch at {base} is another than before it"));
    }
    // By itself, without a word of what happened in between.
    let mut newest = BTreeMap::new();
    for (offset, keyed) in keyed_records(&partition.batches, &model.sent, log.start()..log.next()) {
        newest.insert(keyed.key, (offset, keyed.tombstone));
    }
    for (key, (offset, tombstone)) in newest {
        let Some((base, _)) = partition.batch_at(offset) else { continue };
        let version = changes.iter().find(|(changed, _)| *changed == base).map(|(_, version)| version);
        let there = match version.or(compacted.newest(base)) {
            Some(version) => version.offsets.contains(&offset),
            None => found.contains_key(&base),
        };
        Promise::LatestKept.holds(there || tombstone, || {
            format!(
                "{id:?}: the newest record of key {key} was at {offset}, and is not there after the start"
            )
        })?;
    }
    Ok(changes)
}

/// What differs from what is known in `range`, if it may.
fn changed(
    model: &Model,
    id: TopicPartition,
    range: Range<Offset>,
    found: &BTreeMap<Offset, Bytes>,
) -> Result<Changes, Violation> {
    let Some((partition, compacted)) = parts(model, id) else { return Ok(Vec::new()) };
    if let Some((base, _)) = found.iter().find(|(base, _)| !partition.batches.contains_key(base)) {
        return Promise::RecordsUntouched
            .broken(format!("{id:?}: compaction leaves a batch at {base}, where none was written"));
    }
    let mut changes = Vec::new();
    let mut keys: BTreeMap<u64, Vec<Offset>> = BTreeMap::new();
    let start = partition.starts.durable.max(range.start);
    for (base, placed) in partition.batches.range(..range.end) {
        // What lies below the log start may go with its segment.
        if placed.next <= start || (*base < range.start && !found.contains_key(base)) {
            continue;
        }
        let known = compacted.newest(*base);
        let known_bytes = known.map_or(Some(&placed.bytes), |version| version.bytes.as_ref());
        let new = found.get(base);
        if new == known_bytes {
            continue;
        }
        if keys.is_empty() {
            for (offset, keyed) in keyed_records(&partition.batches, &model.sent, Offset(0)..Offset(i64::MAX))
            {
                keys.entry(keyed.key).or_default().push(offset);
            }
        }
        let version = one(model, id, (*base, placed), new, &keys)?;
        changes.push((*base, version));
    }
    Ok(changes)
}

/// One batch that is not as it was.
fn one(
    model: &Model,
    id: TopicPartition,
    (base, placed): (Offset, &Placed),
    new: Option<&Bytes>,
    keys: &BTreeMap<u64, Vec<Offset>>,
) -> Result<Version, Violation> {
    let Some((_, compacted)) = parts(model, id) else {
        return Promise::RecordsUntouched.broken(format!("{id:?} is not compacted, and changes at {base}"));
    };
    let known = compacted.newest(base);
    let bound = compacted.sealed_end();
    Promise::ActiveUntouched.holds(placed.next <= bound, || {
        format!("{id:?}: the batch at {base} changes; what the disk's checkpoint has sealed ends at {bound}")
    })?;
    let sent = &model.sent[placed.sent];
    let had = match known {
        Some(version) => version.offsets.clone(),
        None => (0..sent.records).map(|record| base.plus(record)).collect(),
    };
    let version = match new {
        None => Version { bytes: None, offsets: Vec::new(), horizon: None },
        Some(bytes) => {
            let (header, kept) = read(id, base, bytes)?;
            let (first, before) = read(id, base, &placed.bytes)?;
            let mut rest = before.iter();
            let subset = kept.iter().all(|record| rest.any(|other| other == record));
            Promise::RecordsUntouched.holds(subset && same_identity(&first, &header, kept.is_empty()), || {
                format!("{id:?}: the batch at {base} was {first:?} with {before:?}, and is {header:?} with {kept:?}")
            })?;
            let horizon = header.attributes.has_delete_horizon().then_some(header.base_timestamp);
            let offsets = kept.iter().map(|record| record.offset).collect();
            Version { bytes: Some(bytes.clone()), offsets, horizon }
        }
    };
    if let Some(back) = version.offsets.iter().find(|offset| !had.contains(offset)) {
        return Promise::DeletedStaysDeleted
            .broken(format!("{id:?}: the record at {back} was gone, and is there again"));
    }
    let old_horizon = known.and_then(|version| version.horizon);
    if let (Some(horizon), None) = (version.horizon, old_horizon) {
        let since = compacted.sealed_since(base).map_or(i64::MAX, |since| since.0);
        let least = since.saturating_add(compacted.rules.delete_retention_ms);
        Promise::TombstonesStay.holds(horizon.0 >= least, || {
            format!("{id:?}: tombstones of the batch at {base} may go from {horizon} on, and have to stay until {least}")
        })?;
    }
    for gone in had.into_iter().filter(|offset| !version.offsets.contains(offset)) {
        let keyed = sent.keys[(gone.0 - base.0) as usize];
        let offsets = keys.get(&keyed.key).map_or(&[][..], Vec::as_slice);
        let expired = keyed.tombstone && old_horizon.is_some_and(|horizon| compacted.run >= horizon);
        match offsets.get(offsets.partition_point(|offset| *offset <= gone)).copied() {
            Some(newer) if newer < bound => {}
            Some(_) if expired => {}
            Some(newer) => {
                return Promise::ActiveUntouched.broken(format!(
                    "{id:?}: the record of key {} at {gone} is gone for one at {newer}; what is sealed ends at {bound}",
                    keyed.key
                ));
            }
            None if keyed.tombstone => {
                Promise::TombstonesStay.holds(expired, || {
                    format!(
                        "{id:?}: the tombstone of key {} at {gone} is gone; it had to stay until {old_horizon:?}, and the run began at {}",
                        keyed.key, compacted.run
                    )
                })?;
            }
            None => {
                return Promise::LatestKept.broken(format!(
                    "{id:?}: the record of key {} at {gone} is gone, and none is newer",
                    keyed.key
                ));
            }
        }
    }
    Ok(version)
}

/// Offsets, producer, epoch and kind stay; the codec does as long as there is a record.
fn same_identity(first: &BatchHeader, now: &BatchHeader, is_empty: bool) -> bool {
    let mask = |header: &BatchHeader| {
        let codec = if is_empty { 0b111 } else { 0 };
        header.attributes.0 & !Attributes::DELETE_HORIZON & !codec
    };
    first.base_offset == now.base_offset
        && first.last_offset() == now.last_offset()
        && first.leader_epoch == now.leader_epoch
        && (first.producer_id, first.producer_epoch, first.base_sequence)
            == (now.producer_id, now.producer_epoch, now.base_sequence)
        && mask(first) == mask(now)
}

fn read(
    id: TopicPartition,
    base: Offset,
    bytes: &Bytes,
) -> Result<(BatchHeader, Vec<crate::sim::compacted::Whole>), Violation> {
    records(bytes).or_else(|error| {
        Promise::RecordsUntouched.broken(format!("{id:?}: compaction leaves no batch at {base}: {error}"))
    })
}

/// Which batches a reader skips and which versions it gets: nothing that is still there is left out, and nothing that anybody saw gone
/// is shown again. Answers with what it was shown.
pub fn fetched(
    model: &Model,
    id: TopicPartition,
    (asked, asked_at): (Offset, u64),
    batches: &[(Offset, &[u8])],
) -> Result<Vec<(Offset, Option<usize>)>, Violation> {
    let Some((partition, compacted)) = parts(model, id) else { return Ok(Vec::new()) };
    let Some((last, _)) = batches.last() else { return Ok(Vec::new()) };
    let read: BTreeMap<Offset, &[u8]> = batches.iter().copied().collect();
    let mut shown = Vec::new();
    for (base, placed) in partition.batches.range(..=*last).filter(|(_, placed)| placed.next > asked) {
        let Some(bytes) = read.get(base) else {
            Promise::OffsetsDense.holds(compacted.is_gone(*base), || {
                format!("{id:?}: a fetch at {asked} leaves out the batch at {base}, which is there")
            })?;
            shown.push((*base, None));
            continue;
        };
        let Some(version) = compacted.version_of(*base, placed, bytes) else {
            return Promise::NoStaleContent
                .broken(format!("{id:?}: the batch at {base} is not one that was written"));
        };
        let oldest = compacted.oldest_shown(*base, asked_at);
        Promise::DeletedStaysDeleted.holds(version >= oldest, || {
            format!("{id:?}: a fetch at {asked} gets version {version} of the batch at {base}, and {oldest} was shown before")
        })?;
        shown.push((*base, Some(version)));
    }
    match batches.iter().find(|(base, _)| !partition.batches.contains_key(base)) {
        Some((base, _)) => Promise::NoStaleContent
            .broken(format!("{id:?}: a batch is read at {base}, where none was written")),
        None => Ok(shown),
    }
}

/// The cleaner begins to write a segment.
pub fn begins(model: &Model, id: TopicPartition, base: Offset) -> Verdict {
    let Some((_, compacted)) = parts(model, id) else {
        return Promise::ActiveUntouched.broken(format!("{id:?} is compacted, and must not be"));
    };
    Promise::ActiveUntouched.holds(compacted.segments.contains_key(&base), || {
        format!("{id:?}: the segment at {base} is compacted, and the disk's checkpoint has not sealed it")
    })
}

/// Whether an Op reads what a checkpoint has sealed of a compacted partition: for canaries.
pub fn reads_sealed(model: &Model, op: &Op) -> bool {
    let Op::Read { file, .. } = op else { return false };
    let Some((directory, name)) = file.as_str().rsplit_once('/') else { return false };
    let (Some(base), Some(id)) = (names::segment_of(name), model.in_directory(directory)) else {
        return false;
    };
    parts(model, id).is_some_and(|(_, compacted)| compacted.segments.contains_key(&base))
}

/// A segment's file is about to go at once: only a compacted one goes so, when a durable checkpoint counts what replaces it.
pub fn source_goes(model: &Model, file: &str) -> Verdict {
    let Some((directory, name)) = file.rsplit_once('/') else { return Ok(()) };
    let (Some(base), Some(id)) = (names::segment_of(name), model.in_directory(directory)) else {
        return Ok(());
    };
    let replaced = parts(model, id)
        .is_some_and(|(_, compacted)| compacted.segments.get(&base).is_none_or(|sealed| sealed.unsettled));
    Promise::SegmentsGoInTime
        .holds(replaced, || format!("{file} goes, and by the disk's checkpoint nothing replaces it"))
}

fn parts(model: &Model, id: TopicPartition) -> Option<(&PartitionModel, &crate::sim::compacted::Compacted)> {
    let partition = model.partitions.get(&id)?;
    Some((partition, partition.compacted.as_ref()?))
}
