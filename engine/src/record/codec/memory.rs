//! The memory that decompressing a batch takes beside what comes out of it, as its first bytes tell: known before any is given.

use super::{expansion_max, snappy};
use crate::base::{Codec, Compression};

/// What a decompressor needs whatever it reads.
const DECODER_BYTES: usize = 64 << 10;
/// The parts of a zstd decoder beside its window.
const ZSTD_DECODER_BYTES: usize = 256 << 10;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Compressors with what they look back at; zstd's at its levels up to 3, and above.
const ENCODER_BYTES: usize = 256 << 10;
const ZSTD_ENCODER_BYTES: usize = 4 << 20;
const ZSTD_ENCODER_BYTES_MAX: usize = 20 << 20;

/// Of one decompressor over `payload`. What a hostile payload understates, its reader refuses.
pub(in crate::record) fn decoder_bytes(codec: Codec, payload: &[u8]) -> usize {
    let cap = expansion_max(payload.len());
    match codec {
        Codec::None => 0,
        Codec::Gzip => DECODER_BYTES,
        Codec::Snappy => snappy::block_bytes_max(payload).min(cap),
        Codec::Lz4 => DECODER_BYTES + 2 * lz4_block_bytes(payload),
        // Its memory is touched as far as bytes come out.
        Codec::Zstd => ZSTD_DECODER_BYTES + zstd_window_bytes(payload).min(cap),
    }
}

pub(in crate::record) fn encoder_bytes(target: &Compression) -> usize {
    match target.codec {
        Codec::None => 0,
        Codec::Gzip | Codec::Snappy | Codec::Lz4 => ENCODER_BYTES,
        Codec::Zstd if target.level.is_some_and(|level| level > super::zstd::SMALL_LEVEL_MAX) => {
            ZSTD_ENCODER_BYTES_MAX
        }
        Codec::Zstd => ZSTD_ENCODER_BYTES,
    }
}

/// The largest block of an LZ4 frame: behind the magic number and the flags, three bits of a byte.
fn lz4_block_bytes(payload: &[u8]) -> usize {
    const DESCRIPTOR_AT: usize = 5;
    let code = payload.get(DESCRIPTOR_AT).map_or(7, |byte| (byte >> 4) & 7).max(4);
    1 << (8 + 2 * u32::from(code))
}

/// How far the first frame looks back (RFC 8878, 3.1.1.1): its window, or all of it where it is one segment. What is no frame is
/// taken for the worst.
pub(super) fn zstd_window_bytes(payload: &[u8]) -> usize {
    const UNKNOWN: usize = usize::MAX;
    let Some((magic, rest)) = payload.split_first_chunk::<4>() else { return UNKNOWN };
    let Some((&descriptor, rest)) = rest.split_first().filter(|_| *magic == ZSTD_MAGIC) else {
        return UNKNOWN;
    };
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let Some(&window) = rest.first() else { return UNKNOWN };
        let base = 1usize << (10 + (window >> 3));
        return base + base / 8 * usize::from(window & 7);
    }
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = 1 << (descriptor >> 6);
    let Some(size) = rest.get(dictionary..dictionary + size_bytes) else { return UNKNOWN };
    let mut whole = [0; 8];
    whole[..size_bytes].copy_from_slice(size);
    let size = usize::try_from(u64::from_le_bytes(whole)).unwrap_or(UNKNOWN);
    if size_bytes == 2 { size + 256 } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_how_much_memory_it_takes() {
        let value = vec![7; 1 << 20];
        let size = value.len();
        let packed = |codec| Compression { codec, level: None }.compress(&value).unwrap();
        assert_eq!(decoder_bytes(Codec::Zstd, &packed(Codec::Zstd)), ZSTD_DECODER_BYTES + size);
        assert_eq!(decoder_bytes(Codec::Lz4, &packed(Codec::Lz4)), DECODER_BYTES + (128 << 10));
        assert_eq!(decoder_bytes(Codec::Snappy, &packed(Codec::Snappy)), 32 << 10);
        let block = snap::raw::Encoder::new().compress_vec(&value).unwrap();
        assert_eq!(decoder_bytes(Codec::Snappy, &block), size, "one block, as librdkafka writes it");
        // A stream of unknown length has its level's window: 2 MiB at the default one.
        let mut stream = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        std::io::Write::write_all(&mut stream, &value).unwrap();
        let stream = stream.finish().unwrap();
        assert_eq!(zstd_window_bytes(&stream), 2 << 20);
        for cut in 0..stream.len().min(20) {
            decoder_bytes(Codec::Zstd, &stream[..cut]);
        }
        assert_eq!(zstd_window_bytes(b"no frame"), usize::MAX);
    }
}
