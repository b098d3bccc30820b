//! A batch with the same records under another codec: a topic whose `compression.type` is not `producer`.

use bytes::Bytes;

use crate::base::{Codec, Compression};
use crate::limits::BATCH_BYTES_MAX;
use crate::record::batch::CheckedBatch;
use crate::record::crc::crc32c;
use crate::record::error::RecordError;
use crate::record::header::{ATTRIBUTES_AT, BatchHeader, CRC_AT, HEADER_BYTES, LOG_OVERHEAD};

impl CheckedBatch<'_> {
    /// `None` where the batch has that codec already: its bytes stay the producer's.
    pub fn recompress(&self, target: Compression, bytes_max: usize) -> Result<Option<Bytes>, RecordError> {
        if self.header().codec()? == target.codec || self.header().record_count == 0 {
            return Ok(None);
        }
        let records = self.records(bytes_max)?;
        let body = match target.codec {
            Codec::None => records.body().to_vec(),
            _ => target.compress(records.body())?,
        };
        let attributes = self.header().attributes.with_codec(target.codec);
        seal(BatchHeader { attributes, ..*self.header() }, &body).map(Some)
    }
}

/// Puts length and CRC of `body` into the header and joins them.
pub(super) fn seal(header: BatchHeader, body: &[u8]) -> Result<Bytes, RecordError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, RecordData, UncheckedBatch};

    fn check(bytes: &[u8]) -> CheckedBatch<'_> {
        UncheckedBatch::split_first(bytes).unwrap().0.check().unwrap()
    }

    #[test]
    fn records_survive_a_change_of_codec() {
        let mut builder = BatchBuilder::new(Codec::Snappy, 1 << 20);
        for _ in 0..100 {
            assert!(builder.push(RecordData { value: Some(b"the same again"), ..RecordData::default() }));
        }
        let original = builder.build().unwrap();
        assert_eq!(check(&original).recompress(Codec::Snappy.into(), 1 << 20), Ok(None));
        for codec in [Codec::None, Codec::Gzip, Codec::Lz4, Codec::Zstd] {
            let other = check(&original).recompress(codec.into(), 1 << 20).unwrap().unwrap();
            assert_eq!(check(&other).header().codec(), Ok(codec));
            let body = |bytes| check(bytes).records(1 << 20).unwrap().body().to_vec();
            assert_eq!(body(&other), body(&original));
        }
    }
}
