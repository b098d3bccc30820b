//! What is known of a compacted partition: which records each batch had at first, what is left of each since, and what readers have been
//! shown of that. Lives in the simulator; only `checkers::compaction` says whether a change was allowed.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use engine::{
    base::{Offset, Timestamp},
    limits::EXPANSION_BYTES_MAX,
    log::Log,
    record::{BatchHeader, UncheckedBatch},
};

use super::model::{Placed, Sent};

/// The options of a compacted topic that a checker goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    pub delete_retention_ms: i64,
}

/// One record of a keyed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// A number, or the hash of what a coordinator wrote.
    pub key: u64,
    pub tombstone: bool,
}

/// What is left of a batch.
#[derive(Clone, Debug)]
pub struct Version {
    /// None: nothing.
    pub bytes: Option<Bytes>,
    /// Offsets of its records.
    pub offsets: Vec<Offset>,
    /// From then on its tombstones may go.
    pub horizon: Option<Timestamp>,
}

/// A batch that compaction changed: each version has less than the one before it. Version 0 is the batch as it was placed.
#[derive(Clone, Debug, Default)]
pub struct History {
    versions: Vec<Version>,
    /// The newest version that a reader was shown, and when first.
    shown: (usize, u64),
}

/// A segment that the newest durable checkpoint has sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub end: Offset,
    pub size: u32,
    pub unsettled: bool,
    /// When a checkpoint first had it.
    pub since: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Compacted {
    pub rules: Compaction,
    histories: BTreeMap<Offset, History>,
    pub segments: BTreeMap<Offset, Sealed>,
    /// When the cleaner last began to write a segment.
    pub run: Timestamp,
}

/// A record with all that compaction must leave as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    pub offset: Offset,
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: usize,
}

/// Every record of a batch.
pub fn records(bytes: &[u8]) -> Result<(BatchHeader, Vec<Whole>), String> {
    let read = || {
        let (batch, _) = UncheckedBatch::split_first(bytes)?;
        let batch = batch.check()?;
        let mut found = Vec::new();
        if batch.header().record_count > 0 {
            for record in batch.records(EXPANSION_BYTES_MAX)?.iter() {
                let record = record?;
                found.push(Whole {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record.headers.len(),
                });
            }
        }
        Ok::<_, engine::record::RecordError>((*batch.header(), found))
    };
    read().map_err(|error| error.to_string())
}

impl Compacted {
    pub fn new(rules: Compaction) -> Compacted {
        let (histories, segments) = (BTreeMap::new(), BTreeMap::new());
        Compacted { rules, histories, segments, run: Timestamp(i64::MIN) }
    }

    /// What is left of the batch; none: compaction never touched it.
    pub fn newest(&self, base: Offset) -> Option<&Version> {
        self.histories.get(&base)?.versions.last()
    }

    pub fn is_gone(&self, base: Offset) -> bool {
        self.newest(base).is_some_and(|version| version.bytes.is_none())
    }

    /// Offsets of the records that are left of a batch.
    pub fn offsets(&self, base: Offset, records: i64) -> Vec<Offset> {
        match self.newest(base) {
            Some(version) => version.offsets.clone(),
            None => (0..records).map(|record| base.plus(record)).collect(),
        }
    }

    /// Which version of a batch these bytes are.
    pub fn version_of(&self, base: Offset, placed: &Placed, bytes: &[u8]) -> Option<usize> {
        let versions = self.histories.get(&base).map_or(&[][..], |history| &history.versions);
        let later = versions.iter().rposition(|version| version.bytes.as_deref() == Some(bytes));
        later.map(|at| at + 1).or_else(|| (placed.bytes == bytes).then_some(0))
    }

    /// The oldest version that a reader may be shown who asked then.
    pub fn oldest_shown(&self, base: Offset, asked_at: u64) -> usize {
        let shown = self.histories.get(&base).map_or((0, 0), |history| history.shown);
        if shown.1 < asked_at { shown.0 } else { 0 }
    }

    /// A reader is shown this version; none: that nothing is left.
    pub fn show(&mut self, base: Offset, version: Option<usize>, now: u64) {
        if let Some(history) = self.histories.get_mut(&base) {
            let version = version.unwrap_or(history.versions.len());
            if version > history.shown.0 {
                history.shown = (version, now);
            }
        }
    }

    pub fn learn(&mut self, base: Offset, version: Version) {
        self.histories.entry(base).or_default().versions.push(version);
    }

    /// After a start there is nothing but the newest version; behind `end` there is nothing.
    pub fn restarted(&mut self, end: Offset) {
        self.histories.split_off(&end);
        for history in self.histories.values_mut() {
            history.shown = (history.versions.len(), 0);
        }
    }

    /// The disk holds a checkpoint with this log.
    pub fn checkpointed(&mut self, log: &Log, now: Timestamp) {
        let sealed = log.segment_ends().filter(|(segment, _)| segment.base < log.active().base);
        let segments = sealed.map(|(segment, end)| {
            let known = self.segments.get(&segment.base);
            let since = known.map_or(now, |known| known.since);
            let (size, unsettled) = (segment.size.0, segment.unsettled);
            (segment.base, Sealed { end, size, unsettled, since })
        });
        self.segments = segments.collect();
    }

    /// Where what the newest durable checkpoint has sealed ends.
    pub fn sealed_end(&self) -> Offset {
        self.segments.values().map(|sealed| sealed.end).max().unwrap_or(Offset(0))
    }

    /// Since when the segment that holds this offset is sealed.
    pub fn sealed_since(&self, offset: Offset) -> Option<Timestamp> {
        let (_, sealed) = self.segments.range(..=offset).next_back()?;
        (offset < sealed.end).then_some(sealed.since)
    }

    /// Segments that a checkpoint replaces: from the first base to the last end of each run of them.
    pub fn replaced(&self, log: &Log) -> Vec<Range<Offset>> {
        let new: BTreeMap<Offset, (u32, bool)> =
            log.segments().map(|one| (one.base, (one.size.0, one.unsettled))).collect();
        let mut ranges: Vec<Range<Offset>> = Vec::new();
        for (&base, sealed) in &self.segments {
            let continues = ranges.last().is_some_and(|last| last.end == base);
            let stays = match new.get(&base) {
                Some((size, unsettled)) => *size == sealed.size && (sealed.unsettled || !unsettled),
                // Behind one that is replaced it went with it, though the log begins behind it by now.
                None => sealed.end <= log.start() && !continues,
            };
            match ranges.last_mut().filter(|last| last.end == base) {
                _ if stays => {}
                Some(last) => last.end = sealed.end,
                None => ranges.push(base..sealed.end),
            }
        }
        ranges
    }
}

/// The newest offset of each key among placed batches, up to `end`, and every record below it in order.
pub fn keyed_records<'a>(
    batches: &'a BTreeMap<Offset, Placed>,
    sent: &'a [Sent],
    range: Range<Offset>,
) -> impl Iterator<Item = (Offset, Keyed)> + 'a {
    let batches = batches.range(..range.end).filter(move |(_, placed)| placed.next > range.start);
    batches.flat_map(move |(base, placed)| {
        let keys = sent[placed.sent].keys.iter();
        let range = range.clone();
        (base.0..).map(Offset).zip(keys.copied()).filter(move |(offset, _)| range.contains(offset))
    })
}
