//! Snappy, in the two shapes that clients write: Xerial's framing (the Java client, kafka-python) and one raw block
//! (librdkafka). The framing, big-endian:
//!
//! ```text
//! 82 53 4e 41 50 50 59 00   "\x82SNAPPY\0"
//! 00 00 00 01 00 00 00 01   version, oldest version that can read it
//! length i32, raw block     again and again; a further magic may stand where a length would (concatenated streams)
//! ```

use std::io::{self, Read};

use bytes::{Buf, Bytes};

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

/// What the largest block of a payload promises to expand to.
pub(super) fn block_bytes_max(bytes: &[u8]) -> usize {
    let promised = |block: &[u8]| snap::raw::decompress_len(block).unwrap_or(0);
    let Some(mut rest) = strip_frame_header(bytes) else { return promised(bytes) };
    let mut most = 0;
    while !rest.is_empty() {
        if let Some(after) = strip_frame_header(rest) {
            rest = after;
            continue;
        }
        let Some((length, after)) = rest.split_first_chunk::<4>() else { break };
        let Some((block, after)) = after.split_at_checked(u32::from_be_bytes(*length) as usize) else {
            break;
        };
        most = most.max(promised(block));
        rest = after;
    }
    most
}

/// Reads block by block. A raw batch is one block, whole in memory; `RATIO_MAX` bounds it.
pub(super) struct Reader {
    rest: Bytes,
    framed: bool,
    block: Vec<u8>,
    read: usize,
    /// Of one block.
    cap: usize,
}

impl Reader {
    pub(super) fn new(mut bytes: Bytes, cap: usize) -> Reader {
        let framed = take_frame_header(&mut bytes);
        Reader { rest: bytes, framed, block: Vec::new(), read: 0, cap }
    }

    fn next_block(&mut self) -> Result<(), RecordError> {
        let block = if self.framed {
            while take_frame_header(&mut self.rest) {}
            if self.rest.is_empty() {
                return Ok(());
            }
            let length = self.rest.try_get_u32().map_err(|_| BAD)? as usize;
            if length > self.rest.len() {
                return Err(BAD);
            }
            self.rest.split_to(length)
        } else {
            std::mem::take(&mut self.rest)
        };
        self.read = 0;
        self.block.clear();
        append_block(&block, &mut self.block, self.cap)
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.block.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.next_block().map_err(io::Error::other)?;
        }
        let count = out.len().min(self.block.len() - self.read);
        out[..count].copy_from_slice(&self.block[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

fn take_frame_header(bytes: &mut Bytes) -> bool {
    let framed = strip_frame_header(bytes).is_some();
    if framed {
        bytes.advance(FRAME_HEADER_BYTES);
    }
    framed
}

pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = Encoder::default();
    encoder.write(bytes)?;
    encoder.finish()
}

/// Writes Xerial's framing, one block for every `BLOCK_BYTES`.
pub(in crate::record) struct Encoder {
    out: Vec<u8>,
    /// Less than a block, not written yet.
    held: Vec<u8>,
    snappy: snap::raw::Encoder,
}

impl Default for Encoder {
    fn default() -> Encoder {
        let out = [MAGIC.as_slice(), VERSIONS.as_slice()].concat();
        Encoder { out, held: Vec::new(), snappy: snap::raw::Encoder::new() }
    }
}

impl Encoder {
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Option<()> {
        while self.held.len() + bytes.len() >= BLOCK_BYTES {
            let (now, later) = bytes.split_at(BLOCK_BYTES - self.held.len());
            self.held.extend_from_slice(now);
            self.emit()?;
            bytes = later;
        }
        self.held.extend_from_slice(bytes);
        Some(())
    }

    pub(super) fn written(&self) -> usize {
        self.out.len()
    }

    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if !self.held.is_empty() {
            self.emit()?;
        }
        Some(self.out)
    }

    fn emit(&mut self) -> Option<()> {
        let length_at = self.out.len();
        let start = length_at + 4;
        self.out.resize(start + snap::raw::max_compress_len(self.held.len()), 0);
        let written = self.snappy.compress(&self.held, &mut self.out[start..]).ok()?;
        self.out.truncate(start + written);
        self.out[length_at..start].copy_from_slice(&(written as u32).to_be_bytes());
        self.held.clear();
        Some(())
    }
}
