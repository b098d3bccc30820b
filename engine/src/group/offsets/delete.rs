//! Deletion of offsets: tombstones for what is there.

use super::Offsets;
use crate::base::{PartitionIndex, TopicId};
use crate::group::record::{GroupRecord, OffsetCommitKey};

pub fn tombstone(group: &str, topic: &str, partition: PartitionIndex) -> GroupRecord {
    let key = OffsetCommitKey { group: group.to_owned(), topic: topic.to_owned(), partition };
    GroupRecord::OffsetCommit(key, None)
}

impl Offsets {
    /// For these partitions, as far as they have offsets.
    pub fn tombstones(&self, group: &str, topic: &str, partitions: &[PartitionIndex]) -> Vec<GroupRecord> {
        let there = partitions.iter().filter(|partition| self.get(topic, **partition).is_some());
        there.map(|partition| tombstone(group, topic, *partition)).collect()
    }

    pub fn all_tombstones(&self, group: &str) -> Vec<GroupRecord> {
        self.iter().map(|(topic, partition, _)| tombstone(group, topic, partition)).collect()
    }

    /// Of a topic that is gone; what was committed for another topic of its name stays.
    pub fn tombstones_of_topic(&self, group: &str, name: &str, id: TopicId) -> Vec<GroupRecord> {
        let Some(partitions) = self.topics.get(name) else { return Vec::new() };
        let gone =
            partitions.iter().filter(|(_, committed)| committed.topic.is_zero() || committed.topic == id);
        gone.map(|(partition, _)| tombstone(group, name, *partition)).collect()
    }
}
