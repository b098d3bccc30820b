//! The flow of a Fetch: what the cache holds at once, the rest from the segments, partition after partition in the order asked,
//! each within what the limits leave.

use std::ops::Range;

use bytes::Bytes;
use slab::Slab;

use super::{
    Purpose, Shard,
    cold::{Cold, Progress, batch_size},
    cold_turns::Reader,
    command::{CallId, Fetch, FetchPartition, Fetched, Reply},
    partition::{Cursor, Partition, Slot},
};
use crate::{
    base::{FilePosition, LeaderEpoch, Offset},
    error::ErrorCode,
    op::Done,
    record,
};

#[derive(Debug)]
struct Job {
    call: CallId,
    request: Fetch,
    answers: Vec<Fetched>,
    bytes_left: usize,
    /// The read under way.
    cold: Option<(Slot, Cold)>,
    /// Segments that the partition had lost when the read began.
    removals: u64,
}

/// Fetches that wait for the disk.
#[derive(Debug, Default)]
pub struct Fetches {
    jobs: Slab<Job>,
}

enum Step {
    Answer(Fetched),
    Cold(Slot, Cold),
}

impl Shard {
    pub(super) fn fetch(&mut self, call: CallId, request: Fetch) {
        let answers = Vec::with_capacity(request.partitions.len());
        let bytes_left = request.bytes_max as usize;
        let job =
            self.fetches.jobs.insert(Job { call, request, answers, bytes_left, cold: None, removals: 0 });
        self.continue_fetch(job);
    }

    fn continue_fetch(&mut self, number: usize) {
        loop {
            let job = &self.fetches.jobs[number];
            let Some(part) = job.request.partitions.get(job.answers.len()).cloned() else { break };
            let anything = job.answers.iter().any(|answer| !answer.records.is_empty());
            let limit = job.bytes_left.min(part.bytes_max as usize);
            match self.read_part(&part, limit, anything) {
                Step::Answer(answer) => {
                    self.count_out(part.partition, &answer, false);
                    let job = &mut self.fetches.jobs[number];
                    job.bytes_left = job.bytes_left.saturating_sub(answer.bytes());
                    job.answers.push(answer);
                }
                Step::Cold(slot, cold) => {
                    let removals = self.table.get(slot).map_or(0, |partition| partition.removals);
                    let bytes = cold.read_length();
                    let job = &mut self.fetches.jobs[number];
                    (job.cold, job.removals) = (Some((slot, cold)), removals);
                    self.cold_turns.wait(Reader::Fetch(number), bytes);
                    self.start_cold_reads();
                    return;
                }
            }
        }
        let job = self.fetches.jobs.remove(number);
        self.reply(job.call, Reply::Fetched(job.answers));
    }

    /// Of fetches and of ListOffsets.
    pub(super) fn start_cold_reads(&mut self) {
        while let Some(reader) = self.cold_turns.next() {
            match reader {
                Reader::Fetch(number) => self.push_cold_read(number),
                Reader::Offsets(number) => self.push_offsets_read(number),
            }
        }
    }

    fn push_cold_read(&mut self, number: usize) {
        let Some((slot, cold)) = &self.fetches.jobs[number].cold else { return };
        let (slot, op) = (*slot, cold.op());
        self.push_partition_op(slot, Purpose::Fetch(number), op);
    }

    /// What one partition answers now, or the read that it takes.
    fn read_part(&self, part: &FetchPartition, limit: usize, anything: bool) -> Step {
        let Some((slot, partition)) = self.table.lookup(part.partition) else {
            return Step::Answer(refused(ErrorCode::NotLeaderOrFollower, None));
        };
        if let Err(code) = check_epoch(partition, part.leader_epoch) {
            return Step::Answer(refused(code, Some(partition)));
        }
        if partition.failed {
            return Step::Answer(refused(ErrorCode::KafkaStorageError, Some(partition)));
        }
        if part.offset < partition.live.start() || part.offset > partition.live.next() {
            return Step::Answer(refused(ErrorCode::OffsetOutOfRange, Some(partition)));
        }
        if part.offset >= partition.visible || (limit == 0 && anything) {
            return Step::Answer(found(partition, Vec::new()));
        }
        if part.offset >= partition.cached_from() {
            return Step::Answer(found(partition, cached(partition, part.offset, limit, anything)));
        }
        let read_bytes = (limit as u32).clamp(64 << 10, self.config.read_bytes);
        let directory = partition.directory.clone();
        let cold = match partition.cursor_at(part.offset) {
            Some(cursor) => {
                partition.flushed.segments().rev().find(|segment| segment.base == cursor.segment).map(
                    |segment| Cold::at_position(directory.clone(), *segment, cursor.position, read_bytes),
                )
            }
            None => None,
        };
        let cold = cold.or_else(|| {
            let segment = partition.flushed.segment_of(part.offset)?;
            Some(Cold::at_offset(directory, *segment, part.offset, read_bytes))
        });
        match cold {
            Some(cold) => Step::Cold(slot, cold),
            None => Step::Answer(refused(ErrorCode::KafkaStorageError, Some(partition))),
        }
    }

    pub(super) fn fetch_read(&mut self, number: usize, done: Done) {
        let job = &mut self.fetches.jobs[number];
        let Some((slot, mut cold)) = job.cold.take() else { return };
        self.cold_turns.done(cold.read_length());
        if self.table.get(slot).is_some_and(|partition| partition.read_anew(job.removals)) {
            // Perhaps the segment is no more: where the offset is now must be looked up again.
            self.continue_fetch(number);
            self.start_cold_reads();
            return;
        }
        let Some(part) = job.request.partitions.get(job.answers.len()).cloned() else { return };
        let anything = job.answers.iter().any(|answer| !answer.records.is_empty());
        let limit = job.bytes_left.min(part.bytes_max as usize);
        let progress = match done {
            Done::Read(bytes) => cold.feed(bytes),
            done => Progress::Damaged(format!("{done:?}")),
        };
        let answer = match progress {
            Progress::More => None,
            Progress::Chunk { position, bytes } => {
                self.cold_answer(slot, &mut cold, &part, position, &bytes, limit, anything)
            }
            Progress::Damaged(reason) => Some(self.unreadable(slot, &reason)),
        };
        let Some(answer) = answer else {
            let bytes = cold.read_length();
            self.fetches.jobs[number].cold = Some((slot, cold));
            self.cold_turns.go_on(Reader::Fetch(number), bytes);
            self.start_cold_reads();
            return;
        };
        self.count_out(part.partition, &answer, true);
        let job = &mut self.fetches.jobs[number];
        job.bytes_left = job.bytes_left.saturating_sub(answer.bytes());
        job.answers.push(answer);
        self.continue_fetch(number);
        self.start_cold_reads();
    }

    /// Cuts the answer out of a chunk; none: another read is needed, and `cold` says where.
    #[allow(clippy::too_many_arguments)]
    fn cold_answer(
        &mut self,
        slot: Slot,
        cold: &mut Cold,
        part: &FetchPartition,
        position: FilePosition,
        chunk: &Bytes,
        limit: usize,
        anything: bool,
    ) -> Option<Fetched> {
        let Some(partition) = self.table.get_mut(slot).filter(|partition| !partition.deleted) else {
            return Some(refused(ErrorCode::NotLeaderOrFollower, None));
        };
        let (mut first, mut end, mut next) = (None, 0, part.offset);
        let mut walked = 0;
        for (at, header) in record::headers(chunk) {
            walked = at + header.size();
            if header.next_offset() <= part.offset {
                continue;
            }
            let start = *first.get_or_insert(at);
            let must = at == start && !anything;
            if header.next_offset() > partition.visible || (walked - start > limit && !must) {
                break;
            }
            end = walked;
            next = header.next_offset();
        }
        match first {
            Some(start) => {
                let records = if end > start { vec![part_of(chunk, start..end)] } else { Vec::new() };
                let segment = cold.segment().base;
                if end > start && position.0 as usize + end < cold.segment().size.0 as usize {
                    let cursor =
                        Cursor { offset: next, segment, position: FilePosition(position.0 + end as u32) };
                    partition.remember(part.offset, cursor);
                }
                Some(found(partition, records))
            }
            None => {
                let from = FilePosition(position.0 + walked as u32);
                let rest = &chunk[walked..];
                let size = batch_size(rest);
                let cut = size.is_none_or(|size| size > rest.len());
                if from.0 >= cold.segment().size.0 && cold.segment().base < partition.flushed.active().base {
                    // Compaction left nothing of the offset in its segment: what comes next is the answer.
                    let base = cold.segment().base;
                    let next = partition.flushed.segments().find(|one| one.base > base && one.size.0 > 0);
                    let Some(next) = next else {
                        let records = cached(partition, part.offset, limit, anything);
                        return Some(found(partition, records));
                    };
                    let (directory, start) = (partition.directory.clone(), FilePosition(0));
                    *cold = Cold::at_position(directory, *next, start, self.config.read_bytes);
                    return None;
                }
                let at_end = from.0 >= cold.segment().size.0;
                if at_end || (walked == 0 && !cut) {
                    let reason = format!("no batch with offset {} where the index says", part.offset);
                    return Some(self.unreadable(slot, &reason));
                }
                // Not reached yet, or the batch is longer than the read.
                let progress = walked > 0 || size.is_some_and(|size| size > rest.len());
                if !progress {
                    let reason = format!("the batch at byte {from} is not one");
                    return Some(self.unreadable(slot, &reason));
                }
                if !cold.continue_at(from, size.unwrap_or(0)) {
                    let reason = format!("the batch at byte {from} is longer than its segment");
                    return Some(self.unreadable(slot, &reason));
                }
                None
            }
        }
    }

    /// Damage below the durable end is reported, never silently skipped.
    pub(super) fn unreadable(&self, slot: Slot, reason: &str) -> Fetched {
        let partition = self.table.get(slot);
        let directory = partition.map_or("?", |partition| &partition.directory);
        tracing::error!(
            partition = directory,
            reason,
            "a segment cannot be read: `corelog log verify` on its directory shows where"
        );
        refused(ErrorCode::KafkaStorageError, partition)
    }
}

pub(super) fn check_epoch(partition: &Partition, epoch: Option<LeaderEpoch>) -> Result<(), ErrorCode> {
    match epoch {
        Some(epoch) if epoch < partition.leader_epoch => Err(ErrorCode::FencedLeaderEpoch),
        Some(epoch) if epoch > partition.leader_epoch => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// Whole batches from the cache, at least one if nothing is in the response yet.
fn cached(partition: &Partition, offset: Offset, limit: usize, anything: bool) -> Vec<Bytes> {
    let mut records = Vec::new();
    let mut total = 0;
    for batch in partition.cache.iter().skip(partition.cache_index(offset)) {
        total += batch.bytes.len();
        let must = records.is_empty() && !anything;
        if batch.next > partition.visible || (total > limit && !must) {
            break;
        }
        records.push(batch.bytes.clone());
    }
    records
}

/// A part of what was read; one that is small is copied, so that it does not hold the memory of the whole.
fn part_of(chunk: &Bytes, range: Range<usize>) -> Bytes {
    if 2 * range.len() < chunk.len() { Bytes::copy_from_slice(&chunk[range]) } else { chunk.slice(range) }
}

fn found(partition: &Partition, records: Vec<Bytes>) -> Fetched {
    Fetched { records, ..refused(ErrorCode::None, Some(partition)) }
}

fn refused(error: ErrorCode, partition: Option<&Partition>) -> Fetched {
    let high_watermark = partition.map_or(Offset(-1), |partition| partition.visible);
    Fetched {
        error,
        high_watermark,
        last_stable: high_watermark,
        log_start: partition.map_or(Offset(-1), |partition| partition.live.start()),
        records: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_part_of_what_was_read_does_not_hold_the_rest() {
        let chunk = Bytes::from(vec![7; 1000]);
        let inside = chunk.as_ptr_range();
        assert!(inside.contains(&part_of(&chunk, 100..700).as_ptr()));
        assert!(!inside.contains(&part_of(&chunk, 100..300).as_ptr()));
        assert_eq!(part_of(&chunk, 100..300), chunk.slice(100..300));
    }
}
