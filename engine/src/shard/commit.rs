//! The flow of a group commit: while a group is in flight the next one collects; it follows at once only where much is waiting
//! already. Nothing of a group is acknowledged before its write, synced by RWF_DSYNC, has completed, and those of all groups before it.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::{
    Purpose, Shard,
    partition::{CachedBatch, Slot},
    produce::FrameNumber,
};
use crate::{
    base::{JournalSequence, Offset},
    config::Durability,
    io::journal::{format::FrameKind, layout::GroupSize, writer::Frame},
    limits,
    log::Placement,
    op::{Class, Done, Op, Path, Sync},
};

/// The most that a tail image takes of the journal, with its group's header and padding.
const IMAGE_BYTES_MAX: usize = 2 * limits::BLOCK_BYTES;

/// What the cache holds for a batch beside its bytes: an entry in its partition's deque, which has up to twice the room, and its
/// partition in its group's list.
const CACHED_BATCH_BYTES: usize = 2 * size_of::<CachedBatch>() + size_of::<Slot>();

/// Frames on their way into the journal.
#[derive(Debug, Default)]
pub struct Commit {
    /// The same order in both.
    frames: VecDeque<Frame>,
    slots: VecDeque<Slot>,
    /// Tail images go first: what frees memory and journal must never wait for memory or journal.
    images: VecDeque<(Slot, Frame)>,
    pub staged_bytes: u64,
    staged: FrameNumber,
    /// The last frame in a group.
    pub built: FrameNumber,
    /// The last frame in stable storage.
    pub committed: FrameNumber,
    /// In sequence order; done ones wait for those before them.
    in_flight: VecDeque<InFlight>,
    /// Group buffers that the cache holds, oldest first.
    groups: VecDeque<CachedGroup>,
    /// What they take, with what is known of their batches.
    pub cached_bytes: u64,
    /// The same, of every group since start.
    grouped_bytes: u64,
    /// Built into groups in this turn.
    pub turn_bytes: usize,
}

#[derive(Debug)]
struct InFlight {
    sequence: JournalSequence,
    is_done: bool,
    since_ns: u64,
    last: FrameNumber,
    /// Partition, end of its batch, bytes.
    batches: Vec<(Slot, Offset, u32)>,
    /// Log starts that it moves.
    starts: Vec<(Slot, Offset)>,
    /// Partitions whose tail image it carries.
    images: Vec<Slot>,
    /// One of its batches is the first of a rolled segment.
    rolls: bool,
}

#[derive(Debug)]
struct CachedGroup {
    sequence: JournalSequence,
    data: Bytes,
    memory_bytes: usize,
    slots: Vec<Slot>,
    /// What all groups before it took.
    grouped_before: u64,
}

impl CachedGroup {
    fn bytes(&self) -> u64 {
        (self.memory_bytes + self.slots.len() * CACHED_BATCH_BYTES) as u64
    }
}

impl Commit {
    /// The memory of a group that the cache holds.
    pub fn group(&self, sequence: JournalSequence) -> Option<&Bytes> {
        let oldest = self.groups.front()?.sequence;
        let group = self.groups.get(usize::try_from(sequence.0.checked_sub(oldest.0)?).ok()?)?;
        Some(&group.data)
    }

    /// What the groups behind `released` take: none of it can be given back.
    pub fn pinned_bytes(&self, released: JournalSequence) -> u64 {
        let Some(oldest) = self.groups.front() else { return 0 };
        let first = (released.0 + 1).saturating_sub(oldest.sequence.0);
        let first = usize::try_from(first).ok().and_then(|first| self.groups.get(first));
        first.map_or(0, |group| self.grouped_bytes - group.grouped_before)
    }

    fn keep(&mut self, group: CachedGroup) {
        self.cached_bytes += group.bytes();
        self.grouped_bytes += group.bytes();
        self.groups.push_back(group);
    }

    pub fn stage(&mut self, slot: Slot, frame: Frame) -> FrameNumber {
        self.staged_bytes += frame.payload.len() as u64;
        self.frames.push_back(frame);
        self.slots.push_back(slot);
        self.staged.0 += 1;
        self.staged
    }

    pub fn stage_image(&mut self, slot: Slot, frame: Frame) {
        self.images.push_back((slot, frame));
    }

    /// The last frame that was staged.
    pub fn staged(&self) -> FrameNumber {
        self.staged
    }

    /// Frames that wait for a group.
    pub fn waiting(&self) -> usize {
        self.frames.len() + self.images.len()
    }

    pub fn is_idle(&self) -> bool {
        self.frames.is_empty() && self.images.is_empty() && self.in_flight.is_empty()
    }

    /// How many of these frames make a group of at most `bytes_max` behind what it has already, and how large it is then; at least
    /// one if the group is empty so far.
    fn fitting<'a>(
        frames: impl Iterator<Item = &'a Frame>,
        mut size: GroupSize<'a>,
        bytes_max: usize,
    ) -> (usize, GroupSize<'a>) {
        let mut count = 0;
        for frame in frames {
            let whole = size.with(frame);
            if whole.bytes() > bytes_max && !size.is_empty() {
                break;
            }
            (count, size) = (count + 1, whole);
        }
        (count, size)
    }
}

impl Shard {
    pub(super) fn group_commit(&mut self) {
        if self.commit.frames.is_empty() && self.commit.images.is_empty() {
            return;
        }
        if self.commit.turn_bytes >= limits::TURN_BUILT_BYTES {
            self.wake = true;
            return;
        }
        if !self.commit.in_flight.is_empty() {
            self.commit_ahead();
            return;
        }
        let bytes_max = limits::GROUP_BYTES_MAX.min(self.journal.group_bytes_max());
        // Images fill an extent up before they open the next: their room is counted by the extent.
        let rest = self.journal.bytes_left();
        let images_max = if rest >= IMAGE_BYTES_MAX { rest.min(bytes_max) } else { bytes_max };
        let frames = self.commit.images.iter().map(|(_, frame)| frame);
        let (images, size) = Commit::fitting(frames, self.journal.empty_group(), images_max);
        let bytes = size.bytes();
        let memory_full = self.is_memory_full();
        let batches = if memory_full { 0 } else { self.batches_with_room(size, bytes_max) };
        if batches == 0 && !self.commit.frames.is_empty() {
            self.checkpoint.wanted = true;
        }
        if images + batches == 0 {
            self.refuse_to_hang(memory_full);
            return;
        }
        if batches == 0 && !self.journal.has_room(bytes) {
            self.fail(
                "the journal has no room for the images that a flush needs: this is a bug, please report it"
                    .into(),
            );
            return;
        }
        self.write_group(images, batches);
    }

    /// Another group beside those in flight, if it is worth it. It stays in their extent: an extent is opened only when every group
    /// before it is durable, which recovery takes for granted. Images wait for the next group of their own time.
    fn commit_ahead(&mut self) {
        let room = self.journal.bytes_left() / limits::BLOCK_BYTES * limits::BLOCK_BYTES;
        let is_worth_it = self.commit.staged_bytes >= self.config.pacing.commit_ahead_bytes
            && self.commit.in_flight.len() < limits::COMMITS_IN_FLIGHT_MAX
            && self.commit.images.is_empty()
            && !self.is_memory_full();
        let empty = self.journal.empty_group();
        let first = self.commit.frames.front().map_or(usize::MAX, |frame| empty.with(frame).bytes());
        if is_worth_it && first <= room {
            let batches = self.batches_with_room(empty, limits::GROUP_BYTES_MAX.min(room));
            if batches > 0 {
                self.write_group(0, batches);
            }
        }
    }

    /// Nothing more is taken before something is flushed.
    fn is_memory_full(&self) -> bool {
        self.unflushed_bytes >= self.config.budget.unflushed_bytes
            || self.pinned_bytes() >= self.cache_bytes()
    }

    /// What the groups take that are not flushed, or were not when the newest checkpoint was written.
    pub(super) fn pinned_bytes(&self) -> u64 {
        self.commit.pinned_bytes(self.checkpoint.flushed_through())
    }

    /// What the cache may take now: it makes room for what partitions take that hold no batches, for a compaction and for batches that are
    /// being opened, but not for more than half of it.
    pub(super) fn cache_bytes(&self) -> u64 {
        let all = self.config.budget.cache_bytes;
        let others =
            self.table.bytes() + self.cleaner.held_bytes(&self.config.budget) + self.openings.bytes as u64;
        all.saturating_sub(others).max(all / 2)
    }

    /// How many batches may join a group of this size. What they leave of the journal must hold an image for every
    /// partition that is not flushed, or nothing could be flushed and no extent freed.
    fn batches_with_room<'a>(&'a self, size: GroupSize<'a>, bytes_max: usize) -> usize {
        let (fitting, whole) = Commit::fitting(self.commit.frames.iter(), size, bytes_max);
        let Some(extents) = self.journal.extents_free_after(whole.bytes()) else { return 0 };
        let images_max = extents * (self.config.budget.extent_bytes as usize / IMAGE_BYTES_MAX - 1);
        let flushing = self.checkpoint.images_ahead();
        let mut images = self.dirty.len() + flushing;
        let mut new = BTreeSet::new();
        let has_room = |slot: &&Slot| {
            images += usize::from(!self.dirty.contains(slot) && new.insert(**slot));
            images <= images_max
        };
        self.commit.slots.iter().take(fitting).take_while(has_room).count()
    }

    fn write_group(&mut self, images: usize, batches: usize) {
        let mut frames = Vec::with_capacity(images + batches);
        let mut slots = Vec::with_capacity(images + batches);
        for (slot, frame) in self.commit.images.drain(..images) {
            slots.push(slot);
            frames.push(frame);
        }
        slots.extend(self.commit.slots.drain(..batches));
        frames.extend(self.commit.frames.drain(..batches));
        let group = self.journal.build(&frames);
        let mut in_flight = InFlight {
            sequence: group.sequence,
            is_done: false,
            since_ns: 0,
            last: FrameNumber(self.commit.built.0 + batches as u64),
            batches: Vec::with_capacity(batches),
            starts: Vec::new(),
            images: slots[..images].to_vec(),
            rolls: frames[images..].iter().any(begins_segment),
        };
        for ((frame, slot), bytes) in frames.iter().zip(&slots).zip(group.payloads).skip(images) {
            if frame.kind == FrameKind::LogStart {
                in_flight.starts.push((*slot, frame.base));
                continue;
            }
            let size = bytes.len() as u32;
            self.commit.staged_bytes -= u64::from(size);
            let Some(partition) = self.table.get_mut(*slot).filter(|partition| !partition.deleted) else {
                continue;
            };
            let placement = Placement { segment: frame.segment, position: frame.position };
            let (base, next, epoch) = (frame.base, frame.next, frame.leader_epoch);
            partition.cache.push_back(CachedBatch {
                base,
                next,
                placement,
                epoch,
                sequence: group.sequence,
                bytes,
            });
            self.unflushed_bytes += u64::from(size);
            in_flight.batches.push((*slot, next, size));
        }
        self.commit.built = in_flight.last;
        let bytes = group.data.len() as u64;
        self.commit.turn_bytes += group.data.len();
        let cached = CachedGroup {
            sequence: group.sequence,
            data: group.data.clone(),
            memory_bytes: group.memory_bytes,
            slots: slots.split_off(images),
            grouped_before: self.commit.grouped_bytes,
        };
        self.commit.keep(cached);
        let records: i64 = frames[images..].iter().map(|frame| frame.next.0 - frame.base.0).sum();
        in_flight.since_ns = self.measures.group_written(bytes, frames.len() as u64, records as u64);
        for &(slot, next, size) in &in_flight.batches {
            if self
                .table
                .get(slot)
                .is_some_and(|partition| partition.settings.durability == Durability::Async)
            {
                self.advance(slot, next, size);
            }
        }
        self.commit.in_flight.push_back(in_flight);
        let write = Op::Write {
            file: group.file,
            position: group.position,
            data: group.data,
            path: Path::Direct,
            sync: Sync::Data,
            class: Class::Latency,
        };
        self.push_op(Purpose::Commit(group.sequence), write);
        self.answer_produces();
        self.evict();
    }

    pub(super) fn committed(&mut self, sequence: JournalSequence, done: Done) {
        if let Done::Failed(failure) = done {
            self.fail(format!("the journal cannot be written, so nothing more can be acknowledged: {failure}. Check the device, then start again."));
            return;
        }
        if let Some(group) = self.commit.in_flight.iter_mut().find(|group| group.sequence == sequence) {
            group.is_done = true;
        }
        while let Some(group) = self.commit.in_flight.pop_front_if(|group| group.is_done) {
            self.group_durable(group);
        }
        self.answer_produces();
        self.answer_deletions();
    }

    fn group_durable(&mut self, group: InFlight) {
        self.measures.group_committed(group.since_ns);
        self.journal.committed(group.sequence);
        self.commit.committed = group.last;
        for &(slot, next, size) in &group.batches {
            let Some(partition) = self.table.get_mut(slot).filter(|partition| !partition.deleted) else {
                continue;
            };
            partition.durable = next;
            self.dirty.insert(slot);
            if partition.visible < next {
                self.advance(slot, next, size);
            }
        }
        // A sealed segment is whole and cut on disk soon, for whoever reads its file.
        self.checkpoint.wanted |= group.rolls;
        for &(slot, start) in &group.starts {
            self.log_start_durable(slot, start);
        }
        for slot in group.images {
            self.image_committed(slot);
        }
    }

    /// Readers see the partition up to `visible`.
    fn advance(&mut self, slot: Slot, visible: Offset, size: u32) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        partition.visible = visible;
        if !partition.watchers.is_empty() {
            self.wake_watchers(slot, size);
        }
    }

    /// Gives back the oldest group buffers that are over the budget and wholly flushed, some in each turn.
    pub(super) fn evict(&mut self) {
        let mut evicted = 0;
        while self.commit.cached_bytes > self.cache_bytes() {
            if evicted == limits::EVICTED_GROUPS_PER_TURN {
                self.wake = true;
                return;
            }
            evicted += 1;
            let Some(group) = self.commit.groups.front() else { return };
            if group.sequence > self.checkpoint.flushed_through() {
                return;
            }
            let Some(group) = self.commit.groups.pop_front() else { return };
            self.commit.cached_bytes -= group.bytes();
            drop(group.data);
            self.journal.trim_memory();
            for slot in group.slots {
                let Some(partition) = self.table.get_mut(slot) else { continue };
                if partition.cache.front().is_some_and(|batch| batch.sequence <= group.sequence) {
                    partition.drop_oldest();
                }
            }
        }
    }

    /// With nothing left to flush, a full journal or memory would wait for ever: that is a bug or a failed partition.
    fn refuse_to_hang(&mut self, memory_full: bool) {
        if self.checkpoint.is_running() || !self.dirty_is_only_failed() || self.can_release() {
            return;
        }
        let what = if memory_full { "memory for unflushed data" } else { "journal" };
        self.fail(format!(
            "the {what} is full of batches of partitions whose segments cannot be written. Repair the device and start again: \
             the journal holds every acknowledged record."
        ));
    }
}

/// Whether the frame is the first batch of a rolled segment.
fn begins_segment(frame: &Frame) -> bool {
    frame.kind == FrameKind::Batch && frame.position.0 == 0 && frame.segment > Offset(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(sequence: u64, batches: usize, before: &Commit) -> CachedGroup {
        CachedGroup {
            sequence: JournalSequence(sequence),
            data: Bytes::from_static(&[0; limits::BLOCK_BYTES]),
            memory_bytes: limits::BLOCK_BYTES,
            slots: vec![Slot(0); batches],
            grouped_before: before.grouped_bytes,
        }
    }

    /// A million batches of a hundred bytes took twice the memory that was counted.
    #[test]
    fn what_is_known_of_cached_batches_counts_with_their_bytes() {
        let mut commit = Commit::default();
        for (sequence, batches) in [(5, 0), (6, 10), (7, 1)] {
            commit.keep(group(sequence, batches, &commit));
        }
        let all = (3 * limits::BLOCK_BYTES + 11 * CACHED_BATCH_BYTES) as u64;
        assert_eq!(commit.cached_bytes, all);
        let last = (limits::BLOCK_BYTES + CACHED_BATCH_BYTES) as u64;
        let pinned = [0, 4, 5, 6, 7, 9].map(|released| commit.pinned_bytes(JournalSequence(released)));
        assert_eq!(pinned, [all, all, all - limits::BLOCK_BYTES as u64, last, 0, 0]);
    }
}
