//! One node in virtual time: its cores, the messages between them, its device, its clients, and whoever watches. Everything that
//! happens is an event of one queue, ordered by time and then by birth; a seed decides the rest. Must never look at a real clock.

use std::collections::{BTreeMap, VecDeque};

use engine::{
    base::{CoreId, Now, Timestamp, TopicId},
    io::journal::{checkpoint::Checkpoint, format::FrameKind},
    op::{Done, Op, OpId},
    shard::{
        Shard,
        command::{CallId, Message, Reply},
    },
};
use fastrand::Rng;

use super::{
    canary::{Canary, Mutator, Treatment},
    checkers::{Promise, Verdict, compaction, durable, failure, offsets, stale, starts},
    clients::Clients,
    disk::{Disk, Ticket, described},
    journal::{Group, GroupsInFlight, Held, Journals},
    members::Members,
    model::{Model, Placed},
    plan::{Cleaning, Fault, MICROSECOND, Plan},
};

/// When the first second of every world begins.
const WALL_MS: i64 = 1_700_000_000_000;

#[derive(Debug)]
pub enum Event {
    Turn(u16),
    /// An Op is done, or fails.
    Done {
        core: u16,
        op: OpId,
        ticket: Ticket,
        fails: bool,
    },
    /// A canary's lie: the shard hears that an Op is done.
    Lie {
        core: u16,
        op: OpId,
    },
    /// And what it was told happens now.
    Late(Ticket),
    Message {
        from: u16,
        to: u16,
    },
    Client(usize),
    /// The last of an answer leaves, of which parts are in files: so they were when it was given.
    Sent {
        call: CallId,
        reply: Reply,
        were: Vec<Vec<u8>>,
    },
    /// The file system fills up, or has space again.
    Full(bool),
}

/// What dies with the process.
pub struct Process {
    pub shards: Vec<Shard>,
    turn_due: Vec<bool>,
    links: BTreeMap<(u16, u16), VecDeque<Message>>,
    /// When each link's last message arrives.
    arrivals: BTreeMap<(u16, u16), u64>,
    /// By core.
    groups: Vec<GroupsInFlight>,
    /// On their way to the disk.
    checkpoints: BTreeMap<Ticket, Checkpoint>,
}

pub struct World {
    pub random: Rng,
    pub plan: Plan,
    pub disk: Disk,
    pub model: Model,
    pub clients: Clients,
    pub members: Members,
    pub mutator: Mutator,
    pub process: Option<Process>,
    pub clock: u64,
    pub fault: Fault,
    /// Ops that failed in the life of this process.
    pub faults: u64,
    /// A topic's deletion is on its way into the journal.
    pub deletion_under_way: bool,
    journals: Journals,
    events: BTreeMap<(u64, u64), Event>,
    born: u64,
    pub events_handled: u64,
    trace: Option<Vec<String>>,
}

/// Why a round ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    InTime,
    /// A shard said that the process must stop.
    ByFailure,
}

impl World {
    pub fn new(seed: u64, canary: Option<Canary>, traced: bool) -> World {
        let mut random = Rng::with_seed(seed);
        let mut plan = Plan::draw(&mut random);
        if let Some(cleaning) = Cleaning::draw(seed, canary) {
            plan.cleans(cleaning);
        }
        plan.coordinates(seed, canary);
        plan.buffers(seed, canary);
        plan.rotten |= canary == Some(Canary::DamageCutSilently);
        let mut disk = Disk::default();
        disk.damage.shorn = plan.shorn || canary.is_some_and(Canary::needs_shorn_sectors);
        World {
            clients: Clients::new(&plan),
            members: Members::new(1 + plan.producers + plan.consumers, plan.members),
            mutator: Mutator::new(canary),
            disk,
            model: Model::default(),
            process: None,
            clock: 0,
            fault: Fault::None,
            faults: 0,
            deletion_under_way: false,
            journals: Journals::default(),
            events: BTreeMap::new(),
            born: 0,
            events_handled: 0,
            trace: traced.then(Vec::new),
            random,
            plan,
        }
    }

    pub fn now(&self) -> Now {
        let wall = Timestamp(WALL_MS + (self.clock / 1_000_000) as i64);
        Now { mono_ns: self.clock, wall }
    }

    pub fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12} {}", self.clock, line()));
        }
    }

    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    pub fn schedule(&mut self, after: u64, event: Event) {
        self.born += 1;
        self.events.insert((self.clock + after, self.born), event);
    }

    /// The shards of a new process take over.
    pub fn run_process(&mut self, shards: Vec<Shard>) {
        let cores = shards.len();
        self.disk.serving = true;
        self.process = Some(Process {
            turn_due: vec![false; cores],
            links: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            groups: (0..cores).map(|_| GroupsInFlight::default()).collect(),
            checkpoints: BTreeMap::new(),
            shards,
        });
        self.events.clear();
        self.faults = 0;
        self.deletion_under_way = false;
        for core in 0..cores as u16 {
            self.wake(core);
        }
        self.start_clients();
    }

    /// Handles events until `until`, or until `enough` says so.
    pub fn run(
        &mut self,
        until: u64,
        enough: &dyn Fn(&World) -> bool,
    ) -> Result<Ended, super::checkers::Violation> {
        while let Some(&(time, _)) = self.events.keys().next() {
            if time > until || enough(self) {
                self.clock = self.clock.max(time.min(until));
                return Ok(Ended::InTime);
            }
            let Some((_, event)) = self.events.pop_first() else { break };
            self.clock = time;
            self.events_handled += 1;
            self.handle(event)?;
            if let Some(sentence) = self.failure() {
                self.say(|| format!("the process stops: {sentence}"));
                failure::stopped(&sentence, self.faults)?;
                return Ok(Ended::ByFailure);
            }
        }
        Ok(Ended::InTime)
    }

    fn failure(&self) -> Option<String> {
        let shards = &self.process.as_ref()?.shards;
        shards.iter().find_map(Shard::failure).map(str::to_owned)
    }

    fn handle(&mut self, event: Event) -> Verdict {
        let now = self.now();
        match event {
            Event::Turn(core) => {
                let Some(process) = &mut self.process else { return Ok(()) };
                process.turn_due[core as usize] = false;
                assert!(!self.mutator.is(Canary::PanicInATurn), "a canary panics");
                process.shards[core as usize].turn(now);
                self.after_turn(core)?;
            }
            Event::Done { core, op, ticket, fails } => {
                let done =
                    if fails { self.disk.fail(ticket, &mut self.random) } else { self.disk.complete(ticket) };
                self.done(core, op, ticket, done)?;
            }
            Event::Lie { core, op } => self.tell(core, op, Done::Completed),
            Event::Late(ticket) => {
                self.disk.complete(ticket);
            }
            Event::Message { from, to } => {
                let Some(process) = &mut self.process else { return Ok(()) };
                let link = process.links.entry((from, to)).or_default();
                let message = match self.mutator.is(Canary::BusReordersMessages) {
                    true => link.pop_back(),
                    false => link.pop_front(),
                };
                if let Some(message) = message {
                    process.shards[to as usize].receive(now, CoreId(from), message);
                }
                self.wake(to);
            }
            Event::Client(client) => self.wake_client(client),
            Event::Sent { call, reply, were } => self.sent(call, reply, &were)?,
            Event::Full(full) => {
                self.say(|| format!("the file system is full: {full}"));
                self.disk.full = full;
                self.faults += 1;
            }
        }
        Ok(())
    }

    fn done(&mut self, core: u16, op: OpId, ticket: Ticket, done: Done) -> Verdict {
        self.say(|| format!("core {core} op {} done: {}", op.0, short(&done)));
        let mut op = op;
        if let Done::Failed(failure) = &done {
            if failure.is_no_space() {
                self.faults += 1;
            } else if !failure.is_not_found() && failure.errno != libc::EIO {
                return Promise::DeviceRules.broken(failure.to_string());
            }
        } else {
            let checkpoint = self.process.as_mut().and_then(|process| process.checkpoints.remove(&ticket));
            if let Some(checkpoint) = checkpoint {
                self.checkpointed(&checkpoint)?;
            }
            if let Some(process) = &mut self.process {
                let groups = &mut process.groups[core as usize];
                if self.mutator.is(Canary::CommitsOutOfOrder) {
                    op = groups.trade(ticket).unwrap_or(op);
                }
                for held in groups.done(ticket) {
                    match held {
                        Held::End(partition, next) => self.model.hold(partition, next),
                        Held::Start(partition, start) => self.model.hold_start(partition, start),
                    }
                }
            }
        }
        let done = self.mutator.done(core, op, done);
        self.tell(core, op, done);
        Ok(())
    }

    fn tell(&mut self, core: u16, op: OpId, done: Done) {
        let now = self.now();
        if let Some(process) = &mut self.process {
            process.shards[core as usize].complete(now, op, done);
        }
        self.wake(core);
    }

    /// A turn of this core is due.
    pub fn wake(&mut self, core: u16) {
        let Some(process) = &mut self.process else { return };
        if !std::mem::replace(&mut process.turn_due[core as usize], true) {
            let delay = self.random.u64(0..4 * MICROSECOND);
            self.schedule(delay, Event::Turn(core));
        }
    }

    /// Takes out what a turn pushed.
    pub fn after_turn(&mut self, core: u16) -> Verdict {
        let (mut ops, mut messages, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        let Some(process) = &mut self.process else { return Ok(()) };
        let shard = &mut process.shards[core as usize];
        shard.drain_ops(&mut ops);
        shard.drain_messages(&mut messages);
        shard.drain_replies(&mut replies);
        let (wants_turn, deadline) = (shard.wants_turn(), shard.next_deadline());
        let ends: Vec<_> = shard.ends().collect();
        for (op, what) in ops {
            self.submit(core, op, what)?;
        }
        for (to, message) in messages {
            self.send(core, to.0, message);
        }
        for (partition, _, visible, _) in ends {
            durable::visible(&self.model, partition, visible)?;
        }
        for (call, reply) in replies {
            self.reply(call, reply)?;
        }
        if !self.clients.resting && self.events_handled.is_multiple_of(32) {
            self.compare_groups()?;
        }
        if wants_turn {
            self.wake(core);
        } else if let Some(deadline) = deadline {
            let wait = deadline.0.saturating_sub(self.clock).max(MICROSECOND);
            self.schedule(wait, Event::Turn(core));
        }
        Ok(())
    }

    fn reply(&mut self, call: CallId, reply: Reply) -> Verdict {
        self.say(|| format!("call {} answered: {}", call.number, short_reply(&reply)));
        for reply in self.mutator.replies(reply, &mut self.random) {
            self.leaves(call, reply)?;
        }
        Ok(())
    }

    /// Messages of one pair of cores keep their order.
    pub fn send(&mut self, from: u16, to: u16, message: Message) {
        let delay = self.random.u64(0..20 * MICROSECOND);
        let clock = self.clock;
        let Some(process) = &mut self.process else { return };
        process.links.entry((from, to)).or_default().push_back(message);
        let last = process.arrivals.entry((from, to)).or_default();
        *last = (clock + delay).max(*last);
        let after = *last - clock;
        self.schedule(after, Event::Message { from, to });
    }

    fn submit(&mut self, core: u16, op: OpId, what: Op) -> Verdict {
        self.say(|| format!("core {core} op {}: {}", op.0, short_op(&what)));
        let group = self.journals.read(&what);
        let mut held = Vec::new();
        if let Some(group) = &group {
            held = self.placed(group)?;
        }
        let mut checkpoint = None;
        match &what {
            Op::Write { file, data, .. } if file.as_str().contains("/checkpoint-") => {
                checkpoint = Checkpoint::decode(data);
            }
            Op::Rename { from, .. } => starts::file_goes(&self.model, from.as_str())?,
            Op::Remove { file } => compaction::source_goes(&self.model, file.as_str())?,
            Op::Create { file, .. } => self.cleaning_begins(file.as_str())?,
            _ => {}
        }
        let latency = self.plan.latency(&what, &mut self.random);
        let fails = self.fault.meets(&what) && self.random.u8(0..20) == 0;
        if fails {
            self.say(|| format!("core {core} op {} will fail", op.0));
            self.faults += 1;
        }
        self.mutator.watch(core, op, &what, compaction::reads_sealed(&self.model, &what));
        match self.mutator.treat(core, op, what, group.as_ref()) {
            Treatment::Perform(what) => {
                let promised =
                    group.is_some() && matches!(&what, Op::Write { sync: engine::op::Sync::Data, .. });
                let ticket = self.disk.submit(what);
                if let Some(process) = &mut self.process {
                    if promised {
                        process.groups[core as usize].push(ticket, op, held);
                    }
                    process.checkpoints.extend(checkpoint.map(|checkpoint| (ticket, checkpoint)));
                }
                self.schedule(latency, Event::Done { core, op, ticket, fails });
            }
            Treatment::Pretend => self.schedule(latency, Event::Lie { core, op }),
            Treatment::Early(what) => {
                let ticket = self.disk.submit(what);
                self.schedule(latency / 8, Event::Lie { core, op });
                self.schedule(latency, Event::Late(ticket));
            }
            Treatment::Twice(what) => {
                let again = self.disk.submit(what.clone());
                let ticket = self.disk.submit(what);
                self.schedule(latency, Event::Late(again));
                self.schedule(latency, Event::Done { core, op, ticket, fails });
            }
        }
        match self.disk.take_complaint() {
            Some(complaint) => Promise::DeviceRules.broken(complaint),
            None => Ok(()),
        }
    }

    /// A group goes into the journal: its batches are placed from now on.
    fn placed(&mut self, group: &Group) -> Result<Vec<Held>, super::checkers::Violation> {
        let mut held = Vec::new();
        for (frame, payload) in &group.frames {
            let id = frame.partition;
            self.deletion_under_way |= id.topic == TopicId::METADATA && self.clients.is_deleting();
            if frame.kind == FrameKind::LogStart {
                starts::moved(&self.model, id, frame.base, self.now().wall)?;
                if let Some(partition) = self.model.partitions.get_mut(&id) {
                    partition.starts.built = frame.base;
                }
                held.push(Held::Start(id, frame.base));
            }
            if frame.kind != FrameKind::Batch || !self.model.partitions.contains_key(&id) {
                continue;
            }
            offsets::continues(&self.model, id, frame.base, frame.next, payload)?;
            let sent = if self.model.groups.is_its_topic(id) {
                self.coordinator_wrote(id, frame.base, payload)?
            } else {
                stale::known(&self.model, id, frame.base, payload)?
            };
            offsets::in_order(&self.model, id, sent)?;
            if let Some(partition) = self.model.partitions.get_mut(&id) {
                let placed = Placed { next: frame.next, bytes: payload.clone(), sent };
                partition.batches.insert(frame.base, placed);
                partition.built = frame.next;
            }
            held.push(Held::End(id, frame.next));
        }
        Ok(held)
    }
}

fn short(done: &Done) -> String {
    match done {
        Done::Completed => "completed".into(),
        Done::Read(bytes) => format!("read {}", bytes.len()),
        Done::Opened(_) => "opened".into(),
        Done::Listed(entries) => format!("listed {}", entries.len()),
        Done::Failed(failure) => failure.to_string(),
    }
}

pub fn short_op(op: &Op) -> String {
    let (verb, name) = described(op);
    match op {
        Op::Write { position, data, .. } => {
            format!("{verb} {name} {position}+{} {:08x}", data.len(), crc32c::crc32c(data))
        }
        Op::Read { position, length, .. } => format!("{verb} {name} {position}+{length}"),
        Op::Create { allocate: size, .. }
        | Op::Allocate { size, .. }
        | Op::Fill { size, .. }
        | Op::Truncate { size, .. } => format!("{verb} {name} to {size}"),
        Op::Rename { to, .. } => format!("{verb} {name} to {}", to.as_str()),
        _ => format!("{verb} {name}"),
    }
}

fn short_reply(reply: &Reply) -> String {
    match reply {
        Reply::Produced(answers) => {
            let each = answers.iter().map(|answer| format!("{}:{}", answer.error.name(), answer.base_offset));
            format!("produced {}", each.collect::<Vec<_>>().join(" "))
        }
        Reply::Fetched(answers) => {
            let each = answers.iter().map(|answer| format!("{}:{}", answer.error.name(), answer.bytes()));
            format!("fetched {}", each.collect::<Vec<_>>().join(" "))
        }
        other => format!("{other:?}"),
    }
}
