//! What stays of one batch. Offsets, sequence numbers, producer and leader epoch stay as they are; only records go, or all of the batch.

use bytes::Bytes;

use super::map::OffsetMap;
use crate::base::{Offset, Timestamp};
use crate::record::{
    Attributes, BatchBuilder, BatchHeader, CheckedBatch, Codec, Record, RecordError, Records, seal,
};

/// What a run of the cleaner goes by.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Up to this offset the map knows every key; records from here on stay.
    pub end: Offset,
    pub now: Timestamp,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
    /// What a batch may be opened to; a larger one is `RecordError::TooLarge`. Without compression it is as large as it is.
    pub opening_bytes_max: usize,
    /// Records that were not looked at lie before: a mark that its key was deleted stays, or one of them could come back.
    pub marks_stay: bool,
}

impl Rules {
    fn open<'a>(&self, batch: &CheckedBatch<'a>) -> Result<Records<'a>, RecordError> {
        open(batch, self.opening_bytes_max)
    }
}

fn open<'a>(batch: &CheckedBatch<'a>, bytes_max: usize) -> Result<Records<'a>, RecordError> {
    let plain = batch.header().codec()? == Codec::None;
    batch.records(if plain { usize::MAX } else { bytes_max })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Byte for byte.
    Whole,
    Rewritten(Bytes),
    Nothing,
}

/// Puts the keys of a batch into the map, from `from` on. The offset where it got full, if it did; what lies before is in it.
/// `opening_bytes_max` as in `Rules`.
pub fn learn(
    batch: &CheckedBatch<'_>,
    from: Offset,
    map: &mut OffsetMap,
    opening_bytes_max: usize,
) -> Result<Option<Offset>, RecordError> {
    if batch.header().is_control() {
        return Ok(None);
    }
    for record in open(batch, opening_bytes_max)?.iter() {
        let record = in_its_place(record?, batch.header())?;
        if let Some(key) = record.key
            && record.offset >= from
            && !map.put(key, record.offset)
        {
            return Ok(Some(record.offset));
        }
    }
    Ok(None)
}

/// `keep_empty`: the batch has the last sequence number of a producer that is remembered, or ends the run: without records it stays as a
/// header.
pub fn filter(
    batch: &CheckedBatch<'_>,
    map: &OffsetMap,
    rules: &Rules,
    keep_empty: bool,
) -> Result<Kept, RecordError> {
    let header = batch.header();
    if header.is_control() {
        return Ok(Kept::Whole);
    }
    if header.record_count == 0 {
        return Ok(if keep_empty { Kept::Whole } else { Kept::Nothing });
    }
    let horizon = header.attributes.has_delete_horizon().then_some(header.base_timestamp);
    let records = rules.open(batch)?;
    // Which ones stay, and not the records themselves: a small one is smaller than what would be kept of it.
    let mut stay = Vec::with_capacity(records.count());
    let mut kept = 0;
    let mut tombstones = false;
    for record in records.iter() {
        let record = in_its_place(record?, header)?;
        let stays = match record.key {
            _ if record.offset >= rules.end => true,
            None => false,
            Some(key) => {
                let newest = map.get(key).is_none_or(|newest| record.offset >= newest);
                let mark_stays = rules.marks_stay || horizon.is_none_or(|horizon| rules.now < horizon);
                newest && (record.value.is_some() || mark_stays)
            }
        };
        if stays {
            tombstones |= record.value.is_none();
            kept += 1;
        }
        stay.push(stays);
    }
    if kept == 0 {
        return if keep_empty { emptied(header).map(Kept::Rewritten) } else { Ok(Kept::Nothing) };
    }
    let begins_horizon = tombstones && horizon.is_none();
    if kept == records.count() && !begins_horizon {
        return Ok(Kept::Whole);
    }
    let mut like = *header;
    if begins_horizon {
        like.attributes.0 |= Attributes::DELETE_HORIZON;
        like.base_timestamp = Timestamp(rules.now.0.saturating_add(rules.delete_retention_ms));
    }
    let mut builder = BatchBuilder::rewriting(&like, header.codec()?, usize::MAX);
    for (record, _) in records.iter().zip(stay).filter(|(_, stays)| *stays) {
        if !builder.copy(&record?) {
            return Err(RecordError::Invalid("records that do not fit the batch they came in"));
        }
    }
    builder.ending_at(header.last_offset()).build().map(Kept::Rewritten)
}

/// A record behind its batch's last offset would stand where the next batch does.
fn in_its_place<'r>(record: Record<'r>, header: &BatchHeader) -> Result<Record<'r>, RecordError> {
    if record.offset < header.base_offset || record.offset > header.last_offset() {
        return Err(RecordError::Invalid("a record outside of its batch's offsets"));
    }
    Ok(record)
}

/// Only what a producer's state needs: sequence numbers and the last offset.
fn emptied(header: &BatchHeader) -> Result<Bytes, RecordError> {
    let mut attributes = header.attributes.with_codec(Codec::None);
    attributes.0 &= !Attributes::DELETE_HORIZON;
    seal(BatchHeader { attributes, base_timestamp: Timestamp::NONE, record_count: 0, ..*header }, &[])
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
