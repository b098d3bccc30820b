//! LZ4 frames. Written as the Java client reads them: independent blocks of 64 KiB, no checksums of content; read with
//! linked blocks and any checksum as well.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Codec, read_capped};
use crate::record::error::RecordError;

pub(super) fn decompress(bytes: &[u8], cap: usize) -> Result<Vec<u8>, RecordError> {
    read_capped(FrameDecoder::new(bytes), Codec::Lz4, bytes.len(), cap)
}

pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::with_capacity(bytes.len() / 2));
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}
