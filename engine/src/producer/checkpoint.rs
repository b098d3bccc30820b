//! One partition's producers within a core's checkpoint: with all batches that are remembered, unlike Kafka's snapshot,
//! and only as far as the data is durable in the segments. The checkpoint's own CRC covers it. Numbers big-endian:
//!
//! ```text
//! version u8 = 0 · count u32 · then per producer, ids ascending:
//!   producer id i64 · epoch i16 · last timestamp i64 · batches u8 (0..=5) · then per batch, oldest first:
//!     last offset i64 · timestamp i64 · last sequence i32 · offset delta i32
//! ```

use super::entry::{Batch, Entry};
use super::error::StateError;
use super::limits::BATCHES_PER_PRODUCER;
use super::producers::Producers;
use super::snapshot::check_batch;
use crate::base::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

const VERSION: u8 = 0;

impl Producers {
    /// Appends the state as of `recovery_point`: batches from there on are replayed from the journal, and a state that knew
    /// them already would promise more than the disk holds.
    pub fn encode(&self, recovery_point: Offset, out: &mut Vec<u8>) {
        let durable = self.below(recovery_point);
        out.push(VERSION);
        out.extend((durable.count() as u32).to_be_bytes());
        for (producer, entry) in durable.entries() {
            out.extend(producer.0.to_be_bytes());
            out.extend(entry.epoch.0.to_be_bytes());
            out.extend(entry.last_timestamp.0.to_be_bytes());
            out.push(entry.batches().len() as u8);
            for batch in entry.batches() {
                out.extend(batch.last_offset.0.to_be_bytes());
                out.extend(batch.timestamp.0.to_be_bytes());
                out.extend(batch.last_sequence.0.to_be_bytes());
                out.extend(batch.offset_delta.to_be_bytes());
            }
        }
    }

    /// Reads one state from the front of `bytes` and moves them on behind it. Any bytes are safe; on an error they stay.
    pub fn decode(bytes: &mut &[u8], count_max: usize) -> Result<Producers, StateError> {
        let mut rest = Rest(bytes);
        match rest.take::<1>()? {
            [VERSION] => {}
            [version] => return Err(StateError::UnknownVersion(version.into())),
        }
        let count = u32::from_be_bytes(rest.take()?);
        let mut producers = Producers::new(count_max);
        let mut before = ProducerId::NONE;
        // Bounded by the bytes: each turn takes some or ends it.
        for _ in 0..count {
            let producer = ProducerId(i64::from_be_bytes(rest.take()?));
            if producer <= before {
                return Err(StateError::Damaged("producer ids that do not ascend"));
            }
            before = producer;
            producers.restore(producer, rest.entry()?);
        }
        *bytes = rest.0;
        Ok(producers)
    }
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (taken, rest) =
            self.0.split_first_chunk::<N>().ok_or(StateError::Damaged("it ends within a field"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn entry(&mut self) -> Result<Entry, StateError> {
        let epoch = ProducerEpoch(i16::from_be_bytes(self.take()?));
        let last_timestamp = Timestamp(i64::from_be_bytes(self.take()?));
        let [count] = self.take()?;
        if usize::from(count) > BATCHES_PER_PRODUCER {
            return Err(StateError::Damaged("more batches than are ever remembered"));
        }
        let mut entry = Entry::empty(epoch, last_timestamp);
        for _ in 0..count {
            let batch = Batch {
                last_offset: Offset(i64::from_be_bytes(self.take()?)),
                timestamp: Timestamp(i64::from_be_bytes(self.take()?)),
                last_sequence: Sequence(i32::from_be_bytes(self.take()?)),
                offset_delta: i32::from_be_bytes(self.take()?),
            };
            check_batch(&batch)?;
            if batch.base_offset() <= entry.last_offset() {
                return Err(StateError::Damaged("batches that do not ascend"));
            }
            entry.push(epoch, batch);
        }
        entry.last_timestamp = last_timestamp;
        Ok(entry)
    }
}
