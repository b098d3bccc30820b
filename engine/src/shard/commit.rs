//! The flow of a group commit: one group in flight; while it is, the next one collects. Nothing of it is acknowledged before
//! its write, synced by RWF_DSYNC, has completed.

use std::collections::VecDeque;

use super::{
    Purpose, Shard,
    partition::{CachedBatch, Slot},
    produce::FrameNumber,
    settings::Durability,
};
use crate::{
    base::{JournalSequence, Offset},
    io::journal::{
        format::{FrameKind, GROUP_HEADER_BYTES},
        writer::Frame,
    },
    limits,
    log::Placement,
    op::{Class, Done, Op, Path, Sync},
};

/// Frames on their way into the journal.
#[derive(Debug, Default)]
pub struct Commit {
    /// The same order in both.
    frames: VecDeque<Frame>,
    slots: VecDeque<Slot>,
    pub staged_bytes: u64,
    staged: FrameNumber,
    /// The last frame in a group.
    pub built: FrameNumber,
    /// The last frame in stable storage.
    pub committed: FrameNumber,
    in_flight: Option<InFlight>,
    /// Group buffers that the cache holds, oldest first.
    groups: VecDeque<CachedGroup>,
    pub cached_bytes: u64,
    pub statistics: CommitStatistics,
}

/// What group commit did since start; for figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitStatistics {
    pub groups: u64,
    pub frames: u64,
    pub bytes: u64,
}

#[derive(Debug)]
struct InFlight {
    sequence: JournalSequence,
    last: FrameNumber,
    /// Partition, end of its batch, bytes.
    batches: Vec<(Slot, Offset, u32)>,
}

#[derive(Debug)]
struct CachedGroup {
    sequence: JournalSequence,
    bytes: u64,
    slots: Vec<Slot>,
}

impl Commit {
    pub fn stage(&mut self, slot: Slot, frame: Frame) -> FrameNumber {
        self.staged_bytes += frame.payload.len() as u64;
        self.frames.push_back(frame);
        self.slots.push_back(slot);
        self.staged.0 += 1;
        self.staged
    }

    pub fn is_idle(&self) -> bool {
        self.frames.is_empty() && self.in_flight.is_none()
    }

    /// How many frames make the next group, and its bytes.
    fn next_group(&self) -> (usize, usize) {
        let mut bytes = GROUP_HEADER_BYTES;
        let mut count = 0;
        for frame in &self.frames {
            let more = frame.group_bytes();
            if count > 0 && bytes + more > limits::GROUP_BYTES_MAX {
                break;
            }
            bytes += more;
            count += 1;
        }
        (count, bytes)
    }
}

impl Shard {
    pub(super) fn group_commit(&mut self) {
        if self.commit.in_flight.is_some() || self.commit.frames.is_empty() {
            return;
        }
        let (count, bytes) = self.commit.next_group();
        let images_only = self.commit.frames.iter().take(count).all(|frame| frame.kind == FrameKind::TailImage);
        let memory_full = self.unflushed_bytes >= self.config.budget.unflushed_bytes && !images_only;
        if memory_full || !self.journal.has_room(bytes) {
            self.checkpoint.wanted = true;
            self.refuse_to_hang(memory_full);
            return;
        }
        let group = self.journal.build(&self.commit.frames.make_contiguous()[..count]);
        let mut batches = Vec::with_capacity(count);
        let mut slots = Vec::with_capacity(count);
        for payload in &group.payloads {
            let (Some(frame), Some(slot)) = (self.commit.frames.pop_front(), self.commit.slots.pop_front()) else { break };
            self.commit.staged_bytes -= frame.payload.len() as u64;
            if frame.kind != FrameKind::Batch {
                continue;
            }
            let Some(partition) = self.table.get_mut(slot) else { continue };
            let placement = Placement { segment: frame.segment, position: frame.position };
            let bytes = payload.clone();
            let (base, next, epoch) = (frame.base, frame.next, frame.leader_epoch);
            partition.cache.push_back(CachedBatch { base, next, placement, epoch, sequence: group.sequence, bytes });
            self.unflushed_bytes += payload.len() as u64;
            batches.push((slot, next, payload.len() as u32));
            slots.push(slot);
        }
        self.commit.built.0 += count as u64;
        let bytes = group.data.len() as u64;
        self.commit.cached_bytes += bytes;
        self.commit.groups.push_back(CachedGroup { sequence: group.sequence, bytes, slots });
        self.commit.statistics.groups += 1;
        self.commit.statistics.frames += count as u64;
        self.commit.statistics.bytes += bytes;
        for &(slot, next, size) in &batches {
            if self.table.get(slot).is_some_and(|partition| partition.settings.durability == Durability::Async) {
                self.advance(slot, next, size);
            }
        }
        self.commit.in_flight = Some(InFlight { sequence: group.sequence, last: self.commit.built, batches });
        let write = Op::Write {
            file: group.file,
            position: group.position,
            data: group.data,
            path: Path::Direct,
            sync: Sync::Data,
            class: Class::Latency,
        };
        self.push_op(Purpose::Commit, write);
        self.answer_produces();
        self.evict();
    }

    pub(super) fn committed(&mut self, done: Done) {
        if let Done::Failed(failure) = done {
            self.fail(format!("the journal cannot be written, so nothing more can be acknowledged: {failure}. Check the device, then start again."));
            return;
        }
        let Some(group) = self.commit.in_flight.take() else { return };
        self.journal.committed(group.sequence);
        self.commit.committed = group.last;
        for &(slot, next, size) in &group.batches {
            let Some(partition) = self.table.get_mut(slot) else { continue };
            partition.durable = next;
            self.dirty.insert(slot);
            if partition.visible < next {
                self.advance(slot, next, size);
            }
        }
        self.answer_produces();
        self.images_committed();
        self.controls_committed();
    }

    /// Readers see the partition up to `visible`.
    fn advance(&mut self, slot: Slot, visible: Offset, size: u32) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        partition.visible = visible;
        if !partition.watchers.is_empty() {
            self.wake_watchers(slot, size);
        }
    }

    /// Gives back the oldest group buffers that are over the budget and wholly flushed.
    pub(super) fn evict(&mut self) {
        while self.commit.cached_bytes > self.config.budget.cache_bytes {
            let Some(group) = self.commit.groups.front() else { return };
            if group.sequence > self.checkpoint.flushed_through() {
                return;
            }
            let Some(group) = self.commit.groups.pop_front() else { return };
            self.commit.cached_bytes -= group.bytes;
            for slot in group.slots {
                let Some(partition) = self.table.get_mut(slot) else { continue };
                if partition.failed {
                    continue;
                }
                if partition.cache.front().is_some_and(|batch| batch.sequence <= group.sequence) {
                    partition.cache.pop_front();
                }
            }
        }
    }

    /// With nothing left to flush, a full journal or memory would wait for ever: that is a bug or a failed partition.
    fn refuse_to_hang(&mut self, memory_full: bool) {
        if self.checkpoint.is_running() || !self.dirty_is_only_failed() {
            return;
        }
        let what = if memory_full { "memory for unflushed data" } else { "journal" };
        self.fail(format!(
            "the {what} is full of batches of partitions whose segments cannot be written. Repair the device and start again: \
             the journal holds every acknowledged record."
        ));
    }
}
