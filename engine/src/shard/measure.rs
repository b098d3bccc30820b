//! What one core counts about itself, and the snapshot of it. Counted in place, without a clock of its own: durations are
//! between the turns' times. Lives on one core.

use super::{
    Purpose, Shard,
    command::{CallId, FetchPartition, Fetched, PartitionFigures, PartitionPage, Reply},
};
use crate::{
    base::{Now, PartitionIndex, TopicId, TopicPartition},
    metrics::{BYTES, COUNTS, Figures, Histogram, Label, NANOSECONDS, NANOSECONDS_FINE},
    op::{Op, Sync},
    record,
};

crate::metrics! {
    REQUEST_SECONDS: "corelog_request_stage_seconds" Histogram Seconds Broker
        "Time of a request in one stage: queue, handle, journal (part of handle), wait (long polls, no part of it), send.";
    BYTES_IN: "corelog_bytes_in_total" Counter One Core
        "Bytes of record batches taken from producers.";
    RECORDS_IN: "corelog_records_in_total" Counter One Core
        "Records taken from producers.";
    BATCHES_IN: "corelog_batches_in_total" Counter One Core
        "Record batches taken from producers.";
    BYTES_OUT: "corelog_bytes_out_total" Counter One Core
        "Bytes of record batches read for fetches.";
    RECORDS_OUT: "corelog_records_out_total" Counter One Core
        "Records read for fetches.";
    COLD_BYTES_OUT: "corelog_cold_bytes_out_total" Counter One Core
        "The part of corelog_bytes_out_total that came from the disk and not from memory.";
    COMMIT_SECONDS: "corelog_journal_commit_seconds" Histogram Seconds Core
        "From a group's write to its synced completion.";
    GROUP_BYTES: "corelog_journal_group_bytes" Histogram One Core
        "Size on disk of a group commit.";
    GROUP_FRAMES: "corelog_journal_group_frames" Histogram One Core
        "Batches and tail images in a group commit.";
    GROUP_RECORDS: "corelog_journal_group_records" Histogram One Core
        "Records in a group commit.";
    EXTENTS: "corelog_journal_extents" Gauge One Core
        "Extents of the journal, by state: free or used.";
    SYNCS: "corelog_syncs_total" Counter One Core
        "Synced writes and syncs, by kind: journal, write, filesystem, file, directory.";
    CHECKPOINT_SECONDS: "corelog_checkpoint_seconds" Histogram Seconds Core
        "From a checkpoint cycle's first flush to its durable end.";
    DISK_OPS: "corelog_disk_ops_total" Counter One Core
        "Operations on files, by purpose and kind: read, write, other.";
    DISK_BYTES: "corelog_disk_bytes_total" Counter One Core
        "Bytes read and written, by purpose and kind.";
    DISK_FAILURES: "corelog_disk_failures_total" Counter One Core
        "Operations on files that failed, by purpose.";
    MEMORY: "corelog_memory_bytes" Gauge One Core
        "Memory in use, by use: cache (unflushed included), unflushed, staged, requests, decoded, receive_buffers, unsent.";
    MEMORY_LIMIT: "corelog_memory_limit_bytes" Gauge One Core
        "What each use of memory is bound to.";
    QUEUES: "corelog_queue_length" Gauge One Core
        "What waits on a core, by queue.";
    PARTITIONS: "corelog_partitions" Gauge One Core
        "Partitions on a core, by state: all, dirty (not wholly in their segments), offline.";
}

/// What went through one partition since the broker's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub bytes_in: u64,
    pub records_in: u64,
    pub bytes_out: u64,
    pub records_out: u64,
}

#[derive(Debug)]
pub(super) struct Measures {
    now_ns: u64,
    traffic: Traffic,
    batches_in: u64,
    cold_bytes_out: u64,
    produce_ns: Histogram,
    commit_ns: Histogram,
    group_bytes: Histogram,
    group_frames: Histogram,
    group_records: Histogram,
    syncs: [u64; SYNC_KINDS.len()],
    checkpoint_ns: Histogram,
    checkpoint_since_ns: u64,
    disk: [[Io; IO_KINDS.len()]; PURPOSES.len()],
    failures: [u64; PURPOSES.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Io {
    ops: u64,
    bytes: u64,
}

const SYNC_KINDS: [&str; 5] = ["journal", "write", "filesystem", "file", "directory"];
const IO_KINDS: [&str; 3] = ["read", "write", "other"];
const PURPOSES: [&str; 8] =
    ["journal", "space", "flush", "checkpoint", "fetch", "delete", "compact", "read_ahead"];

fn purpose_index(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Commit(_) => 0,
        Purpose::Prepare { .. } => 1,
        Purpose::FlushTail(_) | Purpose::FlushWrite(_) => 2,
        Purpose::Checkpoint => 3,
        Purpose::Fetch(_) | Purpose::Offsets(_) => 4,
        Purpose::Retire(_) | Purpose::Rename(_) | Purpose::RemoveTree(_) | Purpose::SyncRoot => 5,
        Purpose::Clean => 6,
        Purpose::ReadAhead(_) => 7,
    }
}

impl Default for Measures {
    fn default() -> Measures {
        Measures {
            now_ns: 0,
            traffic: Traffic::default(),
            batches_in: 0,
            cold_bytes_out: 0,
            produce_ns: Histogram::new(NANOSECONDS),
            commit_ns: Histogram::new(NANOSECONDS_FINE),
            group_bytes: Histogram::new(BYTES),
            group_frames: Histogram::new(COUNTS),
            group_records: Histogram::new(COUNTS),
            syncs: [0; SYNC_KINDS.len()],
            checkpoint_ns: Histogram::new(NANOSECONDS),
            checkpoint_since_ns: 0,
            disk: [[Io::default(); IO_KINDS.len()]; PURPOSES.len()],
            failures: [0; PURPOSES.len()],
        }
    }
}

impl Measures {
    /// A transition begins: what ends in it ended now.
    pub fn at(&mut self, now: Now) {
        self.now_ns = now.mono_ns;
    }

    /// A batch was taken, by the partition of this traffic.
    pub fn taken(&mut self, traffic: &mut Traffic, bytes: u32, records: i64) {
        self.batches_in += 1;
        for traffic in [traffic, &mut self.traffic] {
            traffic.bytes_in += u64::from(bytes);
            traffic.records_in += records as u64;
        }
    }

    /// A produce request that was taken at `since_ns` is answered: what it waited for is durable.
    pub fn produced(&mut self, since_ns: u64) {
        self.produce_ns.record(self.now_ns.saturating_sub(since_ns));
    }

    /// Answers when it began, for `group_committed`.
    pub fn group_written(&mut self, bytes: u64, frames: u64, records: u64) -> u64 {
        self.group_bytes.record(bytes);
        self.group_frames.record(frames);
        self.group_records.record(records);
        self.now_ns
    }

    /// Bytes of all groups written.
    pub fn journal_bytes(&self) -> u64 {
        self.group_bytes.sum()
    }

    pub fn group_committed(&mut self, since_ns: u64) {
        self.commit_ns.record(self.now_ns.saturating_sub(since_ns));
    }

    pub fn checkpoint_started(&mut self) {
        self.checkpoint_since_ns = self.now_ns;
    }

    pub fn checkpoint_written(&mut self) {
        self.checkpoint_ns.record(self.now_ns.saturating_sub(self.checkpoint_since_ns));
    }

    pub fn pushed(&mut self, purpose: Purpose, op: &Op) {
        let purpose = purpose_index(purpose);
        let (kind, bytes) = match op {
            Op::Read { length, .. } => (0, u64::from(*length)),
            Op::Write { data, .. } => (1, data.len() as u64),
            _ => (2, 0),
        };
        let io = &mut self.disk[purpose][kind];
        io.ops += 1;
        io.bytes += bytes;
        let sync = match op {
            Op::Write { sync: Sync::Data, .. } => usize::from(purpose != 0),
            Op::SyncFilesystem => 2,
            Op::SyncFile { .. } => 3,
            Op::SyncDir { .. } => 4,
            _ => return,
        };
        self.syncs[sync] += 1;
    }

    pub fn failed(&mut self, purpose: Purpose) {
        self.failures[purpose_index(purpose)] += 1;
    }

    fn tell(&self, out: &mut Figures) {
        for (metric, value) in [
            (&BYTES_IN, self.traffic.bytes_in),
            (&RECORDS_IN, self.traffic.records_in),
            (&BATCHES_IN, self.batches_in),
            (&BYTES_OUT, self.traffic.bytes_out),
            (&RECORDS_OUT, self.traffic.records_out),
            (&COLD_BYTES_OUT, self.cold_bytes_out),
        ] {
            out.number(metric, Vec::new(), value);
        }
        let stage = vec![("api", "Produce".into()), ("stage", "journal".into())];
        out.histogram(&REQUEST_SECONDS, stage, &self.produce_ns);
        for (metric, histogram) in [
            (&COMMIT_SECONDS, &self.commit_ns),
            (&GROUP_BYTES, &self.group_bytes),
            (&GROUP_FRAMES, &self.group_frames),
            (&GROUP_RECORDS, &self.group_records),
            (&CHECKPOINT_SECONDS, &self.checkpoint_ns),
        ] {
            out.histogram(metric, Vec::new(), histogram);
        }
        for (kind, count) in SYNC_KINDS.into_iter().zip(self.syncs) {
            out.number(&SYNCS, label("kind", kind), count);
        }
        for (purpose, (kinds, failures)) in PURPOSES.into_iter().zip(self.disk.iter().zip(self.failures)) {
            for (kind, io) in IO_KINDS.into_iter().zip(kinds).filter(|(_, io)| io.ops > 0) {
                let labels = vec![("purpose", purpose.into()), ("kind", kind.into())];
                out.number(&DISK_OPS, labels.clone(), io.ops);
                out.number(&DISK_BYTES, labels, io.bytes);
            }
            out.number(&DISK_FAILURES, label("purpose", purpose), failures);
        }
    }
}

fn label(name: &'static str, value: &'static str) -> Vec<Label> {
    vec![(name, value.into())]
}

impl Shard {
    /// A partition's part of a fetch was read.
    pub(super) fn count_out(&mut self, asked: &FetchPartition, answer: &Fetched, from_disk: bool) {
        if answer.is_empty() {
            return;
        }
        let bytes = answer.bytes() as u64;
        let headers = answer.records.iter().flat_map(|records| record::headers(records));
        let in_memory: u64 = headers.map(|(_, header)| header.last_offset_delta.max(0) as u64 + 1).sum();
        // Nobody has looked at what is in a range.
        let in_file = answer.range.as_ref().map_or(0, |range| (range.next.0 - asked.offset.0).max(0) as u64);
        let records = in_memory + in_file;
        let Some(partition) = self.table.find(asked.partition).and_then(|slot| self.table.get_mut(slot))
        else {
            return;
        };
        for traffic in [&mut partition.traffic, &mut self.measures.traffic] {
            traffic.bytes_out += bytes;
            traffic.records_out += records;
        }
        self.measures.cold_bytes_out += if from_disk { bytes } else { 0 };
    }

    /// This core's figures; its caller adds what it knows itself.
    pub(super) fn measure(&mut self, now: Now, call: CallId) {
        let mut figures = Figures::new(self.core());
        self.measures.tell(&mut figures);
        let budget = self.config.budget;
        for (part, bytes, limit) in [
            ("cache", self.commit.cached_bytes, budget.cache_bytes),
            ("unflushed", self.unflushed_bytes, budget.unflushed_bytes),
            ("staged", self.commit.staged_bytes, budget.staged_bytes),
            ("cold_reads", self.cold_turns.bytes().0, budget.cold_bytes),
            ("opening", self.openings.bytes as u64, budget.walk_bytes as u64),
        ] {
            figures.number(&MEMORY, label("use", part), bytes);
            figures.number(&MEMORY_LIMIT, label("use", part), limit);
        }
        let free = self.journal.extents_free();
        for (state, extents) in [("free", free), ("used", self.journal.extents_total() - free)] {
            figures.number(&EXTENTS, label("state", state), extents as u64);
        }
        let (pending, stalled) = self.produces.lengths();
        let (reading, waiting) = self.cold_turns.lengths();
        for (queue, length) in [
            ("produce_stalled", stalled),
            ("produce_pending", pending),
            ("journal_frames", self.commit.waiting()),
            ("cold_reads", reading),
            ("cold_reads_waiting", waiting),
            ("watches", self.watches.len()),
            ("disk_ops", self.purposes.len()),
        ] {
            figures.number(&QUEUES, label("queue", queue), length as u64);
        }
        let offline = self.dirty.iter().filter(|slot| self.table.get(**slot).is_some_and(|one| one.failed));
        let offline = offline.count();
        for (state, count) in [("all", self.table.len()), ("dirty", self.dirty.len()), ("offline", offline)] {
            figures.number(&PARTITIONS, label("state", state), count as u64);
        }
        self.telemetry.tell(now, &mut figures);
        self.reply(call, Reply::Measured(Box::new(figures)));
    }

    /// The figures of the partitions behind `after`, at most `count`.
    pub(super) fn measure_partitions(&mut self, call: CallId, page: PartitionPage) {
        let first = TopicPartition { topic: TopicId::ZERO, partition: PartitionIndex(i32::MIN) };
        let from = page.after.unwrap_or(first);
        let figures = self.table.behind(from).take(page.count).map(|partition| PartitionFigures {
            partition: partition.id,
            traffic: partition.traffic,
            disk_bytes: partition.live.segments().map(|segment| u64::from(segment.size.0)).sum(),
            log_start: partition.live.start(),
            high_watermark: partition.visible,
            end: partition.live.next(),
        });
        let figures = figures.collect();
        self.reply(call, Reply::PartitionsMeasured(figures));
    }
}
