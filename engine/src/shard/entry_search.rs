//! Finds a place in an index file by halving, a block at a time: no index is ever held in memory. Pure.

use crate::limits::BLOCK_BYTES;

/// A search for the last entry that is not behind the target, among `entries` entries of `width` bytes in ascending order.
#[derive(Clone, Copy, Debug)]
pub struct EntrySearch {
    width: usize,
    /// Entries below are not behind the target.
    low: u32,
    /// Entries from here on are.
    high: u32,
}

/// What came of one block.
pub enum Found<'a> {
    /// Read on.
    More,
    /// The last entry not behind the target, if any, and its number.
    Last(u32, Option<&'a [u8]>),
}

impl EntrySearch {
    pub fn new(width: usize, entries: u32) -> EntrySearch {
        EntrySearch { width, low: 0, high: entries }
    }

    /// The next block of entries to look at: position and length in the file. None: the target is before all entries.
    pub fn next_read(&self) -> Option<(u64, u32)> {
        if self.high == 0 || self.low >= self.high {
            return None;
        }
        let (start, count) = self.window();
        Some((u64::from(start) * self.width as u64, count * self.width as u32))
    }

    /// Takes the block that `next_read` asked for.
    pub fn feed<'a>(&mut self, bytes: &'a [u8], not_behind: impl Fn(&[u8]) -> bool) -> Found<'a> {
        let (start, count) = self.window();
        let entries: Vec<&[u8]> = bytes.chunks_exact(self.width).take(count as usize).collect();
        let split = entries.partition_point(|entry| not_behind(entry));
        if split == 0 {
            self.high = start;
            return if self.low >= self.high { Found::Last(0, None) } else { Found::More };
        }
        if split == entries.len() && start + count < self.high && entries.len() == count as usize {
            // The block's last entry may be the answer: it stays inside the next window.
            self.low = start + count - 1;
            return Found::More;
        }
        Found::Last(start + split as u32 - 1, Some(entries[split - 1]))
    }

    fn window(&self) -> (u32, u32) {
        let per_block = (BLOCK_BYTES / self.width) as u32;
        let span = self.high - self.low;
        if span <= per_block {
            return (self.low, span);
        }
        let middle = self.low + span / 2;
        let start = middle.saturating_sub(per_block / 2).max(self.low);
        (start, per_block.min(self.high - start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(values: &[u32], target: u32) -> Option<u32> {
        let file: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
        let value = |entry: &[u8]| u32::from_be_bytes(entry.try_into().unwrap());
        let mut search = EntrySearch::new(4, values.len() as u32);
        for _ in 0..64 {
            let (position, length) = search.next_read()?;
            let bytes = &file[position as usize..position as usize + length as usize];
            match search.feed(bytes, |entry| value(entry) <= target) {
                Found::More => {}
                Found::Last(number, entry) => {
                    assert!(entry.is_none_or(|entry| value(entry) == values[number as usize]));
                    return entry.map(value);
                }
            }
        }
        panic!("the search does not end");
    }

    #[test]
    fn the_last_entry_not_behind_the_target_is_found() {
        for size in [0u32, 1, 2, 1023, 1024, 1025, 5000, 100_000] {
            let values: Vec<u32> = (0..size).map(|n| n * 3 + 5).collect();
            for target in (0..size * 3 + 20).step_by(1 + size as usize / 50) {
                let expected = values.iter().copied().take_while(|value| *value <= target).last();
                assert_eq!(find(&values, target), expected, "{size} entries, target {target}");
            }
        }
    }
}
