//! The flow of retention: every `log.retention.check.interval.ms` each partition with `cleanup.policy` delete is looked at, a bounded
//! number in a turn; what has had its time goes by a move of the log start, and `retirement` removes the segments below it. An active
//! segment that goes too is rolled first.

use std::collections::VecDeque;

use super::{Shard, partition::Slot};
use crate::{
    base::{Deadline, Now},
    limits::RETENTION_CHECKS_PER_TURN,
};

/// When partitions are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionCheck {
    /// `log.initial.task.delay.ms`
    pub first_ms: u64,
    /// `log.retention.check.interval.ms`
    pub interval_ms: u64,
}

#[derive(Debug, Default)]
pub struct Retentions {
    due: Option<Deadline>,
    /// Still to be looked at in this round.
    queue: VecDeque<Slot>,
}

impl Retentions {
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.due
    }
}

impl Shard {
    pub(super) fn enforce_retention(&mut self, now: Now) {
        if self.checkpoint.is_stopping() {
            self.retentions.due = None;
            return;
        }
        let check = self.config.retention_check;
        let due = *self.retentions.due.get_or_insert(now.after_ms(check.first_ms));
        if now.reached(due) && self.retentions.queue.is_empty() {
            self.retentions.due = Some(now.after_ms(check.interval_ms));
            self.retentions.queue = self.table.slots().collect();
        }
        for _ in 0..RETENTION_CHECKS_PER_TURN {
            let Some(slot) = self.retentions.queue.pop_front() else { return };
            self.retain(now, slot);
        }
        self.wake |= !self.retentions.queue.is_empty();
    }

    fn retain(&mut self, now: Now, slot: Slot) {
        let Some(partition) = self.table.get(slot) else { return };
        if partition.deleted || partition.failed || !partition.settings.cleanup.delete {
            return;
        }
        let kept = partition.live.kept(&partition.settings.retention, now.wall, partition.visible);
        if let Some(timestamp) = kept.future {
            tracing::warn!(
                partition = %partition.directory,
                timestamp = timestamp.0,
                "a segment holds a timestamp in the future: retention.ms keeps it until then"
            );
        }
        let start = if !kept.rolls || self.roll(slot) {
            kept.start
        } else {
            // Next time.
            kept.start.min(self.table.get(slot).map_or(kept.start, |one| one.live.active().base))
        };
        self.move_log_start(slot, start);
    }

    /// Seals the active segment without a batch that follows; false: not now.
    pub(super) fn roll(&mut self, slot: Slot) -> bool {
        let Some(partition) = self.table.get_mut(slot) else { return false };
        // An allocation under way would undo the cut of the segment, and whoever waits for it was promised a place in it.
        if partition.space.preparing || !partition.waiting.is_empty() || partition.live.roll().is_none() {
            return false;
        }
        partition.take_snapshot(partition.live.next());
        if partition.is_dirty() {
            self.dirty.insert(slot);
        }
        self.retirements.expect(slot);
        self.wake = true;
        true
    }
}
