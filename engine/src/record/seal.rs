//! A batch out of a header and the records under it: length and CRC are put right.

use bytes::Bytes;

use crate::limits::BATCH_BYTES_MAX;
use crate::record::crc::crc32c;
use crate::record::error::RecordError;
use crate::record::header::{ATTRIBUTES_AT, BatchHeader, CRC_AT, HEADER_BYTES, LOG_OVERHEAD};

/// Puts length and CRC of `body` into the header and joins them.
pub fn seal(header: BatchHeader, body: &[u8]) -> Result<Bytes, RecordError> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.resize(HEADER_BYTES, 0);
    bytes.extend_from_slice(body);
    seal_in_place(header, bytes)
}

/// As `seal`, over bytes that begin with room for the header.
pub(super) fn seal_in_place(mut header: BatchHeader, mut bytes: Vec<u8>) -> Result<Bytes, RecordError> {
    if bytes.len() > BATCH_BYTES_MAX {
        return Err(RecordError::TooLarge { bytes_max: BATCH_BYTES_MAX });
    }
    header.length = (bytes.len() - LOG_OVERHEAD) as i32;
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    let crc = crc32c(&bytes[ATTRIBUTES_AT..]);
    bytes[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
    Ok(Bytes::from(bytes))
}
