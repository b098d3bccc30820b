//! LZ4 frames. Written as the Java client reads them: independent blocks of 64 KiB, no checksums of content; read with
//! linked blocks and any checksum as well.

use std::io::{Cursor, Read, Write};

use bytes::Bytes;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Codec, read_capped};
use crate::record::error::RecordError;

pub(super) fn decompress(bytes: &[u8], cap: usize) -> Result<Vec<u8>, RecordError> {
    read_capped(FrameDecoder::new(bytes), Codec::Lz4, bytes.len(), cap)
}

pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = encoder();
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

pub(super) fn encoder() -> FrameEncoder<Vec<u8>> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    FrameEncoder::with_frame_info(info, Vec::new())
}

pub(super) fn reader(bytes: Bytes) -> impl Read + Send {
    FrameDecoder::new(Cursor::new(bytes))
}
