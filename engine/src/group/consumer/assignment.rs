//! Which partitions: of a target, and of what a member has with the epoch at which it got each. Plain data.

use std::collections::{BTreeMap, BTreeSet};

use super::epoch::Epoch;
use crate::base::{PartitionIndex, TopicId};
use crate::group::record::{OwnedPartitions, TopicPartitions};

/// What a member shall have.
pub type Assignment = BTreeMap<TopicId, BTreeSet<PartitionIndex>>;

/// What a member has, and since which of its epochs: commits from before are a zombie's.
pub type Owned = BTreeMap<TopicId, BTreeMap<PartitionIndex, Epoch>>;

pub fn from_target_record(topics: &[TopicPartitions]) -> Assignment {
    let mut assignment = Assignment::new();
    for topic in topics {
        let partitions = topic.partitions.iter().map(|partition| PartitionIndex(*partition));
        assignment.entry(topic.topic_id).or_default().extend(partitions);
    }
    assignment
}

pub fn to_target_record(assignment: &Assignment) -> Vec<TopicPartitions> {
    let topics = assignment.iter().map(|(topic, partitions)| TopicPartitions {
        topic_id: *topic,
        partitions: partitions.iter().map(|partition| partition.0).collect(),
    });
    topics.collect()
}

/// Without epochs, or with another number of them, the partitions count as assigned at the member's epoch.
pub fn from_current_record(topics: &[OwnedPartitions], member_epoch: Epoch) -> Owned {
    let mut owned = Owned::new();
    for topic in topics {
        let epochs = topic.assignment_epochs.as_deref().unwrap_or_default();
        let known = epochs.len() == topic.partitions.len();
        let partitions = topic.partitions.iter().enumerate().map(|(at, partition)| {
            (PartitionIndex(*partition), if known { Epoch(epochs[at]) } else { member_epoch })
        });
        owned.entry(topic.topic_id).or_default().extend(partitions);
    }
    owned
}

pub fn to_current_record(owned: &Owned) -> Vec<OwnedPartitions> {
    let topics = owned.iter().map(|(topic, partitions)| OwnedPartitions {
        topic_id: *topic,
        partitions: partitions.keys().map(|partition| partition.0).collect(),
        assignment_epochs: Some(partitions.values().map(|epoch| epoch.0).collect()),
    });
    topics.collect()
}

/// As a reply lists it.
pub fn listed(owned: &Owned) -> Vec<(TopicId, Vec<PartitionIndex>)> {
    owned.iter().map(|(topic, partitions)| (*topic, partitions.keys().copied().collect())).collect()
}

pub fn epoch_of(owned: &Owned, topic: TopicId, partition: PartitionIndex) -> Option<Epoch> {
    owned.get(&topic)?.get(&partition).copied()
}

/// Whether everything that a client says it owns is here.
pub fn holds_all(owned: &Owned, said: &[(TopicId, Vec<PartitionIndex>)]) -> bool {
    said.iter().all(|(topic, partitions)| {
        partitions.iter().all(|partition| epoch_of(owned, *topic, *partition).is_some())
    })
}

/// Whether anything that a client says it owns is here.
pub fn holds_any(owned: &Owned, said: &[(TopicId, Vec<PartitionIndex>)]) -> bool {
    said.iter().any(|(topic, partitions)| {
        partitions.iter().any(|partition| epoch_of(owned, *topic, *partition).is_some())
    })
}
