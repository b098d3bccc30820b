//! The flow of log compaction: one run at a time per core, in the background class. A run looks which keys have newer records (`Map`), then writes
//! sealed segments anew without what those supersede (`Copy`), a group of segments into one; how a group takes the place of its sources
//! is in `swap`. Only segments that the newest durable checkpoint has sealed below its recovery point (rule 6), never the active one. A run
//! that is cut short is begun again: what it had swapped stays, the rest is done anew.
//!
//! Between a run's first read and its last swap no segment of the partition is retired: `holds`.

use std::collections::{BTreeSet, VecDeque};

use super::{
    Purpose, Shard,
    cleaning::{Found, Output, Source},
    partition::{Partition, Slot},
    settings::Budget,
    swap::Swap,
};
use crate::{
    base::{Deadline, Now, Offset},
    compact::{self, Kept, OffsetMap, Rules},
    config::{CleanerConfig, Layers, Overrides},
    controller::ConfigResource,
    limits::{CLEAN_BUDGET_PER_TURN, CLEAN_IO_BYTES},
    log::{names, segment::Segment},
    op::{Done, Op, Path},
    record::{Codec, RecordError, UncheckedBatch},
};

#[derive(Debug)]
pub(super) enum Phase {
    /// Newest offsets are being learned.
    Map {
        segments: VecDeque<Segment>,
        source: Source,
    },
    Copy {
        group: Vec<Segment>,
        left: VecDeque<Segment>,
        source: Source,
        output: Box<Output>,
    },
    /// The last of the group is being written.
    Finish(Swap),
    /// The files are whole: they count with the next checkpoint whose sync begins from now on.
    Ready(Swap),
    /// Such a checkpoint is under way.
    Committing(Swap),
    /// It is durable: the sources go, …
    Removing(Swap),
    /// … and their replacement gets its name.
    Renaming(Swap),
}

#[derive(Debug)]
pub(super) struct Job {
    pub slot: Slot,
    map: OffsetMap,
    rules: Rules,
    from: Offset,
    pub groups: VecDeque<Vec<Segment>>,
    pub phase: Phase,
    /// How segments are read and written.
    path: Path,
    pub ops: usize,
    failed: Option<String>,
}

#[derive(Debug)]
pub struct Cleaner {
    secret: u64,
    config: Option<CleanerConfig>,
    /// Nothing was due before; look again then.
    look_at: Deadline,
    /// The device is left alone until then.
    pace: Deadline,
    pub(super) job: Option<Job>,
    /// Damaged: left alone until the next start.
    uncleanable: BTreeSet<Slot>,
    /// Swapped segments, until a checkpoint says that their files have their names.
    pub(super) renamed: Vec<(Slot, Offset)>,
    pub(super) settling: Vec<(Slot, Offset)>,
}

/// What a step of a job comes to.
enum Step {
    /// Go on at once.
    More,
    Push(Vec<Op>),
    /// This turn's work is done.
    Enough,
    /// Something else must happen first.
    Wait,
    Failed(String),
}

impl Cleaner {
    pub fn new(secret: u64) -> Cleaner {
        Cleaner {
            secret,
            config: None,
            look_at: Deadline(0),
            pace: Deadline(0),
            job: None,
            uncleanable: BTreeSet::new(),
            renamed: Vec::new(),
            settling: Vec::new(),
        }
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        match &self.job {
            None => Some(self.look_at),
            Some(job) => job.reads().then_some(self.pace).filter(|_| job.ops == 0),
        }
    }

    /// Nothing of it is under way.
    pub fn is_idle(&self) -> bool {
        self.job.is_none()
    }

    /// What the run under way may take of the core's memory: its keys, a batch with what is made of it, and its reads and writes.
    pub fn held_bytes(&self, budget: &Budget) -> u64 {
        let copies = 3 * budget.opening_bytes + 2 * CLEAN_IO_BYTES;
        self.job.as_ref().map_or(0, |job| (job.map.bytes() + copies) as u64)
    }

    /// It works on this partition: its segments must stay.
    pub fn holds(&self, slot: Slot) -> bool {
        self.job.as_ref().is_some_and(|job| job.slot == slot)
    }

    /// For a group's swap, or to have done with those of the last run.
    pub fn wants_checkpoint(&self) -> bool {
        match &self.job {
            Some(job) => job.ops == 0 && matches!(job.phase, Phase::Ready(_)),
            None => !self.renamed.is_empty(),
        }
    }

    fn is_settled(&self, slot: Slot) -> bool {
        self.renamed.iter().chain(&self.settling).all(|(unsettled, _)| *unsettled != slot)
    }
}

impl Job {
    /// It is in a phase that uses the device much.
    fn reads(&self) -> bool {
        matches!(self.phase, Phase::Map { .. } | Phase::Copy { .. })
    }

    /// A checkpoint counts on it: it goes on to the swap whatever happens.
    fn is_committed(&self) -> bool {
        matches!(self.phase, Phase::Committing(_) | Phase::Removing(_) | Phase::Renaming(_))
    }
}

impl Shard {
    /// Goes on with the run under way, or looks for one that is due.
    pub(super) fn clean(&mut self, now: Now) {
        let mut budget = CLEAN_BUDGET_PER_TURN;
        loop {
            let Some(mut job) = self.cleaner.job.take() else {
                if !self.start_cleaning(now) {
                    return;
                }
                continue;
            };
            if job.ops > 0 {
                self.cleaner.job = Some(job);
                return;
            }
            let slot = job.slot;
            let live = |partition: &&Partition| !partition.deleted && !partition.failed;
            let Some(partition) = self.table.get(slot).filter(live) else {
                self.end_cleaning(now, slot);
                return;
            };
            if self.checkpoint.is_stopping() && !job.is_committed() {
                self.end_cleaning(now, slot);
                return;
            }
            let step = match job.failed.take() {
                Some(reason) => Step::Failed(reason),
                None if job.reads() && !now.reached(self.cleaner.pace) => Step::Wait,
                None => step(&mut job, partition, &mut budget),
            };
            match step {
                Step::More => self.cleaner.job = Some(job),
                Step::Push(ops) if ops.is_empty() => self.cleaner.job = Some(job),
                Step::Push(ops) => {
                    self.push_cleaning(now, &mut job, ops);
                    self.cleaner.job = Some(job);
                    return;
                }
                Step::Enough => {
                    self.wake = true;
                    self.cleaner.job = Some(job);
                    return;
                }
                Step::Wait => {
                    self.cleaner.job = Some(job);
                    return;
                }
                Step::Failed(reason) => {
                    tracing::error!(
                        partition = %partition.directory,
                        reason,
                        "the partition cannot be compacted: it is left as it is until the next start; `corelog log verify` on its directory shows more"
                    );
                    self.cleaner.uncleanable.insert(slot);
                    self.end_cleaning(now, slot);
                    return;
                }
            }
        }
    }

    pub(super) fn push_cleaning(&mut self, now: Now, job: &mut Job, ops: Vec<Op>) {
        job.ops += ops.len();
        let bytes = ops.iter().map(|op| match op {
            Op::Read { length, .. } => u64::from(*length),
            Op::Write { data, .. } => data.len() as u64,
            _ => 0,
        });
        let rate = self.cleaner.config.map_or(f64::MAX, |config| config.bytes_per_second);
        let rate = (rate / f64::from(self.config.cores.max(1))).max(1.0);
        let nanoseconds = bytes.sum::<u64>() as f64 / rate * 1e9;
        let from = self.cleaner.pace.0.max(now.mono_ns);
        self.cleaner.pace = Deadline(from.saturating_add(nanoseconds as u64));
        for op in ops {
            self.push_partition_op(job.slot, Purpose::Clean, op);
        }
    }

    pub(super) fn cleaning_op_done(&mut self, now: Now, done: Done) {
        let Some(mut job) = self.cleaner.job.take() else { return };
        job.ops -= 1;
        match (&mut job.phase, done) {
            // An index that was never written is not there.
            (Phase::Removing(_) | Phase::Renaming(_), Done::Failed(failure)) if failure.is_not_found() => {}
            (_, Done::Failed(failure)) => {
                job.failed.get_or_insert(failure.to_string());
            }
            (Phase::Map { source, .. } | Phase::Copy { source, .. }, Done::Read(bytes)) => {
                if let Err(reason) = source.feed(bytes) {
                    job.failed.get_or_insert(reason);
                }
            }
            _ => {}
        }
        let swaps = matches!(job.phase, Phase::Removing(_) | Phase::Renaming(_));
        if swaps && job.ops == 0 {
            let failed = job.failed.take();
            self.swap_step_done(now, job, failed);
        } else {
            self.cleaner.job = Some(job);
        }
        self.wake = true;
    }

    /// The run is over, done or not.
    pub(super) fn end_cleaning(&mut self, now: Now, slot: Slot) {
        self.cleaner.job = None;
        self.cleaner.look_at = now.after_ms(0);
        self.retire_breached(slot);
    }

    /// Starts the run that is due most; false: none is.
    fn start_cleaning(&mut self, now: Now) -> bool {
        if self.checkpoint.is_stopping() {
            self.cleaner.look_at = Deadline(u64::MAX);
        }
        if !now.reached(self.cleaner.look_at) {
            return false;
        }
        let config = self.cleaner_config();
        self.cleaner.config = Some(config);
        let due = config.enabled.then(|| self.most_due(now)).flatten();
        let Some((slot, found)) = due else {
            self.cleaner.look_at = now.after_ms(config.backoff_ms.max(1));
            return false;
        };
        let Some(partition) = self.table.get(slot) else { return false };
        let Some(compaction) = partition.settings.compaction else { return false };
        let keys = (found.to.0 - found.from.0).max(1) as u64;
        let share = config.dedupe_bytes / u64::from(self.config.cores.max(1));
        let bytes_max = share.min(self.config.budget.keys_bytes());
        let dirty = partition.flushed.segment_ends();
        let dirty = dirty.filter(|(segment, end)| *end > found.from && segment.base < found.to);
        let mut segments: VecDeque<Segment> = dirty.map(|(segment, _)| *segment).collect();
        let Some(first) = segments.pop_front() else { return false };
        tracing::debug!(partition = %partition.directory, from = found.from.0, to = found.to.0, ratio = found.ratio, "compaction begins");
        let path = self.config.segment_io.path();
        self.cleaner.job = Some(Job {
            slot,
            map: OffsetMap::new(keys, bytes_max, self.cleaner.secret),
            rules: Rules {
                end: found.to,
                now: now.wall,
                delete_retention_ms: compaction.delete_retention_ms,
                opening_bytes_max: self.config.budget.opening_bytes,
                marks_stay: false,
            },
            from: found.from,
            groups: VecDeque::new(),
            phase: Phase::Map { segments, source: Source::new(&partition.directory, first, path) },
            path,
            ops: 0,
            failed: None,
        });
        true
    }

    fn cleaner_config(&self) -> CleanerConfig {
        let options = &self.config.options;
        let node = ConfigResource::Broker(options.node.0.to_string());
        let none = Overrides::new();
        let layers = |dynamic_broker, dynamic_cluster, static_broker| Layers {
            topic: &none,
            dynamic_broker,
            dynamic_cluster,
            static_broker,
        };
        let cluster = ConfigResource::Broker(String::new());
        let given = layers(self.image.overrides(&node), self.image.overrides(&cluster), &options.overrides);
        CleanerConfig::resolve(&given)
            .or_else(|_| CleanerConfig::resolve(&layers(&none, &none, &none)))
            .expect("the defaults are valid")
    }

    fn most_due(&self, now: Now) -> Option<(Slot, crate::log::Cleanable)> {
        let mut most: Option<(Slot, crate::log::Cleanable)> = None;
        for slot in self.table.slots() {
            let Some(partition) = self.table.get(slot) else { continue };
            let Some(compaction) = partition.settings.compaction else { continue };
            let idle = !partition.deleted && !partition.failed && !partition.flushed.has_unsettled();
            if !idle || self.cleaner.uncleanable.contains(&slot) || !self.cleaner.is_settled(slot) {
                continue;
            }
            let found = partition.flushed.cleanable(partition.sealed_below, &compaction, now.wall);
            let found = found.filter(|found| found.is_due);
            if let Some(found) = found
                && most.is_none_or(|(_, most)| most.ratio < found.ratio)
            {
                most = Some((slot, found));
            }
        }
        most
    }
}

fn step(job: &mut Job, partition: &Partition, budget: &mut usize) -> Step {
    match &mut job.phase {
        Phase::Map { source, segments } => match source.next() {
            Found::Read(op) => Step::Push(vec![op]),
            Found::Damaged(reason) => Step::Failed(reason),
            Found::End => match segments.pop_front() {
                Some(segment) => {
                    *source = Source::new(&partition.directory, segment, job.path);
                    Step::More
                }
                None => begin_copy(job, partition),
            },
            Found::Batch(bytes) => {
                let learned =
                    UncheckedBatch::split_first(&bytes).and_then(|(batch, _)| batch.check()).and_then(
                        |batch| compact::learn(&batch, job.from, &mut job.map, job.rules.opening_bytes_max),
                    );
                match learned {
                    // Its keys are not known: more stays than must.
                    Err(RecordError::TooLarge { .. }) => spend(budget, &bytes),
                    Err(error) => Step::Failed(error.to_string()),
                    Ok(Some(full_at)) => {
                        job.rules.end = full_at;
                        begin_copy(job, partition)
                    }
                    Ok(None) => spend(budget, &bytes),
                }
            }
        },
        Phase::Copy { output, .. } if output.is_waiting() => Step::Push(output.take_waiting()),
        Phase::Copy { source, left, output, .. } => match source.next() {
            Found::Read(op) => Step::Push(vec![op]),
            Found::Damaged(reason) => Step::Failed(reason),
            Found::End => match left.pop_front() {
                Some(segment) => {
                    *source = Source::new(&partition.directory, segment, job.path);
                    Step::More
                }
                None => match output.room() {
                    Some(allocate) => Step::Push(vec![allocate]),
                    None => finish_copy(job),
                },
            },
            Found::Batch(bytes) => match keep(&bytes, &job.map, &job.rules, partition) {
                Err(RecordError::TooLarge { .. }) => {
                    if !std::mem::replace(&mut job.rules.marks_stay, true) {
                        tracing::warn!(
                            partition = %partition.directory,
                            bytes_max = job.rules.opening_bytes_max,
                            "batches that are larger when they are decompressed are not compacted, and marks of deleted keys behind them stay: give the broker more --memory"
                        );
                    }
                    let ops = output.push(&bytes);
                    if ops.is_empty() { spend(budget, &bytes) } else { Step::Push(ops) }
                }
                Err(error) => Step::Failed(error.to_string()),
                Ok(kept) => {
                    let ops = match kept {
                        Kept::Nothing => Vec::new(),
                        Kept::Whole => output.push(&bytes),
                        Kept::Rewritten(rewritten) => output.push(&rewritten),
                    };
                    if ops.is_empty() { spend(budget, &bytes) } else { Step::Push(ops) }
                }
            },
        },
        Phase::Finish(swap) => {
            let swap = std::mem::take(swap);
            let cut = swap.with.map(|with| Op::Truncate {
                file: names::cleaned(&names::log(&partition.directory, with.base)),
                size: u64::from(with.size.0),
            });
            job.phase = Phase::Ready(swap);
            Step::Push(cut.into_iter().collect())
        }
        Phase::Ready(_) | Phase::Committing(_) | Phase::Removing(_) | Phase::Renaming(_) => Step::Wait,
    }
}

fn spend(budget: &mut usize, bytes: &[u8]) -> Step {
    let compressed =
        crate::record::BatchHeader::parse(bytes).is_ok_and(|header| header.codec() != Ok(Codec::None));
    *budget = budget.saturating_sub(bytes.len() * if compressed { 4 } else { 1 });
    if *budget == 0 { Step::Enough } else { Step::More }
}

fn keep(
    bytes: &[u8],
    map: &OffsetMap,
    rules: &Rules,
    partition: &Partition,
) -> Result<Kept, crate::record::RecordError> {
    let batch = UncheckedBatch::split_first(bytes)?.0.check()?;
    let header = batch.header();
    let last_of_producer = header.has_producer_id()
        && partition.producers.last_offset(header.producer_id) == Some(header.last_offset());
    // The last batch of a run stays, so that the end of what it saw does.
    let keep_empty = last_of_producer || header.next_offset() == rules.end;
    compact::filter(&batch, map, rules, keep_empty)
}

fn begin_copy(job: &mut Job, partition: &Partition) -> Step {
    let layout = &partition.settings.layout;
    job.groups =
        partition.flushed.clean_groups(job.rules.end, layout.segment_bytes, layout.index_bytes).into();
    match begin_group(job, partition) {
        Some(ops) => Step::Push(ops),
        None => Step::Failed("a run without a segment".into()),
    }
}

/// Starts the next group's output; none: there is no group left.
pub(super) fn begin_group(job: &mut Job, partition: &Partition) -> Option<Vec<Op>> {
    let group = job.groups.pop_front()?;
    let mut left: VecDeque<Segment> = group.iter().copied().collect();
    let first = left.pop_front()?;
    let bytes = group.iter().map(|segment| u64::from(segment.size.0)).sum();
    let interval = partition.settings.layout.index_interval;
    let (output, ops) = Output::begin(&partition.directory, first.base, bytes, interval, job.path);
    let source = Source::new(&partition.directory, first, job.path);
    job.phase = Phase::Copy { group, left, source, output: Box::new(output) };
    Some(ops)
}

fn finish_copy(job: &mut Job) -> Step {
    let phase = std::mem::replace(&mut job.phase, Phase::Ready(Swap::default()));
    let Phase::Copy { group, output, .. } = phase else {
        job.phase = phase;
        return Step::Wait;
    };
    let run_ends = job.groups.is_empty().then_some(job.rules.end);
    let (with, ops) = output.finish();
    job.phase = Phase::Finish(Swap { sources: group, with, run_ends });
    Step::Push(ops)
}
