//! The flow of a Fetch: what the cache holds at once, the rest from the segments, partition after partition in the order asked,
//! each within what the limits leave.

use std::ops::Range;

use bytes::Bytes;
use slab::Slab;

use super::{
    Purpose, Shard,
    cold::{Cold, Progress, batch_size},
    cold_turns::Reader,
    command::{Bearer, CallId, Fetch, FetchPartition, Fetched, RecordRange, Reply},
    partition::{Cursor, Partition, Slot},
    range_search::Ranging,
    read_ahead::{Chunk, Taken},
    settings::SegmentIo,
};
use crate::{
    base::{FilePosition, LeaderEpoch, Now, Offset},
    error::ErrorCode,
    limits::RANGE_BYTES_MIN,
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

/// The next partition of a job, and what its answer may hold.
pub struct Asked {
    pub part: FetchPartition,
    limit: usize,
    /// The response holds records already: this one need not.
    anything: bool,
}

impl Job {
    fn next(&self) -> Option<Asked> {
        let part = self.request.partitions.get(self.answers.len())?.clone();
        let anything = self.answers.iter().any(|answer| !answer.is_empty());
        let limit = self.bytes_left.min(part.bytes_max as usize);
        Some(Asked { part, limit, anything })
    }
}

/// An answer cut out of a chunk.
pub struct Cut {
    pub answer: Fetched,
    /// Where its reader goes on in the same segment.
    pub cursor: Option<Cursor>,
}

impl From<Fetched> for Cut {
    fn from(answer: Fetched) -> Cut {
        Cut { answer, cursor: None }
    }
}

impl Shard {
    pub(super) fn fetch(&mut self, now: Now, call: CallId, request: Fetch) {
        let answers = Vec::with_capacity(request.partitions.len());
        let bytes_left = request.bytes_max as usize;
        let job =
            self.fetches.jobs.insert(Job { call, request, answers, bytes_left, cold: None, removals: 0 });
        self.continue_fetch(now, job);
        self.start_cold_reads();
    }

    fn continue_fetch(&mut self, now: Now, number: usize) {
        while let Some(asked) = self.fetches.jobs[number].next() {
            let (answer, from_disk) = match self.read_part(&asked, self.fetches.jobs[number].request.bearer) {
                Step::Answer(answer) => (answer, false),
                Step::Cold(slot, cold) => match self.read_cold(now, number, slot, cold, &asked) {
                    Some(answer) => (answer, true),
                    None => return,
                },
            };
            self.answer_part(number, &asked.part, answer, from_disk);
        }
        let job = self.fetches.jobs.remove(number);
        self.reply(job.call, Reply::Fetched(job.answers));
    }

    fn answer_part(&mut self, number: usize, part: &FetchPartition, answer: Fetched, from_disk: bool) {
        self.count_out(part, &answer, from_disk);
        let job = &mut self.fetches.jobs[number];
        job.bytes_left = job.bytes_left.saturating_sub(answer.bytes());
        job.answers.push(answer);
    }

    /// The answer, if it was read ahead; none: the job waits for the disk, for `cold` or for what is read ahead already.
    fn read_cold(
        &mut self,
        now: Now,
        number: usize,
        slot: Slot,
        cold: Cold,
        asked: &Asked,
    ) -> Option<Fetched> {
        let removals = self.table.get(slot).map_or(0, |partition| partition.removals);
        let (cold, waits) = match self.take_ahead(slot, asked.part.offset, number) {
            Taken::Nothing => (cold, true),
            Taken::Reading(cold) => (cold, false),
            Taken::Held(mut cold, chunk) => {
                let answer = self.chunk_answer(now, slot, &mut cold, asked, &chunk);
                if answer.is_some() {
                    return answer;
                }
                (cold, true)
            }
        };
        if waits {
            self.cold_turns.wait(Reader::Fetch(number), cold.read_length());
        }
        let job = &mut self.fetches.jobs[number];
        (job.cold, job.removals) = (Some((slot, cold)), removals);
        None
    }

    /// Of fetches and of ListOffsets; then what is read ahead, which makes room for them.
    pub(super) fn start_cold_reads(&mut self) {
        loop {
            while self.cold_turns.lacks_memory() && self.read_ahead.drop_oldest(&mut self.cold_turns) {}
            match self.cold_turns.next() {
                Some(Reader::Fetch(number)) => self.push_cold_read(number),
                Some(Reader::Offsets(number)) => self.push_offsets_read(number),
                None => break,
            }
        }
        self.start_reads_ahead();
    }

    fn push_cold_read(&mut self, number: usize) {
        let Some((slot, cold)) = &self.fetches.jobs[number].cold else { return };
        let (slot, op) = (*slot, cold.op());
        self.push_partition_op(slot, Purpose::Fetch(number), op);
    }

    /// What one partition answers now, or the read that it takes.
    fn read_part(&self, asked: &Asked, bearer: Bearer) -> Step {
        let &Asked { ref part, limit, anything } = asked;
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
        match self.begin_cold(partition, part.offset, limit, bearer) {
            Some(cold) => Step::Cold(slot, cold),
            None => Step::Answer(refused(ErrorCode::KafkaStorageError, Some(partition))),
        }
    }

    fn begin_cold(
        &self,
        partition: &Partition,
        offset: Offset,
        limit: usize,
        bearer: Bearer,
    ) -> Option<Cold> {
        let path = self.config.segment_io.path();
        let read_bytes = (limit as u32).clamp(64 << 10, self.config.read_bytes);
        let directory = partition.directory.clone();
        // What a segment holds is seen by readers, or is not told by its size alone.
        let is_seen = partition.flushed.next() <= partition.visible;
        let may_range = self.config.segment_io == SegmentIo::Buffered && bearer == Bearer::File;
        let ranges = may_range && is_seen && limit >= RANGE_BYTES_MIN;
        let ranging = |base: Offset| {
            let mut ends = partition.flushed.segment_ends();
            let (_, next_at_end) = ends.find(|(segment, _)| segment.base == base).filter(|_| ranges)?;
            Some(Ranging { bytes_max: limit.min(self.config.read_bytes as usize) as u32, next_at_end })
        };
        if let Some(cursor) = partition.cursor_at(offset)
            && let Some(segment) =
                partition.flushed.segments().rev().find(|segment| segment.base == cursor.segment)
        {
            let cold = Cold::at_position(directory.clone(), *segment, cursor.position, read_bytes).by(path);
            match (ranging(segment.base), cursor.entry) {
                (None, _) => return Some(cold),
                (Some(ranging), Some(entry)) => {
                    return Some(cold.ranging(offset, ranging, Some((cursor.position, entry))));
                }
                // Without the entry the end could not be told.
                (Some(_), None) => {}
            }
        }
        let segment = partition.flushed.segment_of(offset)?;
        let cold = Cold::at_offset(directory, *segment, offset, read_bytes).by(path);
        Some(match ranging(segment.base) {
            Some(ranging) => cold.ranging(offset, ranging, None),
            None => cold,
        })
    }

    pub(super) fn fetch_read(&mut self, now: Now, number: usize, done: Done) {
        let job = &mut self.fetches.jobs[number];
        let Some((slot, mut cold)) = job.cold.take() else { return };
        self.cold_turns.done(cold.read_length());
        if self.table.get(slot).is_some_and(|partition| partition.read_anew(job.removals)) {
            // Perhaps the segment is no more: where the offset is now must be looked up again.
            self.continue_fetch(now, number);
            self.start_cold_reads();
            return;
        }
        let Some(asked) = job.next() else { return };
        let progress = match done {
            Done::Read(bytes) => cold.feed(bytes),
            Done::Opened(file) => cold.opened(file),
            Done::Failed(_) if cold.unopened() => Progress::More,
            done => Progress::Damaged(format!("{done:?}")),
        };
        let answer = match progress {
            Progress::More => None,
            Progress::Chunk { position, bytes } => {
                self.chunk_answer(now, slot, &mut cold, &asked, &Chunk { position, bytes })
            }
            Progress::Range { range, next, behind } => {
                Some(self.range_answer(slot, &cold, &asked.part, RecordRange { bytes: range, next }, behind))
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
        self.answer_part(number, &asked.part, answer, true);
        self.continue_fetch(now, number);
        self.start_cold_reads();
    }

    /// The range is the answer; `behind` is where the next one begins.
    fn range_answer(
        &mut self,
        slot: Slot,
        cold: &Cold,
        part: &FetchPartition,
        range: RecordRange,
        behind: Option<(FilePosition, u32)>,
    ) -> Fetched {
        let Some(partition) = self.table.get_mut(slot).filter(|partition| !partition.deleted) else {
            return refused(ErrorCode::NotLeaderOrFollower, None);
        };
        if let Some((position, entry)) = behind {
            let segment = cold.segment().base;
            let cursor = Cursor { offset: range.next, segment, position, entry: Some(entry) };
            partition.remember(part.offset, cursor);
        }
        Fetched { range: Some(range), ..found(partition, Vec::new()) }
    }

    /// Cuts the answer out of a chunk; none: another read is needed, and `cold` says where.
    pub(super) fn cold_answer(
        &mut self,
        slot: Slot,
        cold: &mut Cold,
        asked: &Asked,
        chunk: &Chunk,
    ) -> Option<Cut> {
        let &Asked { ref part, limit, anything } = asked;
        let Some(partition) = self.table.get_mut(slot).filter(|partition| !partition.deleted) else {
            return Some(refused(ErrorCode::NotLeaderOrFollower, None).into());
        };
        let Chunk { position, bytes: chunk } = chunk;
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
                let whole = cold.read_length() as usize;
                let records = if end > start { vec![part_of(chunk, start..end, whole)] } else { Vec::new() };
                let segment = cold.segment().base;
                let goes_on = end > start && position.0 as usize + end < cold.segment().size.0 as usize;
                let position = FilePosition(position.0 + end as u32);
                let cursor = goes_on.then_some(Cursor { offset: next, segment, position, entry: None });
                if let Some(cursor) = cursor {
                    partition.remember(part.offset, cursor);
                }
                Some(Cut { answer: found(partition, records), cursor })
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
                        return Some(found(partition, records).into());
                    };
                    let (directory, start) = (partition.directory.clone(), FilePosition(0));
                    *cold = Cold::at_position(directory, *next, start, self.config.read_bytes)
                        .by(self.config.segment_io.path());
                    return None;
                }
                let at_end = from.0 >= cold.segment().size.0;
                if at_end || (walked == 0 && !cut) {
                    let reason = format!("no batch with offset {} where the index says", part.offset);
                    return Some(self.unreadable(slot, &reason).into());
                }
                // Not reached yet, or the batch is longer than the read.
                let progress = walked > 0 || size.is_some_and(|size| size > rest.len());
                if !progress {
                    let reason = format!("the batch at byte {from} is not one");
                    return Some(self.unreadable(slot, &reason).into());
                }
                if !cold.continue_at(from, size.unwrap_or(0)) {
                    let reason = format!("the batch at byte {from} is longer than its segment");
                    return Some(self.unreadable(slot, &reason).into());
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

/// A part of a read of `whole` bytes; one that is small is copied, so that it does not hold the memory of them all.
fn part_of(chunk: &Bytes, range: Range<usize>, whole: usize) -> Bytes {
    if 2 * range.len() < whole { Bytes::copy_from_slice(&chunk[range]) } else { chunk.slice(range) }
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
        range: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_part_of_what_was_read_does_not_hold_the_rest() {
        let chunk = Bytes::from(vec![7; 1000]);
        let inside = chunk.as_ptr_range();
        assert!(inside.contains(&part_of(&chunk, 100..700, 1000).as_ptr()));
        assert!(!inside.contains(&part_of(&chunk, 100..300, 1000).as_ptr()));
        assert!(!inside.contains(&part_of(&chunk, 100..700, 2000).as_ptr()), "the rest of a longer read");
        assert_eq!(part_of(&chunk, 100..300, 1000), chunk.slice(100..300));
    }
}
