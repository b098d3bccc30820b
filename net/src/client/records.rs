//! Records removed from a partition's beginning (DeleteRecords, KIP-107). Each leader is asked for its own.

use std::collections::BTreeMap;

use super::cluster::{AutoCreation, Client};
use super::error::ClientError;
use super::fetch::Position;
use crate::wire::Text;
use crate::wire::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};

/// What one partition answered: its first offset afterwards.
pub type Removed = (i32, Result<i64, ClientError>);

impl Client {
    /// Removes what lies before each position's offset (-1: everything so far). Trying again does no harm: the first offset only
    /// moves forward.
    pub fn delete_records(&mut self, topic: &str, before: &[Position]) -> Result<Vec<Removed>, ClientError> {
        self.retrying(|client| client.delete_records_once(topic, before))
    }

    fn delete_records_once(&mut self, topic: &str, before: &[Position]) -> Result<Vec<Removed>, ClientError> {
        let known = self.topic(topic, AutoCreation::Forbidden)?;
        let mut by_leader: BTreeMap<i32, Vec<DeleteRecordsPartition>> = BTreeMap::new();
        for Position { partition, offset } in before {
            let part = DeleteRecordsPartition { partition_index: *partition, offset: *offset };
            by_leader.entry(known.leader(*partition)?).or_default().push(part);
        }
        let mut removed = Vec::new();
        for (leader, partitions) in by_leader {
            let name = Text::from(topic);
            let topics = vec![DeleteRecordsTopic { name, partitions }];
            let request = DeleteRecordsRequest { topics, timeout_ms: self.timeout_ms() };
            let answer = self.call(leader, &request)?;
            for found in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                let partition = found.partition_index;
                let outcome = ClientError::check(found.error_code, None, || {
                    format!("deleting records of partition {partition} of {topic}")
                });
                if let Err(error) = &outcome
                    && error.is_retriable()
                {
                    return outcome.map(|()| removed);
                }
                removed.push((partition, outcome.map(|()| found.low_watermark)));
            }
        }
        removed.sort_by_key(|(partition, _)| *partition);
        Ok(removed)
    }
}
