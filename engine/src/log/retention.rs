//! What a log keeps, by time and by size: which of its oldest segments have had their time, as Kafka judges it. Pure.

use super::Log;
use crate::base::{Offset, Timestamp};

/// None is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// `retention.ms`
    pub ms: Option<u64>,
    /// `retention.bytes`
    pub bytes: Option<u64>,
}

/// What becomes of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it shall begin: its start, or where the first segment that stays begins.
    pub start: Offset,
    /// Not even the active segment stays: it must be rolled first.
    pub rolls: bool,
    /// A segment stays for a timestamp in the future.
    pub future: Option<Timestamp>,
}

impl Log {
    /// Segments are judged from the oldest on and up to the first that stays; what lies below the log start does not count. By size: while
    /// the log without the segment is not smaller than the limit. By time: if the newest timestamp of the segment is older than the
    /// limit; one without timestamps stays. Nothing goes that is not below the high watermark.
    pub fn kept(&self, retention: &Retention, now: Timestamp, high_watermark: Offset) -> Kept {
        let counted = self.segment_ends().filter(|(segment, end)| {
            *end > self.start || (segment.base == self.active.base && segment.size.0 > 0)
        });
        let mut segments = counted.peekable();
        let bytes: u64 = self
            .segment_ends()
            .filter(|(_, end)| *end > self.start)
            .map(|(one, _)| u64::from(one.size.0))
            .sum();
        let mut surplus = retention.bytes.and_then(|limit| bytes.checked_sub(limit)).unwrap_or(0);
        let mut kept = Kept { start: self.start, rolls: false, future: None };
        let mut by_size = true;
        while let Some((segment, end)) =
            segments.next_if(|(one, end)| *end <= high_watermark && one.size.0 > 0)
        {
            let size = u64::from(segment.size.0);
            by_size &= size <= surplus;
            let age = now.0.saturating_sub(segment.max_timestamp.0);
            let dated = segment.max_timestamp != Timestamp::NONE;
            let old = retention.ms.is_some_and(|limit| dated && age >= 0 && age as u64 > limit);
            if !by_size && !old {
                kept.future = (retention.ms.is_some() && age < 0).then_some(segment.max_timestamp);
                break;
            }
            surplus = surplus.saturating_sub(size);
            kept.start = kept.start.max(end);
            kept.rolls = segment.base == self.active.base;
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{FilePosition, LeaderEpoch},
        log::{Placement, segment::BatchFacts},
    };

    /// One batch of ten offsets and 100 bytes in each segment.
    fn log(timestamps: &[i64]) -> Log {
        let mut log = Log::empty(Offset(0));
        for timestamp in timestamps {
            let base = log.next();
            let max_timestamp = Timestamp(*timestamp);
            let facts = BatchFacts { base, next: base.plus(10), size: 100, max_timestamp };
            let placement = Placement { segment: base, position: FilePosition(0) };
            log.apply(&facts, LeaderEpoch(0), placement, 4096).unwrap();
        }
        log
    }

    fn start(log: &Log, ms: Option<u64>, bytes: Option<u64>, now: i64) -> (i64, bool) {
        let kept = log.kept(&Retention { ms, bytes }, Timestamp(now), log.next());
        (kept.start.0, kept.rolls)
    }

    #[test]
    fn segments_go_when_their_newest_record_is_older_than_the_limit() {
        let log = log(&[100, 200, 300]);
        for (now, expected) in
            [(150, (0, false)), (200, (0, false)), (201, (10, false)), (301, (20, false)), (401, (30, true))]
        {
            assert_eq!(start(&log, Some(100), None, now), expected, "at {now}");
        }
        assert_eq!(start(&log, None, None, i64::MAX), (0, false));
    }

    #[test]
    fn the_first_segment_that_stays_keeps_what_follows() {
        assert_eq!(start(&log(&[900, 100, 100]), Some(100), None, 950), (0, false));
    }

    #[test]
    fn segments_go_while_the_rest_is_not_smaller_than_the_limit() {
        let log = log(&[1, 2, 3, 4]);
        for (bytes, expected) in [(400, 0), (301, 0), (300, 10), (250, 10), (200, 20), (1, 30)] {
            assert_eq!(start(&log, None, Some(bytes), 5), (expected, false), "{bytes}");
        }
        assert_eq!(start(&log, None, Some(0), 5), (40, true));
    }

    #[test]
    fn size_and_time_go_one_after_the_other() {
        assert_eq!(start(&log(&[1000, 100, 100, 1000]), Some(100), Some(300), 1001), (30, false));
    }

    #[test]
    fn what_lies_below_the_log_start_does_not_count() {
        let mut log = log(&[1, 2, 3, 4]);
        log.advance_start(Offset(25));
        assert_eq!(start(&log, None, Some(200), 5), (25, false));
        assert_eq!(start(&log, None, Some(100), 5), (30, false));
    }

    #[test]
    fn future_and_missing_timestamps_keep_a_segment() {
        assert_eq!(start(&log(&[5000, 1]), Some(10), None, 1000), (0, false));
        assert_eq!(start(&log(&[-1, 1]), Some(10), None, 1000), (0, false));
        let kept = log(&[5000]).kept(&Retention { ms: Some(1), bytes: None }, Timestamp(7), Offset(10));
        assert_eq!(kept.future, Some(Timestamp(5000)));
    }

    #[test]
    fn nothing_goes_that_readers_do_not_see_yet() {
        let kept = log(&[1, 2]).kept(&Retention { ms: Some(1), bytes: None }, Timestamp(100), Offset(15));
        assert_eq!(kept.start, Offset(10));
    }

    #[test]
    fn an_empty_active_segment_is_left_alone() {
        let mut log = log(&[1]);
        log.roll();
        assert_eq!(start(&log, Some(1), None, 100), (10, false));
        log.advance_start(Offset(10));
        assert_eq!(start(&log, Some(1), None, 100), (10, false));
    }

    #[test]
    fn an_active_segment_below_the_log_start_is_rolled_when_its_time_comes() {
        let mut log = log(&[1]);
        log.advance_start(Offset(10));
        assert_eq!(start(&log, Some(1), None, 100), (10, true));
        assert_eq!(start(&log, Some(1000), None, 100), (10, false));
    }
}
