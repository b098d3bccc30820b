//! Compression piece by piece, into memory that grows with what comes out: the way of a batch whose topic has another
//! codec than its producer. Must never be fed without a look at `written`: the caller bounds it.

use std::io::Write;

use flate2::write::GzEncoder;
use lz4_flex::frame::FrameEncoder;

use super::{gzip, lz4, snappy, zstd};
use crate::base::{Codec, Compression};
use crate::record::error::RecordError;

pub(in crate::record) enum Encoder {
    Plain(Vec<u8>),
    Gzip(GzEncoder<Vec<u8>>),
    Snappy(Box<snappy::Encoder>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
    Zstd(::zstd::stream::write::Encoder<'static, Vec<u8>>),
}

const FAILED: RecordError = RecordError::Corrupt("the compressor failed");

impl Encoder {
    pub fn new(target: Compression) -> Result<Encoder, RecordError> {
        Ok(match target.codec {
            Codec::None => Encoder::Plain(Vec::new()),
            Codec::Gzip => Encoder::Gzip(gzip::encoder(target.level)),
            Codec::Snappy => Encoder::Snappy(Box::default()),
            Codec::Lz4 => Encoder::Lz4(Box::new(lz4::encoder())),
            Codec::Zstd => Encoder::Zstd(zstd::encoder(target.level).map_err(|_| FAILED)?),
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        match self {
            Encoder::Plain(out) => {
                out.extend_from_slice(bytes);
                Some(())
            }
            Encoder::Gzip(encoder) => encoder.write_all(bytes).ok(),
            Encoder::Snappy(encoder) => encoder.write(bytes),
            Encoder::Lz4(encoder) => encoder.write_all(bytes).ok(),
            Encoder::Zstd(encoder) => encoder.write_all(bytes).ok(),
        }
        .ok_or(FAILED)
    }

    /// Compressed bytes that have come out so far; the encoder may hold back some.
    pub fn written(&self) -> usize {
        match self {
            Encoder::Plain(out) => out.len(),
            Encoder::Gzip(encoder) => encoder.get_ref().len(),
            Encoder::Snappy(encoder) => encoder.written(),
            Encoder::Lz4(encoder) => encoder.get_ref().len(),
            Encoder::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    pub fn finish(self) -> Result<Vec<u8>, RecordError> {
        match self {
            Encoder::Plain(out) => Some(out),
            Encoder::Gzip(encoder) => encoder.finish().ok(),
            Encoder::Snappy(encoder) => encoder.finish(),
            Encoder::Lz4(encoder) => encoder.finish().ok(),
            Encoder::Zstd(encoder) => encoder.finish().ok(),
        }
        .ok_or(FAILED)
    }
}
