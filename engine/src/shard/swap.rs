//! The part of compaction that lets a rewritten segment take the place of its sources, so that no stop loses either (as Kafka does with `.cleaned`
//! and `.swap`; here the checkpoint is the word that counts):
//!
//! 1. The `.cleaned` files are whole (`Ready`). A checkpoint whose sync began later lists the new segment, marked unsettled.
//! 2. It is durable: the sources are removed, then the new files get their names. A start that finds the mark does the same with what it finds; one
//!    that does not find it removes `.cleaned` files.
//! 3. The next checkpoint whose sync began after that takes the mark away; before it is durable no `.cleaned` file of the partition is written.
//!
//! Reads that are under way during 2 begin anew (`Partition::removals`, `Partition::swapping`).

use super::{
    Shard,
    cleaner::{Job, Phase, begin_group},
    partition::Slot,
};
use crate::{
    base::{Now, Offset},
    log::{Log, names, segment::Segment},
    op::Op,
};

#[derive(Clone, Debug, Default)]
pub struct Swap {
    pub sources: Vec<Segment>,
    pub with: Option<Segment>,
    /// The run is done with it, up to here.
    pub run_ends: Option<Offset>,
}

impl Swap {
    /// Makes the log say so.
    pub fn apply(&self, log: &mut Log) {
        if let (Some(first), Some(last)) = (self.sources.first(), self.sources.last()) {
            log.replace(first.base, last.base.next(), self.with);
        }
        if let Some(end) = self.run_ends {
            log.clean_up_to(end);
        }
    }
}

impl Shard {
    /// A checkpoint's sync is about to begin: it makes whole files and renames so far stable.
    pub(super) fn clean_before_sync(&mut self) {
        let cleaner = &mut self.cleaner;
        cleaner.settling.append(&mut cleaner.renamed);
        if let Some(job) = cleaner.job.as_mut().filter(|job| job.ops == 0)
            && let Phase::Ready(swap) = &mut job.phase
        {
            job.phase = Phase::Committing(std::mem::take(swap));
        }
    }

    /// Files whose renames the checkpoint's sync has made stable have their names.
    pub(super) fn settle_swaps(&mut self) {
        for &(slot, base) in &self.cleaner.settling {
            let Some(partition) = self.table.get_mut(slot) else { continue };
            partition.live.settle(base);
            partition.flushed.settle(base);
        }
    }

    /// The partition's log as the checkpoint that is being written lists it, where it differs from the flushed one: from the first
    /// checkpoint that counts the swap on, whichever step the files are at.
    pub(super) fn log_after_swap(&self, slot: Slot) -> Option<Log> {
        let job = self.cleaner.job.as_ref().filter(|job| job.slot == slot)?;
        let (Phase::Committing(swap) | Phase::Removing(swap) | Phase::Renaming(swap)) = &job.phase else {
            return None;
        };
        let mut log = self.table.get(slot)?.flushed.clone();
        swap.apply(&mut log);
        Some(log)
    }

    /// A checkpoint is durable.
    pub(super) fn swap_after_checkpoint(&mut self, now: Now) {
        self.cleaner.settling.clear();
        let Some(mut job) = self.cleaner.job.take() else { return };
        let Phase::Committing(swap) = &mut job.phase else {
            self.cleaner.job = Some(job);
            return;
        };
        let swap = std::mem::take(swap);
        self.forget_ahead(job.slot);
        let Some(partition) = self.table.get_mut(job.slot).filter(|partition| !partition.deleted) else {
            return self.end_cleaning(now, job.slot);
        };
        partition.swapping = true;
        partition.removals += 1;
        partition.cursors.clear();
        let mut files: Vec<_> = swap
            .sources
            .iter()
            .flat_map(|one| names::segment_files(&partition.directory, one.base))
            .collect();
        if swap.with.is_none()
            && let Some(first) = swap.sources.first()
        {
            files.extend(
                names::segment_files(&partition.directory, first.base).map(|file| names::cleaned(&file)),
            );
        }
        // A segment that takes the name of its first source keeps that one's producers.
        let unnamed = swap.sources.iter().filter(|one| swap.with.is_none_or(|with| with.base != one.base));
        files.extend(unnamed.map(|one| names::snapshot(&partition.directory, one.base)));
        job.phase = Phase::Removing(swap);
        self.push_cleaning(now, &mut job, files.into_iter().map(|file| Op::Remove { file }).collect());
        self.cleaner.job = Some(job);
    }

    /// All Ops of the phase are done.
    pub(super) fn swap_step_done(&mut self, now: Now, mut job: Job, failed: Option<String>) {
        let slot = job.slot;
        let Some(partition) = self.table.get_mut(slot).filter(|partition| !partition.deleted) else {
            self.end_cleaning(now, slot);
            return;
        };
        if let Some(reason) = failed {
            partition.failed = true;
            // The checkpoints to come count it too: the sources are gone, in part at least.
            if let Phase::Removing(swap) | Phase::Renaming(swap) = &job.phase {
                swap.apply(&mut partition.live);
                swap.apply(&mut partition.flushed);
            }
            tracing::error!(
                partition = %partition.directory,
                reason,
                "a compacted segment cannot take the place of its sources: the partition is offline; the next start finishes it"
            );
            self.drop_watchers(slot);
            self.end_cleaning(now, slot);
            return;
        }
        match std::mem::replace(&mut job.phase, Phase::Ready(Swap::default())) {
            Phase::Removing(swap) => {
                let directory = &partition.directory;
                let files = swap.with.map(|with| names::segment_files(directory, with.base));
                let rename = |to| Op::Rename { from: names::cleaned(&to), to };
                let ops: Vec<Op> = files.into_iter().flatten().map(rename).collect();
                job.phase = Phase::Renaming(swap);
                if ops.is_empty() {
                    self.swap_step_done(now, job, None);
                } else {
                    self.push_cleaning(now, &mut job, ops);
                    self.cleaner.job = Some(job);
                }
            }
            Phase::Renaming(swap) => self.swapped(now, job, &swap),
            phase => {
                job.phase = phase;
                self.cleaner.job = Some(job);
            }
        }
    }

    fn swapped(&mut self, now: Now, mut job: Job, swap: &Swap) {
        let slot = job.slot;
        self.forget_ahead(slot);
        let Some(partition) = self.table.get_mut(slot) else { return };
        let last = swap.sources.last().map_or(Offset(0), |last| last.base);
        let end =
            partition.flushed.segment_ends().find(|(segment, _)| segment.base == last).map(|(_, end)| end);
        swap.apply(&mut partition.live);
        swap.apply(&mut partition.flushed);
        // Readers see from now on what a reader after a restart sees.
        while partition.cache.pop_front_if(|batch| end.is_some_and(|end| batch.next <= end)).is_some() {}
        partition.swapping = false;
        partition.removals += 1;
        if let Some(with) = swap.with {
            self.cleaner.renamed.push((slot, with.base));
        }
        let bytes = |segments: &[Segment]| segments.iter().map(|one| u64::from(one.size.0)).sum::<u64>();
        tracing::info!(
            partition = %partition.directory,
            segments = swap.sources.len(),
            bytes = bytes(&swap.sources),
            left = swap.with.map_or(0, |with| with.size.0),
            "segments are compacted"
        );
        let next = if self.checkpoint.is_stopping() { None } else { begin_group(&mut job, partition) };
        match next {
            Some(ops) => {
                self.push_cleaning(now, &mut job, ops);
                self.cleaner.job = Some(job);
            }
            None => self.end_cleaning(now, slot),
        }
    }
}
