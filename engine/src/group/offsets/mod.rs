//! The offsets that a group has committed. Changed by records alone (`put`, `remove`), live and at replay.

mod commit;
mod delete;
mod fetch;
mod retention;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};
use crate::group::limits::MAP_ENTRY_BYTES;
use crate::group::record::{OffsetCommitKey, OffsetCommitValue};

pub use commit::Room;
pub use retention::Clock;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: Offset,
    /// -1: the consumer did not say.
    pub leader_epoch: LeaderEpoch,
    pub metadata: Box<str>,
    pub committed_at: Timestamp,
    /// Set by an old client; otherwise the broker's retention counts.
    pub expires_at: Option<Timestamp>,
    /// Zero: not known.
    pub topic: TopicId,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    topics: BTreeMap<Arc<str>, BTreeMap<PartitionIndex, Committed>>,
    bytes: usize,
}

impl Offsets {
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Memory that they hold, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn get(&self, topic: &str, partition: PartitionIndex) -> Option<&Committed> {
        self.topics.get(topic)?.get(&partition)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, PartitionIndex, &Committed)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, committed)| (topic, *partition, committed))
        })
    }

    pub fn topics(&self) -> impl Iterator<Item = (&Arc<str>, &BTreeMap<PartitionIndex, Committed>)> {
        self.topics.iter()
    }

    pub fn put(&mut self, key: &OffsetCommitKey, value: &OffsetCommitValue) {
        let committed = Committed {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.as_str().into(),
            committed_at: value.commit_timestamp,
            expires_at: value.expire_timestamp,
            topic: value.topic_id,
        };
        if !self.topics.contains_key(&*key.topic) {
            self.bytes += topic_bytes(&key.topic);
            self.topics.insert(key.topic.as_str().into(), BTreeMap::new());
        }
        let Some(partitions) = self.topics.get_mut(&*key.topic) else { return };
        self.bytes += committed_bytes(&committed);
        if let Some(before) = partitions.insert(key.partition, committed) {
            self.bytes -= committed_bytes(&before);
        }
    }

    pub fn remove(&mut self, key: &OffsetCommitKey) {
        let Some(partitions) = self.topics.get_mut(&*key.topic) else { return };
        if let Some(before) = partitions.remove(&key.partition) {
            self.bytes -= committed_bytes(&before);
        }
        if partitions.is_empty() {
            self.topics.remove(&*key.topic);
            self.bytes -= topic_bytes(&key.topic);
        }
    }
}

fn topic_bytes(topic: &str) -> usize {
    topic.len() + size_of::<BTreeMap<PartitionIndex, Committed>>() + 2 * MAP_ENTRY_BYTES
}

fn committed_bytes(committed: &Committed) -> usize {
    size_of::<Committed>() + committed.metadata.len() + MAP_ENTRY_BYTES
}
