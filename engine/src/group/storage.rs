//! What is stored of groups: proposals become changes here and nowhere else, and a partition's groups come and go.

use super::consumer::{Applied, Context, Live};
use super::effects::{Effects, Proposal, Then};
use super::groups::{Group, Groups};
use super::kind::Kind;
use super::record::{GroupMetadataValue, GroupRecord};
use super::request::{Caller, Joined, Reply};
use super::timers::GroupId;
use crate::base::{Now, PartitionIndex};
use crate::error::ErrorCode;

impl Groups {
    /// The records are on their way into the log: they count from now on. The answers are for when they are durable.
    pub fn accept(&mut self, now: Now, proposal: Proposal) -> (Vec<(Caller, Reply)>, Effects) {
        let Proposal { partition, records, mut replies, then } = proposal;
        let mut effects = Effects::default();
        if let Then::Replaced(replacement) = then {
            let id = replacement.group.clone();
            let reply = self.with_group(now, &id, &mut effects, |group, turn| match &mut group.kind {
                Kind::Classic(group) => Some(group.replaced(turn, *replacement)),
                Kind::Consumer(_) => None,
            });
            self.apply_all(partition, &records);
            replies.extend(reply.flatten());
            return (replies, effects);
        }
        match &then {
            // What the group was before: a classic group's waiting members are told to join again, alarms of both kinds stop.
            Then::Settled { group: id, .. } | Then::Downgraded { group: id } => {
                let turns = matches!(then, Then::Downgraded { .. });
                self.with_group(now, id, &mut effects, |group, turn| match &mut group.kind {
                    Kind::Classic(group) => group.abandon(turn, ErrorCode::RebalanceInProgress),
                    Kind::Consumer(live) if turns => live.abandon(&mut turn.effects.timers),
                    Kind::Consumer(_) => {}
                });
            }
            Then::Nothing | Then::Assigned { .. } | Then::Replaced(_) | Then::Created(_) => {}
        }
        self.apply_all(partition, &records);
        match then {
            Then::Nothing | Then::Replaced(_) => {}
            Then::Assigned { group: id, generation } => {
                let waiting = self.with_group(now, &id, &mut effects, |group, turn| match &mut group.kind {
                    Kind::Classic(group) if group.generation() == generation => group.assigned(turn),
                    Kind::Classic(_) | Kind::Consumer(_) => Vec::new(),
                });
                replies.extend(waiting.into_iter().flatten());
            }
            Then::Created(first) => {
                let (caller, join) = *first;
                self.join_classic(now, caller, join, &mut effects);
            }
            Then::Settled { group, decision } => self.settle(now, &group, &decision, &mut effects),
            Then::Downgraded { group: id } => {
                self.with_group(now, &id, &mut effects, |group, turn| {
                    if let Kind::Classic(group) = &mut group.kind {
                        group.loaded(turn);
                        group.prepare(turn, "the last member of the consumer protocol has left");
                    }
                });
            }
        }
        (replies, effects)
    }

    /// The records cannot be appended; nothing of them counts.
    pub fn reject(&mut self, now: Now, proposal: Proposal, error: ErrorCode) -> Effects {
        let mut effects = Effects::default();
        for (caller, reply) in proposal.replies {
            effects.reply(caller, reply.refused(error));
        }
        match proposal.then {
            Then::Nothing | Then::Settled { .. } | Then::Downgraded { .. } => {}
            Then::Assigned { group: id, .. } => {
                self.with_group(now, &id, &mut effects, |group, turn| match &mut group.kind {
                    Kind::Classic(group) => group.not_assigned(turn, error),
                    Kind::Consumer(_) => {}
                });
            }
            Then::Replaced(replacement) => {
                effects.reply(replacement.caller, Reply::Joined(Joined::refused("", error)));
            }
            Then::Created(first) => effects.reply(first.0, Reply::Joined(Joined::refused("", error))),
        }
        effects
    }

    fn apply_all(&mut self, partition: PartitionIndex, records: &[GroupRecord]) {
        for record in records {
            self.apply(partition, record);
        }
    }

    /// The only change of what is stored, live and at replay.
    pub fn apply(&mut self, partition: PartitionIndex, record: &GroupRecord) {
        match record {
            GroupRecord::OffsetCommit(key, Some(value)) => {
                self.change(partition, &key.group, |group| group.offsets.put(key, value));
            }
            GroupRecord::OffsetCommit(key, None) => {
                self.change_known(&key.group, |group| group.offsets.remove(key));
            }
            GroupRecord::GroupMetadata(id, Some(value)) => self.install(partition, id, value),
            GroupRecord::GroupMetadata(id, None) => self.remove(id),
            GroupRecord::ConsumerGroupMetadata(id, value) => {
                self.apply_consumer(partition, id, value.is_some(), record);
            }
            GroupRecord::ConsumerGroupPartitionMetadata(id, value) => {
                self.apply_consumer(partition, id, value.is_some(), record);
            }
            GroupRecord::ConsumerGroupTargetAssignmentMetadata(id, value) => {
                self.apply_consumer(partition, id, value.is_some(), record);
            }
            GroupRecord::ConsumerGroupMemberMetadata(key, value) => {
                self.apply_consumer(partition, &key.group, value.is_some(), record);
            }
            GroupRecord::ConsumerGroupTargetAssignmentMember(key, value) => {
                self.apply_consumer(partition, &key.group, value.is_some(), record);
            }
            GroupRecord::ConsumerGroupCurrentMemberAssignment(key, value) => {
                self.apply_consumer(partition, &key.group, value.is_some(), record);
            }
            GroupRecord::ConsumerGroupRegularExpression(key, value) => {
                self.apply_consumer(partition, &key.group, value.is_some(), record);
            }
        }
    }

    /// A value makes the group a consumer group; a tombstone of one that it is not is old.
    fn apply_consumer(&mut self, partition: PartitionIndex, id: &str, has_value: bool, record: &GroupRecord) {
        let mut applied = Applied::Kept;
        let mut apply = |group: &mut Group| {
            if has_value && !matches!(group.kind, Kind::Consumer(_)) {
                group.kind = Kind::Consumer(Box::new(Live::new(id.into())));
            }
            if let Kind::Consumer(live) = &mut group.kind {
                applied = live.group.apply(record);
            }
        };
        if has_value {
            self.change(partition, id, &mut apply);
        } else {
            self.change_known(id, &mut apply);
        }
        if applied == Applied::Gone {
            self.reset(id);
        }
    }

    fn install(&mut self, partition: PartitionIndex, id: &str, value: &GroupMetadataValue) {
        self.change(partition, id, |group| {
            if let Kind::Consumer(_) = group.kind {
                group.kind = Kind::Classic(Box::default());
            }
            if let Kind::Classic(group) = &mut group.kind {
                group.install(value);
            }
        });
    }

    /// A classic group is gone; one of another kind came after it.
    fn remove(&mut self, id: &str) {
        if self.groups.get(id).is_some_and(|group| matches!(group.kind, Kind::Classic(_))) {
            self.reset(id);
        }
    }

    /// The group is gone; offsets that were not deleted before are a simple group's.
    fn reset(&mut self, id: &str) {
        self.change_known(id, |group| group.kind = Kind::Classic(Box::default()));
        if self.groups.get(id).is_some_and(|group| group.offsets.is_empty()) {
            self.forget(id);
        }
    }

    fn change(&mut self, partition: PartitionIndex, id: &str, change: impl FnOnce(&mut Group)) {
        if !self.groups.contains_key(id) {
            self.create(id, Group::classic(partition));
        }
        self.change_known(id, change);
    }

    fn change_known(&mut self, id: &str, change: impl FnOnce(&mut Group)) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let before = group.bytes();
        change(group);
        self.bytes = self.bytes - before + group.bytes();
    }

    /// A partition has been replayed: the groups behind this one go to work, at most so many. Those that did.
    pub fn start(
        &mut self,
        now: Now,
        partition: PartitionIndex,
        after: Option<GroupId>,
        count_max: usize,
    ) -> (Vec<GroupId>, Effects) {
        let mut effects = Effects::default();
        let ids: Vec<GroupId> = self.residents_after(partition, after).take(count_max).cloned().collect();
        for id in &ids {
            let topics = self.topics.clone();
            self.with_group(now, id, &mut effects, |group, turn| match &mut group.kind {
                Kind::Classic(group) => group.loaded(turn),
                Kind::Consumer(live) => {
                    let settings = turn.config.consumer.with(topics.options(turn.id));
                    let cx = Context { now, settings: &settings, topics: &*topics };
                    let alarms = live.group.alarms_when_loaded(&cx);
                    live.set_alarms(turn.now, &alarms, &mut turn.effects.timers);
                }
            });
        }
        (ids, effects)
    }

    /// A partition is not this core's any more, or must be replayed: its groups are forgotten, whoever waits is told.
    pub fn unload(&mut self, now: Now, partition: PartitionIndex, error: ErrorCode) -> Effects {
        let mut effects = Effects::default();
        for id in self.ids_of_partition(partition) {
            self.with_group(now, &id, &mut effects, |group, turn| group.kind.abandon(turn, error));
            self.forget(&id);
        }
        effects
    }

    fn ids_of_partition(&self, partition: PartitionIndex) -> Vec<GroupId> {
        self.of_partition(partition).map(|(id, _)| id.clone()).collect()
    }
}
