//! Batches whose records take more than one turn to walk. They go on in turns, as far as each turn's budget goes; together they take
//! no more memory than is set aside for it, but one is always open.

use std::collections::VecDeque;

use super::{Shard, partition::Slot};
use crate::{base::Now, limits};

#[derive(Debug, Default)]
pub struct Openings {
    /// Partitions whose first waiting batch is being opened, or waits for memory.
    pub queue: VecDeque<Slot>,
    /// What those batches hold of memory that are open.
    pub bytes: usize,
    /// What is left of `limits::WALK_BUDGET_PER_TURN`.
    pub walk_left: usize,
}

impl Openings {
    /// Until one of those that are open is done.
    pub fn must_wait(&self, bytes: usize, bytes_max: usize) -> bool {
        bytes > 0 && self.bytes > 0 && self.bytes + bytes > bytes_max
    }
}

impl Shard {
    /// Goes on with batches that are being opened, as far as this turn's budget goes.
    pub(super) fn resume_opening(&mut self, now: Now) {
        self.openings.walk_left = limits::WALK_BUDGET_PER_TURN;
        self.openings.bytes = self.opening_bytes();
        // Those that wait for memory use nothing up.
        let mut idle = 0;
        while self.openings.walk_left > 0
            && idle <= self.openings.queue.len()
            && let Some(slot) = self.openings.queue.pop_front()
        {
            let left = self.openings.walk_left;
            self.retry_waiting(now, slot);
            idle = if self.openings.walk_left < left { 0 } else { idle + 1 };
        }
        self.wake |= !self.openings.queue.is_empty();
    }

    fn opening_bytes(&self) -> usize {
        let partitions = self.openings.queue.iter().filter_map(|slot| self.table.get(*slot));
        let first = partitions.filter_map(|partition| Some((partition, partition.waiting.front()?)));
        let bytes = first.map(|(partition, one)| one.candidate.walk_bytes(partition));
        bytes.filter(|(_, is_open)| *is_open).map(|(bytes, _)| bytes).sum()
    }
}
