//! The only mutator: one stored record at a time, live and when the group is loaded. Records of a compacted partition may come
//! without those before them, so nothing is expected of their order but that a key's last record counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assignment::{Owned, from_target_record};
use super::epoch::Epoch;
use super::member::{Member, MemberId};
use super::{ConsumerGroup, Resolved, regex_bytes, target_bytes};
use crate::base::{PartitionIndex, Timestamp, TopicId};
use crate::group::record::GroupRecord;

/// What is left of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Kept,
    /// The record says that the group is no more.
    Gone,
}

impl ConsumerGroup {
    /// A record of this group; one of another kind is passed over.
    pub fn apply(&mut self, record: &GroupRecord) -> Applied {
        match record {
            GroupRecord::ConsumerGroupMetadata(_, Some(value)) => {
                self.epoch = Epoch(value.epoch);
                self.metadata_hash = value.metadata_hash;
            }
            GroupRecord::ConsumerGroupMetadata(_, None) => return Applied::Gone,
            GroupRecord::ConsumerGroupPartitionMetadata(_, value) => {
                self.has_partition_metadata = value.is_some();
            }
            GroupRecord::ConsumerGroupMemberMetadata(key, Some(value)) => {
                let mut member = self.taken_out(&key.member);
                member.take_metadata(value);
                self.put_in(member);
            }
            GroupRecord::ConsumerGroupMemberMetadata(key, None) => {
                self.take_out(&key.member);
            }
            GroupRecord::ConsumerGroupTargetAssignmentMetadata(_, Some(value)) => {
                self.assignment_epoch = Epoch(value.assignment_epoch);
                self.assigned_at = value.assignment_timestamp;
            }
            GroupRecord::ConsumerGroupTargetAssignmentMetadata(_, None) => {
                self.assignment_epoch = Epoch::LEAVE;
                self.assigned_at = Timestamp(0);
            }
            GroupRecord::ConsumerGroupTargetAssignmentMember(key, Some(value)) => {
                let target = from_target_record(&value.topic_partitions);
                self.bytes += target_bytes(&target);
                self.forget_target(self.target.get(&*key.member).map(target_bytes));
                self.target.insert(key.member.as_str().into(), target);
            }
            GroupRecord::ConsumerGroupTargetAssignmentMember(key, None) => {
                let gone = self.target.remove(&*key.member);
                self.forget_target(gone.as_ref().map(target_bytes));
            }
            GroupRecord::ConsumerGroupCurrentMemberAssignment(key, Some(value)) => {
                let mut member = self.taken_out(&key.member);
                member.take_current(value);
                self.put_in(member);
            }
            GroupRecord::ConsumerGroupCurrentMemberAssignment(key, None) => {
                if let Some(mut member) = self.take_out(&key.member) {
                    (member.epoch, member.previous_epoch) = (Epoch::LEAVE, Epoch::LEAVE);
                    (member.assigned, member.revoking) = (Owned::new(), Owned::new());
                    self.put_in(member);
                }
            }
            GroupRecord::ConsumerGroupRegularExpression(key, Some(value)) => {
                let topics = value.topics.iter().map(|topic| topic.as_str().into()).collect();
                let resolved = Resolved { topics, version: value.version, at: value.timestamp };
                self.bytes += regex_bytes(&key.regex, &resolved);
                if let Some(before) = self.regexes.insert(key.regex.as_str().into(), resolved) {
                    self.bytes -= regex_bytes(&key.regex, &before);
                }
            }
            GroupRecord::ConsumerGroupRegularExpression(key, None) => {
                if let Some(before) = self.regexes.remove(&*key.regex) {
                    self.bytes -= regex_bytes(&key.regex, &before);
                }
            }
            GroupRecord::OffsetCommit(..) | GroupRecord::GroupMetadata(..) => {}
        }
        Applied::Kept
    }

    fn forget_target(&mut self, bytes: Option<usize>) {
        self.bytes -= bytes.unwrap_or(0);
    }

    fn taken_out(&mut self, id: &str) -> Member {
        self.take_out(id).unwrap_or_else(|| Member::new(id.into()))
    }

    fn take_out(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.bytes -= member.bytes();
        if let Some(instance) = &member.instance
            && self.instances.get(instance).is_some_and(|owner| **owner == *id)
        {
            self.instances.remove(instance);
        }
        for (topic, partition) in held(&member) {
            // Another member's record may have come first: who wrote last has it.
            if self.owners.get(&(topic, partition)).is_some_and(|owner| **owner == *id) {
                self.owners.remove(&(topic, partition));
            }
        }
        Some(member)
    }

    fn put_in(&mut self, member: Member) {
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        for partition in held(&member) {
            self.owners.insert(partition, member.id.clone());
        }
        self.bytes += member.bytes();
        self.members.insert(member.id.clone(), member);
    }

    /// What every partition's owner is by the members themselves: the table must say the same.
    pub fn owners_by_members(&self) -> BTreeMap<(TopicId, PartitionIndex), Vec<MemberId>> {
        let mut owners: BTreeMap<_, Vec<Arc<str>>> = BTreeMap::new();
        for member in self.members.values() {
            for partition in held(member) {
                owners.entry(partition).or_default().push(member.id.clone());
            }
        }
        owners
    }
}

fn held(member: &Member) -> impl Iterator<Item = (TopicId, PartitionIndex)> + use<'_> {
    let both = member.assigned.iter().chain(&member.revoking);
    both.flat_map(|(topic, partitions)| partitions.keys().map(|partition| (*topic, *partition)))
}
