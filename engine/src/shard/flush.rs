//! The flow of a flush: one partition's durable batches, from the cache to its segments, in large aligned writes. A job goes
//! ReadTail → Image → Write → Cut → done; each step waits for its Ops. The writes are built a few at a time, as the checkpoint's
//! pace allows: a turn never copies a partition's whole backlog, and the device never gets it at once.
//!
//! Before a block that the segment holds already is written again, a frame with its image is durable in the journal (rule 5).

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Purpose, Shard,
    commit::Commit,
    partition::{Partition, Slot},
    segment_writer::{SegmentWriter, partial},
};
use crate::{
    base::{FilePosition, Offset},
    io::journal::{format::FrameKind, writer::Frame},
    limits::{BLOCK_BYTES, FLUSH_WRITES_MAX},
    log::{
        Log, Placement, encode_epochs, names,
        segment::{BatchFacts, INDEX_ENTRY_BYTES, Segment, TIME_ENTRY_BYTES, TimeEntry},
    },
    op::{Class, Done, FileName, Op, Path, Sync},
    record::BatchHeader,
};

/// How a job leaves the active segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// More batches will come.
    Open,
    /// A clean stop: closing time index entry, space cut to the bytes.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    ReadTail,
    Image,
    Write,
    Cut,
}

#[derive(Debug)]
pub struct FlushJob {
    /// Batches up to here.
    target: Offset,
    ending: Ending,
    step: Step,
    ops: u32,
    /// What it may have in buffers at a time: counted from its start to its end.
    bytes: usize,
    /// While writes are still to be built.
    writes: Option<Writes>,
    /// The partition's `flushed` once the job is done, with its tail.
    result: Option<(Log, Bytes)>,
    cuts: Vec<Op>,
}

/// How far the building of a job's writes has come.
#[derive(Debug)]
struct Writes {
    log: Log,
    segment: SegmentWriter,
    entries: EntryWriter,
}

impl Shard {
    /// Starts the partition's job; false: there is nothing to do.
    pub(super) fn start_flush(&mut self, slot: Slot, ending: Ending) -> bool {
        let Some(partition) = self.table.get_mut(slot) else { return false };
        if partition.deleted || partition.failed || partition.flush.is_some() {
            return false;
        }
        let unclosed = ending == Ending::Closed && partition.live.next() > Offset(0);
        if !partition.is_dirty() && !unclosed {
            return false;
        }
        let target = partition.durable;
        let write_max = self.config.pacing.flush_write_bytes;
        let bytes = unflushed_bytes(partition, target).min(FLUSH_WRITES_MAX as usize * write_max);
        let job = FlushJob {
            target,
            ending,
            step: Step::ReadTail,
            ops: 0,
            bytes,
            writes: None,
            result: None,
            cuts: Vec::new(),
        };
        partition.flush = Some(job);
        self.checkpoint.flush_bytes += bytes;
        let active = *partition.flushed.active();
        let path = self.config.segment_io.path();
        let partial = partial(active.size);
        let goes_on = next_unflushed(partition).is_some_and(|placement| placement.segment == active.base);
        if partial == 0 || !goes_on {
            self.write_flush(slot);
        } else if partition.tail.len() == partial {
            self.stage_image(slot);
        } else {
            let read = Op::Read {
                file: names::log(&partition.directory, active.base),
                position: u64::from(active.size.0) - partial as u64,
                length: BLOCK_BYTES as u32,
                path,
                class: Class::Background,
            };
            self.push_partition_op(slot, Purpose::FlushTail(slot), read);
        }
        true
    }

    pub(super) fn tail_read(&mut self, slot: Slot, done: Done) {
        if self.abandon_flush(slot) {
            return;
        }
        let Some(partition) = self.table.get_mut(slot) else { return };
        let partial = partial(partition.flushed.active().size);
        match done {
            Done::Read(bytes) if bytes.len() >= partial => {
                partition.tail = Bytes::copy_from_slice(&bytes[..partial]);
                self.stage_image(slot);
            }
            done => self.flush_failed(slot, &format!("its last block cannot be read back: {done:?}")),
        }
    }

    fn stage_image(&mut self, slot: Slot) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        if let Some(job) = &mut partition.flush {
            job.step = Step::Image;
        }
        let active = partition.flushed.active();
        let position = FilePosition(active.size.0 - partition.tail.len() as u32);
        let end = partition.flushed.next();
        let frame = Frame {
            kind: FrameKind::TailImage,
            partition: partition.id,
            owner_epoch: partition.owner_epoch,
            segment: active.base,
            position,
            base: end,
            next: end,
            leader_epoch: partition.leader_epoch,
            payload: partition.tail.clone(),
        };
        self.commit.stage_image(slot, frame);
    }

    pub(super) fn image_committed(&mut self, slot: Slot) {
        let waits = self.table.get(slot).and_then(|partition| partition.flush.as_ref()).map(|job| job.step);
        if waits == Some(Step::Image) {
            self.write_flush(slot);
        }
    }

    /// The tail is safe: the job may write, when its turn comes.
    fn write_flush(&mut self, slot: Slot) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        let Some(job) = &partition.flush else { return };
        let log = partition.flushed.clone();
        let bytes = unflushed_bytes(partition, job.target);
        let Some(job) = &mut partition.flush else { return };
        job.step = Step::Write;
        job.writes = Some(Writes {
            entries: EntryWriter::new(partition.directory.clone(), log.active()),
            segment: SegmentWriter::new(
                &partition.directory,
                log.active(),
                &partition.tail,
                bytes,
                &self.config.pacing,
                self.config.segment_io.path(),
            ),
            log,
        });
        self.checkpoint.may_write(slot);
    }

    /// Builds and pushes the next writes of a job; how many bytes they have, none: the job has enough under way, or no more to
    /// write.
    pub(super) fn write_more(&mut self, slot: Slot) -> Option<usize> {
        let partition = self.table.get_mut(slot).filter(|partition| !partition.deleted)?;
        let mut job = partition.flush.take_if(|job| job.ops < FLUSH_WRITES_MAX && job.writes.is_some())?;
        let ops = next_writes(partition, &mut job, &self.commit);
        job.ops += ops.len() as u32;
        let bytes = ops.iter().map(write_bytes).sum();
        let done = job.ops == 0 && job.writes.is_none();
        partition.flush = Some(job);
        for op in ops {
            self.push_partition_op(slot, Purpose::FlushWrite(slot), op);
        }
        if done {
            self.cut_flush(slot);
        }
        Some(bytes)
    }

    pub(super) fn flush_op_done(&mut self, slot: Slot, done: Done) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        let Some(job) = &mut partition.flush else { return };
        job.ops -= 1;
        if job.ops == 0 && self.abandon_flush(slot) {
            return;
        }
        let Some(partition) = self.table.get_mut(slot) else { return };
        let Some(job) = &mut partition.flush else { return };
        if let Done::Failed(failure) = done
            && !partition.deleted
        {
            let sentence = failure.to_string();
            self.flush_failed(slot, &sentence);
            return;
        }
        if job.writes.is_some() {
            self.checkpoint.may_write(slot);
        } else if job.ops == 0 {
            match job.step {
                Step::Cut => self.finish_flush(slot),
                _ => self.cut_flush(slot),
            }
        }
    }

    /// Space behind sealed segments goes back once their last write is done.
    fn cut_flush(&mut self, slot: Slot) {
        let Some(job) = self.table.get_mut(slot).and_then(|partition| partition.flush.as_mut()) else {
            return;
        };
        job.step = Step::Cut;
        let cuts = std::mem::take(&mut job.cuts);
        job.ops = cuts.len() as u32;
        if cuts.is_empty() {
            self.finish_flush(slot);
        }
        for op in cuts {
            self.push_partition_op(slot, Purpose::FlushWrite(slot), op);
        }
    }

    fn finish_flush(&mut self, slot: Slot) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        let Some(job) = partition.flush.take() else { return };
        if let Some((mut log, tail)) = job.result {
            log.follow(&partition.flushed);
            let first = partition.cache_index(partition.flushed.next());
            let behind = partition.cache.iter().skip(first).take_while(|batch| batch.next <= log.next());
            self.unflushed_bytes -= behind.map(|batch| batch.bytes.len() as u64).sum::<u64>();
            partition.flushed = log;
            partition.snapshots.written(partition.flushed.active().base);
            partition.tail = tail;
            if job.ending == Ending::Closed {
                partition.live = partition.flushed.clone();
            }
        }
        if !partition.is_dirty() {
            self.dirty.remove(&slot);
        }
        self.flush_ended(slot, job.bytes);
    }

    /// A deleted partition's job ends with the last of its Ops.
    pub(super) fn abandon_flush(&mut self, slot: Slot) -> bool {
        let Some(partition) = self.table.get_mut(slot) else { return true };
        if !partition.deleted || partition.ops_in_flight > 0 {
            return partition.deleted;
        }
        if let Some(job) = partition.flush.take() {
            self.flush_ended(slot, job.bytes);
        }
        true
    }

    /// The partition goes offline; what the journal holds of it stays there for the next start.
    fn flush_failed(&mut self, slot: Slot, reason: &str) {
        let Some(partition) = self.table.get_mut(slot) else { return };
        let Some(job) = partition.flush.take() else { return };
        partition.failed = true;
        tracing::error!(
            partition = %partition.directory,
            reason,
            "a segment cannot be written: the partition is offline; acknowledged records are in the journal and return with the next start"
        );
        self.drop_watchers(slot);
        self.flush_ended(slot, job.bytes);
    }
}

/// Where the first batch behind the recovery point goes.
fn next_unflushed(partition: &Partition) -> Option<Placement> {
    let first = partition.cache_index(partition.flushed.next());
    partition.cache.get(first).map(|batch| batch.placement)
}

/// What is to be written up to `target`.
fn unflushed_bytes(partition: &Partition, target: Offset) -> usize {
    let first = partition.cache_index(partition.flushed.next());
    let batches = partition.cache.iter().skip(first).take_while(|batch| batch.next <= target);
    batches.map(|batch| batch.bytes.len()).sum()
}

/// Goes on with the job until there is something to write; with the last of it, the job has its result.
fn next_writes(partition: &Partition, job: &mut FlushJob, commit: &Commit) -> Vec<Op> {
    let Some(Writes { mut log, segment: mut writer, mut entries }) = job.writes.take() else {
        return Vec::new();
    };
    let directory = &partition.directory;
    let interval = partition.settings.layout.index_interval;
    let mut ops = Vec::new();
    let first = partition.cache_index(log.next());
    for batch in partition.cache.iter().skip(first).take_while(|batch| batch.next <= job.target) {
        let Ok(header) = BatchHeader::parse(&batch.bytes) else { break };
        let facts = BatchFacts {
            base: batch.base,
            next: batch.next,
            size: batch.bytes.len() as u32,
            max_timestamp: header.max_timestamp,
        };
        let applied = log.apply(&facts, batch.epoch, batch.placement, interval);
        let applied = applied.expect("cached batches continue the flushed log");
        if let Some((sealed, closing)) = applied.sealed {
            writer = writer.roll(directory, batch.base, &mut ops);
            entries.close(&sealed, closing, &mut ops);
            job.cuts.push(cut(directory, &sealed));
            also(partition.snapshot_of_roll(batch.base), &mut ops, &mut job.cuts);
            entries = EntryWriter::new(directory.clone(), &Segment::empty(batch.base));
        }
        entries.push(applied.entries.index.as_ref(), applied.entries.time.as_ref());
        writer.push(&batch.bytes, commit.group(batch.sequence), &mut ops);
        if !ops.is_empty() && batch.next < job.target {
            job.writes = Some(Writes { log, segment: writer, entries });
            return ops;
        }
    }
    let mut tail = writer.finish(&mut ops);
    if partition.live.active().base == log.next()
        && let Some((sealed, closing)) = log.roll()
    {
        entries.close(&sealed, closing, &mut ops);
        job.cuts.push(cut(directory, &sealed));
        also(partition.snapshot_of_roll(log.next()), &mut ops, &mut job.cuts);
        entries = EntryWriter::new(directory.clone(), log.active());
        tail = Bytes::new();
    }
    // An empty segment has no files.
    if job.ending == Ending::Closed && log.active().size.0 > 0 {
        let closing = log.close();
        entries.close(log.active(), closing, &mut ops);
        job.cuts.push(cut(directory, log.active()));
    } else {
        entries.finish(&mut ops);
    }
    if job.ending == Ending::Closed {
        also(partition.closing_snapshot(log.next()), &mut ops, &mut job.cuts);
    }
    if log.epochs() != partition.flushed.epochs() || job.ending == Ending::Closed {
        let file = names::leader_epochs(directory);
        let epochs = encode_epochs(log.epochs()).into_bytes();
        job.cuts.push(Op::Truncate { file: file.clone(), size: epochs.len() as u64 });
        ops.push(append(file, 0, epochs));
    }
    job.result = Some((log, tail));
    ops
}

/// A small file beside the segments: its write now, its cut with the others.
fn also(file: Option<(Op, Op)>, ops: &mut Vec<Op>, cuts: &mut Vec<Op>) {
    if let Some((write, cut)) = file {
        ops.push(write);
        cuts.push(cut);
    }
}

fn cut(directory: &str, segment: &Segment) -> Op {
    Op::Truncate { file: names::log(directory, segment.base), size: u64::from(segment.size.0) }
}

fn write_bytes(op: &Op) -> usize {
    match op {
        Op::Write { data, .. } => data.len(),
        _ => 0,
    }
}

/// Collects a segment's index entries and appends them to its index files.
#[derive(Debug)]
struct EntryWriter {
    directory: Arc<str>,
    segment: Offset,
    index_at: u64,
    time_at: u64,
    index: Vec<u8>,
    time: Vec<u8>,
}

impl EntryWriter {
    fn new(directory: Arc<str>, segment: &Segment) -> EntryWriter {
        EntryWriter {
            directory,
            segment: segment.base,
            index_at: u64::from(segment.index_entries) * INDEX_ENTRY_BYTES as u64,
            time_at: u64::from(segment.time_entries) * TIME_ENTRY_BYTES as u64,
            index: Vec::new(),
            time: Vec::new(),
        }
    }

    fn push(&mut self, index: Option<&crate::log::segment::IndexEntry>, time: Option<&TimeEntry>) {
        if let Some(entry) = index {
            entry.encode(self.segment, &mut self.index);
        }
        if let Some(entry) = time {
            entry.encode(self.segment, &mut self.time);
        }
    }

    fn finish(self, ops: &mut Vec<Op>) {
        if !self.index.is_empty() {
            ops.push(append(names::index(&self.directory, self.segment), self.index_at, self.index));
        }
        if !self.time.is_empty() {
            ops.push(append(names::time_index(&self.directory, self.segment), self.time_at, self.time));
        }
    }

    /// The segment gets no more entries: both files exist from now on, be they empty.
    fn close(mut self, segment: &Segment, closing: Option<TimeEntry>, ops: &mut Vec<Op>) {
        if let Some(entry) = closing {
            entry.encode(self.segment, &mut self.time);
        }
        let never_written = (segment.index_entries == 0, segment.time_entries == 0);
        if !self.index.is_empty() || never_written.0 {
            ops.push(append(names::index(&self.directory, self.segment), self.index_at, self.index));
        }
        if !self.time.is_empty() || never_written.1 {
            ops.push(append(names::time_index(&self.directory, self.segment), self.time_at, self.time));
        }
    }
}

fn append(file: FileName, position: u64, bytes: Vec<u8>) -> Op {
    let (path, sync, class) = (Path::Buffered, Sync::Later, Class::Background);
    Op::Write { file, position, data: Bytes::from(bytes), path, sync, class }
}
