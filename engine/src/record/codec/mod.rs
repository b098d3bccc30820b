//! The codecs of the batch format. Every decompressor stops at the caller's cap: bytes from the wire are never
//! believed about their own size.

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::borrow::Cow;
use std::io::Read;

use crate::limits::{EXPANSION_BYTES_FREE, EXPANSION_BYTES_MAX, EXPANSION_RATIO_MAX};
use crate::record::error::RecordError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The number in a batch's attributes.
    pub fn id(self) -> u8 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    pub fn from_id(id: u8) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.id() == id)
    }

    /// As clients and `compression.type` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// At most `bytes_max` bytes come out, and no more than `limits::EXPANSION_*` allow for so much input.
    pub fn decompress(self, bytes: &[u8], bytes_max: usize) -> Result<Cow<'_, [u8]>, RecordError> {
        let by_ratio = bytes.len().saturating_mul(EXPANSION_RATIO_MAX).max(EXPANSION_BYTES_FREE);
        let cap = bytes_max.min(by_ratio).min(EXPANSION_BYTES_MAX);
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

/// A codec and how hard it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    pub codec: Codec,
    /// `None` is the codec's own default; snappy and lz4 have one level.
    pub level: Option<i32>,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Compression {
        Compression { codec, level: None }
    }
}

impl Compression {
    pub const NONE: Compression = Compression { codec: Codec::None, level: None };

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
