//! Read-ahead: where a sequential reader was answered from disk, the read at which it will go on begins at once, and its bytes are held
//! until it comes, for a second at most. A reader is sequential when its Fetch began where an earlier answer from disk ended
//! (`Partition::cursors`); others cost nothing here.
//!
//! The memory is a part of the share of cold reads (`cold_turns`), is taken only where nobody waits for a read, and is given back, oldest
//! first, when somebody does. What is held may outlive its segment only until that is known: every removal and replacement
//! forgets it, and `Partition::removals` is compared before it is used. Lives on one core; pure.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    Purpose, Shard,
    cold::{Cold, Progress, batch_size},
    cold_turns::ColdTurns,
    command::Fetched,
    fetch::Asked,
    partition::Slot,
    settings::SegmentIo,
};
use crate::{
    base::{Deadline, FilePosition, Now, Offset},
    error::ErrorCode,
    limits::{READ_AHEAD_HELD_MS, READ_AHEADS_MAX},
    op::{Done, Op},
};

/// The log's bytes from this position on, beginning with a batch.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub position: FilePosition,
    pub bytes: Bytes,
}

/// What there is for a Fetch.
#[derive(Debug)]
pub enum Taken {
    Nothing,
    /// The read is under way: its Done is the Fetch's.
    Reading(Cold),
    Held(Cold, Chunk),
}

#[derive(Debug)]
enum State {
    /// For memory, and until nobody waits for a read.
    Waiting(Cold),
    Reading(Cold),
    Held(Cold, Chunk),
    /// Being read; a fetch, by job, came for it.
    Awaited(usize),
    /// Being read; nobody will come for it.
    Unwanted,
}

#[derive(Debug)]
struct Ahead {
    /// Given when it is added.
    number: u64,
    slot: Slot,
    /// Where its reader goes on.
    offset: Offset,
    /// Segments that the partition had lost when it began.
    removals: u64,
    /// Of its buffer.
    bytes: u32,
    deadline: Deadline,
    state: State,
}

/// What is read ahead on one core.
#[derive(Debug, Default)]
pub struct ReadAhead {
    /// Oldest first, so in the order of their deadlines.
    aheads: VecDeque<Ahead>,
    number: u64,
}

impl ReadAhead {
    /// What is `Held` has taken its memory.
    fn add(&mut self, mut ahead: Ahead, turns: &mut ColdTurns) {
        if self.aheads.len() == READ_AHEADS_MAX {
            let is_idle = |ahead: &Ahead| matches!(ahead.state, State::Waiting(_) | State::Held(..));
            let oldest = self.aheads.iter().position(is_idle);
            if let Some(oldest) = oldest.and_then(|index| self.aheads.remove(index)) {
                oldest.end(turns);
            }
        }
        self.number += 1;
        ahead.number = self.number;
        self.aheads.push_back(ahead);
    }

    fn wanted(&self, slot: Slot, offset: Offset) -> Option<usize> {
        let at = |ahead: &Ahead| ahead.slot == slot && ahead.offset == offset && ahead.is_wanted();
        self.aheads.iter().position(at)
    }

    /// For a fetch, by job, that was answered up to `offset` before.
    fn take(&mut self, slot: Slot, offset: Offset, job: usize, turns: &mut ColdTurns) -> Taken {
        let Some(index) = self.wanted(slot, offset) else { return Taken::Nothing };
        let ahead = &mut self.aheads[index];
        match std::mem::replace(&mut ahead.state, State::Awaited(job)) {
            State::Reading(cold) => {
                turns.await_ahead(ahead.bytes);
                Taken::Reading(cold)
            }
            state => {
                ahead.state = state;
                self.aheads.remove(index).map_or(Taken::Nothing, |ahead| ahead.end(turns))
            }
        }
    }

    /// The next read, if there is memory for it: under way from now on.
    fn start(&mut self, turns: &mut ColdTurns) -> Option<(u64, Slot, Op)> {
        let waiting = |ahead: &&mut Ahead| matches!(ahead.state, State::Waiting(_));
        let ahead = self.aheads.iter_mut().find(waiting)?;
        if !turns.start_ahead(ahead.bytes) {
            return None;
        }
        let State::Waiting(cold) = std::mem::replace(&mut ahead.state, State::Unwanted) else { return None };
        let op = cold.op();
        ahead.state = State::Reading(cold);
        Some((ahead.number, ahead.slot, op))
    }

    /// Makes room for a read that somebody waits for; false: nothing is held.
    pub fn drop_oldest(&mut self, turns: &mut ColdTurns) -> bool {
        let held = self.aheads.iter().position(|ahead| matches!(ahead.state, State::Held(..)));
        let held = held.and_then(|index| self.aheads.remove(index));
        held.map(|ahead| ahead.end(turns)).is_some()
    }

    /// Gives up what this is true of; what is under way when it is over.
    fn forget(&mut self, turns: &mut ColdTurns, is_stale: impl Fn(&Ahead) -> bool) -> bool {
        let before = self.aheads.len();
        for mut ahead in std::mem::take(&mut self.aheads) {
            if !ahead.is_wanted() || !is_stale(&ahead) {
                self.aheads.push_back(ahead);
            } else if matches!(ahead.state, State::Reading(_)) {
                ahead.state = State::Unwanted;
                self.aheads.push_back(ahead);
            } else {
                ahead.end(turns);
            }
        }
        self.aheads.len() < before
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        self.aheads.iter().find(|ahead| ahead.is_wanted()).map(|ahead| ahead.deadline)
    }
}

impl Ahead {
    fn is_wanted(&self) -> bool {
        matches!(self.state, State::Waiting(_) | State::Reading(_) | State::Held(..))
    }

    /// Gives its memory back, if it has any and no read is under way into it.
    fn end(self, turns: &mut ColdTurns) -> Taken {
        let State::Held(cold, chunk) = self.state else { return Taken::Nothing };
        turns.give_ahead(self.bytes);
        Taken::Held(cold, chunk)
    }
}

impl Shard {
    /// For the fetch of this job, which goes on at `offset`.
    pub(super) fn take_ahead(&mut self, slot: Slot, offset: Offset, job: usize) -> Taken {
        let Some(partition) = self.table.get(slot) else { return Taken::Nothing };
        let index = self.read_ahead.wanted(slot, offset);
        if index.is_some_and(|index| partition.read_anew(self.read_ahead.aheads[index].removals)) {
            self.forget_ahead(slot);
        }
        self.read_ahead.take(slot, offset, job, &mut self.cold_turns)
    }

    /// Of the partition: its segments are other ones, or fewer.
    pub(super) fn forget_ahead(&mut self, slot: Slot) {
        self.read_ahead.forget(&mut self.cold_turns, |ahead| ahead.slot == slot);
    }

    /// Cuts the answer out of a chunk, and reads on for who is sequential; none: another read is needed, and `cold` says where.
    pub(super) fn chunk_answer(
        &mut self,
        now: Now,
        slot: Slot,
        cold: &mut Cold,
        asked: &Asked,
        chunk: &Chunk,
    ) -> Option<Fetched> {
        let offset = asked.part.offset;
        let partition = self.table.get(slot);
        let sequential = self.config.segment_io == SegmentIo::Direct
            && partition.is_some_and(|partition| partition.cursor_at(offset).is_some());
        let cut = self.cold_answer(slot, cold, asked, chunk)?;
        if let Some(cursor) = cut.cursor.filter(|_| sequential) {
            let bytes = chunk.bytes.slice((cursor.position.0 - chunk.position.0) as usize..);
            self.go_ahead(now, slot, cold, cursor.offset, Chunk { position: cursor.position, bytes });
        } else if sequential && cut.answer.error == ErrorCode::None && cut.answer.is_empty() {
            // The others have left no room for it: it comes back.
            self.go_ahead(now, slot, cold, offset, chunk.clone());
        }
        Some(cut.answer)
    }

    /// `rest` is left of what `cold` has read, where its reader goes on: it is held if there is a whole batch in it, else the next read
    /// shall begin.
    fn go_ahead(&mut self, now: Now, slot: Slot, cold: &Cold, offset: Offset, rest: Chunk) {
        let Some(partition) = self.table.get(slot).filter(|partition| !partition.deleted) else { return };
        let turns = &mut self.cold_turns;
        let is_ahead = self.read_ahead.wanted(slot, offset).is_some();
        if is_ahead || offset >= partition.cached_from() || partition.swapping {
            return;
        }
        let base = cold.segment().base;
        let Some(segment) = partition.flushed.segments().rev().find(|segment| segment.base == base) else {
            return;
        };
        let next = cold.behind(*segment, rest.position);
        let is_whole = batch_size(&rest.bytes).is_some_and(|size| size <= rest.bytes.len());
        let (bytes, state) = if is_whole && turns.take_ahead(cold.read_length()) {
            (cold.read_length(), State::Held(cold.clone(), rest))
        } else if u64::from(next.read_length()) <= turns.bytes().1 {
            (next.read_length(), State::Waiting(next))
        } else {
            return;
        };
        let (removals, deadline) = (partition.removals, now.after_ms(READ_AHEAD_HELD_MS));
        self.read_ahead.add(Ahead { number: 0, slot, offset, removals, bytes, deadline, state }, turns);
    }

    pub(super) fn start_reads_ahead(&mut self) {
        while let Some((number, slot, op)) = self.read_ahead.start(&mut self.cold_turns) {
            self.push_partition_op(slot, Purpose::ReadAhead(number), op);
        }
    }

    pub(super) fn ahead_read(&mut self, now: Now, number: u64, done: Done) {
        let aheads = &mut self.read_ahead.aheads;
        let Some(index) = aheads.iter().position(|ahead| ahead.number == number) else { return };
        let ahead = &mut aheads[index];
        let bytes = ahead.bytes;
        let state = std::mem::replace(&mut ahead.state, State::Unwanted);
        if let State::Awaited(job) = state {
            aheads.remove(index);
            return self.fetch_read(now, job, done);
        }
        self.cold_turns.ahead_read();
        match (state, done) {
            (State::Reading(mut cold), Done::Read(read)) => match cold.feed(read) {
                Progress::Chunk { position, bytes } => {
                    ahead.state = State::Held(cold, Chunk { position, bytes });
                }
                // Its reader finds out what is the matter, and says so.
                _ => self.drop_read(index, bytes),
            },
            _ => self.drop_read(index, bytes),
        }
        self.start_cold_reads();
    }

    fn drop_read(&mut self, index: usize, bytes: u32) {
        self.read_ahead.aheads.remove(index);
        self.cold_turns.give_ahead(bytes);
    }

    /// Gives up what nobody has come for in time.
    pub(super) fn expire_read_ahead(&mut self, now: Now) {
        let due = self.read_ahead.next_deadline().is_some_and(|deadline| now.reached(deadline));
        if due && self.read_ahead.forget(&mut self.cold_turns, |ahead| now.reached(ahead.deadline)) {
            self.start_cold_reads();
        }
    }
}

#[cfg(test)]
#[path = "read_ahead_tests.rs"]
mod tests;
