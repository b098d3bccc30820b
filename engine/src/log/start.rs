//! Where a log begins and where a segment ends without a batch: moves of the log start, rolls, and segments that go. Pure. The live log,
//! the flushed log and recovery take the same steps.

use std::sync::Arc;

use super::{
    Log,
    segment::{Segment, TimeEntry},
};
use crate::base::Offset;

impl Log {
    /// Offsets below `start` are readable no more; false: they were not before. The log may end below `start`, while what lies between
    /// is on its way into it.
    pub fn advance_start(&mut self, start: Offset) -> bool {
        if start <= self.start {
            return false;
        }
        self.start = start;
        self.trim_epochs();
        true
    }

    /// Of the epochs that begin at or below the start only the last is of use, and it begins there (Kafka's LeaderEpochFileCache).
    pub(super) fn trim_epochs(&mut self) {
        let below = self.epochs.partition_point(|entry| entry.start <= self.start);
        self.epochs.drain(..below.saturating_sub(1));
        if let Some(first) = self.epochs.first_mut() {
            first.start = first.start.max(self.start);
        }
    }

    /// Seals the active segment; the next batch goes into a new one. None: it is empty.
    pub fn roll(&mut self) -> Option<(Segment, Option<TimeEntry>)> {
        if self.active.size.0 == 0 {
            return None;
        }
        let closing = self.active.seal();
        let sealed = self.active;
        Arc::make_mut(&mut self.sealed).push(sealed);
        self.active = Segment::empty(self.next);
        Some((sealed, closing))
    }

    /// Where each segment ends: where the next one begins.
    pub fn segment_ends(&self) -> impl Iterator<Item = (&Segment, Offset)> {
        let bases = self.segments().skip(1).map(|segment| segment.base);
        self.segments().zip(bases.chain(std::iter::once(self.next)))
    }

    /// Takes out the sealed segments that begin below `sealed_below` and hold nothing at or above the log start.
    pub fn take_breached(&mut self, sealed_below: Offset) -> Vec<Segment> {
        let breached = |(segment, end): &(&Segment, Offset)| {
            segment.base < sealed_below.min(self.active.base) && *end <= self.start
        };
        let count = self.segment_ends().take_while(breached).count();
        if count == 0 {
            return Vec::new();
        }
        Arc::make_mut(&mut self.sealed).drain(..count).collect()
    }

    /// What became of `other`, the log that this one was made from by batches and rolls, holds of this one too: its start, and its
    /// sealed segments, some of which may have gone or been replaced.
    pub fn follow(&mut self, other: &Log) {
        let own = self.sealed.iter().filter(|segment| segment.base >= other.active.base);
        self.sealed = Arc::new(other.sealed.iter().chain(own).copied().collect());
        self.cleaned = self.cleaned.max(other.cleaned);
        self.advance_start(other.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{FilePosition, LeaderEpoch, Timestamp},
        log::{EpochStart, Placement, segment::BatchFacts},
    };

    /// One batch of ten offsets a segment.
    fn log(segments: i64, epoch: impl Fn(i64) -> i32) -> Log {
        let mut log = Log::empty(Offset(0));
        (0..segments).for_each(|number| append(&mut log, number, epoch(number)));
        log
    }

    fn append(log: &mut Log, number: i64, epoch: i32) {
        let base = Offset(10 * number);
        let facts = BatchFacts { base, next: base.plus(10), size: 100, max_timestamp: Timestamp(number) };
        let placement = Placement { segment: base, position: FilePosition(0) };
        log.apply(&facts, LeaderEpoch(epoch), placement, 4096).unwrap();
    }

    #[test]
    fn a_start_never_goes_back() {
        let mut log = log(3, |_| 0);
        assert!(log.advance_start(Offset(15)));
        assert!(!log.advance_start(Offset(4)));
        assert_eq!(log.start(), Offset(15));
        assert_eq!(log.segment_of(Offset(14)), None);
    }

    #[test]
    fn segments_wholly_below_the_start_and_sealed_long_enough_are_taken_out() {
        let mut log = log(4, |_| 0);
        log.advance_start(Offset(29));
        let bases = |segments: Vec<Segment>| segments.iter().map(|one| one.base.0).collect::<Vec<_>>();
        assert_eq!(bases(log.take_breached(Offset(10))), [0]);
        assert_eq!(bases(log.take_breached(Offset(40))), [10]);
        log.advance_start(Offset(40));
        assert_eq!(bases(log.take_breached(Offset(40))), [20], "the active one stays");
        assert_eq!(log.segments().count(), 1);
    }

    #[test]
    fn epochs_are_the_same_whether_batches_come_before_or_after_the_start_moves() {
        let epoch = |number: i64| number as i32 / 2;
        let mut before = log(6, epoch);
        before.advance_start(Offset(45));
        let mut after = log(2, epoch);
        after.advance_start(Offset(45));
        (2..6).for_each(|number| append(&mut after, number, epoch(number)));
        assert_eq!(before, after);
        assert_eq!(before.epochs(), [EpochStart { epoch: LeaderEpoch(2), start: Offset(45) }]);
    }

    #[test]
    fn a_roll_seals_what_is_there_and_an_empty_segment_is_not_rolled() {
        let mut log = log(1, |_| 0);
        let (sealed, closing) = log.roll().unwrap();
        assert_eq!((sealed.base, closing.is_some()), (Offset(0), true));
        assert_eq!(log.active().base, Offset(10));
        assert_eq!(log.roll(), None);
        append(&mut log, 1, 0);
        assert_eq!(log.segments().count(), 2);
    }

    #[test]
    fn a_log_that_was_continued_aside_follows_what_became_of_its_origin() {
        let mut origin = log(3, |_| 0);
        let mut continued = origin.clone();
        append(&mut continued, 3, 1);
        origin.advance_start(Offset(20));
        origin.take_breached(Offset(20));
        continued.follow(&origin);
        let bases: Vec<i64> = continued.segments().map(|segment| segment.base.0).collect();
        assert_eq!((bases, continued.start()), (vec![20, 30], Offset(20)));
    }
}
