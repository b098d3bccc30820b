//! Offsets by their meaning or by time.

use std::collections::BTreeMap;

use super::cluster::{AutoCreation, Client};
use super::error::ClientError;
use crate::wire::Text;
use crate::wire::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Earliest,
    /// The offset that the next record will get.
    Latest,
    /// The first record at this time or later, in milliseconds since 1970.
    Timestamp(i64),
    /// The record with the largest timestamp (KIP-734).
    MaxTimestamp,
}

impl At {
    fn code(self) -> i64 {
        match self {
            At::Latest => -1,
            At::Earliest => -2,
            At::MaxTimestamp => -3,
            At::Timestamp(ms) => ms.max(0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// -1: no record is that young.
    pub offset: i64,
    /// -1 where the answer is no record.
    pub timestamp: i64,
}

impl Client {
    /// Where one partition's `at` is.
    pub fn list_offset(&mut self, topic: &str, partition: i32, at: At) -> Result<Found, ClientError> {
        let found = self.list_offsets(topic, &[partition], at)?;
        found.get(&partition).copied().ok_or_else(|| missing(topic, partition))
    }

    /// Where `at` is in each of these partitions; every leader is asked once.
    pub fn list_offsets(
        &mut self,
        topic: &str,
        partitions: &[i32],
        at: At,
    ) -> Result<BTreeMap<i32, Found>, ClientError> {
        self.retrying(|client| client.ask_offsets(topic, partitions, at))
    }

    fn ask_offsets(
        &mut self,
        topic: &str,
        partitions: &[i32],
        at: At,
    ) -> Result<BTreeMap<i32, Found>, ClientError> {
        let known = self.topic(topic, AutoCreation::Forbidden)?;
        let mut by_leader: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            by_leader.entry(known.leader(*partition)?).or_default().push(*partition);
        }
        let mut found = BTreeMap::new();
        for (leader, partitions) in by_leader {
            let answer =
                self.call(leader, &list_offsets_request(topic, &partitions, at, self.timeout_ms()))?;
            for part in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                ClientError::check(part.error_code, None, || {
                    format!("asking for an offset of partition {} of {topic}", part.partition_index)
                })?;
                let place = Found { offset: part.offset, timestamp: part.timestamp };
                found.insert(part.partition_index, place);
            }
        }
        match partitions.iter().find(|partition| !found.contains_key(partition)) {
            Some(partition) => Err(missing(topic, *partition)),
            None => Ok(found),
        }
    }
}

fn missing(topic: &str, partition: i32) -> ClientError {
    ClientError::Incomplete { operation: "ListOffsets", what: format!("partition {partition} of {topic}") }
}

pub fn list_offsets_request(topic: &str, partitions: &[i32], at: At, timeout_ms: i32) -> ListOffsetsRequest {
    let asked = partitions.iter().map(|partition| ListOffsetsPartition {
        partition_index: *partition,
        timestamp: at.code(),
        ..ListOffsetsPartition::default()
    });
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: Text::from(topic), partitions: asked.collect() }],
        timeout_ms,
        ..ListOffsetsRequest::default()
    }
}
