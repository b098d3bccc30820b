//! All groups of one core: finds the group of a request, keeps the order of time and the count of memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::classic::Turn;
use super::config::GroupConfig;
use super::consumer::{NoTopics, Topics};
use super::effects::Effects;
use super::kind::Kind;
use super::limits::{ALARMS_PER_TURN, MAP_ENTRY_BYTES};
use super::offsets::{Offsets, Room};
use super::request::{Caller, Reply, Request};
use super::resolutions::Resolutions;
use super::timers::{Alarm, GroupId, Timers};
use super::walk::Walks;
use crate::base::{Deadline, Now, PartitionIndex};
use crate::error::ErrorCode;

/// Where a group is coordinated: the partition, if it is this core's and loaded.
pub type Home<'a> = &'a dyn Fn(&str) -> Result<PartitionIndex, ErrorCode>;

/// The partition of `__consumer_offsets` that keeps a group: Java's `String.hashCode`, without its sign, modulo their number.
pub fn partition_of(group: &str, partitions: i32) -> PartitionIndex {
    let hash =
        group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's Utils.abs: the smallest number becomes 0.
    let hash = hash.checked_abs().unwrap_or(0);
    PartitionIndex(hash % partitions.max(1))
}

/// The log knows of it: it comes with a record and goes by a tombstone.
#[derive(Debug)]
pub struct Group {
    pub partition: PartitionIndex,
    pub kind: Kind,
    pub offsets: Offsets,
}

impl Group {
    pub(super) fn classic(partition: PartitionIndex) -> Group {
        let kind = Kind::Classic(Box::default());
        Group { partition, kind, offsets: Offsets::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        // An entry of its own, and one of its partition's.
        size_of::<Group>() + 2 * MAP_ENTRY_BYTES + self.kind.bytes() + self.offsets.bytes()
    }
}

#[derive(Debug)]
pub struct Groups {
    pub(super) config: GroupConfig,
    pub(super) topics: Arc<dyn Topics>,
    pub(super) groups: BTreeMap<GroupId, Group>,
    /// Which groups a partition keeps: partitions come and go one at a time, each with a fiftieth of all groups.
    residents: BTreeMap<PartitionIndex, BTreeSet<GroupId>>,
    timers: Timers,
    pub(super) walks: Walks,
    pub(super) resolutions: Resolutions,
    pub(super) bytes: usize,
}

impl Groups {
    pub fn new(config: GroupConfig) -> Groups {
        Groups {
            config,
            topics: Arc::new(NoTopics),
            groups: BTreeMap::new(),
            residents: BTreeMap::new(),
            timers: Timers::default(),
            walks: Walks::default(),
            resolutions: Resolutions::default(),
            bytes: 0,
        }
    }

    pub fn config(&self) -> &GroupConfig {
        &self.config
    }

    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Memory that they hold, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    /// In the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupId, &Group)> {
        self.groups.iter()
    }

    /// Those of one partition, in the order of their ids.
    pub fn of_partition(&self, partition: PartitionIndex) -> impl Iterator<Item = (&GroupId, &Group)> {
        let residents = self.residents.get(&partition).into_iter().flatten();
        residents.filter_map(|id| self.groups.get_key_value(id))
    }

    /// Ids of a partition's groups behind this one, in their order.
    pub(super) fn residents_after(
        &self,
        partition: PartitionIndex,
        after: Option<GroupId>,
    ) -> impl Iterator<Item = &GroupId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let residents = self.residents.get(&partition);
        residents.into_iter().flat_map(move |ids| ids.range((from.clone(), Bound::Unbounded)))
    }

    pub(super) fn room(&self) -> Room {
        if self.bytes < self.config.bytes_max { Room::Free } else { Room::Full }
    }

    pub fn handle(&mut self, now: Now, caller: Caller, request: Request, home: Home<'_>) -> Effects {
        let mut effects = Effects::default();
        match request {
            Request::Join(join) => self.join(now, caller, join, home, &mut effects),
            Request::Sync(sync) => self.sync(now, caller, sync, home, &mut effects),
            Request::Heartbeat(heartbeat) => {
                let code = self.heartbeat(now, &heartbeat, home);
                effects.reply(caller, Reply::Heartbeat(code));
            }
            Request::Leave(leave) => self.leave(now, caller, leave, home, &mut effects),
            Request::Commit(commit) => self.commit(now, caller, commit, home, &mut effects),
            Request::FetchOffsets(wanted) => self.fetch_offsets(caller, wanted, home, &mut effects),
            Request::DeleteOffsets(doomed) => self.delete_offsets(caller, doomed, home, &mut effects),
            Request::Describe(groups) => {
                let described = groups.into_iter().map(|group| self.describe(group, home)).collect();
                effects.reply(caller, Reply::Described(described));
            }
            Request::ConsumerHeartbeat(heartbeat) => {
                self.consumer_heartbeat(now, caller, &heartbeat, home, &mut effects);
            }
            Request::DescribeConsumer(groups) => {
                let described = |group: String| {
                    let described = self.describe_consumer(now, &group, home);
                    (group, described)
                };
                let described = groups.into_iter().map(described).collect();
                effects.reply(caller, Reply::ConsumerDescribed(described));
            }
            Request::List(filter) => effects.reply(caller, Reply::Listed(self.list(&filter))),
            Request::Delete(groups) => self.delete(caller, groups, home, &mut effects),
        }
        effects
    }

    /// Lets a group work, then carries out what it wants of the clock, and counts its memory.
    pub(super) fn with_group<T>(
        &mut self,
        now: Now,
        id: &str,
        effects: &mut Effects,
        work: impl FnOnce(&mut Group, &mut Turn<'_>) -> T,
    ) -> Option<T> {
        let (key, _) = self.groups.get_key_value(id)?;
        let key = key.clone();
        let group = self.groups.get_mut(id)?;
        let before = group.bytes();
        let partition = group.partition;
        let mut turn = Turn { now, config: &self.config, id: &key, partition, effects };
        let result = work(group, &mut turn);
        let after = group.bytes();
        self.bytes = self.bytes - before + after;
        self.timers.change(&key, std::mem::take(&mut effects.timers));
        Some(result)
    }

    pub(super) fn forget(&mut self, id: &str) {
        if let Some((key, group)) = self.groups.remove_entry(id) {
            self.bytes -= group.bytes() + key.len();
            if let Some(residents) = self.residents.get_mut(&group.partition) {
                residents.remove(&key);
                if residents.is_empty() {
                    self.residents.remove(&group.partition);
                }
            }
        }
    }

    pub(super) fn create(&mut self, id: &str, group: Group) {
        self.bytes += group.bytes() + id.len();
        let id = GroupId::from(id);
        self.residents.entry(group.partition).or_default().insert(id.clone());
        self.groups.insert(id, group);
    }

    /// The group, if there is one and it is coordinated here.
    pub(super) fn find(&self, id: &str, home: Home<'_>) -> Result<&Group, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        home(id)?;
        self.groups.get(id).ok_or(ErrorCode::GroupIdNotFound)
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        self.timers.next()
    }

    /// The next alarm that has rung; none: nothing is due. At most `ALARMS_PER_TURN` are wanted of one turn.
    pub fn ring(&mut self, now: Now) -> Option<Effects> {
        let (id, alarm) = self.timers.ring(now)?;
        let mut effects = Effects::default();
        let overdue = self.with_group(now, &id, &mut effects, |group, turn| match (&mut group.kind, alarm) {
            (Kind::Consumer(live), Alarm::Member(member, alarm)) => {
                live.ring(turn.now, &member, alarm, &mut turn.effects.timers).then_some(member)
            }
            (Kind::Classic(group), alarm @ (Alarm::Session(_) | Alarm::Join | Alarm::Sync)) => {
                group.ring(turn, alarm);
                None
            }
            // Of what the group was before.
            (Kind::Classic(_) | Kind::Consumer(_), _) => None,
        });
        if let Some(member) = overdue.flatten() {
            self.fence(now, &id, &[member], &mut effects);
        }
        Some(effects)
    }

    /// What one turn may ring.
    pub const ALARMS_PER_TURN: usize = ALARMS_PER_TURN;
}
