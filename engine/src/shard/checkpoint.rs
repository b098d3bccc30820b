//! The flow of a checkpoint: flush dirty partitions, sync the file system, write the checkpoint, and only then free the
//! journal's extents (rule 2, in this order). A clean stop is one more checkpoint that closes every segment.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Purpose, Shard, flush::Ending, partition::Slot, settings::Pacing};
use crate::{
    base::{Deadline, Incarnation, JournalSequence, Now},
    io::{
        buffer::AlignedBuf,
        journal::checkpoint::{self, Encoder},
    },
    limits::{BLOCK_BYTES, FLUSH_BYTES_IN_FLIGHT_MAX, FLUSH_JOBS_MAX},
    op::{Class, Done, Op, Path, Sync},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Flushing,
    Syncing,
    Writing { start: JournalSequence },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    Wanted,
    /// The closing checkpoint is under way.
    Closing,
    Done,
}

/// How much of a cycle may have been written by now.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    began_ns: u64,
    /// What the journal had taken since start when the cycle began.
    came_before: u64,
    written: u64,
    /// When time alone allows the next write; while a cycle waits for it.
    resume: Option<Deadline>,
}

impl Pace {
    /// `came`: what the journal has taken since start.
    fn allows(&mut self, now: Now, came: u64, pacing: &Pacing) -> bool {
        let rate = u128::from(pacing.flush_bytes_per_second);
        let nanos = now.mono_ns.saturating_sub(self.began_ns);
        let by_time = (u128::from(nanos) * rate / 1_000_000_000) as u64;
        let allowed = by_time + 2 * (came - self.came_before) + pacing.flush_write_bytes as u64;
        let ahead = self.written.saturating_sub(allowed);
        self.resume = (ahead > 0).then(|| {
            let wait = u128::from(ahead) * 1_000_000_000 / rate;
            Deadline(now.mono_ns + wait as u64 + 1)
        });
        ahead == 0
    }
}

#[derive(Debug)]
pub struct Checkpoints {
    incarnation: Incarnation,
    /// Of the newest durable checkpoint.
    number: u64,
    /// Somebody waits for memory or journal.
    pub wanted: bool,
    stage: Stage,
    queue: VecDeque<Slot>,
    jobs: usize,
    /// Jobs that could write more; one may stand here twice.
    writers: VecDeque<Slot>,
    /// Buffers of the jobs under way.
    pub flush_bytes: usize,
    pace: Pace,
    /// Every group up to this one was durable when the cycle began.
    upto: JournalSequence,
    /// Groups up to this one are covered by a durable checkpoint.
    released: JournalSequence,
    due: Option<Deadline>,
    stopping: Stopping,
}

impl Checkpoints {
    pub fn new(incarnation: Incarnation, number: u64) -> Checkpoints {
        Checkpoints {
            incarnation,
            number,
            wanted: false,
            stage: Stage::Idle,
            queue: VecDeque::new(),
            jobs: 0,
            writers: VecDeque::new(),
            flush_bytes: 0,
            pace: Pace::default(),
            upto: JournalSequence(0),
            released: JournalSequence(0),
            due: None,
            stopping: Stopping::No,
        }
    }

    pub fn flushed_through(&self) -> JournalSequence {
        self.released
    }

    /// Partitions of this cycle that may still need an image of their tail.
    pub fn images_ahead(&self) -> usize {
        self.queue.len() + self.jobs
    }

    pub fn is_running(&self) -> bool {
        self.stage != Stage::Idle
    }

    pub fn is_stopped(&self) -> bool {
        self.stopping == Stopping::Done
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping != Stopping::No
    }

    pub fn stop(&mut self) {
        if self.stopping == Stopping::No {
            self.stopping = Stopping::Wanted;
        }
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        match self.stage {
            Stage::Idle => self.due,
            Stage::Flushing => self.pace.resume,
            Stage::Syncing | Stage::Writing { .. } => None,
        }
    }

    /// A flush job has room for another write.
    pub fn may_write(&mut self, slot: Slot) {
        self.writers.push_back(slot);
    }

    fn ending(&self) -> Ending {
        if self.stopping == Stopping::Closing { Ending::Closed } else { Ending::Open }
    }
}

impl Shard {
    /// Starts a cycle if one is due, and keeps the running one supplied.
    pub(super) fn maintain(&mut self, now: Now) {
        self.evict();
        match self.checkpoint.stage {
            Stage::Idle => self.start_cycle_if_due(now),
            Stage::Flushing => self.supply_flushes(now),
            Stage::Syncing | Stage::Writing { .. } => {}
        }
    }

    fn start_cycle_if_due(&mut self, now: Now) {
        let budget = &self.config.budget;
        // An allocation under way would undo the cut of its segment.
        if self.checkpoint.stopping == Stopping::Wanted
            && self.commit.is_idle()
            && self.produces.is_idle()
            && self.retirements.is_idle()
            && self.cleaner.is_idle()
            && self.table.iter().all(|partition| !partition.space.preparing)
        {
            self.checkpoint.stopping = Stopping::Closing;
            self.start_cycle(now, self.table.slots().collect());
            return;
        }
        if self.checkpoint.wanted && self.dirty_is_only_failed() && self.can_release() {
            // Groups of deleted partitions and of images only: nothing to flush, and a checkpoint frees them.
            self.start_cycle(now, VecDeque::new());
            return;
        }
        if self.cleaner.wants_checkpoint() {
            let slots = self.oldest_dirty();
            self.start_cycle(now, slots);
            return;
        }
        if self.dirty.is_empty() {
            self.checkpoint.due = None;
            self.checkpoint.wanted = false;
            return;
        }
        let due = *self.checkpoint.due.get_or_insert(now.after_ms(self.config.checkpoint_interval_ms));
        let half_full = self.journal.extents_free() * 2 <= self.journal.extents_total()
            || self.unflushed_bytes * 2 >= budget.unflushed_bytes
            || self.pinned_bytes() * 2 >= self.cache_bytes();
        if half_full || self.checkpoint.wanted || now.reached(due) {
            let slots = self.oldest_dirty();
            if !slots.is_empty() {
                self.start_cycle(now, slots);
            }
        }
    }

    fn start_cycle(&mut self, now: Now, slots: VecDeque<Slot>) {
        self.measures.checkpoint_started();
        let came_before = self.measures.journal_bytes();
        self.checkpoint.pace = Pace { began_ns: now.mono_ns, came_before, ..Pace::default() };
        self.checkpoint.wanted = false;
        self.checkpoint.due = None;
        self.checkpoint.upto = self.journal.durable();
        self.checkpoint.queue = slots;
        self.checkpoint.stage = Stage::Flushing;
        self.supply_flushes(now);
    }

    /// Somebody waits for what the flush frees, or soon will.
    fn is_urgent(&self) -> bool {
        let memory = self.unflushed_bytes * 4 >= self.config.budget.unflushed_bytes * 3
            || self.pinned_bytes() * 4 >= self.cache_bytes() * 3;
        let journal = self.journal.extents_free() * 4 <= self.journal.extents_total();
        memory || journal || self.checkpoint.wanted || self.checkpoint.is_stopping()
    }

    /// Gives the jobs under way their next writes, one each in turn, until it has built as much as one large write, with the turn's groups
    /// unless somebody waits for it: what is left is for the next turn, behind whatever comes in meanwhile.
    fn write_flushes(&mut self, now: Now) {
        let mut built = if self.is_urgent() { 0 } else { self.commit.turn_bytes };
        while !self.checkpoint.writers.is_empty() {
            if built >= self.config.pacing.flush_write_bytes {
                self.wake = true;
                break;
            }
            let came = self.measures.journal_bytes();
            if !self.checkpoint.pace.allows(now, came, &self.config.pacing) && !self.is_urgent() {
                return;
            }
            let Some(slot) = self.checkpoint.writers.pop_front() else { return };
            if let Some(bytes) = self.write_more(slot) {
                built += bytes;
                self.checkpoint.pace.written += bytes as u64;
                self.checkpoint.writers.push_back(slot);
            }
        }
        self.checkpoint.pace.resume = None;
    }

    /// The partitions to flush, those with the oldest unflushed group first; so many that their tail images fit half an extent.
    fn oldest_dirty(&self) -> VecDeque<Slot> {
        let mut slots: Vec<_> = self.dirty.iter().map(|slot| (self.first_unflushed(*slot), *slot)).collect();
        slots.retain(|(_, slot)| self.table.get(*slot).is_some_and(|partition| !partition.failed));
        slots.sort_unstable();
        let images_max = self.config.budget.extent_bytes as usize / 2 / (2 * BLOCK_BYTES);
        slots.into_iter().take(images_max.max(1)).map(|(_, slot)| slot).collect()
    }

    /// The group of the partition's first batch behind its recovery point.
    fn first_unflushed(&self, slot: Slot) -> Option<JournalSequence> {
        let partition = self.table.get(slot)?;
        let first = partition.cache_index(partition.flushed.next());
        partition.cache.get(first).map(|batch| batch.sequence)
    }

    fn supply_flushes(&mut self, now: Now) {
        while self.checkpoint.jobs < FLUSH_JOBS_MAX && self.checkpoint.flush_bytes < FLUSH_BYTES_IN_FLIGHT_MAX
        {
            let Some(slot) = self.checkpoint.queue.pop_front() else { break };
            self.checkpoint.jobs += 1;
            if !self.start_flush(slot, self.checkpoint.ending()) {
                self.checkpoint.jobs -= 1;
            }
        }
        self.write_flushes(now);
        if self.checkpoint.jobs == 0
            && self.checkpoint.queue.is_empty()
            && self.checkpoint.stage == Stage::Flushing
        {
            self.checkpoint.stage = Stage::Syncing;
            self.clean_before_sync();
            self.push_op(Purpose::Checkpoint, Op::SyncFilesystem);
        }
    }

    /// One partition's job is over, well or not.
    pub(super) fn flush_ended(&mut self, _slot: Slot, bytes: usize) {
        self.checkpoint.jobs -= 1;
        self.checkpoint.flush_bytes -= bytes;
        self.wake = true;
    }

    pub(super) fn checkpoint_op_done(&mut self, now: Now, done: Done) {
        if let Done::Failed(failure) = done {
            self.fail(format!(
                "a checkpoint cannot be made durable: {failure}. Nothing acknowledged is lost: the journal holds it. Check the device, \
                 then start again."
            ));
            return;
        }
        match self.checkpoint.stage {
            Stage::Syncing => self.write_checkpoint(),
            Stage::Writing { start } => self.checkpoint_written(now, start),
            Stage::Idle | Stage::Flushing => {}
        }
    }

    /// Every segment write of the cycle is in stable storage.
    fn write_checkpoint(&mut self) {
        let covered = self.covered(self.checkpoint.upto);
        let start = JournalSequence(covered.0.max(self.checkpoint.released.0) + 1);
        self.settle_swaps();
        let mut encoder = Encoder::new();
        let mut sealed_below = Vec::new();
        for slot in self.table.slots() {
            let Some(partition) = self.table.get(slot).filter(|partition| !partition.deleted) else {
                continue;
            };
            let end = partition.flushed.next();
            sealed_below.push((slot, partition.flushed.active().base));
            let swapped = self.log_after_swap(slot);
            encoder.parts(
                partition.id,
                partition.owner_epoch,
                &partition.directory,
                swapped.as_ref().unwrap_or(&partition.flushed),
                |out| partition.producers.encode(end, out),
            );
        }
        for (slot, base) in sealed_below {
            if let Some(partition) = self.table.get_mut(slot) {
                partition.sealed_below_next = base;
            }
        }
        let number = self.checkpoint.number + 1;
        let bytes = encoder.finish(self.config.core, self.checkpoint.incarnation, number, start);
        let data: Bytes = AlignedBuf::padded_copy(&bytes).freeze();
        self.checkpoint.stage = Stage::Writing { start };
        let write = Op::Write {
            file: checkpoint::slot_file(self.config.core, number % checkpoint::SLOTS),
            position: 0,
            data,
            path: Path::Direct,
            sync: Sync::Data,
            class: Class::Background,
        };
        self.push_op(Purpose::Checkpoint, write);
    }

    fn checkpoint_written(&mut self, now: Now, start: JournalSequence) {
        self.measures.checkpoint_written();
        self.checkpoint.number += 1;
        self.checkpoint.released = JournalSequence(start.0 - 1);
        self.journal.release(self.checkpoint.released);
        self.checkpoint.stage = Stage::Idle;
        self.swap_after_checkpoint(now);
        self.sealed_segments_checkpointed();
        if self.checkpoint.stopping == Stopping::Closing {
            self.checkpoint.stopping = Stopping::Done;
        }
        self.wake = true;
        self.evict();
    }

    /// Groups up to `upto`, without those that hold something which is still only in the journal, and without what follows them.
    fn covered(&self, upto: JournalSequence) -> JournalSequence {
        let oldest = self.dirty.iter().filter_map(|slot| self.first_unflushed(*slot)).min();
        oldest.map_or(upto, |first| upto.min(JournalSequence(first.0 - 1)))
    }

    /// Whether a checkpoint now would free groups, without a flush.
    pub(super) fn can_release(&self) -> bool {
        self.covered(self.journal.durable()) > self.checkpoint.released
    }

    /// Whether nothing is left to flush but what cannot be.
    pub(super) fn dirty_is_only_failed(&self) -> bool {
        let is_failed = |slot: &Slot| self.table.get(*slot).is_none_or(|partition| partition.failed);
        self.dirty.iter().all(is_failed)
    }
}
