//! The flow of groups, on every core: requests go to the machine (`crate::group`), its records to the partition of
//! `__consumer_offsets` that keeps the group, its answers out when those are durable.
//!
//! `append`: records into the log, answers parked on them · `load`: the machine from the log, a chunk at a time · `homes`: which
//! partitions are this core's.
//!
//! Appends and reads are ordinary Produce and Fetch commands of the shard to itself (`INTERNAL`), so groups have no path of
//! their own to the disk.

mod append;
mod homes;
mod load;
#[cfg(test)]
mod tests;
mod topics;

use std::collections::{BTreeMap, VecDeque};

use super::{
    Shard,
    command::{CallId, Reply},
    settings::BrokerOptions,
};
use crate::{
    base::{CoreId, Deadline, Now, Offset, PartitionIndex, TopicId},
    config::{BrokerConfig, Layers},
    error::ErrorCode,
    group::{
        Groups,
        config::GroupConfig,
        consumer::{Assignor, MigrationPolicy, Settings},
        effects::Effects,
        partition_of,
        request::{self, Caller, Request},
        walk::Wanted,
    },
};
use append::{InFlight, Parked};
use homes::{Home, Phase};

pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The shard's calls to itself come from this core, which there is not.
pub const INTERNAL: CoreId = CoreId(u16::MAX);

/// The coordinator's calls to its own shard are numbered; the number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

pub struct Coordinator {
    groups: Groups,
    /// The topic as of the image last looked at: its id and its number of partitions.
    topic: Option<(TopicId, i32)>,
    /// The image last looked at.
    seen: Option<Offset>,
    /// This core's partitions.
    homes: BTreeMap<PartitionIndex, Home>,
    next_ticket: u64,
    in_flight: BTreeMap<Ticket, InFlight>,
    /// Answers of the shard to itself, until the turn looks at them.
    answered: VecDeque<(Ticket, Reply)>,
    next_parked: u64,
    parked: BTreeMap<u64, Parked>,
    /// When offsets are looked through for old ones.
    next_walk: Option<Deadline>,
    /// The broker stops: it coordinates nothing any more.
    has_resigned: bool,
}

impl Coordinator {
    pub fn new(options: &BrokerOptions, bytes_max: u64) -> Coordinator {
        Coordinator {
            groups: Groups::new(config(options, usize::try_from(bytes_max).unwrap_or(usize::MAX))),
            topic: None,
            seen: None,
            homes: BTreeMap::new(),
            next_ticket: 0,
            in_flight: BTreeMap::new(),
            answered: VecDeque::new(),
            next_parked: 0,
            parked: BTreeMap::new(),
            next_walk: None,
            has_resigned: false,
        }
    }

    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        let due = self.parked.first_key_value().map(|(_, first)| first.due);
        [self.groups.next_deadline(), self.next_walk, due].into_iter().flatten().min()
    }

    /// The shard has answered one of the coordinator's own calls.
    pub(super) fn answer(&mut self, number: u64, reply: Reply) {
        self.answered.push_back((Ticket(number), reply));
    }

    /// Its partitions, by this image, are read, and nothing is on its way into or out of the log.
    pub fn is_at_rest(&self, image: Offset) -> bool {
        let loaded = self.seen == Some(image) && self.homes.values().all(|home| home.phase == Phase::Loaded);
        loaded && self.in_flight.is_empty() && self.answered.is_empty()
    }

    fn is_loading(&self) -> bool {
        !self.homes.values().all(|home| matches!(home.phase, Phase::Loaded | Phase::Unreadable))
    }
}

/// Whether this core coordinates a group, and at which partition.
fn home(
    topic: Option<(TopicId, i32)>,
    homes: &BTreeMap<PartitionIndex, Home>,
    group: &str,
) -> Result<PartitionIndex, ErrorCode> {
    let Some((_, partitions)) = topic else { return Err(ErrorCode::NotCoordinator) };
    let partition = partition_of(group, partitions);
    match homes.get(&partition).map(|home| home.phase) {
        None => Err(ErrorCode::NotCoordinator),
        Some(Phase::Waiting | Phase::Loading { .. } | Phase::Starting) => {
            Err(ErrorCode::CoordinatorLoadInProgress)
        }
        Some(Phase::Loaded) => Ok(partition),
        Some(Phase::Unreadable) => Err(ErrorCode::CoordinatorNotAvailable),
    }
}

/// What was accepted at start is valid; should it not be, Kafka's defaults serve.
fn config(options: &BrokerOptions, bytes_max: usize) -> GroupConfig {
    let layers = Layers { static_broker: &options.overrides, ..Layers::EMPTY };
    let Ok(config) = BrokerConfig::resolve(&layers) else {
        return GroupConfig { bytes_max, ..GroupConfig::default() };
    };
    let retention_ms = config.offsets_retention_minutes.saturating_mul(60_000);
    GroupConfig {
        initial_rebalance_delay_ms: config.group_initial_rebalance_delay_ms,
        session_timeout_ms_min: config.group_session_timeout_ms_min,
        session_timeout_ms_max: config.group_session_timeout_ms_max,
        size_max: config.group_size_max,
        metadata_bytes_max: config.offset_metadata_bytes_max,
        commit_timeout_ms: config.offsets_commit_timeout_ms,
        retention_ms: i64::try_from(retention_ms).unwrap_or(i64::MAX),
        retention_check_interval_ms: config.offsets_retention_check_interval_ms,
        consumer: consumer_settings(&config),
        bytes_max,
    }
}

fn consumer_settings(config: &BrokerConfig) -> Settings {
    let milliseconds = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let names = config.group_consumer_assignors.split(',');
    Settings {
        session_timeout_ms: config.group_consumer_session_timeout_ms,
        heartbeat_interval_ms: i32::try_from(config.group_consumer_heartbeat_interval_ms).unwrap_or(i32::MAX),
        assignment_interval_ms: milliseconds(config.group_consumer_assignment_interval_ms),
        size_max: config.group_consumer_size_max,
        assignors: names.filter_map(|name| Assignor::named(name.trim())).collect(),
        regex_refresh_interval_ms: milliseconds(config.group_consumer_regex_refresh_interval_ms),
        migration: MigrationPolicy::named(&config.group_consumer_migration_policy)
            .unwrap_or(MigrationPolicy::Bidirectional),
        classic_size_max: config.group_size_max,
    }
}

impl Shard {
    pub(super) fn group(&mut self, now: Now, call: CallId, request: Request) {
        let caller = Caller { core: call.origin, number: call.number };
        let Coordinator { groups, topic, homes, .. } = &mut self.coordinator;
        let effects = groups.handle(now, caller, request, &|group| home(*topic, homes, group));
        self.carry_out(now, effects);
    }

    /// A part of every turn: what came back, what is to be read, what has rung, each bounded.
    pub(super) fn advance_groups(&mut self, now: Now) {
        self.find_homes(now);
        self.take_answers(now);
        self.stop_waiting(now);
        self.load_on(now);
        self.start_on(now);
        for _ in 0..Groups::ALARMS_PER_TURN {
            let Some(effects) = self.coordinator.groups.ring(now) else { break };
            self.carry_out(now, effects);
        }
        self.walk_on(now);
        self.resolve_on(now);
        if !self.coordinator.answered.is_empty() {
            self.wake = true;
        }
    }

    fn walk_on(&mut self, now: Now) {
        if self.checkpoint.is_stopping() {
            return;
        }
        let coordinator = &mut self.coordinator;
        let interval_ms = coordinator.groups.config().retention_check_interval_ms;
        if coordinator.next_walk.is_none() && !coordinator.homes.is_empty() {
            coordinator.next_walk = Some(now.after_ms(interval_ms));
        }
        if coordinator.next_walk.is_some_and(|due| now.reached(due)) {
            coordinator.groups.walk(Wanted::Old);
            coordinator.next_walk = Some(now.after_ms(interval_ms));
        }
        if !coordinator.groups.is_walking() {
            return;
        }
        let homes = &coordinator.homes;
        let is_read = |partition| homes.get(&partition).is_some_and(|home| home.phase.is_read());
        let effects = coordinator.groups.walk_on(now, &is_read);
        self.wake = true;
        self.carry_out(now, effects);
    }

    fn resolve_on(&mut self, now: Now) {
        if self.coordinator.groups.is_resolving() && !self.checkpoint.is_stopping() {
            let effects = self.coordinator.groups.resolve_on(now);
            self.wake = true;
            self.carry_out(now, effects);
        }
    }

    fn carry_out(&mut self, now: Now, effects: Effects) {
        let mut queue = VecDeque::from([effects]);
        while let Some(effects) = queue.pop_front() {
            for (caller, reply) in effects.replies {
                self.reply_to(caller, reply);
            }
            let mut refused = None;
            for proposal in effects.proposals {
                match self.append_records(now, proposal) {
                    Ok(effects) => queue.push_back(effects),
                    Err((code, effects)) => {
                        refused = Some(code);
                        queue.push_back(effects);
                    }
                }
            }
            for (caller, reply, partitions) in effects.settled {
                let reply = match refused {
                    Some(code) => reply.refused(code),
                    None => reply,
                };
                let last = |partition| self.coordinator.homes.get(partition)?.last_append;
                let tickets: Vec<Ticket> = partitions.iter().filter_map(last).collect();
                self.park(now, caller, reply, &tickets);
            }
        }
    }

    fn reply_to(&mut self, caller: Caller, reply: request::Reply) {
        let call = CallId { origin: caller.core, number: caller.number };
        let reply = match reply {
            // Until every partition is read nobody knows all groups.
            request::Reply::Listed(mut list) if self.coordinator.is_loading() => {
                list.error = ErrorCode::CoordinatorLoadInProgress;
                request::Reply::Listed(list)
            }
            reply => reply,
        };
        self.reply(call, Reply::Group(reply));
    }
}
