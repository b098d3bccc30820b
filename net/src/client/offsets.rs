//! Offsets by their meaning or by time.

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
        self.retrying(|client| client.ask_offset(topic, partition, at))
    }

    fn ask_offset(&mut self, topic: &str, partition: i32, at: At) -> Result<Found, ClientError> {
        let leader = self.topic(topic, AutoCreation::Forbidden)?.leader(partition)?;
        let request = list_offsets_request(topic, partition, at, self.timeout_ms());
        let answer = self.call(leader, &request)?;
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let found = partitions.find(|found| found.partition_index == partition);
        let found = found.ok_or_else(|| ClientError::Incomplete {
            operation: "ListOffsets",
            what: format!("partition {partition} of {topic}"),
        })?;
        ClientError::check(found.error_code, None, || {
            format!("asking for an offset of partition {partition} of {topic}")
        })?;
        Ok(Found { offset: found.offset, timestamp: found.timestamp })
    }
}

pub fn list_offsets_request(topic: &str, partition: i32, at: At, timeout_ms: i32) -> ListOffsetsRequest {
    let asked = ListOffsetsPartition {
        partition_index: partition,
        timestamp: at.code(),
        ..ListOffsetsPartition::default()
    };
    ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: Text::from(topic), partitions: vec![asked] }],
        timeout_ms,
        ..ListOffsetsRequest::default()
    }
}
