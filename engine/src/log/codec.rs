//! A log's facts as bytes, for the checkpoint. Big-endian, fixed order:
//!
//! ```text
//! start i64 · next i64 · cleaned i64 · epochs u32 × (epoch i32, start i64) · segments u32 × segment, the last one active
//! segment: base i64 · size u32 · first_timestamp i64 · max_timestamp i64 · max_timestamp_offset i64 ·
//!          index_entries u32 · time_entries u32 · time_entry_last i64 · bytes_since_entry u32 · unsettled u8
//! ```

use std::sync::Arc;

use super::{EpochStart, Log, segment::Segment};
use crate::{
    base::{FilePosition, LeaderEpoch, Offset, Timestamp},
    record::HEADER_BYTES,
};

const SEGMENT_BYTES: usize = 57;
const EPOCH_BYTES: usize = 12;

impl Log {
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.start.0.to_be_bytes());
        out.extend_from_slice(&self.next.0.to_be_bytes());
        out.extend_from_slice(&self.cleaned.0.to_be_bytes());
        out.extend_from_slice(&(self.epochs.len() as u32).to_be_bytes());
        for entry in &self.epochs {
            out.extend_from_slice(&entry.epoch.0.to_be_bytes());
            out.extend_from_slice(&entry.start.0.to_be_bytes());
        }
        out.extend_from_slice(&(self.sealed.len() as u32 + 1).to_be_bytes());
        for segment in self.segments() {
            out.extend_from_slice(&segment.base.0.to_be_bytes());
            out.extend_from_slice(&segment.size.0.to_be_bytes());
            out.extend_from_slice(&segment.first_timestamp.0.to_be_bytes());
            out.extend_from_slice(&segment.max_timestamp.0.to_be_bytes());
            out.extend_from_slice(&segment.max_timestamp_offset.0.to_be_bytes());
            out.extend_from_slice(&segment.index_entries.to_be_bytes());
            out.extend_from_slice(&segment.time_entries.to_be_bytes());
            out.extend_from_slice(&segment.time_entry_last.0.to_be_bytes());
            out.extend_from_slice(&segment.bytes_since_entry.to_be_bytes());
            out.push(u8::from(segment.unsettled));
        }
    }

    /// Reads what `encode` wrote from the front of `bytes` and moves it on; none if the bytes cannot be a log.
    pub fn decode(bytes: &mut &[u8]) -> Option<Log> {
        let start = Offset(take_i64(bytes)?);
        let next = Offset(take_i64(bytes)?);
        let cleaned = Offset(take_i64(bytes)?);
        let count = take_u32(bytes)? as usize;
        if bytes.len() / EPOCH_BYTES < count {
            return None;
        }
        let mut epochs = Vec::with_capacity(count);
        for _ in 0..count {
            let epoch = LeaderEpoch(take_u32(bytes)? as i32);
            epochs.push(EpochStart { epoch, start: Offset(take_i64(bytes)?) });
        }
        let count = take_u32(bytes)? as usize;
        if count == 0 || bytes.len() / SEGMENT_BYTES < count {
            return None;
        }
        let mut sealed = Vec::with_capacity(count);
        for _ in 0..count {
            let segment = Segment {
                base: Offset(take_i64(bytes)?),
                size: FilePosition(take_u32(bytes)?),
                first_timestamp: Timestamp(take_i64(bytes)?),
                max_timestamp: Timestamp(take_i64(bytes)?),
                max_timestamp_offset: Offset(take_i64(bytes)?),
                index_entries: take_u32(bytes)?,
                time_entries: take_u32(bytes)?,
                time_entry_last: Timestamp(take_i64(bytes)?),
                bytes_since_entry: take_u32(bytes)?,
                unsettled: take_u8(bytes)? != 0,
            };
            // Every entry came with a batch, the one that closes the segment too. Counts beyond are damage: they would overflow in the end,
            // and a start must not write what the next one refuses.
            let batches_max = segment.size.0 / HEADER_BYTES as u32;
            let closing = u32::from(segment.max_timestamp > segment.time_entry_last);
            let time_entries_max = batches_max.checked_sub(closing)?;
            if segment.index_entries > batches_max || segment.time_entries > time_entries_max {
                return None;
            }
            sealed.push(segment);
        }
        let active = sealed.pop()?;
        Some(Log { start, next, epochs, sealed: Arc::new(sealed), active, cleaned })
    }
}

fn take_u8(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*head))
}

fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(i64::from_be_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Layout, segment::BatchFacts};

    /// Batches that are nothing but headers, three to a segment.
    fn log() -> Log {
        let size = HEADER_BYTES as u32;
        let layout =
            Layout { segment_bytes: 3 * size, segment_ms: 1000, index_bytes: 1 << 20, index_interval: 10 };
        let mut log = Log::empty(Offset(0));
        for n in 0..50 {
            let max_timestamp = Timestamp(n);
            let placement = log.place(size, 2, max_timestamp, &layout);
            let base = log.next();
            let facts = BatchFacts { base, next: base.plus(2), size, max_timestamp };
            log.apply(&facts, LeaderEpoch(n as i32 / 20), placement, layout.index_interval).unwrap();
        }
        log
    }

    #[test]
    fn a_log_survives_its_encoding_and_cut_bytes_are_refused() {
        let log = log();
        let mut bytes = Vec::new();
        log.encode(&mut bytes);
        assert_eq!(Log::decode(&mut &bytes[..]), Some(log));
        for cut in 0..bytes.len() {
            assert_eq!(Log::decode(&mut &bytes[..cut]), None);
        }
    }

    #[test]
    fn more_index_entries_than_batches_are_damage() {
        let damages: [fn(&mut Segment); 5] = [
            |segment| segment.index_entries = 3,
            |segment| segment.index_entries = u32::MAX,
            |segment| segment.time_entries = 3,
            |segment| segment.time_entries = u32::MAX,
            // A closing entry is due, and there is no room for a batch that it could come from.
            |segment| {
                (segment.size, segment.time_entries, segment.time_entry_last) =
                    (FilePosition(4), 0, Timestamp::NONE)
            },
        ];
        for damage in damages {
            let mut log = log();
            damage(&mut log.active);
            let mut bytes = Vec::new();
            log.encode(&mut bytes);
            assert_eq!(Log::decode(&mut &bytes[..]), None);
        }
    }
}
