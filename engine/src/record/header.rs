//! The 61 bytes in front of every batch. Big-endian, as on the wire:
//!
//! ```text
//!  0 base offset        i64   patched by the leader, not under the CRC
//!  8 length             i32   bytes after this field: 49 and more
//! 12 leader epoch       i32   patched by the leader, not under the CRC
//! 16 magic              i8    2
//! 17 crc                u32   CRC-32C of everything from byte 21 to the end
//! 21 attributes         i16   bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
//! 23 last offset delta  i32   base offset + this = the last offset, kept by compaction
//! 27 base timestamp     i64   what records' deltas count from; the delete horizon where bit 6 is set
//! 35 max timestamp      i64   of all records; every record's where the type is LogAppendTime
//! 43 producer id        i64   -1 none
//! 51 producer epoch     i16   -1 none
//! 53 base sequence      i32   -1 none
//! 57 record count       i32   0 only after compaction
//! 61 records                  compressed as a whole
//! ```

use crate::base::{
    Codec, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp, TimestampType,
};
use crate::record::error::RecordError;

/// Bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;
/// Bytes of a batch that its length field does not count: the base offset and the field itself.
pub const LOG_OVERHEAD: usize = 12;
/// The one message format that Corelog stores.
pub const MAGIC: i8 = 2;

pub(super) const LEADER_EPOCH_AT: usize = 12;
pub(super) const MAGIC_AT: usize = 16;
pub(super) const CRC_AT: usize = 17;
/// Where the bytes under the CRC begin.
pub(super) const ATTRIBUTES_AT: usize = 21;
pub(super) const MAX_TIMESTAMP_AT: usize = 35;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub u16);

impl Attributes {
    const CODEC: u16 = 0b111;
    pub const LOG_APPEND_TIME: u16 = 1 << 3;
    pub const TRANSACTIONAL: u16 = 1 << 4;
    pub const CONTROL: u16 = 1 << 5;
    pub const DELETE_HORIZON: u16 = 1 << 6;

    pub fn codec(self) -> Result<Codec, RecordError> {
        let id = (self.0 & Attributes::CODEC) as u8;
        Codec::from_id(id).ok_or(RecordError::UnknownCodec(id))
    }

    pub fn with_codec(self, codec: Codec) -> Attributes {
        Attributes(self.0 & !Attributes::CODEC | u16::from(codec.id()))
    }

    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & Attributes::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Attributes {
        match timestamp_type {
            TimestampType::CreateTime => Attributes(self.0 & !Attributes::LOG_APPEND_TIME),
            TimestampType::LogAppendTime => Attributes(self.0 | Attributes::LOG_APPEND_TIME),
        }
    }

    pub fn is_transactional(self) -> bool {
        self.0 & Attributes::TRANSACTIONAL != 0
    }

    pub fn is_control(self) -> bool {
        self.0 & Attributes::CONTROL != 0
    }

    /// The base timestamp is the time after which the cleaner may drop tombstones (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & Attributes::DELETE_HORIZON != 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// Bytes after the length field; at least `HEADER_BYTES - LOG_OVERHEAD`.
    pub length: i32,
    pub leader_epoch: LeaderEpoch,
    pub magic: i8,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: Timestamp,
    pub max_timestamp: Timestamp,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: Sequence,
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads a header at the start of `bytes`, which may end anywhere after it. Trusts nothing but its own shape: the
    /// length holds a header and the format is 2.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, RecordError> {
        let have = bytes.len();
        // The old formats keep their magic at the same place and may be shorter than our header.
        if let Some(&magic) = bytes.get(MAGIC_AT) {
            match magic as i8 {
                MAGIC => {}
                magic @ (0 | 1) => return Err(RecordError::OldMagic { magic }),
                _ => return Err(RecordError::Corrupt("unknown magic")),
            }
        }
        let Some((head, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(RecordError::Cut { have, need: HEADER_BYTES });
        };
        let header = BatchHeader {
            base_offset: Offset(i64::from_be_bytes(field(head, 0))),
            length: i32::from_be_bytes(field(head, 8)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(head, LEADER_EPOCH_AT))),
            magic: MAGIC,
            crc: u32::from_be_bytes(field(head, CRC_AT)),
            attributes: Attributes(u16::from_be_bytes(field(head, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: Timestamp(i64::from_be_bytes(field(head, 27))),
            max_timestamp: Timestamp(i64::from_be_bytes(field(head, MAX_TIMESTAMP_AT))),
            producer_id: ProducerId(i64::from_be_bytes(field(head, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(head, 51))),
            base_sequence: Sequence(i32::from_be_bytes(field(head, 53))),
            record_count: i32::from_be_bytes(field(head, 57)),
        };
        if header.length < (HEADER_BYTES - LOG_OVERHEAD) as i32 {
            return Err(RecordError::Corrupt("the length holds no header"));
        }
        Ok(header)
    }

    /// The inverse of `parse`.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut head = [0; HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.base_offset.0.to_be_bytes());
        put(8, &self.length.to_be_bytes());
        put(LEADER_EPOCH_AT, &self.leader_epoch.0.to_be_bytes());
        put(MAGIC_AT, &self.magic.to_be_bytes());
        put(CRC_AT, &self.crc.to_be_bytes());
        put(ATTRIBUTES_AT, &self.attributes.0.to_be_bytes());
        put(23, &self.last_offset_delta.to_be_bytes());
        put(27, &self.base_timestamp.0.to_be_bytes());
        put(MAX_TIMESTAMP_AT, &self.max_timestamp.0.to_be_bytes());
        put(43, &self.producer_id.0.to_be_bytes());
        put(51, &self.producer_epoch.0.to_be_bytes());
        put(53, &self.base_sequence.0.to_be_bytes());
        put(57, &self.record_count.to_be_bytes());
        head
    }

    /// The whole batch, this header included. `parse` proved the length not negative.
    pub fn size(&self) -> usize {
        LOG_OVERHEAD + self.length.max(0) as usize
    }

    /// Saturates: a hostile delta never wraps.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset after the batch.
    pub fn next_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta) + 1)
    }

    pub fn codec(&self) -> Result<Codec, RecordError> {
        self.attributes.codec()
    }

    pub fn timestamp_type(&self) -> TimestampType {
        self.attributes.timestamp_type()
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes.is_transactional()
    }

    pub fn is_control(&self) -> bool {
        self.attributes.is_control()
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 >= 0
    }

    /// The sequence number of the last record; wraps from `i32::MAX` to 0. -1 where the batch has none.
    pub fn last_sequence(&self) -> Sequence {
        if self.base_sequence.0 < 0 || self.last_offset_delta < 0 {
            return Sequence(-1);
        }
        let sum = i64::from(self.base_sequence.0) + i64::from(self.last_offset_delta);
        Sequence((sum & i64::from(i32::MAX)) as i32)
    }

    /// The offsets have no holes: what a producer sends, and what a count of records can be read off.
    pub fn is_dense(&self) -> bool {
        self.record_count > 0 && self.last_offset_delta == self.record_count - 1
    }

    /// What a producer may send, as far as the header shows it (Kafka's `LogValidator.validateBatch`): dense offsets
    /// from 0, a sequence if it has a producer id, no control records, a codec that exists.
    pub fn check_produced(&self) -> Result<(), RecordError> {
        if self.base_offset != Offset(0) {
            return Err(RecordError::Invalid("a producer's batch starts at offset 0"));
        }
        if self.record_count <= 0 {
            return Err(RecordError::Invalid("the batch has no records"));
        }
        if !self.is_dense() {
            return Err(RecordError::Invalid("the record count does not match the offsets"));
        }
        if self.is_control() {
            return Err(RecordError::Invalid("a client may not write control records"));
        }
        if self.has_producer_id() && (self.base_sequence.0 < 0 || self.producer_epoch.0 < 0) {
            return Err(RecordError::Invalid("a producer id without a sequence or an epoch"));
        }
        if self.is_transactional() && !self.has_producer_id() {
            return Err(RecordError::Invalid("a transactional batch without a producer id"));
        }
        self.codec()?;
        Ok(())
    }
}

/// `bytes[at..at + N]`; the header's length is a constant, so the compiler drops the checks.
fn field<const N: usize>(head: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&head[at..at + N]);
    out
}
