//! A batch as bytes: `UncheckedBatch` is a header and as many bytes as it promises, `CheckedBatch` is one whose CRC
//! matches. Only `check` makes the second from the first.

use crate::base::{LeaderEpoch, Offset, Timestamp, TimestampType};
use crate::limits::BATCH_BYTES_MAX;
use crate::record::crc::crc32c;
use crate::record::error::RecordError;
use crate::record::header::{
    ATTRIBUTES_AT, Attributes, BatchHeader, CRC_AT, HEADER_BYTES, LEADER_EPOCH_AT, MAX_TIMESTAMP_AT,
};
use crate::record::reader::Records;

/// The bytes of one batch, as long as its header says; nothing else is known.
#[derive(Clone, Copy, Debug)]
pub struct UncheckedBatch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> UncheckedBatch<'a> {
    /// Takes the first batch off `bytes`; the rest follows it.
    pub fn split_first(bytes: &'a [u8]) -> Result<(UncheckedBatch<'a>, &'a [u8]), RecordError> {
        let header = BatchHeader::parse(bytes)?;
        let need = header.size();
        if need > BATCH_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes_max: BATCH_BYTES_MAX });
        }
        match bytes.split_at_checked(need) {
            Some((bytes, rest)) => Ok((UncheckedBatch { header, bytes }, rest)),
            None => Err(RecordError::Cut { have: bytes.len(), need }),
        }
    }

    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Proves the CRC, that the counts can be true, and that the codec exists. A count of 0 passes: compaction leaves
    /// such batches behind; `BatchHeader::check_produced` refuses it from a producer.
    pub fn check(self) -> Result<CheckedBatch<'a>, RecordError> {
        let computed = crc32c(&self.bytes[ATTRIBUTES_AT..]);
        if computed != self.header.crc {
            return Err(RecordError::CrcMismatch { stored: self.header.crc, computed });
        }
        let header = self.header;
        if header.last_offset_delta < 0 || header.record_count < 0 {
            return Err(RecordError::Invalid("a negative count"));
        }
        if i64::from(header.record_count) > i64::from(header.last_offset_delta) + 1 {
            return Err(RecordError::Invalid("more records than offsets"));
        }
        header.codec()?;
        Ok(CheckedBatch { header, bytes: self.bytes })
    }
}

/// A batch whose CRC matches. Its records are still unread: they may lie inside a valid CRC.
#[derive(Clone, Copy, Debug)]
pub struct CheckedBatch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> CheckedBatch<'a> {
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The records, as compressed.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }

    /// Decompresses, to at most `bytes_max` bytes and `limits::EXPANSION_*`, and reads records on demand. Borrows the
    /// batch's bytes where it is not compressed.
    pub fn records(&self, bytes_max: usize) -> Result<Records<'a>, RecordError> {
        let codec = self.header.codec()?;
        Records::new(self.header, codec.decompress(self.payload(), bytes_max)?)
    }
}

/// The headers of whole batches and their positions in `bytes`; ends before the first that is cut or is no batch.
/// Reads no record and checks no CRC.
pub fn headers(bytes: &[u8]) -> impl Iterator<Item = (usize, BatchHeader)> + '_ {
    let mut position = 0;
    std::iter::from_fn(move || {
        let (batch, _) = UncheckedBatch::split_first(bytes.get(position..)?).ok()?;
        let found = (position, *batch.header());
        position += found.1.size();
        Some(found)
    })
}

/// Gives a batch its place in the log: the fields that the CRC does not cover. Bytes that hold no header are left alone.
pub fn place(bytes: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    let Some((head, _)) = bytes.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    head[..8].copy_from_slice(&base_offset.0.to_be_bytes());
    head[LEADER_EPOCH_AT..LEADER_EPOCH_AT + 4].copy_from_slice(&leader_epoch.0.to_be_bytes());
}

/// Puts the largest time and whose clock it is from into the header and renews the CRC. With LogAppendTime it becomes every record's
/// time; the base timestamp stays the producer's, as in Kafka. `bytes` is exactly one batch; anything shorter than a header is left alone.
pub fn stamp_time(bytes: &mut [u8], timestamp_type: TimestampType, max_timestamp: Timestamp) {
    let Some((head, _)) = bytes.split_first_chunk_mut::<HEADER_BYTES>() else { return };
    let attributes = u16::from_be_bytes([head[ATTRIBUTES_AT], head[ATTRIBUTES_AT + 1]]);
    let attributes = Attributes(attributes).with_timestamp_type(timestamp_type);
    head[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.0.to_be_bytes());
    head[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&max_timestamp.0.to_be_bytes());
    let crc = crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}
