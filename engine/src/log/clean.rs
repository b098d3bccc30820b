//! What compaction knows of a log: how far it has come, how much lies behind that, and which segments are rewritten together. Pure.

use std::sync::Arc;

use super::{
    Log, RELATIVE_OFFSET_MAX,
    segment::{INDEX_ENTRY_BYTES, Segment, TIME_ENTRY_BYTES},
};
use crate::base::{Offset, Timestamp};

/// What the options say of a compacted topic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compaction {
    /// `min.cleanable.dirty.ratio`
    pub dirty_ratio_min: f64,
    /// `min.compaction.lag.ms` and `max.compaction.lag.ms`
    pub lag_ms_min: i64,
    pub lag_ms_max: i64,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
}

/// What a run of the cleaner would find.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleanable {
    /// The first offset that no run has seen.
    pub from: Offset,
    /// The first that none may see yet.
    pub to: Offset,
    /// Bytes between them over all bytes below `to`.
    pub ratio: f64,
    pub is_due: bool,
}

impl Log {
    /// Below it every key has been looked for in what follows it.
    pub fn cleaned(&self) -> Offset {
        self.cleaned.max(self.start)
    }

    pub fn clean_up_to(&mut self, offset: Offset) {
        self.cleaned = self.cleaned.max(offset);
    }

    /// Segments whose files may still have the names that the cleaner gave them.
    pub fn has_unsettled(&self) -> bool {
        self.sealed.iter().any(|segment| segment.unsettled)
    }

    pub fn settle(&mut self, base: Offset) {
        if let Some(segment) = Arc::make_mut(&mut self.sealed).iter_mut().find(|segment| segment.base == base)
        {
            segment.unsettled = false;
        }
    }

    /// Puts one segment, or nothing, in the place of the sealed ones that begin in `first..end`.
    pub fn replace(&mut self, first: Offset, end: Offset, with: Option<Segment>) {
        let sealed = Arc::make_mut(&mut self.sealed);
        let from = sealed.partition_point(|segment| segment.base < first);
        let to = sealed.partition_point(|segment| segment.base < end);
        sealed.splice(from..to, with);
    }

    /// What there is to clean among the segments that begin below `sealed_below`; none if there is nothing.
    pub fn cleanable(&self, sealed_below: Offset, rules: &Compaction, now: Timestamp) -> Option<Cleanable> {
        let from = self.cleaned();
        let limit = sealed_below.min(self.active.base);
        let young = |segment: &Segment| {
            rules.lag_ms_min > 0 && segment.max_timestamp.0 > now.0.saturating_sub(rules.lag_ms_min)
        };
        let dirty = self.segment_ends().filter(|(segment, end)| *end > from && segment.base < limit);
        let to = dirty.map(|(segment, _)| segment).find(|segment| young(segment));
        let to = to.map_or(limit, |segment| segment.base.max(from));
        let (mut clean, mut dirty, mut oldest) = (0, 0, None);
        for (segment, end) in self.segment_ends() {
            let bytes = u64::from(segment.size.0);
            if end <= from {
                clean += bytes;
            } else if segment.base < to {
                dirty += bytes;
                oldest = oldest.or(Some(segment.first_timestamp));
            }
        }
        if dirty == 0 || to <= from {
            return None;
        }
        let ratio = dirty as f64 / (clean + dirty) as f64;
        let too_old = |oldest: Timestamp| now.0.saturating_sub(oldest.0) > rules.lag_ms_max;
        let is_due = ratio > rules.dirty_ratio_min
            || oldest.is_some_and(|oldest| oldest != Timestamp::NONE && too_old(oldest));
        Some(Cleanable { from, to, ratio, is_due })
    }

    /// The segments with offsets below `end`, in runs that fit one segment each.
    pub fn clean_groups(&self, end: Offset, segment_bytes: u32, index_bytes: u32) -> Vec<Vec<Segment>> {
        let mut groups: Vec<Vec<Segment>> = Vec::new();
        let mut sums = [0u64; 3];
        let limits = [u64::from(segment_bytes), u64::from(index_bytes), u64::from(index_bytes)];
        let sealed = self.segment_ends().filter(|(segment, _)| segment.base < end.min(self.active.base));
        for (segment, segment_end) in sealed {
            let sizes = [
                u64::from(segment.size.0),
                u64::from(segment.index_entries) * INDEX_ENTRY_BYTES as u64,
                u64::from(segment.time_entries) * TIME_ENTRY_BYTES as u64,
            ];
            let fits = groups.last().and_then(|group| group.first()).is_some_and(|first| {
                (0..3).all(|n| sums[n] + sizes[n] <= limits[n])
                    && segment_end.0 - 1 - first.base.0 <= RELATIVE_OFFSET_MAX
            });
            match groups.last_mut().filter(|_| fits) {
                Some(group) => group.push(*segment),
                None => {
                    groups.push(vec![*segment]);
                    sums = [0; 3];
                }
            }
            (0..3).for_each(|n| sums[n] += sizes[n]);
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{FilePosition, LeaderEpoch},
        log::{Placement, segment::BatchFacts},
    };

    const RULES: Compaction =
        Compaction { dirty_ratio_min: 0.5, lag_ms_min: 0, lag_ms_max: i64::MAX, delete_retention_ms: 0 };

    /// Segments of 100 bytes and ten offsets, a minute apart; the last one is active.
    fn log(segments: i64) -> Log {
        let mut log = Log::empty(Offset(0));
        for number in 0..segments {
            let (base, max_timestamp) = (Offset(10 * number), Timestamp(60_000 * number));
            let facts = BatchFacts { base, next: base.plus(10), size: 100, max_timestamp };
            let placement = Placement { segment: base, position: FilePosition(0) };
            log.apply(&facts, LeaderEpoch(0), placement, 4096).unwrap();
        }
        log
    }

    fn found(log: &Log, rules: &Compaction, now: i64) -> Option<(i64, i64, bool)> {
        let found = log.cleanable(Offset(i64::MAX), rules, Timestamp(now))?;
        Some((found.from.0, found.to.0, found.is_due))
    }

    #[test]
    fn the_active_segment_and_what_is_cleaned_are_not_dirty() {
        let mut log = log(5);
        assert_eq!(found(&log, &RULES, 0), Some((0, 40, true)));
        log.clean_up_to(Offset(20));
        assert_eq!(found(&log, &RULES, 0), Some((20, 40, false)), "a half is not more than a half");
        log.clean_up_to(Offset(40));
        assert_eq!(found(&log, &RULES, 0), None);
    }

    #[test]
    fn the_lags_decide_by_time() {
        let mut log = log(5);
        let young = Compaction { lag_ms_min: 150_000, ..RULES };
        assert_eq!(found(&log, &young, 300_000), Some((0, 30, true)));
        assert_eq!(found(&log, &Compaction { lag_ms_min: 400_000, ..RULES }, 300_000), None);
        log.clean_up_to(Offset(30));
        let old = Compaction { lag_ms_max: 100_000, ..RULES };
        assert_eq!(found(&log, &old, 200_000), Some((30, 40, false)));
        assert_eq!(found(&log, &old, 300_000), Some((30, 40, true)));
    }

    #[test]
    fn small_segments_are_joined_up_to_the_size_of_one() {
        let log = log(6);
        let bases = |groups: Vec<Vec<Segment>>| {
            groups.iter().map(|group| group.iter().map(|one| one.base.0).collect()).collect::<Vec<Vec<i64>>>()
        };
        assert_eq!(bases(log.clean_groups(Offset(50), 250, 1 << 20)), [vec![0, 10], vec![20, 30], vec![40]]);
        assert_eq!(bases(log.clean_groups(Offset(15), 1000, 1 << 20)), [vec![0, 10]]);
    }

    #[test]
    fn a_replacement_takes_the_place_of_its_sources() {
        let mut log = log(5);
        let with = Segment { size: FilePosition(30), unsettled: true, ..Segment::empty(Offset(10)) };
        log.replace(Offset(10), Offset(30), Some(with));
        log.replace(Offset(30), Offset(40), None);
        let bases: Vec<i64> = log.segments().map(|segment| segment.base.0).collect();
        assert_eq!(bases, [0, 10, 40]);
        assert_eq!(
            log.segment_of(Offset(35)).unwrap().base,
            Offset(10),
            "its reader goes on in the next one"
        );
        assert!(log.has_unsettled());
        log.settle(Offset(10));
        assert!(!log.has_unsettled());
    }
}
