//! What the cluster says of a topic.

use engine::base::TopicId;

use super::error::ClientError;
use crate::wire::metadata::{MetadataResponsePartition, MetadataResponseTopic};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    /// Zero from a broker older than topic ids.
    pub id: TopicId,
    pub is_internal: bool,
    /// By index, from 0, without a hole.
    pub partitions: Vec<Partition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub index: i32,
    /// -1 is none.
    pub leader: i32,
    /// -1 is not known.
    pub leader_epoch: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub offline: Vec<i32>,
}

impl Topic {
    pub(super) fn of(answer: &MetadataResponseTopic) -> Result<Topic, ClientError> {
        let incomplete =
            |what: &str| ClientError::Incomplete { operation: "Metadata", what: what.to_owned() };
        let name = answer.name.as_deref().ok_or_else(|| incomplete("a topic's name"))?.to_owned();
        let mut partitions: Vec<Partition> = answer.partitions.iter().map(Partition::of).collect();
        partitions.sort_by_key(|partition| partition.index);
        if partitions.iter().enumerate().any(|(place, partition)| partition.index != place as i32) {
            return Err(incomplete(&format!("a partition of {name}")));
        }
        Ok(Topic { name, id: answer.topic_id, is_internal: answer.is_internal, partitions })
    }

    /// The highest version of Fetch that can name this topic; from 13 on topics go by id alone (KIP-516).
    pub fn fetch_version_max(&self) -> i16 {
        if self.id.is_zero() { 12 } else { i16::MAX }
    }

    /// As `fetch_version_max`, of Produce.
    pub fn produce_version_max(&self) -> i16 {
        if self.id.is_zero() { 12 } else { i16::MAX }
    }

    pub fn partition(&self, index: i32) -> Result<&Partition, ClientError> {
        let found = usize::try_from(index).ok().and_then(|index| self.partitions.get(index));
        found.ok_or_else(|| ClientError::NoPartition {
            topic: self.name.clone(),
            partition: index,
            count: self.partitions.len(),
        })
    }

    pub fn leader(&self, index: i32) -> Result<i32, ClientError> {
        match self.partition(index)?.leader {
            ..0 => Err(ClientError::NoLeader { topic: self.name.clone(), partition: index }),
            leader => Ok(leader),
        }
    }
}

impl Partition {
    fn of(answer: &MetadataResponsePartition) -> Partition {
        Partition {
            index: answer.partition_index,
            leader: answer.leader_id,
            leader_epoch: answer.leader_epoch,
            replicas: answer.replica_nodes.clone(),
            isr: answer.isr_nodes.clone(),
            offline: answer.offline_replicas.clone(),
        }
    }
}
