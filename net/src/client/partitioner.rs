//! Which partition a record goes to: by its key as Kafka's own clients do it, so that every client agrees; without a key
//! to one partition for as long as a batch lasts (KIP-480).

/// Kafka's variant of 32-bit MurmurHash2, with its seed.
pub fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let (words, tail) = bytes.as_chunks::<4>();
    let mut hash = SEED ^ bytes.len() as u32;
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (place, byte) in tail.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * place);
    }
    if !tail.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition of a key, among `count` > 0.
pub fn partition_of_key(key: &[u8], count: usize) -> i32 {
    ((murmur2(key) & 0x7fff_ffff) as usize % count.max(1)) as i32
}

/// The partition for records without a key.
#[derive(Clone, Debug, Default)]
pub struct Sticky {
    current: usize,
}

impl Sticky {
    /// Starts at any partition: many short-lived producers should not all begin with the first.
    pub fn starting_at(seed: u64) -> Sticky {
        Sticky { current: seed as usize }
    }

    pub fn partition(&self, count: usize) -> i32 {
        (self.current % count.max(1)) as i32
    }

    /// The batch is full: the next one goes elsewhere.
    pub fn advance(&mut self) {
        self.current = self.current.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_in_kafkas_own_client() {
        // org.apache.kafka.common.utils.Utils.murmur2, as its own test has them.
        let cases: [(&str, i32); 6] = [
            ("21", -973932308),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("a-little-bit-longer-string", -1486304829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            ("abc", 479470107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn a_partition_is_always_among_the_count() {
        for key in 0..1000u32 {
            assert!((0..7).contains(&partition_of_key(&key.to_be_bytes(), 7)));
        }
        let mut sticky = Sticky::starting_at(u64::MAX);
        sticky.advance();
        assert_eq!(sticky.partition(3), 0);
    }
}
