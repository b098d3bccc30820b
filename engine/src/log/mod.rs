//! The log machine: one partition's segments, epochs and ends, as they follow from its batches. Pure; lives on the
//! partition's core. `place` proposes where a batch goes, `apply` is the only mutator: the live log, the flushed log of the
//! checkpoint and recovery all run the same `apply`. It never holds records and never names a device.

mod clean;
mod codec;
mod epochs;
pub mod names;
mod retention;
pub mod segment;
mod start;

use std::sync::Arc;

pub use clean::{Cleanable, Compaction};
pub use epochs::encode_epochs;
pub use retention::{Kept, Retention};

use crate::base::{FilePosition, LeaderEpoch, Offset, Timestamp};
use segment::{BatchFacts, Entries, Segment};

/// Offsets in index files are relative and 32 bits wide, signed in Kafka's reader.
const RELATIVE_OFFSET_MAX: i64 = i32::MAX as i64;

/// What rolling and indexing follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `segment.bytes`
    pub segment_bytes: u32,
    /// `segment.ms` less this segment's jitter.
    pub segment_ms: i64,
    /// `segment.index.bytes`
    pub index_bytes: u32,
    /// `index.interval.bytes`
    pub index_interval: u32,
}

/// Where a batch goes: its segment, and the position in that segment's `.log` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    pub segment: Offset,
    pub position: FilePosition,
}

/// The first offset of a leader's term (KIP-101).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    pub epoch: LeaderEpoch,
    pub start: Offset,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    start: Offset,
    next: Offset,
    epochs: Vec<EpochStart>,
    /// Oldest first; shared between the live and the flushed log.
    sealed: Arc<Vec<Segment>>,
    active: Segment,
    /// Compaction has been here.
    cleaned: Offset,
}

/// What applying one batch did, besides the log's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    pub entries: Entries,
    /// The segment that this batch's roll sealed, with the closing time index entry.
    pub sealed: Option<(Segment, Option<segment::TimeEntry>)>,
}

/// A batch that does not continue the log: the journal or the checkpoint is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch at offset {found} does not continue the log, which ends at {expected}")]
pub struct Discontinuity {
    pub expected: Offset,
    pub found: Offset,
}

impl Log {
    pub fn empty(start: Offset) -> Log {
        Log {
            start,
            next: start,
            epochs: Vec::new(),
            sealed: Arc::new(Vec::new()),
            active: Segment::empty(start),
            cleaned: start,
        }
    }

    /// First readable offset.
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The offset of the next batch.
    pub fn next(&self) -> Offset {
        self.next
    }

    pub fn active(&self) -> &Segment {
        &self.active
    }

    pub fn epochs(&self) -> &[EpochStart] {
        &self.epochs
    }

    /// Sealed segments, then the active one.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.sealed.iter().chain(std::iter::once(&self.active))
    }

    /// Bytes of all segments' batches.
    pub fn bytes(&self) -> u64 {
        self.segments().map(|segment| u64::from(segment.size.0)).sum()
    }

    /// The segment that holds `offset`, if it is in the log; a compacted one may hold only what comes before or after it.
    pub fn segment_of(&self, offset: Offset) -> Option<&Segment> {
        if offset < self.start || offset >= self.next {
            return None;
        }
        if offset >= self.active.base {
            return Some(&self.active);
        }
        // Before the first one there may be a hole that compaction left.
        let after = self.sealed.partition_point(|segment| segment.base <= offset);
        Some(self.sealed.get(after.saturating_sub(1)).unwrap_or(&self.active))
    }

    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.last().map(|entry| entry.epoch)
    }

    /// Where a batch of `size` bytes and `count` offsets with this largest timestamp goes, rolling as Kafka rolls: by size, by the
    /// age between first and newest timestamp, by a full index, by the width of relative offsets.
    pub fn place(&self, size: u32, count: i64, max_timestamp: Timestamp, layout: &Layout) -> Placement {
        let active = &self.active;
        let end = u64::from(active.size.0) + u64::from(size);
        let too_large = end > u64::from(layout.segment_bytes);
        let too_old = active.first_timestamp != Timestamp::NONE
            && max_timestamp.0.saturating_sub(active.first_timestamp.0) > layout.segment_ms;
        let index_full = (u64::from(active.index_entries) + 1) * segment::INDEX_ENTRY_BYTES as u64
            > u64::from(layout.index_bytes)
            || (u64::from(active.time_entries) + 2) * segment::TIME_ENTRY_BYTES as u64
                > u64::from(layout.index_bytes);
        let too_wide = self.next.plus(count - 1).0 - active.base.0 > RELATIVE_OFFSET_MAX;
        if active.size.0 > 0 && (too_large || too_old || index_full || too_wide) {
            Placement { segment: self.next, position: FilePosition(0) }
        } else {
            Placement { segment: active.base, position: active.size }
        }
    }

    /// Takes the batch that was placed. A placement in a new segment seals the active one.
    pub fn apply(
        &mut self,
        batch: &BatchFacts,
        epoch: LeaderEpoch,
        placement: Placement,
        index_interval: u32,
    ) -> Result<Applied, Discontinuity> {
        let wrong = Discontinuity { expected: self.next, found: batch.base };
        if batch.base != self.next || batch.next <= batch.base {
            return Err(wrong);
        }
        let mut sealed = None;
        if placement.segment != self.active.base {
            if placement.segment != self.next || placement.position.0 != 0 {
                return Err(wrong);
            }
            let closing = self.active.seal();
            sealed = Some((self.active, closing));
            Arc::make_mut(&mut self.sealed).push(self.active);
            self.active = Segment::empty(placement.segment);
        } else if placement.position != self.active.size {
            return Err(wrong);
        }
        if self.latest_epoch().is_none_or(|latest| latest < epoch) {
            self.epochs.push(EpochStart { epoch, start: batch.base });
            self.trim_epochs();
        }
        let entries = self.active.apply(batch, index_interval);
        self.next = batch.next;
        Ok(Applied { entries, sealed })
    }

    /// Writes the closing time index entry of the active segment, for a clean stop.
    pub fn close(&mut self) -> Option<segment::TimeEntry> {
        self.active.seal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout =
        Layout { segment_bytes: 1000, segment_ms: 100, index_bytes: 1 << 20, index_interval: 4096 };

    fn append(log: &mut Log, size: u32, timestamp: i64) -> Placement {
        let base = log.next();
        let max_timestamp = Timestamp(timestamp);
        let placement = log.place(size, 1, max_timestamp, &LAYOUT);
        let facts = BatchFacts { base, next: base.next(), size, max_timestamp };
        log.apply(&facts, LeaderEpoch(0), placement, LAYOUT.index_interval).unwrap();
        placement
    }

    #[test]
    fn a_segment_rolls_by_size_and_by_age() {
        let mut log = Log::empty(Offset(0));
        assert_eq!(append(&mut log, 600, 0).segment, Offset(0));
        assert_eq!(append(&mut log, 400, 50).position, FilePosition(600));
        assert_eq!(append(&mut log, 1, 60).segment, Offset(2), "full");
        assert_eq!(append(&mut log, 1, 161).segment, Offset(3), "too old");
        assert_eq!(log.segment_of(Offset(1)).unwrap().base, Offset(0));
        assert_eq!(log.segment_of(Offset(2)).unwrap().base, Offset(2));
        assert_eq!(log.segment_of(Offset(4)), None);
    }

    #[test]
    fn a_batch_larger_than_a_segment_gets_one_of_its_own() {
        let mut log = Log::empty(Offset(0));
        assert_eq!(append(&mut log, 5000, 0).segment, Offset(0));
        assert_eq!(append(&mut log, 5000, 0).segment, Offset(1));
    }

    #[test]
    fn a_batch_that_leaves_a_gap_is_refused() {
        let mut log = Log::empty(Offset(0));
        let facts = BatchFacts { base: Offset(1), next: Offset(2), size: 10, max_timestamp: Timestamp(0) };
        let placement = Placement { segment: Offset(0), position: FilePosition(0) };
        assert!(log.apply(&facts, LeaderEpoch(0), placement, 4096).is_err());
    }
}
