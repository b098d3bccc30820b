//! Whose turn it is to read from disk what is no longer cached. A read's buffer is taken from a share of the core's memory before it is
//! read into; who finds none waits, in order. One read is always under way, however large. Read-ahead has a part of the same share, where
//! nobody waits. Pure.

use std::collections::VecDeque;

use crate::limits::{COLD_READS_MAX, READ_AHEAD_DIVISOR};

/// Who reads, by job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Fetch(usize),
    Offsets(usize),
}

#[derive(Debug)]
pub struct ColdTurns {
    bytes_max: u64,
    /// Of the reads under way, and of what read-ahead holds.
    bytes: u64,
    /// The part of it that is read-ahead's, under way or held.
    ahead_bytes: u64,
    reads: usize,
    queue: VecDeque<(Reader, u32)>,
}

impl ColdTurns {
    pub fn new(bytes_max: u64) -> ColdTurns {
        ColdTurns { bytes_max, bytes: 0, ahead_bytes: 0, reads: 0, queue: VecDeque::new() }
    }

    /// For a read of so many bytes, behind those that wait.
    pub fn wait(&mut self, reader: Reader, bytes: u32) {
        self.queue.push_back((reader, bytes));
    }

    /// For the next read of one that has just ended its last: it is first.
    pub fn go_on(&mut self, reader: Reader, bytes: u32) {
        self.queue.push_front((reader, bytes));
    }

    /// The next to read, if there is memory for it: under way from now on.
    pub fn next(&mut self) -> Option<Reader> {
        let (reader, bytes) = self.queue.front().copied()?;
        let fits = self.reads < COLD_READS_MAX && self.bytes + u64::from(bytes) <= self.bytes_max;
        if !fits && self.reads > 0 {
            return None;
        }
        self.queue.pop_front();
        self.reads += 1;
        self.bytes += u64::from(bytes);
        Some(reader)
    }

    /// A read of so many bytes is over.
    pub fn done(&mut self, bytes: u32) {
        self.reads -= 1;
        self.bytes -= u64::from(bytes);
    }

    /// Whether the next to read waits for memory, and for nothing else.
    pub fn lacks_memory(&self) -> bool {
        let lacks = |bytes: u32| self.bytes + u64::from(bytes) > self.bytes_max;
        self.reads < COLD_READS_MAX && self.queue.front().is_some_and(|(_, bytes)| lacks(*bytes))
    }

    /// Memory for what nobody waits for yet; false: there is none to spare.
    #[must_use]
    pub fn take_ahead(&mut self, bytes: u32) -> bool {
        let bytes = u64::from(bytes);
        let fits = self.bytes + bytes <= self.bytes_max;
        // One is allowed in the smallest share that has room for it.
        let ahead_max = self.bytes_max / READ_AHEAD_DIVISOR;
        let may = self.ahead_bytes == 0 || self.ahead_bytes + bytes <= ahead_max;
        if !self.queue.is_empty() || !fits || !may {
            return false;
        }
        self.bytes += bytes;
        self.ahead_bytes += bytes;
        true
    }

    /// Likewise, and the read that fills it is under way from now on.
    #[must_use]
    pub fn start_ahead(&mut self, bytes: u32) -> bool {
        let starts = self.reads < COLD_READS_MAX && self.take_ahead(bytes);
        self.reads += usize::from(starts);
        starts
    }

    /// Such a read is over; its bytes are still there.
    pub fn ahead_read(&mut self) {
        self.reads -= 1;
    }

    /// What was read ahead is there no more.
    pub fn give_ahead(&mut self, bytes: u32) {
        self.bytes -= u64::from(bytes);
        self.ahead_bytes -= u64::from(bytes);
    }

    /// Somebody waits for a read ahead that is under way: it is one like any other from now on.
    pub fn await_ahead(&mut self, bytes: u32) {
        self.ahead_bytes -= u64::from(bytes);
    }

    /// Reads under way, and those that wait for their turn.
    pub fn lengths(&self) -> (usize, usize) {
        (self.reads, self.queue.len())
    }

    /// Of the reads under way and of what read-ahead holds, and at most.
    pub fn bytes(&self) -> (u64, u64) {
        (self.bytes, self.bytes_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(turns: &mut ColdTurns) -> Vec<usize> {
        let number = |reader| match reader {
            Reader::Fetch(number) | Reader::Offsets(number) => number,
        };
        std::iter::from_fn(|| turns.next()).map(number).collect()
    }

    #[test]
    fn reads_wait_for_memory_in_order_and_who_goes_on_is_first() {
        let mut turns = ColdTurns::new(100);
        for (number, bytes) in [(1, 40), (2, 50), (3, 20), (4, 10)] {
            turns.wait(Reader::Fetch(number), bytes);
        }
        assert_eq!(all(&mut turns), [1, 2], "4 would fit, but it is not its turn");
        turns.done(40);
        turns.go_on(Reader::Fetch(1), 30);
        assert_eq!(all(&mut turns), [1, 3]);
        assert_eq!(turns.bytes(), (100, 100));
        turns.done(50);
        assert_eq!(all(&mut turns), [4]);
        assert_eq!(turns.lengths(), (3, 0));
    }

    #[test]
    fn what_is_larger_than_the_share_is_read_alone() {
        let mut turns = ColdTurns::new(100);
        turns.wait(Reader::Offsets(1), 1000);
        turns.wait(Reader::Fetch(2), 1);
        assert_eq!(all(&mut turns), [1]);
        turns.done(1000);
        assert_eq!(all(&mut turns), [2]);
    }

    #[test]
    fn read_ahead_takes_a_part_and_only_where_nobody_waits() {
        let mut turns = ColdTurns::new(100);
        assert!(turns.start_ahead(60), "one may be larger than the part");
        assert!(!turns.start_ahead(1));
        turns.ahead_read();
        turns.give_ahead(60);
        assert!(turns.start_ahead(30) && turns.start_ahead(20) && !turns.start_ahead(10));
        turns.wait(Reader::Fetch(1), 60);
        assert!(turns.lacks_memory());
        assert_eq!(all(&mut turns), []);
        turns.ahead_read();
        turns.give_ahead(20);
        assert!(!turns.lacks_memory() && !turns.take_ahead(1), "somebody waits");
        assert_eq!(all(&mut turns), [1]);
        turns.await_ahead(30);
        turns.done(30);
        assert!(turns.take_ahead(40) && !turns.take_ahead(1), "the share is used up");
        assert_eq!(turns.bytes(), (100, 100));
    }

    #[test]
    fn small_reads_are_not_too_many() {
        let mut turns = ColdTurns::new(u64::MAX);
        (0..2 * COLD_READS_MAX).for_each(|number| turns.wait(Reader::Fetch(number), 1));
        assert_eq!(all(&mut turns).len(), COLD_READS_MAX);
    }
}
