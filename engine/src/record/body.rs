//! The records of one batch as they come out of their codec: all at once where there is none, otherwise through a window
//! that is filled piece by piece. What comes out goes into the target's compressor too, if there is one.

use std::fmt;
use std::io::Read;

use bytes::{Buf, Bytes};

use crate::base::{Codec, Compression};
use crate::limits::{BATCH_BYTES_MAX, WALK_WINDOW_BYTES};
use crate::record::codec::{Encoder, decoder_bytes, encoder_bytes, expansion_max};
use crate::record::error::RecordError;
use crate::record::walk::{weight, weight_of_compression};

pub(super) enum Body {
    Plain(Bytes),
    Coded(Box<Coded>),
}

pub(super) struct Coded {
    codec: Codec,
    reader: Box<dyn Read + Send>,
    window: Vec<u8>,
    start: usize,
    end: usize,
    /// Nothing more comes out.
    ended: bool,
    came_out: usize,
    came_out_max: usize,
    weight: usize,
    encoder: Option<Encoder>,
    /// What the encoder may put out.
    written_max: usize,
}

/// The memory that walking a batch's records takes beside the batch.
pub(super) fn opening_bytes(codec: Codec, payload: &[u8], target: Option<&Compression>) -> usize {
    if codec == Codec::None && target.is_none() {
        return 0;
    }
    WALK_WINDOW_BYTES + decoder_bytes(codec, payload) + target.map_or(0, encoder_bytes)
}

impl Body {
    /// `bytes_max`: what a window that is looked back at may hold, and what comes out of a compressor.
    pub fn new(
        codec: Codec,
        payload: Bytes,
        target: Option<Compression>,
        bytes_max: usize,
    ) -> Result<Body, RecordError> {
        if codec == Codec::None && target.is_none() {
            return Ok(Body::Plain(payload));
        }
        // A decoder's window is touched as far as bytes come out.
        let is_large = codec == Codec::Zstd && decoder_bytes(codec, &payload) > bytes_max;
        let came_out_max = expansion_max(payload.len()).min(if is_large { bytes_max } else { usize::MAX });
        let window = vec![0; payload.len().saturating_mul(8).clamp(1 << 10, WALK_WINDOW_BYTES)];
        let weight = weight(codec) + target.map_or(0, |target| weight_of_compression(target.codec));
        Ok(Body::Coded(Box::new(Coded {
            codec,
            reader: codec.reader(payload, bytes_max).map_err(|_| RecordError::Decompression(codec))?,
            window,
            start: 0,
            end: 0,
            ended: false,
            came_out: 0,
            came_out_max,
            weight,
            encoder: target.map(Encoder::new).transpose()?,
            written_max: BATCH_BYTES_MAX.min(bytes_max),
        })))
    }

    /// Bytes at hand.
    pub fn window(&self) -> &[u8] {
        match self {
            Body::Plain(rest) => rest,
            Body::Coded(coded) => &coded.window[coded.start..coded.end],
        }
    }

    /// So many bytes are at hand, or will not be.
    pub fn holds(&self, count: usize) -> bool {
        self.window().len() >= count
    }

    /// Makes at least `want` bytes come to hand, if so many are left. `want` is small.
    pub fn fill(&mut self, want: usize, budget: &mut usize) -> Result<(), RecordError> {
        match self {
            Body::Plain(_) => Ok(()),
            Body::Coded(coded) => coded.fill(want, budget),
        }
    }

    pub fn consume(&mut self, count: usize) {
        match self {
            Body::Plain(rest) => rest.advance(count.min(rest.len())),
            Body::Coded(coded) => coded.start = (coded.start + count).min(coded.end),
        }
    }

    /// Passes over up to `count` bytes at hand; answers how many.
    pub fn skip(&mut self, count: usize) -> usize {
        let skipped = count.min(self.window().len());
        self.consume(skipped);
        skipped
    }

    /// What the target's compressor made of everything that came out.
    pub fn recompressed(&mut self) -> Result<Option<Vec<u8>>, RecordError> {
        match self {
            Body::Plain(_) => Ok(None),
            Body::Coded(coded) => coded.encoder.take().map(Encoder::finish).transpose(),
        }
    }
}

impl Coded {
    fn fill(&mut self, want: usize, budget: &mut usize) -> Result<(), RecordError> {
        while !self.ended && self.end - self.start < want {
            self.window.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let room = &mut self.window[self.end..];
            let count = self.reader.read(room).map_err(|_| RecordError::Decompression(self.codec))?;
            let fresh = &self.window[self.end..self.end + count];
            self.ended = count == 0;
            self.end += count;
            self.came_out += count;
            *budget = budget.saturating_sub(count.saturating_mul(self.weight).max(1));
            if self.came_out > self.came_out_max {
                return Err(RecordError::TooLarge { bytes_max: self.came_out_max });
            }
            if let Some(encoder) = &mut self.encoder {
                encoder.write(fresh)?;
                if encoder.written() > self.written_max {
                    return Err(RecordError::TooLarge { bytes_max: self.written_max });
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Plain(rest) => write!(f, "Plain({} bytes)", rest.len()),
            Body::Coded(coded) => write!(f, "{:?}({} bytes came out)", coded.codec, coded.came_out),
        }
    }
}
