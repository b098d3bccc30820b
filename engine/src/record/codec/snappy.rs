//! Snappy, in the two shapes that clients write: Xerial's framing (the Java client, kafka-python) and one raw block
//! (librdkafka). The framing, big-endian:
//!
//! ```text
//! 82 53 4e 41 50 50 59 00   "\x82SNAPPY\0"
//! 00 00 00 01 00 00 00 01   version, oldest version that can read it
//! length i32, raw block     again and again; a further magic may stand where a length would (concatenated streams)
//! ```

use super::Codec;
use crate::record::error::RecordError;

const MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const FRAME_HEADER_BYTES: usize = 16;
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// What the Java client puts into one block.
const BLOCK_BYTES: usize = 32 << 10;
/// A copy element of 3 bytes makes at most 64: a block that promises more lies, and is refused before it is given memory.
const RATIO_MAX: usize = 22;

const BAD: RecordError = RecordError::Decompression(Codec::Snappy);

pub(super) fn decompress(bytes: &[u8], cap: usize) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::new();
    let Some(mut rest) = strip_frame_header(bytes) else {
        append_block(bytes, &mut out, cap)?;
        return Ok(out);
    };
    while !rest.is_empty() {
        if let Some(after) = strip_frame_header(rest) {
            rest = after;
            continue;
        }
        let (length, after) = rest.split_first_chunk::<4>().ok_or(BAD)?;
        let (block, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(BAD)?;
        append_block(block, &mut out, cap)?;
        rest = after;
    }
    Ok(out)
}

fn strip_frame_header(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(MAGIC.as_slice())?.get(FRAME_HEADER_BYTES - MAGIC.len()..)
}

fn append_block(block: &[u8], out: &mut Vec<u8>, cap: usize) -> Result<(), RecordError> {
    let promised = snap::raw::decompress_len(block).map_err(|_| BAD)?;
    if promised > cap.saturating_sub(out.len()) {
        return Err(RecordError::TooLarge { bytes_max: cap });
    }
    if promised > block.len().saturating_mul(RATIO_MAX) {
        return Err(BAD);
    }
    let start = out.len();
    out.resize(start + promised, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(|_| BAD)?;
    out.truncate(start + written);
    Ok(())
}

pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(FRAME_HEADER_BYTES + bytes.len() / 2);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSIONS);
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        let start = length_at + 4;
        out.resize(start + snap::raw::max_compress_len(block.len()), 0);
        let written = encoder.compress(block, &mut out[start..]).ok()?;
        out.truncate(start + written);
        out[length_at..start].copy_from_slice(&(written as u32).to_be_bytes());
    }
    Some(out)
}
