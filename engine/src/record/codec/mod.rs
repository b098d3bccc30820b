//! The codecs of the batch format. Every decompressor stops at the caller's cap: bytes from the wire are never
//! believed about their own size.

mod encoder;
mod gzip;
mod lz4;
mod memory;
mod snappy;
mod zstd;

use std::borrow::Cow;
use std::io::{self, Cursor, Read};

use bytes::Bytes;

use crate::base::{Codec, Compression};
use crate::limits::{EXPANSION_BYTES_FREE, EXPANSION_BYTES_MAX, EXPANSION_RATIO_MAX};
use crate::record::error::RecordError;

pub(super) use encoder::Encoder;
pub(super) use memory::{decoder_bytes, encoder_bytes};

/// What `bytes` compressed bytes may expand to.
pub(super) fn expansion_max(bytes: usize) -> usize {
    bytes.saturating_mul(EXPANSION_RATIO_MAX).clamp(EXPANSION_BYTES_FREE, EXPANSION_BYTES_MAX)
}

impl Codec {
    /// Decompresses piece by piece, in the memory that the codec needs for itself: what `decoder_bytes` says, and no block of more
    /// than `bytes_max`. The reader of its output holds that to `expansion_max`.
    pub(super) fn reader(self, bytes: Bytes, bytes_max: usize) -> io::Result<Box<dyn Read + Send>> {
        let cap = expansion_max(bytes.len()).min(bytes_max);
        Ok(match self {
            Codec::None => Box::new(Cursor::new(bytes)),
            Codec::Gzip => Box::new(gzip::reader(bytes)),
            Codec::Snappy => Box::new(snappy::Reader::new(bytes, cap)),
            Codec::Lz4 => Box::new(lz4::reader(bytes)?),
            Codec::Zstd => Box::new(zstd::reader(bytes)?),
        })
    }

    /// At most `bytes_max` bytes come out, and no more than `limits::EXPANSION_*` allow for so much input.
    pub fn decompress(self, bytes: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, RecordError> {
        let cap = bytes_max.min(expansion_max(bytes.len()));
        match self {
            Codec::None if bytes.len() > bytes_max => Err(RecordError::TooLarge { bytes_max }),
            Codec::None => Ok(Cow::Borrowed(bytes)),
            Codec::Gzip => gzip::decompress(bytes, cap).map(Cow::Owned),
            Codec::Snappy => snappy::decompress(bytes, cap).map(Cow::Owned),
            Codec::Lz4 => lz4::decompress(bytes, cap).map(Cow::Owned),
            Codec::Zstd => zstd::decompress(bytes, cap).map(Cow::Owned),
        }
    }
}

impl Compression {
    pub fn compress(&self, bytes: &[u8]) -> Result<Vec<u8>, RecordError> {
        let compressed = match self.codec {
            Codec::None => Some(bytes.to_vec()),
            Codec::Gzip => gzip::compress(bytes, self.level),
            Codec::Snappy => snappy::compress(bytes),
            Codec::Lz4 => lz4::compress(bytes),
            Codec::Zstd => zstd::compress(bytes, self.level),
        };
        compressed.ok_or(RecordError::Corrupt("the compressor failed"))
    }
}

/// Reads to the end, or refuses after `cap` bytes. Grows with what really comes out.
fn read_capped(
    reader: impl Read,
    codec: Codec,
    compressed: usize,
    cap: usize,
) -> Result<Vec<u8>, RecordError> {
    // Four to one is what text compresses to: one allocation for most batches.
    let mut out = Vec::with_capacity(compressed.saturating_mul(4).min(cap));
    match reader.take(cap as u64 + 1).read_to_end(&mut out) {
        Err(_) => Err(RecordError::Decompression(codec)),
        Ok(_) if out.len() > cap => Err(RecordError::TooLarge { bytes_max: cap }),
        Ok(_) => Ok(out),
    }
}
