//! All producers of one partition. `check` says what to do with a batch and cannot mutate; `apply` remembers a batch
//! that was given its offset, live and at replay. Apply a batch when it is staged, before it is durable: the next one
//! of the same producer is checked against it. Lives on the core that owns the partition.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Batch, BatchFacts, Entry, ProducerState};
use super::limits::{BATCH_BYTES, PRODUCER_BYTES, PRODUCERS_PER_PARTITION_MAX};
use crate::base::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use crate::error::ErrorCode;

/// What to do with a batch that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Append,
    /// It is there already: answer with these once that offset is committed, write nothing.
    Duplicate {
        base_offset: Offset,
        last_offset: Offset,
        /// What Kafka answers as the append time: the largest timestamp of the batch that is there.
        append_time: Timestamp,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producers {
    // Ordered maps: what is written of them is the same in every run.
    entries: BTreeMap<ProducerId, Entry>,
    /// The same producers, silent longest first.
    by_last_offset: BTreeSet<(Offset, ProducerId)>,
    batches: usize,
    count_max: usize,
}

impl Default for Producers {
    fn default() -> Producers {
        Producers::new(PRODUCERS_PER_PARTITION_MAX)
    }
}

impl Producers {
    /// Remembers at most `count_max` producers, at least one.
    pub fn new(count_max: usize) -> Producers {
        let count_max = count_max.max(1);
        Producers { entries: BTreeMap::new(), by_last_offset: BTreeSet::new(), batches: 0, count_max }
    }

    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Of the producer's last batch, if it is known.
    pub fn last_offset(&self, producer: ProducerId) -> Option<Offset> {
        self.entries.get(&producer).map(Entry::last_offset)
    }

    /// About what this state costs in memory.
    pub fn bytes(&self) -> usize {
        self.entries.len() * PRODUCER_BYTES + self.batches * BATCH_BYTES
    }

    /// In the order of their ids.
    pub fn states(&self) -> impl Iterator<Item = ProducerState> {
        self.entries.iter().map(|(id, entry)| entry.state(*id))
    }

    /// Kafka's rules (ProducerAppendInfo), in its order: duplicate, epoch, sequence. A producer that is not known, new or
    /// forgotten, may start with any sequence; a new epoch of a known one starts with 0.
    pub fn check(&self, batch: &BatchFacts) -> Result<Verdict, ErrorCode> {
        if batch.producer.0 < 0 {
            return Ok(Verdict::Append);
        }
        if batch.base_sequence.0 < 0 || batch.last_offset_delta < 0 {
            return Err(ErrorCode::InvalidRecord);
        }
        let Some(entry) = self.entries.get(&batch.producer) else {
            let unknown = ProducerEpoch(-1);
            return if batch.epoch < unknown {
                Err(ErrorCode::InvalidProducerEpoch)
            } else {
                Ok(Verdict::Append)
            };
        };
        if let Some(duplicate) = find_duplicate(entry, batch) {
            return Ok(duplicate);
        }
        if batch.epoch < entry.epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if entry.epoch == ProducerEpoch(-1) {
            return Ok(Verdict::Append);
        }
        let expected = match entry.last_sequence() {
            last if batch.epoch == entry.epoch && last != Sequence(-1) => super::sequence::after(last, 1),
            _ => Sequence(0),
        };
        if batch.base_sequence != expected {
            return Err(ErrorCode::OutOfOrderSequenceNumber);
        }
        Ok(Verdict::Append)
    }

    /// Remembers a batch. It was checked where it was produced; at replay it is taken as it stands in the log. A batch
    /// that is remembered already changes nothing, so that replay may begin too early.
    pub fn apply(&mut self, batch: &BatchFacts, base_offset: Offset, timestamp_max: Timestamp) {
        if batch.producer.0 < 0 {
            return;
        }
        let offset_delta = batch.last_offset_delta.max(0);
        let appended = Batch {
            last_offset: base_offset.plus(i64::from(offset_delta)),
            timestamp: timestamp_max,
            last_sequence: batch.last_sequence(),
            offset_delta,
        };
        let mut entry = match self.remove(batch.producer) {
            Some(entry) if appended.last_offset <= entry.last_offset() => {
                return self.insert(batch.producer, entry);
            }
            Some(entry) => entry,
            None => Entry::empty(batch.epoch, timestamp_max),
        };
        entry.push(batch.epoch, appended);
        self.insert(batch.producer, entry);
        if self.entries.len() > self.count_max {
            self.forget_oldest();
        }
    }

    /// Forgets the producer that has been silent longest; false if there is none. The shard does so when memory is short.
    pub fn forget_oldest(&mut self) -> bool {
        match self.by_last_offset.first() {
            None => false,
            Some(&(_, oldest)) => self.remove(oldest).is_some(),
        }
    }

    /// Forgets producers whose last batch is as old as `producer.id.expiration.ms` or older, by the records' own time, as
    /// Kafka does. Returns how many.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: i64) -> usize {
        let is_old = |entry: &Entry| now.0.saturating_sub(entry.last_timestamp.0) >= expiration_ms;
        let old: Vec<ProducerId> =
            self.entries.iter().filter(|(_, entry)| is_old(entry)).map(|(id, _)| *id).collect();
        for producer in &old {
            self.remove(*producer);
        }
        old.len()
    }

    /// Forgets every batch that ends at or behind `end`: the log was cut there. A batch that the last five had pushed out
    /// does not return; its producer starts anew where none is left.
    pub fn truncate(&mut self, end: Offset) {
        if self.by_last_offset.last().is_some_and(|(last, _)| *last >= end) {
            *self = self.below(end);
        }
    }

    /// The state without the batches that end at or behind `end`. With those batches replayed on top it is this state again.
    pub(super) fn below(&self, end: Offset) -> Producers {
        let mut kept = Producers::new(self.count_max);
        for (producer, entry) in &self.entries {
            if entry.last_offset() < end {
                kept.insert(*producer, entry.clone());
                continue;
            }
            let mut shorter = Entry::empty(entry.epoch, entry.last_timestamp);
            for batch in entry.batches().iter().filter(|batch| batch.last_offset < end) {
                shorter.push(entry.epoch, *batch);
            }
            if !shorter.batches().is_empty() {
                kept.insert(*producer, shorter);
            }
        }
        kept
    }

    pub(super) fn entries(&self) -> &BTreeMap<ProducerId, Entry> {
        &self.entries
    }

    /// Adds an entry that was stored; the caller has checked it and that the producer is new.
    pub(super) fn restore(&mut self, producer: ProducerId, entry: Entry) {
        self.insert(producer, entry);
        if self.entries.len() > self.count_max {
            self.forget_oldest();
        }
    }

    fn insert(&mut self, producer: ProducerId, entry: Entry) {
        self.by_last_offset.insert((entry.last_offset(), producer));
        self.batches += entry.batches().len();
        self.entries.insert(producer, entry);
    }

    fn remove(&mut self, producer: ProducerId) -> Option<Entry> {
        let entry = self.entries.remove(&producer)?;
        self.by_last_offset.remove(&(entry.last_offset(), producer));
        self.batches -= entry.batches().len();
        Some(entry)
    }
}

fn find_duplicate(entry: &Entry, batch: &BatchFacts) -> Option<Verdict> {
    if entry.epoch != batch.epoch {
        return None;
    }
    let (first, last) = (batch.base_sequence, batch.last_sequence());
    let same =
        entry.batches().iter().find(|known| known.base_sequence() == first && known.last_sequence == last)?;
    Some(Verdict::Duplicate {
        base_offset: same.base_offset(),
        last_offset: same.last_offset,
        append_time: same.timestamp,
    })
}
