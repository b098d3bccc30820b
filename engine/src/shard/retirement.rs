//! The flow of a segment that goes: out of the log at once, its files renamed to `.deleted`, as Kafka does, and removed
//! `file.delete.delay.ms` later. Only segments that the newest durable checkpoint has sealed below its recovery point (rule 6), and only
//! after what lets go of them is durable: a log start, or a checkpoint that lists what replaces them. A process that ends before the
//! removal leaves it to the next start.
//!
//! Reads of these files may be under way: they find that the partition lost segments (`Partition::removals`) and begin anew.

use std::collections::BTreeSet;

use slab::Slab;

use super::{Purpose, Shard, partition::Slot};
use crate::{
    base::{Deadline, Now, Offset},
    log::{names, segment::Segment},
    op::{Done, FileName, Op},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Renaming,
    Waiting(Deadline),
    Removing,
}

#[derive(Debug)]
struct Retirement {
    slot: Slot,
    files: Vec<FileName>,
    step: Step,
    ops: usize,
}

/// Segments on their way out.
#[derive(Debug, Default)]
pub struct Retirements {
    jobs: Slab<Retirement>,
    by_deadline: BTreeSet<(Deadline, usize)>,
    /// Partitions with segments below their log start that no durable checkpoint has sealed yet.
    breached: BTreeSet<Slot>,
    /// Files are removed without delay: the process stops.
    stopping: bool,
}

impl Retirements {
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The partition may have a breached segment once a checkpoint has sealed it.
    pub fn expect(&mut self, slot: Slot) {
        self.breached.insert(slot);
    }

    pub fn stop(&mut self) {
        self.stopping = true;
    }
}

impl Shard {
    /// The log start moved, or a checkpoint sealed more: segments that hold nothing readable go, if they may.
    pub(super) fn retire_breached(&mut self, slot: Slot) {
        if self.cleaner.holds(slot) {
            self.retirements.breached.insert(slot);
            return;
        }
        self.retirements.breached.remove(&slot);
        let Some(partition) = self.table.get_mut(slot).filter(|partition| !partition.deleted) else { return };
        let gone = partition.flushed.take_breached(partition.sealed_below);
        partition.live.take_breached(partition.sealed_below);
        let rest = partition.live.segment_ends().next().is_some_and(|(_, end)| end <= partition.live.start());
        if rest && partition.live.segments().nth(1).is_some() {
            self.retirements.breached.insert(slot);
        }
        self.retire(slot, &gone);
    }

    /// Removes the files of segments that the logs of the partition hold no more.
    pub(super) fn retire(&mut self, slot: Slot, segments: &[Segment]) {
        let Some(partition) = self.table.get_mut(slot).filter(|_| !segments.is_empty()) else { return };
        partition.removals += 1;
        let directory = partition.directory.clone();
        let bases: Vec<Offset> = segments.iter().map(|segment| segment.base).collect();
        self.forget_ahead(slot);
        tracing::info!(partition = %directory, segments = ?bases, "segments are deleted");
        for segment in segments {
            let mut files = names::segment_files(&directory, segment.base).to_vec();
            files.push(names::snapshot(&directory, segment.base));
            let ops: Vec<Op> = files
                .iter()
                .map(|file| Op::Rename { from: file.clone(), to: names::deleted(file) })
                .collect();
            let job = Retirement { slot, files, step: Step::Renaming, ops: ops.len() };
            let number = self.retirements.jobs.insert(job);
            for op in ops {
                self.push_partition_op(slot, Purpose::Retire(number), op);
            }
        }
    }

    pub(super) fn retire_op_done(&mut self, now: Now, number: usize, done: Done) {
        let Some(job) = self.retirements.jobs.get_mut(number) else { return };
        job.ops -= 1;
        match done {
            // An index file or a snapshot that was never written is not there.
            Done::Failed(failure) if !failure.is_not_found() => {
                tracing::warn!(%failure, "a deleted segment's file stays; the next start removes it");
            }
            _ => {}
        }
        if job.ops > 0 {
            return;
        }
        match job.step {
            Step::Renaming => {
                let partition = self.table.get(job.slot);
                let delay = partition.map_or(0, |partition| partition.settings.file_delete_delay_ms);
                let deadline = now.after_ms(if self.retirements.stopping { 0 } else { delay });
                job.step = Step::Waiting(deadline);
                self.retirements.by_deadline.insert((deadline, number));
                self.wake |= now.reached(deadline);
            }
            Step::Waiting(_) | Step::Removing => {
                self.retirements.jobs.remove(number);
            }
        }
    }

    /// Removes the files whose time has come.
    pub(super) fn remove_retired(&mut self, now: Now) {
        while let Some(&(deadline, number)) = self.retirements.by_deadline.first()
            && (now.reached(deadline) || self.retirements.stopping)
        {
            self.retirements.by_deadline.remove(&(deadline, number));
            let Some(job) = self.retirements.jobs.get_mut(number) else { continue };
            let slot = job.slot;
            if self.table.get(slot).is_none_or(|partition| partition.deleted) {
                // They went with their directory.
                self.retirements.jobs.remove(number);
                continue;
            }
            (job.step, job.ops) = (Step::Removing, job.files.len());
            for file in std::mem::take(&mut job.files) {
                self.push_partition_op(
                    slot,
                    Purpose::Retire(number),
                    Op::Remove { file: names::deleted(&file) },
                );
            }
        }
    }

    /// A checkpoint is durable.
    pub(super) fn sealed_segments_checkpointed(&mut self) {
        for slot in self.table.slots().collect::<Vec<_>>() {
            if let Some(partition) = self.table.get_mut(slot) {
                partition.sealed_below = partition.sealed_below_next;
            }
        }
        if self.retirements.stopping {
            // No sync follows the closing checkpoint: the next start removes what it has sealed.
            return;
        }
        for slot in std::mem::take(&mut self.retirements.breached) {
            self.retire_breached(slot);
        }
    }
}
