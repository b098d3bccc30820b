//! CRC-32C (Castagnoli, RFC 3720), the checksum of a batch.

/// Of `bytes`, as Kafka's header stores it.
pub fn crc32c(bytes: &[u8]) -> u32 {
    // The crate answers in 64 bits for every width.
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_implementations_agree_at_every_length_and_alignment() {
        let bytes: Vec<u8> = (0..5000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for start in [0, 1, 7, 61] {
            for length in (0..1100).chain([2047, 2048, 4096, 4900]) {
                let slice = &bytes[start..start + length];
                assert_eq!(crc32c(slice), ::crc32c::crc32c(slice), "{length} bytes from {start}");
            }
        }
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
