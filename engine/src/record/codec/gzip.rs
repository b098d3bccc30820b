//! gzip (RFC 1952), possibly of several members, as Java's stream reads it.

use std::io::{Cursor, Read, Write};

use bytes::Bytes;
use flate2::bufread;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Codec, read_capped};
use crate::record::error::RecordError;

pub(super) fn decompress(bytes: &[u8], cap: usize) -> Result<Vec<u8>, RecordError> {
    read_capped(MultiGzDecoder::new(bytes), Codec::Gzip, bytes.len(), cap)
}

/// Levels 1 to 9; anything else is zlib's default, 6.
pub(super) fn compress(bytes: &[u8], level: Option<i32>) -> Option<Vec<u8>> {
    let mut encoder = encoder(level);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

pub(super) fn encoder(level: Option<i32>) -> GzEncoder<Vec<u8>> {
    let level = match level {
        Some(level @ 1..=9) => flate2::Compression::new(level as u32),
        _ => flate2::Compression::default(),
    };
    GzEncoder::new(Vec::new(), level)
}

pub(super) fn reader(bytes: Bytes) -> impl Read + Send {
    bufread::MultiGzDecoder::new(Cursor::new(bytes))
}
