//! The journal's bytes. Pure; shared by the writer and by recovery. Integers are big-endian.
//!
//! ```text
//! extent      one file of fixed size: header block, then groups, each at a multiple of 4096 bytes
//! header      magic "CLJX" · version u16 · core u16 · incarnation u64 · extent u32 · reserved u32 · generation u64 ·
//!             secret u64 · first sequence u64 · CRC-32C u32 of all before it · zeros up to 4096
//! group       header (40 bytes) · frame headers (64 bytes each) · payloads, one after the other · zeros up to 4096;
//!             before a payload whose frame says "aligned": zeros until it stands in its block as `position` does
//! group header  magic "CLJG" · length u32 (without the zeros) · sequence u64 · durable up to u64 · frames u32 ·
//!             reserved u64 · CRC-32C u32 of this header before the CRC and of all frame headers, seeded with
//!             secret, incarnation, extent and position of the group
//! frame header  kind u8 · flags u8 (1: aligned) · reserved u16 · partition i32 · topic id 16 bytes · owner epoch u32 · payload length u32 ·
//!             segment base i64 · position u32 · payload CRC u32 · base offset i64 · next offset i64
//! ```
//!
//! The payload CRC of a batch covers its first 21 bytes, which its own CRC does not (base offset, length, leader epoch,
//! magic, and that CRC); the batch's CRC covers the rest. The payload CRC of anything else covers all of it. Since the secret
//! is drawn anew each time an extent is opened and no client sees it, neither an older group in a recycled extent nor bytes inside
//! a payload can pass for a group.

use crate::{
    base::{
        FilePosition, Incarnation, JournalSequence, Offset, OwnerEpoch, PartitionIndex, TopicId,
        TopicPartition,
    },
    limits::BLOCK_BYTES,
};

pub const EXTENT_MAGIC: [u8; 4] = *b"CLJX";
pub const GROUP_MAGIC: [u8; 4] = *b"CLJG";
pub const FORMAT_VERSION: u16 = 1;
pub const GROUP_HEADER_BYTES: usize = 40;
pub const FRAME_HEADER_BYTES: usize = 64;
/// The part of a batch that its own CRC does not cover, and that CRC.
pub const BATCH_PREFIX_BYTES: usize = 21;
const EXTENT_HEADER_BYTES: usize = 52;
const ALIGNED: u8 = 1;

/// What a frame redoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A record batch at its place in a segment.
    Batch = 1,
    /// Bytes that a segment's block held already, before that block is written again (rule 5).
    TailImage = 2,
    /// Reserved: the partition was cut back to `base offset`.
    Truncate = 3,
    /// Reserved: the first readable offset moved to `base offset`.
    LogStart = 4,
    /// Reserved: a segment was sealed without a batch that follows.
    Roll = 5,
    /// Reserved: a batch whose bytes went straight to its segment.
    DirectWrite = 6,
    /// Reserved: the journal ends here, cleanly.
    Closed = 7,
}

impl FrameKind {
    fn from_code(code: u8) -> Option<FrameKind> {
        Some(match code {
            1 => FrameKind::Batch,
            2 => FrameKind::TailImage,
            3 => FrameKind::Truncate,
            4 => FrameKind::LogStart,
            5 => FrameKind::Roll,
            6 => FrameKind::DirectWrite,
            7 => FrameKind::Closed,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtentHeader {
    pub core: u16,
    pub incarnation: Incarnation,
    pub extent: u32,
    pub generation: u64,
    pub secret: u64,
    pub first_sequence: JournalSequence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHeader {
    /// Bytes of the group without its padding.
    pub length: u32,
    pub sequence: JournalSequence,
    /// Every group up to this one was durable when this one was written.
    pub durable: JournalSequence,
    pub frames: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    /// The payload stands at the same place of its block as in the segment.
    pub aligned: bool,
    pub partition: TopicPartition,
    pub owner_epoch: OwnerEpoch,
    pub length: u32,
    pub segment: Offset,
    pub position: FilePosition,
    pub payload_crc: u32,
    pub base: Offset,
    pub next: Offset,
}

impl ExtentHeader {
    pub fn encode(&self, block: &mut [u8]) {
        block[..4].copy_from_slice(&EXTENT_MAGIC);
        block[4..6].copy_from_slice(&FORMAT_VERSION.to_be_bytes());
        block[6..8].copy_from_slice(&self.core.to_be_bytes());
        block[8..16].copy_from_slice(&self.incarnation.0.to_be_bytes());
        block[16..20].copy_from_slice(&self.extent.to_be_bytes());
        block[20..24].fill(0);
        block[24..32].copy_from_slice(&self.generation.to_be_bytes());
        block[32..40].copy_from_slice(&self.secret.to_be_bytes());
        block[40..48].copy_from_slice(&self.first_sequence.0.to_be_bytes());
        let crc = crc32c::crc32c(&block[..48]);
        block[48..EXTENT_HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    }

    /// None: not an extent of this version, or torn. Such an extent holds nothing that was acknowledged.
    pub fn decode(block: &[u8]) -> Option<ExtentHeader> {
        let block = block.get(..EXTENT_HEADER_BYTES)?;
        let valid = block[..4] == EXTENT_MAGIC
            && u16_at(block, 4) == FORMAT_VERSION
            && u32_at(block, 48) == crc32c::crc32c(&block[..48]);
        valid.then(|| ExtentHeader {
            core: u16_at(block, 6),
            incarnation: Incarnation(u64_at(block, 8)),
            extent: u32_at(block, 16),
            generation: u64_at(block, 24),
            secret: u64_at(block, 32),
            first_sequence: JournalSequence(u64_at(block, 40)),
        })
    }

    /// The CRC's seed for a group at `position` of this extent.
    fn seed(&self, position: u64) -> u32 {
        let mut bytes = [0; 28];
        bytes[..8].copy_from_slice(&self.secret.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.incarnation.0.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.extent.to_be_bytes());
        bytes[20..].copy_from_slice(&position.to_be_bytes());
        crc32c::crc32c(&bytes)
    }
}

impl FrameHeader {
    pub fn encode(&self, out: &mut [u8]) {
        out[0] = self.kind as u8;
        out[1] = if self.aligned { ALIGNED } else { 0 };
        out[2..4].fill(0);
        out[4..8].copy_from_slice(&self.partition.partition.0.to_be_bytes());
        out[8..24].copy_from_slice(&self.partition.topic.0);
        out[24..28].copy_from_slice(&self.owner_epoch.0.to_be_bytes());
        out[28..32].copy_from_slice(&self.length.to_be_bytes());
        out[32..40].copy_from_slice(&self.segment.0.to_be_bytes());
        out[40..44].copy_from_slice(&self.position.0.to_be_bytes());
        out[44..48].copy_from_slice(&self.payload_crc.to_be_bytes());
        out[48..56].copy_from_slice(&self.base.0.to_be_bytes());
        out[56..64].copy_from_slice(&self.next.0.to_be_bytes());
    }

    pub fn decode(bytes: &[u8]) -> Option<FrameHeader> {
        let bytes = bytes.get(..FRAME_HEADER_BYTES)?;
        Some(FrameHeader {
            kind: FrameKind::from_code(bytes[0])?,
            aligned: bytes[1] & ALIGNED != 0,
            partition: TopicPartition {
                topic: TopicId(bytes[8..24].try_into().ok()?),
                partition: PartitionIndex(u32_at(bytes, 4) as i32),
            },
            owner_epoch: OwnerEpoch(u32_at(bytes, 24)),
            length: u32_at(bytes, 28),
            segment: Offset(u64_at(bytes, 32) as i64),
            position: FilePosition(u32_at(bytes, 40)),
            payload_crc: u32_at(bytes, 44),
            base: Offset(u64_at(bytes, 48) as i64),
            next: Offset(u64_at(bytes, 56) as i64),
        })
    }

    /// What `payload_crc` must be for this payload.
    pub fn crc_of(kind: FrameKind, payload: &[u8]) -> u32 {
        match kind {
            FrameKind::Batch => crc32c::crc32c(&payload[..payload.len().min(BATCH_PREFIX_BYTES)]),
            _ => crc32c::crc32c(payload),
        }
    }
}

impl GroupHeader {
    /// Writes the header in front of the frame headers, which stand in `group` already, and seals both.
    pub fn encode(&self, extent: &ExtentHeader, position: u64, group: &mut [u8]) {
        group[..4].copy_from_slice(&GROUP_MAGIC);
        group[4..8].copy_from_slice(&self.length.to_be_bytes());
        group[8..16].copy_from_slice(&self.sequence.0.to_be_bytes());
        group[16..24].copy_from_slice(&self.durable.0.to_be_bytes());
        group[24..28].copy_from_slice(&self.frames.to_be_bytes());
        group[28..36].fill(0);
        let crc = table_crc(extent, position, group, self.frames as usize);
        group[36..GROUP_HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
    }

    /// The header of a whole, authentic group at `position`, whose bytes begin `bytes`; none for anything else. Payloads are
    /// not looked at.
    pub fn decode(extent: &ExtentHeader, position: u64, bytes: &[u8]) -> Option<GroupHeader> {
        let head = bytes.get(..GROUP_HEADER_BYTES)?;
        if head[..4] != GROUP_MAGIC {
            return None;
        }
        let header = GroupHeader {
            length: u32_at(head, 4),
            sequence: JournalSequence(u64_at(head, 8)),
            durable: JournalSequence(u64_at(head, 16)),
            frames: u32_at(head, 24),
        };
        let table =
            (header.frames as usize).checked_mul(FRAME_HEADER_BYTES)?.checked_add(GROUP_HEADER_BYTES)?;
        if table > header.length as usize || header.length as usize > bytes.len() {
            return None;
        }
        (u32_at(head, 36) == table_crc(extent, position, bytes, header.frames as usize)).then_some(header)
    }
}

fn table_crc(extent: &ExtentHeader, position: u64, group: &[u8], frames: usize) -> u32 {
    let seed = crc32c::crc32c_append(extent.seed(position), &group[..36]);
    let end = GROUP_HEADER_BYTES + frames * FRAME_HEADER_BYTES;
    crc32c::crc32c_append(seed, &group[GROUP_HEADER_BYTES..end])
}

/// `length` rounded up to whole blocks.
pub fn padded(length: usize) -> usize {
    length.next_multiple_of(BLOCK_BYTES)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    (u64::from(u32_at(bytes, at)) << 32) | u64::from(u32_at(bytes, at + 4))
}
