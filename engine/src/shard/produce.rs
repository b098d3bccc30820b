//! The flow of a Produce: check, place, stage for the journal; answered when its last frame is durable (or, for async topics,
//! on its way). Batches of one partition keep their order, also those that wait for disk space.

use std::collections::VecDeque;

use slab::Slab;

use super::{
    Purpose, Shard,
    admit::{Bounds, Candidate, Rejection, admit},
    command::{Acks, CallId, Produce, Produced, Reply},
    lateness::Deadlines,
    partition::{Partition, Slot},
};
use crate::{
    base::{Deadline, Now, Offset, Timestamp, TopicId},
    config::Durability,
    error::{ErrorCode, IoFailure, Refusal},
    io::journal::{format::FrameKind, writer::Frame},
    limits,
    log::{Placement, names, segment::BatchFacts},
    op::{Done, Op},
    producer::{BatchFacts as ProducerFacts, Verdict},
    record::{BatchHeader, TimestampType},
};

/// One partition's part of a produce request, which may have to wait: for disk space, or for a turn with time to open it.
#[derive(Debug)]
pub struct Waiting {
    ticket: usize,
    index: usize,
    pub(super) candidate: Candidate,
}

/// A frame's number in the order of staging, over the life of the shard; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameNumber(pub u64);

/// A produce request on its way.
#[derive(Debug)]
pub(super) struct Pending {
    pub call: CallId,
    acks: Acks,
    pub answers: Vec<Produced>,
    /// Partitions neither staged nor refused.
    pub open: usize,
    /// The last frame that it waits for.
    frame: FrameNumber,
    durability: Durability,
    since_ns: u64,
    pub deadline: Option<Deadline>,
    /// It was too late: nobody waits any more.
    pub is_answered: bool,
}

/// Produce requests that are not answered yet.
#[derive(Debug, Default)]
pub struct Produces {
    pub(super) pending: Slab<Pending>,
    /// Fully staged, in order of their last frame: answered when it is durable.
    sync: VecDeque<(FrameNumber, usize)>,
    /// Likewise: answered when it is in a group.
    built: VecDeque<(FrameNumber, usize)>,
    /// Not looked at yet: the budget for staged batches is used up.
    pub(super) stalled: VecDeque<(CallId, Produce)>,
    pub(super) deadlines: Deadlines,
}

/// Space to make, for one segment.
struct Space {
    segment: Offset,
    op: Op,
}

/// A batch that was taken.
struct Taken {
    base: Offset,
    append_time: Timestamp,
    log_start: Offset,
    frame: FrameNumber,
    durability: Durability,
}

enum Attempt {
    Taken(Taken),
    Refused(Rejection),
    /// Needs this space first.
    NeedsSpace(Space, Candidate),
    /// Needs another turn.
    Opening(Candidate),
}

impl Shard {
    /// Takes the request, or keeps it until what was taken before it is on its way.
    pub(super) fn produce(&mut self, now: Now, call: CallId, request: Produce) {
        if self.produces.stalled.is_empty() && self.commit.staged_bytes < self.config.budget.staged_bytes {
            self.start_produce(now, call, request);
        } else {
            self.produces.deadlines.add(request.deadline);
            self.produces.stalled.push_back((call, request));
        }
    }

    pub(super) fn resume_stalled(&mut self, now: Now) {
        while self.commit.staged_bytes < self.config.budget.staged_bytes
            && let Some((call, request)) = self.produces.stalled.pop_front()
        {
            self.start_produce(now, call, request);
        }
    }

    fn start_produce(&mut self, now: Now, call: CallId, request: Produce) {
        let answers = request.partitions.iter().map(|_| unanswered()).collect::<Vec<_>>();
        if self.checkpoint.is_stopping() {
            let refused = |answer| Produced { error: ErrorCode::NotLeaderOrFollower, ..answer };
            self.reply(call, Reply::Produced(answers.into_iter().map(refused).collect()));
            return;
        }
        let open = answers.len();
        let pending = Pending {
            call,
            acks: request.acks,
            answers,
            open,
            frame: FrameNumber::default(),
            durability: Durability::Async,
            since_ns: now.mono_ns,
            deadline: request.deadline,
            is_answered: false,
        };
        let ticket = self.produces.pending.insert(pending);
        if open == 0 {
            self.settle(ticket);
        }
        for (index, part) in request.partitions.into_iter().enumerate() {
            let waiting = Waiting { ticket, index, candidate: Candidate::Unchecked(part.records) };
            match self.table.find(part.partition) {
                Some(slot) => self.append_in_turn(now, slot, waiting),
                None => self.refuse(waiting.ticket, index, not_here().into()),
            }
        }
    }

    /// Appends, or queues behind those that wait for space already.
    fn append_in_turn(&mut self, now: Now, slot: Slot, waiting: Waiting) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        if partition.waiting.is_empty() {
            self.append(now, slot, waiting);
        } else {
            partition.waiting.push_back(waiting);
        }
    }

    fn append(&mut self, now: Now, slot: Slot, waiting: Waiting) {
        let Waiting { ticket, index, candidate } = waiting;
        let candidate = match self.try_append(now, slot, candidate) {
            Attempt::Taken(taken) => return self.taken(ticket, index, taken),
            Attempt::Refused(rejection) => return self.refuse(ticket, index, rejection),
            Attempt::NeedsSpace(space, candidate) => {
                self.prepare(slot, space);
                candidate
            }
            Attempt::Opening(candidate) => {
                self.openings.queue.push_back(slot);
                self.wake = true;
                candidate
            }
        };
        let Some(partition) = self.table.get_mut(slot) else { return };
        partition.waiting.push_front(Waiting { ticket, index, candidate });
    }

    pub(super) fn retry_waiting(&mut self, now: Now, slot: Slot) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        for one in std::mem::take(&mut partition.waiting) {
            self.append_in_turn(now, slot, one);
        }
    }

    fn try_append(&mut self, now: Now, slot: Slot, candidate: Candidate) -> Attempt {
        let walk_bytes = self.config.budget.walk_bytes;
        let bounds = Bounds { payload_bytes: self.payload_bytes_max, walk_bytes };
        let Some(partition) = self.table.get_mut(slot) else { return Attempt::Refused(not_here().into()) };
        if partition.deleted {
            return Attempt::Refused(not_here().into());
        }
        if partition.failed {
            return Attempt::Refused(offline(partition).into());
        }
        let (bytes, was_open) = candidate.walk_bytes(partition);
        if !was_open && self.openings.must_wait(bytes, walk_bytes) {
            return Attempt::Opening(candidate);
        }
        let admitted = admit(candidate, partition, now, bounds, &mut self.openings.walk_left);
        let is_open = matches!(admitted, Ok(Candidate::Opening(_)));
        if is_open && !was_open {
            self.openings.bytes += bytes.min(walk_bytes);
        } else if was_open && !is_open {
            self.openings.bytes = self.openings.bytes.saturating_sub(bytes);
        }
        let admitted = match admitted {
            Ok(Candidate::Admitted(admitted)) => admitted,
            Ok(opening) => return Attempt::Opening(opening),
            Err(rejection) => return Attempt::Refused(rejection),
        };
        let (header, append_time) = (admitted.header, admitted.append_time);
        let (size, max_timestamp) = (admitted.payload.len() as u32, header.max_timestamp);
        let count = i64::from(header.last_offset_delta) + 1;
        let producer = producer_facts(&header);
        match partition.producers.check(&producer) {
            Ok(Verdict::Append) => {}
            Ok(Verdict::Duplicate { base_offset, append_time, .. }) => {
                // Answered when the first one is, never before it is durable.
                let frame = if base_offset < partition.durable {
                    FrameNumber::default()
                } else {
                    self.commit.staged()
                };
                let append_time = if partition.settings.stamp == TimestampType::LogAppendTime {
                    append_time
                } else {
                    Timestamp::NONE
                };
                let (log_start, durability) = (partition.live.start(), partition.settings.durability);
                return Attempt::Taken(Taken {
                    base: base_offset,
                    append_time,
                    log_start,
                    frame,
                    durability,
                });
            }
            Err(code) => return Attempt::Refused(out_of_sequence(code, &header, partition).into()),
        }
        let placement = partition.live.place(size, count, max_timestamp, &partition.layout());
        if let Some(space) = space_needed(partition, placement, size) {
            return Attempt::NeedsSpace(space, Candidate::Admitted(admitted));
        }
        let base = partition.live.next();
        if placement.segment == base {
            partition.take_snapshot(base);
        }
        let facts = BatchFacts { base, next: base.plus(count), size, max_timestamp };
        let interval = partition.settings.layout.index_interval;
        let applied = partition.live.apply(&facts, partition.leader_epoch, placement, interval);
        assert!(applied.is_ok(), "a batch is placed at its log's end");
        partition.producers.apply(&producer, base, max_timestamp);
        if partition.id.topic != TopicId::METADATA {
            self.measures.taken(&mut partition.traffic, size, count);
        }
        let durability = partition.settings.durability;
        let log_start = partition.live.start();
        let frame = Frame {
            kind: FrameKind::Batch,
            partition: partition.id,
            owner_epoch: partition.owner_epoch,
            segment: placement.segment,
            position: placement.position,
            base,
            next: facts.next,
            leader_epoch: partition.leader_epoch,
            payload: admitted.payload,
        };
        let ahead = space_ahead(partition);
        let frame = self.commit.stage(slot, frame);
        if header.has_producer_id() {
            self.count_producers();
        }
        if let Some(space) = ahead {
            self.prepare(slot, space);
        }
        Attempt::Taken(Taken { base, append_time, log_start, frame, durability })
    }

    fn prepare(&mut self, slot: Slot, space: Space) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        if !partition.space.preparing {
            partition.space.preparing = true;
            let allocated = match &space.op {
                Op::Create { allocate, .. } => *allocate,
                Op::Allocate { size, .. } => *size,
                _ => 0,
            };
            let purpose = Purpose::Prepare { slot, segment: space.segment, allocated };
            self.push_partition_op(slot, purpose, space.op);
        }
    }

    /// Space was made, or not: whoever waited for it goes on.
    pub(super) fn prepared(&mut self, now: Now, slot: Slot, segment: Offset, allocated: u64, done: Done) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        partition.space.preparing = false;
        if let Done::Failed(failure) = done {
            tracing::error!(partition = %partition.directory, %failure, "no space for new batches: producers are refused");
            for one in std::mem::take(&mut partition.waiting) {
                self.refuse(one.ticket, one.index, no_space(&failure).into());
            }
            return;
        }
        if partition.space.segment != Some(segment) {
            partition.space.allocated = 0;
        }
        partition.space.segment = Some(segment);
        partition.space.allocated = partition.space.allocated.max(allocated);
        self.retry_waiting(now, slot);
    }

    fn taken(&mut self, ticket: usize, index: usize, taken: Taken) {
        let pending = &mut self.produces.pending[ticket];
        pending.answers[index] = Produced {
            error: ErrorCode::None,
            message: None,
            record_errors: Vec::new(),
            base_offset: taken.base,
            append_time: taken.append_time,
            log_start: taken.log_start,
        };
        pending.frame = pending.frame.max(taken.frame);
        if taken.durability == Durability::Sync {
            pending.durability = Durability::Sync;
        }
        self.one_less(ticket);
    }

    pub(super) fn refuse(&mut self, ticket: usize, index: usize, rejection: Rejection) {
        let Rejection { refusal: Refusal { code, message }, records } = rejection;
        let answer = &mut self.produces.pending[ticket].answers[index];
        *answer = Produced { error: code, message: Some(message), record_errors: records, ..unanswered() };
        self.one_less(ticket);
    }

    pub(super) fn refuse_waiting(&mut self, waiting: Waiting, refusal: Refusal) {
        self.refuse(waiting.ticket, waiting.index, refusal.into());
    }

    fn one_less(&mut self, ticket: usize) {
        let pending = &mut self.produces.pending[ticket];
        pending.open -= 1;
        if pending.open == 0 {
            self.settle(ticket);
        }
    }

    /// Every partition is staged or refused: answers now, or parks the request on its last frame.
    fn settle(&mut self, ticket: usize) {
        let pending = &self.produces.pending[ticket];
        let (frame, acks, durability) = (pending.frame, pending.acks, pending.durability);
        let reached = match durability {
            Durability::Sync => self.commit.committed,
            Durability::Async => self.commit.built,
        };
        if acks == Acks::None || frame <= reached {
            self.answer_produce(ticket);
            return;
        }
        self.produces.deadlines.add(pending.deadline);
        if durability == Durability::Sync {
            self.produces.sync.push_back((frame, ticket));
        } else {
            self.produces.built.push_back((frame, ticket));
        }
    }

    /// Frames up to `commit.built` are on their way, those up to `commit.committed` in stable storage.
    pub(super) fn answer_produces(&mut self) {
        while let Some(&(frame, ticket)) = self.produces.sync.front()
            && frame <= self.commit.committed
        {
            self.produces.sync.pop_front();
            self.answer_produce(ticket);
        }
        while let Some(&(frame, ticket)) = self.produces.built.front()
            && frame <= self.commit.built
        {
            self.produces.built.pop_front();
            self.answer_produce(ticket);
        }
    }

    fn answer_produce(&mut self, ticket: usize) {
        let pending = self.produces.pending.remove(ticket);
        if pending.is_answered {
            return;
        }
        // The controller's own records are no request's.
        if pending.frame > FrameNumber::default() && pending.call != self.control.append_call() {
            self.measures.produced(pending.since_ns);
        }
        self.reply(pending.call, Reply::Produced(pending.answers));
    }
}

impl Produces {
    /// Requests on their way, and those not looked at yet.
    pub fn lengths(&self) -> (usize, usize) {
        (self.pending.len(), self.stalled.len())
    }

    pub fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.stalled.is_empty()
    }
}

pub(super) fn unanswered() -> Produced {
    Produced {
        error: ErrorCode::None,
        message: None,
        record_errors: Vec::new(),
        base_offset: Offset(-1),
        append_time: Timestamp::NONE,
        log_start: Offset(-1),
    }
}

pub(super) fn producer_facts(header: &BatchHeader) -> ProducerFacts {
    ProducerFacts {
        producer: header.producer_id,
        epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        last_offset_delta: header.last_offset_delta,
    }
}

fn out_of_sequence(code: ErrorCode, header: &BatchHeader, partition: &Partition) -> Refusal {
    let message = format!(
        "{}: a batch of producer {} in epoch {} with sequence {} does not follow what {} has of it",
        code.name(),
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        partition.directory
    );
    Refusal::new(code, message)
}

/// The space without which a batch at `placement` would meet ENOSPC after its acknowledgement (rule 9).
fn space_needed(partition: &Partition, placement: Placement, size: u32) -> Option<Space> {
    let segment = placement.segment;
    let position = u64::from(placement.position.0);
    let end = block_up(position + u64::from(size));
    let file = names::log(&partition.directory, segment);
    let op = if partition.space.segment == Some(segment) {
        let allocated = partition.space.allocated;
        if end <= allocated {
            return None;
        }
        Op::Allocate { file, size: next_step(partition, allocated, end) }
    } else if position == 0 {
        Op::Create { file, allocate: end.max(limits::SEGMENT_STEP_BYTES_MIN) }
    } else {
        Op::Allocate { file, size: next_step(partition, block_up(position), end) }
    };
    Some(Space { segment, op })
}

/// Space is made before it is needed, so that producers rarely wait for it.
fn space_ahead(partition: &Partition) -> Option<Space> {
    let segment = partition.space.segment.filter(|segment| *segment == partition.live.active().base)?;
    let allocated = partition.space.allocated;
    let used = u64::from(partition.live.active().size.0).min(allocated);
    let wanted = next_step(partition, allocated, allocated);
    let due = allocated - used < step(allocated) / 2 && wanted > allocated && !partition.space.preparing;
    let file = names::log(&partition.directory, segment);
    due.then_some(Space { segment, op: Op::Allocate { file, size: wanted } })
}

fn step(allocated: u64) -> u64 {
    allocated.clamp(limits::SEGMENT_STEP_BYTES_MIN, limits::SEGMENT_STEP_BYTES_MAX)
}

/// The next size to allocate: a step more, at most what the segment may become, at least `end`.
fn next_step(partition: &Partition, allocated: u64, end: u64) -> u64 {
    let full = block_up(u64::from(partition.settings.layout.segment_bytes));
    (allocated + step(allocated)).min(full).max(end)
}

fn block_up(bytes: u64) -> u64 {
    bytes.next_multiple_of(limits::BLOCK_BYTES as u64)
}

fn not_here() -> Refusal {
    Refusal::new(
        ErrorCode::NotLeaderOrFollower,
        "this core does not own the partition (any more): refresh the metadata",
    )
}

fn offline(partition: &Partition) -> Refusal {
    let message = format!("{} is offline after a failed write: see the broker's log", partition.directory);
    Refusal::new(ErrorCode::KafkaStorageError, message)
}

fn no_space(failure: &IoFailure) -> Refusal {
    Refusal::new(ErrorCode::KafkaStorageError, format!("no disk space for the batch: {failure}"))
}
