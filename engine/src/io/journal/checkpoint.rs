//! A core's checkpoint: from where the journal matters, and what is known of each partition up to its recovery point. Two slots;
//! the newer valid one counts, and the other is the next to be written. Pure: bytes in, facts out. Big-endian:
//!
//! ```text
//! header     magic "CLCK" · version u16 · core u16 · incarnation u64 · number u64 · journal start u64 · partitions u32 ·
//!            body length u32 · CRC-32C u32 of all before it and of the body
//! body       per partition: topic id 16 bytes · partition i32 · owner epoch u32 · directory length u16, bytes · log (see
//!            `log::codec`) · producers length u32, bytes (see `producer`)
//! ```
//!
//! Everything is as of the recovery point (the log's end), never ahead of what is durable in the segments.

use super::writer;
use crate::{
    base::{CoreId, Incarnation, JournalSequence, OwnerEpoch, PartitionIndex, TopicId, TopicPartition},
    limits::BLOCK_BYTES,
    log::Log,
    op::FileName,
};

const MAGIC: [u8; 4] = *b"CLCK";
const VERSION: u16 = 2;
const HEADER_BYTES: usize = 44;
pub const SLOTS: u64 = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub core: CoreId,
    pub incarnation: Incarnation,
    /// Dense within an incarnation; its parity is its slot's.
    pub number: u64,
    /// The first group that recovery needs.
    pub journal_start: JournalSequence,
    pub partitions: Vec<PartitionCheckpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionCheckpoint {
    pub partition: TopicPartition,
    pub owner_epoch: OwnerEpoch,
    /// Below the data directory.
    pub directory: String,
    /// Ends at the recovery point.
    pub log: Log,
    /// As the producer machine encodes it.
    pub producers: Vec<u8>,
}

pub fn slot_file(core: CoreId, slot: u64) -> FileName {
    FileName::new(format!("{}/checkpoint-{slot}", writer::directory(core)))
}

impl Checkpoint {
    /// The bytes of a slot, in whole blocks.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        for partition in &self.partitions {
            out.partition(partition);
        }
        out.finish(self.core, self.incarnation, self.number, self.journal_start)
    }

    /// None: the slot was never written, or torn.
    pub fn decode(bytes: &[u8]) -> Option<Checkpoint> {
        let header = bytes.get(..HEADER_BYTES)?;
        if header[..4] != MAGIC || header[4..6] != VERSION.to_be_bytes() {
            return None;
        }
        let length = u32::from_be_bytes(header[36..40].try_into().ok()?) as usize;
        let mut body = bytes.get(HEADER_BYTES..HEADER_BYTES.checked_add(length)?)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[..40]), body);
        if crc.to_be_bytes() != header[40..44] {
            return None;
        }
        let count = u32::from_be_bytes(header[32..36].try_into().ok()?);
        let mut partitions = Vec::new();
        for _ in 0..count {
            partitions.push(decode_partition(&mut body)?);
        }
        Some(Checkpoint {
            core: CoreId(u16::from_be_bytes(header[6..8].try_into().ok()?)),
            incarnation: Incarnation(u64::from_be_bytes(header[8..16].try_into().ok()?)),
            number: u64::from_be_bytes(header[16..24].try_into().ok()?),
            journal_start: JournalSequence(u64::from_be_bytes(header[24..32].try_into().ok()?)),
            partitions,
        })
    }
}

/// Encodes without owning the partitions: a shard passes its own by reference.
pub struct Encoder {
    bytes: Vec<u8>,
    partitions: u32,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

impl Encoder {
    pub fn new() -> Encoder {
        Encoder { bytes: vec![0; HEADER_BYTES], partitions: 0 }
    }

    pub fn partition(&mut self, partition: &PartitionCheckpoint) {
        let PartitionCheckpoint { partition, owner_epoch, directory, log, producers } = partition;
        self.parts(*partition, *owner_epoch, directory, log, |out| out.extend_from_slice(producers));
    }

    pub fn parts(
        &mut self,
        partition: TopicPartition,
        owner_epoch: OwnerEpoch,
        directory: &str,
        log: &Log,
        producers: impl FnOnce(&mut Vec<u8>),
    ) {
        let out = &mut self.bytes;
        out.extend_from_slice(&partition.topic.0);
        out.extend_from_slice(&partition.partition.0.to_be_bytes());
        out.extend_from_slice(&owner_epoch.0.to_be_bytes());
        out.extend_from_slice(&(directory.len() as u16).to_be_bytes());
        out.extend_from_slice(directory.as_bytes());
        log.encode(out);
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        producers(out);
        let length = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        self.partitions += 1;
    }

    pub fn finish(
        mut self,
        core: CoreId,
        incarnation: Incarnation,
        number: u64,
        start: JournalSequence,
    ) -> Vec<u8> {
        let length = (self.bytes.len() - HEADER_BYTES) as u32;
        let header = &mut self.bytes[..HEADER_BYTES];
        header[..4].copy_from_slice(&MAGIC);
        header[4..6].copy_from_slice(&VERSION.to_be_bytes());
        header[6..8].copy_from_slice(&core.0.to_be_bytes());
        header[8..16].copy_from_slice(&incarnation.0.to_be_bytes());
        header[16..24].copy_from_slice(&number.to_be_bytes());
        header[24..32].copy_from_slice(&start.0.to_be_bytes());
        header[32..36].copy_from_slice(&self.partitions.to_be_bytes());
        header[36..40].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&self.bytes[..40]), &self.bytes[HEADER_BYTES..]);
        self.bytes[40..44].copy_from_slice(&crc.to_be_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        self.bytes
    }
}

fn decode_partition(body: &mut &[u8]) -> Option<PartitionCheckpoint> {
    let topic = TopicId(*take(body)?);
    let partition = PartitionIndex(i32::from_be_bytes(*take(body)?));
    let owner_epoch = OwnerEpoch(u32::from_be_bytes(*take(body)?));
    let length = u16::from_be_bytes(*take(body)?) as usize;
    let directory = take_bytes(body, length)?;
    let directory = String::from_utf8(directory.to_vec()).ok()?;
    let log = Log::decode(body)?;
    let length = u32::from_be_bytes(*take(body)?) as usize;
    let producers = take_bytes(body, length)?.to_vec();
    Some(PartitionCheckpoint {
        partition: TopicPartition { topic, partition },
        owner_epoch,
        directory,
        log,
        producers,
    })
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(head)
}

fn take_bytes<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}
