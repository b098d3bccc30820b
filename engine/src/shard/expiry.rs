//! The flow of producers that are forgotten: those that were silent for `producer.id.expiration.ms`, looked for every ten minutes, a partition in
//! a turn; and, where all producers of a core take more than their part of its memory, those that were silent longest in the partition that
//! has the most.

use std::collections::VecDeque;

use super::{Shard, partition::Slot};
use crate::{
    base::{Deadline, Now},
    limits::{PRODUCER_CHECK_MS, PRODUCERS_UNCOUNTED_MAX},
};

#[derive(Debug, Default)]
pub struct Expiry {
    due: Deadline,
    queue: VecDeque<Slot>,
    /// Batches of producers since their memory was counted.
    uncounted: usize,
}

impl Expiry {
    pub fn next_deadline(&self) -> Option<Deadline> {
        (self.due > Deadline(0)).then_some(self.due)
    }
}

impl Shard {
    pub(super) fn expire_producers(&mut self, now: Now) {
        if self.checkpoint.is_stopping() {
            self.expiry.due = Deadline(0);
            return;
        }
        if now.reached(self.expiry.due) && self.expiry.queue.is_empty() {
            self.expiry.due = now.after_ms(PRODUCER_CHECK_MS);
            self.expiry.queue = self.table.slots().collect();
        }
        while let Some(slot) = self.expiry.queue.pop_front() {
            let Some(partition) = self.table.get_mut(slot).filter(|one| one.producers.count() > 0) else {
                continue;
            };
            partition.producers.expire(now.wall, partition.settings.producer_expiration_ms);
            self.wake |= !self.expiry.queue.is_empty();
            return;
        }
    }

    /// A batch of a producer was appended.
    pub(super) fn count_producers(&mut self) {
        self.expiry.uncounted += 1;
        if self.expiry.uncounted < PRODUCERS_UNCOUNTED_MAX {
            return;
        }
        self.expiry.uncounted = 0;
        let bytes_max = self.config.budget.producers_bytes();
        loop {
            let sizes = self.table.iter().map(|partition| (partition.producers.bytes() as u64, partition.id));
            let (mut total, mut largest) = (0, None);
            for (bytes, id) in sizes {
                total += bytes;
                largest = largest.max(Some((bytes, id)));
            }
            let Some((bytes, id)) = largest.filter(|_| total > bytes_max) else { return };
            let Some(slot) = self.table.find(id) else { return };
            let Some(partition) = self.table.get_mut(slot) else { return };
            // In larger steps than one, so that the next count finds less to do.
            let target = (bytes - (total - bytes_max).min(bytes)).min(bytes / 4 * 3) as usize;
            while partition.producers.bytes() > target && partition.producers.forget_oldest() {}
        }
    }
}
