//! The flow of a ListOffsets: ends at once; times by time index, offset index, batch headers, and at last the records of
//! one batch.

use bytes::Bytes;
use slab::Slab;

use super::{
    Purpose, Shard,
    cold::{Cold, Progress, batch_size},
    cold_turns::Reader,
    command::{CallId, OffsetAnswer, OffsetQuery, OffsetSpec, Reply},
    fetch::check_epoch,
    partition::{Partition, Slot},
};
use crate::{
    base::{FilePosition, LeaderEpoch, Offset, Timestamp},
    error::ErrorCode,
    limits,
    log::segment::Segment,
    op::Done,
    record::{self, UncheckedBatch},
};

/// What is looked for in the batches.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// The first record at or after this time.
    Time(Timestamp),
    /// The record with the largest timestamp, in the batch that contains this offset.
    MaxIn(Offset),
}

#[derive(Debug)]
struct Job {
    call: CallId,
    queries: Vec<OffsetQuery>,
    answers: Vec<OffsetAnswer>,
    cold: Option<(Slot, Cold, Wanted)>,
    /// Segments that the partition had lost when the read began.
    removals: u64,
}

#[derive(Debug, Default)]
pub struct OffsetJobs {
    jobs: Slab<Job>,
}

enum Step {
    Answer(OffsetAnswer),
    Cold(Slot, Cold, Wanted),
}

impl Shard {
    pub(super) fn list_offsets(&mut self, call: CallId, queries: Vec<OffsetQuery>) {
        let answers = Vec::with_capacity(queries.len());
        let number = self.offsets.jobs.insert(Job { call, queries, answers, cold: None, removals: 0 });
        self.continue_offsets(number);
    }

    fn continue_offsets(&mut self, number: usize) {
        loop {
            let job = &self.offsets.jobs[number];
            let Some(query) = job.queries.get(job.answers.len()).cloned() else { break };
            match self.answer_query(&query) {
                Step::Answer(answer) => self.offsets.jobs[number].answers.push(answer),
                Step::Cold(slot, cold, wanted) => {
                    let bytes = cold.read_length();
                    let removals = self.table.get(slot).map_or(0, |partition| partition.removals);
                    let job = &mut self.offsets.jobs[number];
                    (job.cold, job.removals) = (Some((slot, cold, wanted)), removals);
                    self.cold_turns.wait(Reader::Offsets(number), bytes);
                    self.start_cold_reads();
                    return;
                }
            }
        }
        let job = self.offsets.jobs.remove(number);
        self.reply(job.call, Reply::OffsetsListed(job.answers));
    }

    /// Its turn has come.
    pub(super) fn push_offsets_read(&mut self, number: usize) {
        let Some((slot, cold, _)) = &self.offsets.jobs[number].cold else { return };
        let (slot, op) = (*slot, cold.op());
        self.push_partition_op(slot, Purpose::Offsets(number), op);
    }

    fn answer_query(&self, query: &OffsetQuery) -> Step {
        let Some((slot, partition)) = self.table.lookup(query.partition) else {
            return Step::Answer(refused(ErrorCode::NotLeaderOrFollower));
        };
        if let Err(code) = check_epoch(partition, query.leader_epoch) {
            return Step::Answer(refused(code));
        }
        if partition.failed {
            return Step::Answer(refused(ErrorCode::KafkaStorageError));
        }
        match query.spec {
            OffsetSpec::Earliest | OffsetSpec::EarliestLocal => {
                Step::Answer(at(partition, partition.live.start(), Timestamp::NONE))
            }
            OffsetSpec::Latest => Step::Answer(at(partition, partition.visible, Timestamp::NONE)),
            OffsetSpec::LatestTiered => Step::Answer(at(partition, Offset(-1), Timestamp::NONE)),
            OffsetSpec::At(time) => self.search(slot, partition, Wanted::Time(time)),
            OffsetSpec::MaxTimestamp => {
                let visible = |base: &Offset| *base < partition.visible;
                let segments = partition.live.segment_ends().filter(|(_, end)| *end > partition.live.start());
                let segments = segments.map(|(segment, _)| segment).filter(|segment| visible(&segment.base));
                let newest = segments.max_by_key(|segment| segment.max_timestamp);
                match newest.filter(|segment| segment.max_timestamp != Timestamp::NONE) {
                    Some(segment) => {
                        self.search(slot, partition, Wanted::MaxIn(segment.max_timestamp_offset))
                    }
                    None => Step::Answer(at(partition, Offset(-1), Timestamp::NONE)),
                }
            }
        }
    }

    fn search(&self, slot: Slot, partition: &Partition, wanted: Wanted) -> Step {
        let read_bytes = self.config.read_bytes;
        let cached_from = partition.cached_from();
        let directory = partition.directory.clone();
        let path = self.config.segment_io.path();
        let cold = match wanted {
            Wanted::Time(time) => {
                let start = partition.flushed.start();
                let segments = partition.flushed.segment_ends().filter(|(_, end)| *end > start);
                let mut segments =
                    segments.map(|(segment, _)| segment).filter(|segment| segment.base < cached_from);
                let segment = segments.find(|segment| segment.max_timestamp >= time);
                segment.map(|segment| Cold::at_time(directory, *segment, time, read_bytes).by(path))
            }
            Wanted::MaxIn(offset) if offset < cached_from => {
                let segment = partition.flushed.segment_of(offset);
                segment.map(|segment| Cold::at_offset(directory, *segment, offset, read_bytes).by(path))
            }
            Wanted::MaxIn(_) => None,
        };
        match cold {
            Some(cold) => Step::Cold(slot, cold, wanted),
            None => Step::Answer(in_cache(partition, wanted)),
        }
    }

    pub(super) fn offsets_read(&mut self, number: usize, done: Done) {
        let job = &mut self.offsets.jobs[number];
        let Some((slot, mut cold, wanted)) = job.cold.take() else { return };
        self.cold_turns.done(cold.read_length());
        if self.table.get(slot).is_some_and(|partition| partition.read_anew(job.removals)) {
            // Perhaps the segment is no more: the query begins anew.
            self.continue_offsets(number);
            self.start_cold_reads();
            return;
        }
        let progress = match done {
            Done::Read(bytes) => cold.feed(bytes),
            done => Progress::Damaged(format!("{done:?}")),
        };
        let answer = match progress {
            Progress::More => None,
            Progress::Chunk { position, bytes } => self.scan_chunk(slot, &mut cold, wanted, position, &bytes),
            Progress::Range { .. } => unreachable!("no range was asked for"),
            Progress::Damaged(reason) => {
                self.unreadable(slot, &reason);
                Some(refused(ErrorCode::KafkaStorageError))
            }
        };
        match answer {
            Some(answer) => {
                self.offsets.jobs[number].answers.push(answer);
                self.continue_offsets(number);
            }
            None => {
                let bytes = cold.read_length();
                self.offsets.jobs[number].cold = Some((slot, cold, wanted));
                self.cold_turns.go_on(Reader::Offsets(number), bytes);
            }
        }
        self.start_cold_reads();
    }

    /// None: `cold` says where to go on.
    fn scan_chunk(
        &self,
        slot: Slot,
        cold: &mut Cold,
        wanted: Wanted,
        position: FilePosition,
        chunk: &Bytes,
    ) -> Option<OffsetAnswer> {
        let Some(partition) = self.table.get(slot).filter(|partition| !partition.deleted) else {
            return Some(refused(ErrorCode::NotLeaderOrFollower));
        };
        let mut walked = 0;
        for (begin, header) in record::headers(chunk) {
            walked = begin + header.size();
            if let Some((offset, timestamp)) = look_into(&chunk[begin..walked], wanted, partition) {
                return Some(visible_at(partition, offset, timestamp));
            }
        }
        let from = FilePosition(position.0 + walked as u32);
        if from.0 >= cold.segment().size.0 {
            // Whoever asked for a time in this segment finds it here or, after a clock went back, in what follows.
            // The segment itself may have grown by a flush since: what it gained comes first.
            let known = *cold.segment();
            let behind = |segment: &&Segment| {
                segment.base > known.base && segment.size.0 > 0
                    || segment.base == known.base && segment.size > known.size
            };
            let next = partition.flushed.segments().find(behind);
            return match (next, wanted) {
                (Some(segment), Wanted::Time(time)) => {
                    let directory = partition.directory.clone();
                    *cold = Cold::at_time(directory, *segment, time, self.config.read_bytes)
                        .by(self.config.segment_io.path());
                    None
                }
                _ => Some(in_cache(partition, wanted)),
            };
        }
        let size = batch_size(&chunk[walked..]);
        if walked == 0 && size.is_none_or(|size| size <= chunk.len())
            || !cold.continue_at(from, size.unwrap_or(0))
        {
            self.unreadable(slot, &format!("the batch at byte {from} is not one"));
            return Some(refused(ErrorCode::KafkaStorageError));
        }
        None
    }
}

fn in_cache(partition: &Partition, wanted: Wanted) -> OffsetAnswer {
    let found = partition.cache.iter().find_map(|batch| look_into(&batch.bytes, wanted, partition));
    match found {
        Some((offset, timestamp)) => visible_at(partition, offset, timestamp),
        None => at(partition, Offset(-1), Timestamp::NONE),
    }
}

/// What is not visible yet does not exist yet.
fn visible_at(partition: &Partition, offset: Offset, timestamp: Timestamp) -> OffsetAnswer {
    if offset < partition.visible {
        at(partition, offset, timestamp)
    } else {
        at(partition, Offset(-1), Timestamp::NONE)
    }
}

/// The wanted record in one batch, opened only if its header says that it is there.
fn look_into(batch: &[u8], wanted: Wanted, partition: &Partition) -> Option<(Offset, Timestamp)> {
    let (batch, _) = UncheckedBatch::split_first(batch).ok()?;
    let header = *batch.header();
    let checked = || batch.check().ok();
    match wanted {
        Wanted::Time(time)
            if header.max_timestamp >= time && header.last_offset() >= partition.live.start() =>
        {
            checked()?.first_at_or_after(time, partition.live.start(), limits::EXPANSION_BYTES_MAX).ok()?
        }
        Wanted::MaxIn(offset) if header.last_offset() >= offset => {
            checked()?.offset_of_max_timestamp(limits::EXPANSION_BYTES_MAX).ok()?
        }
        _ => None,
    }
}

fn at(partition: &Partition, offset: Offset, timestamp: Timestamp) -> OffsetAnswer {
    let epochs = partition.live.epochs().iter().rev();
    let epoch = epochs.clone().find(|entry| entry.start <= offset).map(|entry| entry.epoch);
    let leader_epoch = if offset.0 < 0 { LeaderEpoch(-1) } else { epoch.unwrap_or(partition.leader_epoch) };
    OffsetAnswer { error: ErrorCode::None, offset, timestamp, leader_epoch }
}

fn refused(error: ErrorCode) -> OffsetAnswer {
    OffsetAnswer { error, offset: Offset(-1), timestamp: Timestamp::NONE, leader_epoch: LeaderEpoch(-1) }
}
