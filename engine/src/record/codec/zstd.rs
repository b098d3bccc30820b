//! Zstandard (RFC 8878).

use std::io::{self, Cursor, Read};

use bytes::Bytes;
use zstd::stream::write::Encoder;

use super::{Codec, memory::zstd_window_bytes, read_capped};
use crate::record::error::RecordError;

/// The largest window that a frame may ask for, as a power of two: what level 22 uses, and zstd's own default.
/// The memory is touched only as far as bytes really come out, which the cap bounds.
const WINDOW_LOG_MAX: u32 = 27;
const WINDOW_BYTES_MIN: usize = 1 << 10;

/// Up to this level a compressor takes a few megabytes as it is.
pub(super) const SMALL_LEVEL_MAX: i32 = 3;

/// Above it, it shall look back no further than this power of two: its tables would take ten times as much, and most batches are no
/// longer.
const ENCODER_WINDOW_LOG_MAX: u32 = 20;

pub(super) fn decompress(bytes: &[u8], cap: usize) -> Result<Vec<u8>, RecordError> {
    let bad = |_| RecordError::Decompression(Codec::Zstd);
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(bad)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(bad)?;
    read_capped(decoder, Codec::Zstd, bytes.len(), cap)
}

pub(super) fn compress(bytes: &[u8], level: Option<i32>) -> Option<Vec<u8>> {
    zstd::bulk::compress(bytes, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)).ok()
}

pub(super) fn encoder(level: Option<i32>) -> io::Result<Encoder<'static, Vec<u8>>> {
    let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
    let mut encoder = Encoder::new(Vec::new(), level)?;
    if level > SMALL_LEVEL_MAX {
        encoder.window_log(ENCODER_WINDOW_LOG_MAX)?;
    }
    Ok(encoder)
}

/// No later frame may look back further than the first, whose window is counted.
pub(super) fn reader(bytes: Bytes) -> io::Result<impl Read + Send> {
    let window = zstd_window_bytes(&bytes).clamp(WINDOW_BYTES_MIN, 1 << WINDOW_LOG_MAX);
    let mut decoder = zstd::stream::read::Decoder::with_buffer(Cursor::new(bytes))?;
    decoder.window_log_max(window.next_power_of_two().ilog2())?;
    Ok(decoder)
}
