//! One core: the only place that sees all machines. Commands and completions come in, Ops, messages and replies go out; nothing
//! here waits, reads a clock or touches a device. One file per flow:
//!
//! `produce` (with `opening`; `lateness`: not in time) → `commit` (journal) → `flush` and `checkpoint` (segments) · `fetch` and `watch` (long poll), with `cold` for what
//! is only on disk and `read_ahead` for who reads on · `offsets` and `inspect` · `deletion` (log starts), `retention` and `retirement` (segments that go) · `cleaner`,
//! `cleaning` and `swap` (compaction) · `control` (metadata, on core 0) and `publish` (every core) · `recover` (start).

mod admit;
mod checkpoint;
mod cleaner;
mod cleaning;
pub mod cold;
mod cold_turns;
pub mod command;
mod commit;
mod connections;
mod control;
mod deletion;
pub mod entry_search;
mod expiry;
mod fetch;
mod flush;
pub mod group;
pub mod inspect;
mod lateness;
mod leftovers;
pub mod measure;
mod offsets;
mod opening;
mod partition;
mod produce;
mod publish;
mod range_search;
mod read_ahead;
mod recover;
mod replay;
mod retention;
mod retirement;
mod segment_writer;
pub mod settings;
mod snapshots;
mod start;
mod start_records;
mod swap;
mod table;
mod watch;

#[cfg(test)]
mod produce_tests;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::telemetry::Telemetry;
use crate::{
    base::{CoreId, Deadline, Incarnation, JournalSequence, Now, Offset, TopicPartition},
    controller::Image,
    io::journal::writer::Journal,
    log::Log,
    op::{Done, Op, OpId},
    producer::Producers,
    quota::Connections,
};
use checkpoint::Checkpoints;
use cleaner::Cleaner;
use cold_turns::ColdTurns;
use command::{CallId, Command, Message, Reply};
use commit::Commit;
use control::Control;
use deletion::Deletions;
use expiry::Expiry;
use fetch::Fetches;
use group::Coordinator;
use measure::Measures;
use offsets::OffsetJobs;
use opening::Openings;
use partition::Slot;
use produce::Produces;
use read_ahead::ReadAhead;
pub use recover::{Boot, BootConfig, BootError, boot};
pub use retention::RetentionCheck;
use retention::Retentions;
use retirement::Retirements;
use settings::{Settings, ShardConfig};
use table::Table;
use watch::Watches;

/// What an Op was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A journal group.
    Commit(JournalSequence),
    /// Space for a segment.
    Prepare {
        slot: Slot,
        segment: Offset,
        allocated: u64,
    },
    /// The block that a flush goes on in.
    FlushTail(Slot),
    FlushWrite(Slot),
    Checkpoint,
    /// A fetch's cold read, by job.
    Fetch(usize),
    /// Likewise of a ListOffsets.
    Offsets(usize),
    /// A read that nobody waited for when it began, by number.
    ReadAhead(u64),
    /// Files of a segment that is in use no more get out of the way, or go; by retirement.
    Retire(usize),
    /// Compaction's reads, writes and renames.
    Clean,
    /// A deleted partition's directory gets out of the way, then goes.
    Rename(Slot),
    RemoveTree(Slot),
    SyncRoot,
}

/// What one core starts with: recovered, or empty.
pub struct ShardSeed {
    pub config: ShardConfig,
    pub image: Arc<Image>,
    pub incarnation: Incarnation,
    /// Of the checkpoint that start-up wrote.
    pub checkpoint_number: u64,
    /// Random: the journal's secrets follow from it.
    pub secret_seed: u64,
    pub logs: Vec<(TopicPartition, Log, Producers)>,
}

pub struct Shard {
    config: ShardConfig,
    image: Arc<Image>,
    /// The largest batch that fits a journal extent.
    payload_bytes_max: usize,
    journal: Journal,
    table: Table,
    dirty: BTreeSet<Slot>,
    unflushed_bytes: u64,
    produces: Produces,
    openings: Openings,
    commit: Commit,
    checkpoint: Checkpoints,
    fetches: Fetches,
    cold_turns: ColdTurns,
    read_ahead: ReadAhead,
    offsets: OffsetJobs,
    watches: Watches,
    deletions: Deletions,
    retentions: Retentions,
    retirements: Retirements,
    cleaner: Cleaner,
    expiry: Expiry,
    control: Control,
    measures: Measures,
    coordinator: Coordinator,
    telemetry: Telemetry,
    /// Of the whole broker, on core 0.
    connections: Connections,
    /// Publications not confirmed yet: deletions under way.
    unconfirmed: publish::Unconfirmed,
    purposes: BTreeMap<OpId, (Purpose, Option<Slot>)>,
    next_op: u64,
    ops: Vec<(OpId, Op)>,
    messages: Vec<(CoreId, Message)>,
    replies: Vec<(CallId, Reply)>,
    /// Another turn has work to do.
    wake: bool,
    failure: Option<String>,
}

impl Shard {
    pub fn core(&self) -> CoreId {
        self.config.core
    }

    /// How many cores the broker runs on.
    pub fn cores(&self) -> u16 {
        self.config.cores
    }

    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// A command from a connection of this core, or of another over the bus.
    pub fn handle(&mut self, now: Now, call: CallId, command: Command) {
        self.measures.at(now);
        if self.failure.is_some() {
            return;
        }
        match command {
            Command::Produce(request) => self.produce(now, call, request),
            Command::Fetch(request) => self.fetch(now, call, request),
            Command::Watch(request) => self.watch(now, call, request),
            Command::Cancel(watching) => self.cancel(watching),
            Command::ListOffsets(queries) => self.list_offsets(call, queries),
            Command::Inspect(inspect) => self.inspect(call, inspect),
            Command::DeleteRecords(parts) => self.delete_records(call, parts),
            Command::Control(instruction) => self.control(now, call, instruction),
            Command::Admit(ip) => self.admit(now, call, ip),
            Command::Release(ip) => self.connections.release(ip),
            Command::Measure => self.measure(now, call),
            Command::MeasurePartitions(page) => self.measure_partitions(call, page),
            Command::MeasureGroups(page) => {
                let figures = self.coordinator.groups().figures(&page);
                self.reply(call, Reply::GroupsMeasured(figures));
            }
            Command::Telemetry(request) => {
                let code = self.telemetry.handle(now, request);
                self.reply(call, Reply::Telemetry(code));
            }
            Command::Group(request) => self.group(now, call, request),
        }
    }

    pub fn receive(&mut self, now: Now, from: CoreId, message: Message) {
        match message {
            Message::Command(call, command) => self.handle(now, call, command),
            Message::Reply(call, reply) => self.replies.push((call, reply)),
            Message::Publish(publication) => self.apply_publication(now, publication),
            Message::Applied(offset) => self.publication_applied(now, from, offset),
        }
    }

    pub fn complete(&mut self, now: Now, op: OpId, done: Done) {
        self.measures.at(now);
        let Some((purpose, slot)) = self.purposes.remove(&op) else { return };
        if matches!(done, Done::Failed(_)) {
            self.measures.failed(purpose);
        }
        if self.failure.is_some() {
            return;
        }
        if let Some(partition) = slot.and_then(|slot| self.table.get_mut(slot)) {
            partition.ops_in_flight -= 1;
        }
        match purpose {
            Purpose::Commit(sequence) => self.committed(sequence, done),
            Purpose::Prepare { slot, segment, allocated } => {
                self.prepared(now, slot, segment, allocated, done)
            }
            Purpose::FlushTail(slot) => self.tail_read(slot, done),
            Purpose::FlushWrite(slot) => self.flush_op_done(slot, done),
            Purpose::Checkpoint => self.checkpoint_op_done(now, done),
            Purpose::Fetch(job) => self.fetch_read(now, job, done),
            Purpose::Offsets(job) => self.offsets_read(job, done),
            Purpose::ReadAhead(number) => self.ahead_read(now, number, done),
            Purpose::Retire(retirement) => self.retire_op_done(now, retirement, done),
            Purpose::Clean => self.cleaning_op_done(now, done),
            Purpose::Rename(slot) => self.renamed(now, slot, done),
            Purpose::RemoveTree(slot) => self.tree_removed(slot, done),
            Purpose::SyncRoot => self.root_synced(now, done),
        }
        if let Some(slot) = slot {
            self.remove_if_idle(slot);
        }
    }

    /// Deadlines, then group commit, then maintenance. Completions and messages of the turn were handed in before.
    pub fn turn(&mut self, now: Now) {
        if self.failure.is_some() {
            return;
        }
        self.measures.at(now);
        self.wake = false;
        self.commit.turn_bytes = 0;
        self.expire_watches(now);
        self.expire_produces(now);
        self.enforce_retention(now);
        self.remove_retired(now);
        self.expire_read_ahead(now);
        self.advance_control(now);
        self.resume_opening(now);
        self.advance_groups(now);
        self.group_commit();
        self.resume_stalled(now);
        self.group_commit();
        self.expire_producers(now);
        self.clean(now);
        self.maintain(now);
        self.group_commit();
    }

    /// Whether a turn is due although nothing came in.
    pub fn wants_turn(&self) -> bool {
        self.wake
    }

    pub fn drain_ops(&mut self, out: &mut Vec<(OpId, Op)>) {
        out.append(&mut self.ops);
    }

    pub fn drain_messages(&mut self, out: &mut Vec<(CoreId, Message)>) {
        out.append(&mut self.messages);
    }

    /// Replies to calls of this core.
    pub fn drain_replies(&mut self, out: &mut Vec<(CallId, Reply)>) {
        out.append(&mut self.replies);
    }

    /// When a turn is due at the latest.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let deadlines = [
            self.watches.next_deadline(),
            self.produces.deadlines.next(),
            self.checkpoint.next_deadline(),
            self.retentions.next_deadline(),
            self.retirements.next_deadline(),
            self.read_ahead.next_deadline(),
            self.coordinator.next_deadline(),
            self.cleaner.next_deadline(),
            self.expiry.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Begins a clean stop: everything durable is flushed, segments are cut to their bytes, and a last checkpoint is written.
    pub fn stop(&mut self, now: Now) {
        self.checkpoint.stop();
        self.retirements.stop();
        self.turn(now);
    }

    pub fn is_stopped(&self) -> bool {
        self.checkpoint.is_stopped()
    }

    /// Why the process must stop: nothing more can be made durable.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Each partition's first readable offset, high watermark, and end, for observers.
    pub fn ends(&self) -> impl Iterator<Item = (TopicPartition, Offset, Offset, Offset)> + '_ {
        self.table
            .iter()
            .map(|partition| (partition.id, partition.live.start(), partition.visible, partition.live.next()))
    }

    /// The groups that this core coordinates, for observers.
    pub fn groups(&self) -> &crate::group::Groups {
        self.coordinator.groups()
    }

    /// Whether what the groups' logs say is what `groups` says, for observers.
    pub fn groups_are_at_rest(&self) -> bool {
        self.coordinator.is_at_rest(self.image.offset())
    }

    fn fail(&mut self, sentence: String) {
        tracing::error!(core = self.config.core.0, "{sentence}");
        self.failure.get_or_insert(sentence);
    }

    fn reply(&mut self, call: CallId, reply: Reply) {
        if call == self.control.append_call() {
            self.control_appended(reply);
        } else if call.origin == group::INTERNAL {
            self.coordinator.answer(call.number, reply);
            self.wake = true;
        } else if call.origin == self.config.core {
            self.replies.push((call, reply));
        } else {
            self.messages.push((call.origin, Message::Reply(call, reply)));
        }
    }

    fn push_op(&mut self, purpose: Purpose, op: Op) {
        self.push_tracked(purpose, None, op);
    }

    /// An Op on a partition's files: they stay until it is done.
    fn push_partition_op(&mut self, slot: Slot, purpose: Purpose, op: Op) {
        if let Some(partition) = self.table.get_mut(slot) {
            partition.ops_in_flight += 1;
        }
        self.push_tracked(purpose, Some(slot), op);
    }

    fn push_tracked(&mut self, purpose: Purpose, slot: Option<Slot>, op: Op) {
        let id = OpId(self.next_op);
        self.next_op += 1;
        self.measures.pushed(purpose, &op);
        self.purposes.insert(id, (purpose, slot));
        self.ops.push((id, op));
    }
}
