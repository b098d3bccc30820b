//! Kafka's `.snapshot` file: the producers of one partition as of the offset that names the file, each with its last
//! batch only. Written when a segment rolls and at a clean stop; Kafka's tools read it. Numbers big-endian:
//!
//! ```text
//! version i16 = 1 · crc u32 (CRC-32C of all that follows) · count i32 · then per producer:
//!   producer id i64 · epoch i16 · last sequence i32 · last offset i64 · offset delta i32 · timestamp i64 ·
//!   coordinator epoch i32 · current transaction's first offset i64
//! ```

use super::entry::{Batch, Entry};
use super::error::StateError;
use super::producers::Producers;
use crate::base::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

const VERSION: i16 = 1;
const CRC_END: usize = 6;
const HEADER_BYTES: usize = 10;
const ENTRY_BYTES: usize = 46;

impl Producers {
    /// The whole file.
    pub fn encode_snapshot(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.count() * ENTRY_BYTES);
        out.extend(VERSION.to_be_bytes());
        out.extend([0; 4]);
        out.extend((self.count() as i32).to_be_bytes());
        for (producer, entry) in self.entries() {
            let last = entry.batches().last();
            out.extend(producer.0.to_be_bytes());
            out.extend(entry.epoch.0.to_be_bytes());
            out.extend(entry.last_sequence().0.to_be_bytes());
            out.extend(entry.last_offset().0.to_be_bytes());
            out.extend(last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
            out.extend(entry.last_timestamp.0.to_be_bytes());
            // No coordinator has ended a transaction here, and none is open.
            out.extend((-1i32).to_be_bytes());
            out.extend((-1i64).to_be_bytes());
        }
        let crc = crc32c::crc32c(&out[CRC_END..]);
        out[2..CRC_END].copy_from_slice(&crc.to_be_bytes());
        out
    }

    /// Reads a whole file. Any bytes are safe. Keeps the `count_max` producers heard last.
    pub fn decode_snapshot(bytes: &[u8], count_max: usize) -> Result<Producers, StateError> {
        let (version, rest) =
            bytes.split_first_chunk().ok_or(StateError::Damaged("shorter than its header"))?;
        match i16::from_be_bytes(*version) {
            VERSION => {}
            version => return Err(StateError::UnknownVersion(version)),
        }
        let (stored, body) =
            rest.split_first_chunk().ok_or(StateError::Damaged("shorter than its header"))?;
        let (stored, computed) = (u32::from_be_bytes(*stored), crc32c::crc32c(body));
        if stored != computed {
            return Err(StateError::WrongCrc { stored, computed });
        }
        let (count, entries) =
            body.split_first_chunk().ok_or(StateError::Damaged("shorter than its header"))?;
        let count = i32::from_be_bytes(*count);
        let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
        if usize::try_from(count) != Ok(entries.len()) || !rest.is_empty() {
            return Err(StateError::Damaged("its length and its number of producers differ"));
        }
        let mut producers = Producers::new(count_max);
        for entry in entries {
            let (producer, entry) = decode_entry(entry)?;
            if producers.entries().contains_key(&producer) {
                return Err(StateError::Damaged("a producer is named twice"));
            }
            producers.restore(producer, entry);
        }
        Ok(producers)
    }
}

fn decode_entry(bytes: &[u8; ENTRY_BYTES]) -> Result<(ProducerId, Entry), StateError> {
    let producer = ProducerId(i64::from_be_bytes(field(bytes, 0)));
    let epoch = ProducerEpoch(i16::from_be_bytes(field(bytes, 8)));
    let last_sequence = Sequence(i32::from_be_bytes(field(bytes, 10)));
    let last_offset = Offset(i64::from_be_bytes(field(bytes, 14)));
    let offset_delta = i32::from_be_bytes(field(bytes, 22));
    let timestamp = Timestamp(i64::from_be_bytes(field(bytes, 26)));
    if producer.0 < 0 {
        return Err(StateError::Damaged("a negative producer id"));
    }
    let mut entry = Entry::empty(epoch, timestamp);
    // Without a batch: only markers of transactions were seen.
    if last_offset.0 >= 0 {
        let batch = Batch { last_offset, timestamp, last_sequence, offset_delta };
        check_batch(&batch)?;
        entry.push(epoch, batch);
    }
    Ok((producer, entry))
}

/// The N bytes at a place that the layout above fixes.
fn field<const N: usize>(bytes: &[u8; ENTRY_BYTES], at: usize) -> [u8; N] {
    std::array::from_fn(|index| bytes[at + index])
}

pub(super) fn check_batch(batch: &Batch) -> Result<(), StateError> {
    if batch.last_sequence.0 < 0 || batch.offset_delta < 0 || batch.base_offset().0 < 0 {
        return Err(StateError::Damaged("a batch with a negative number"));
    }
    Ok(())
}
