//! The newest offset of each key, in a table whose size is fixed when it is made. Keys are known by 128 bits that depend on a secret: a producer
//! cannot make two keys meet, and by chance a billion keys do so once in 10^20 runs.

use std::hash::{DefaultHasher, Hasher};

use crate::base::Offset;

/// Hash, hash, offset + 1 (0 is an empty place).
const WORDS: usize = 3;
pub const ENTRY_BYTES: usize = WORDS * size_of::<u64>();

#[derive(Debug)]
pub struct OffsetMap {
    words: Vec<u64>,
    places: usize,
    used: usize,
    /// Beyond it probing gets slow: the map is full.
    used_max: usize,
    secret: u64,
}

impl OffsetMap {
    /// Room for `keys` keys, within `bytes_max`; at least one.
    pub fn new(keys: u64, bytes_max: u64, secret: u64) -> OffsetMap {
        let wanted = keys.saturating_mul(4) / 3 + 2;
        let places = wanted.min(bytes_max / ENTRY_BYTES as u64).max(2) as usize;
        // Zeroed pages come from the kernel as they are touched.
        OffsetMap {
            words: vec![0; places * WORDS],
            places,
            used: 0,
            used_max: (places * 3 / 4).max(1),
            secret,
        }
    }

    pub fn bytes(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    pub fn len(&self) -> usize {
        self.used
    }

    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Remembers that the key's newest record is at `offset`, which is not negative; false: there is no room for another key.
    pub fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let (place, found) = self.find(key);
        if !found {
            if self.used == self.used_max {
                return false;
            }
            self.used += 1;
            let hash = self.hash(key);
            self.words[place * WORDS..place * WORDS + 2].copy_from_slice(&hash);
        }
        self.words[place * WORDS + 2] = offset.0 as u64 + 1;
        true
    }

    pub fn get(&self, key: &[u8]) -> Option<Offset> {
        let (place, found) = self.find(key);
        found.then(|| Offset((self.words[place * WORDS + 2] - 1) as i64))
    }

    /// The key's place, or the empty one where it would be. There always is an empty one.
    fn find(&self, key: &[u8]) -> (usize, bool) {
        let hash = self.hash(key);
        let mut place = (hash[0] % self.places as u64) as usize;
        loop {
            let entry = &self.words[place * WORDS..(place + 1) * WORDS];
            if entry[2] == 0 {
                return (place, false);
            }
            if entry[..2] == hash {
                return (place, true);
            }
            place = if place + 1 == self.places { 0 } else { place + 1 };
        }
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [0u64, 1].map(|half| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u64(self.secret ^ half.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            hasher.write(key);
            hasher.finish()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_offset_of_each_key_is_kept() {
        let mut map = OffsetMap::new(1000, 1 << 20, 7);
        for round in 0..3 {
            for key in 0..1000i64 {
                assert!(map.put(&key.to_be_bytes(), Offset(round * 1000 + key)));
            }
        }
        assert_eq!(map.len(), 1000);
        assert!((0..1000i64).all(|key| map.get(&key.to_be_bytes()) == Some(Offset(2000 + key))));
        assert_eq!(map.get(b"another"), None);
    }

    #[test]
    fn a_full_map_takes_known_keys_and_no_new_one() {
        let mut map = OffsetMap::new(u64::MAX, 100 * ENTRY_BYTES as u64, 7);
        assert!(map.bytes() <= 100 * ENTRY_BYTES);
        let taken = (0..1000i64).take_while(|key| map.put(&key.to_be_bytes(), Offset(*key))).count();
        assert_eq!(taken, 75);
        assert!(map.put(&0i64.to_be_bytes(), Offset(5000)));
        assert_eq!(map.get(&0i64.to_be_bytes()), Some(Offset(5000)));
    }
}
