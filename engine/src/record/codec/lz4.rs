//! LZ4 frames. Written as the Java client reads them: independent blocks of 64 KiB, no checksums of content; read with
//! linked blocks and any checksum as well, but not taken from a producer so.

use std::io::{self, Cursor, Read, Write};

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

/// Of what a producer sent. Frames that the Java client cannot read are refused, as Kafka refuses them: they would stop
/// every Java consumer of the partition.
pub(super) fn reader(bytes: Bytes) -> io::Result<impl Read + Send> {
    // Behind the magic number: version 01, independent blocks, neither the reserved bit nor a dictionary.
    const FLAGS_AT: usize = 4;
    if bytes.get(FLAGS_AT).is_none_or(|flags| flags & 0b1110_0011 != 0b0110_0000) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok(FrameDecoder::new(Cursor::new(bytes)))
}
