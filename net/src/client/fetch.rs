//! Reading by partition and offset, with a long poll.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use engine::base::Offset;
use engine::limits::EXPANSION_BYTES_MAX;
use engine::record::{Record, RecordError, UncheckedBatch};

use super::cluster::{AutoCreation, Client};
use super::connection::Ticket;
use super::error::ClientError;
use super::topic::Topic;
use crate::wire::Text;
use crate::wire::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData};

/// Where to read on in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub partition: i32,
    pub offset: i64,
}

/// How much to wait for, and how much to take.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// The broker answers after this long at the latest.
    pub time_max: Duration,
    pub bytes_min: i32,
    /// Of the whole answer; a first batch that is larger comes nevertheless.
    pub bytes_max: i32,
    pub partition_bytes_max: i32,
}

impl Default for Wait {
    fn default() -> Wait {
        Wait {
            time_max: Duration::from_millis(500),
            bytes_min: 1,
            bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
        }
    }
}

/// What one partition gave.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub partition: i32,
    pub high_watermark: i64,
    pub log_start: i64,
    /// Batches, the last perhaps cut; the first perhaps begins below the offset that was asked for.
    pub records: Bytes,
}

impl Fetched {
    /// Hands every record from `offset` on to `each` and returns the offset to read on from. Checks each batch's CRC;
    /// control records are passed over, a batch that is cut is left for the next fetch.
    pub fn read<E: From<RecordError>>(
        &self,
        offset: i64,
        mut each: impl FnMut(&Record<'_>) -> Result<(), E>,
    ) -> Result<i64, E> {
        let (mut rest, mut next) = (&self.records[..], offset);
        while !rest.is_empty() {
            let (batch, after) = match UncheckedBatch::split_first(rest) {
                Err(RecordError::Cut { .. }) if next > offset => break,
                outcome => outcome?,
            };
            rest = after;
            if batch.header().next_offset() <= Offset(next) {
                continue;
            }
            let batch = batch.check()?;
            if !batch.header().is_control() {
                let records = batch.records(EXPANSION_BYTES_MAX)?;
                for record in records.iter() {
                    let record = record?;
                    if record.offset >= Offset(next) {
                        each(&record)?;
                    }
                }
            }
            next = batch.header().next_offset().0;
        }
        Ok(next)
    }
}

impl Client {
    /// Reads on at `positions` of one topic, at all their leaders at once. Partitions without news are absent or empty.
    pub fn fetch(
        &mut self,
        topic: &str,
        positions: &[Position],
        wait: Wait,
    ) -> Result<Vec<Fetched>, ClientError> {
        self.retrying(|client| client.fetch_once(topic, positions, wait))
    }

    fn fetch_once(
        &mut self,
        topic: &str,
        positions: &[Position],
        wait: Wait,
    ) -> Result<Vec<Fetched>, ClientError> {
        let topic = self.topic(topic, AutoCreation::Forbidden)?;
        let mut by_leader: BTreeMap<i32, Vec<Position>> = BTreeMap::new();
        for position in positions {
            by_leader.entry(topic.leader(position.partition)?).or_default().push(*position);
        }
        let mut sent: Vec<(i32, Ticket<FetchRequest>)> = Vec::new();
        let mut failure = None;
        for (leader, positions) in by_leader {
            let ticket = self.send_fetch(leader, &topic, &positions, wait);
            match self.noting(leader, ticket) {
                Ok(ticket) => sent.push((leader, ticket)),
                Err(error) => failure = Some(error),
            }
        }
        // Every answer is read, whatever the others say: the connections stay usable.
        let mut fetched = Vec::new();
        for (leader, ticket) in sent {
            let outcome = self.node(leader).and_then(|connection| connection.receive(ticket));
            let outcome = self.noting(leader, outcome).and_then(|answer| read_answer(&topic, answer));
            match outcome {
                Ok(partitions) => fetched.extend(partitions),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(fetched),
        }
    }

    fn send_fetch(
        &mut self,
        leader: i32,
        topic: &Topic,
        positions: &[Position],
        wait: Wait,
    ) -> Result<Ticket<FetchRequest>, ClientError> {
        let request = fetch_request(topic, positions, wait);
        let (outgoing, _) = self.node(leader)?.halves();
        let version = outgoing.version::<FetchRequest>(topic.fetch_version_max())?;
        outgoing.send_version(&request, version)
    }
}

/// A fetch outside of any session.
pub fn fetch_request(topic: &Topic, positions: &[Position], wait: Wait) -> FetchRequest {
    let partitions = positions.iter().map(|position| FetchPartition {
        partition: position.partition,
        fetch_offset: position.offset,
        partition_max_bytes: wait.partition_bytes_max,
        ..FetchPartition::default()
    });
    FetchRequest {
        max_wait_ms: i32::try_from(wait.time_max.as_millis()).unwrap_or(i32::MAX),
        min_bytes: wait.bytes_min,
        max_bytes: wait.bytes_max,
        topics: vec![FetchTopic {
            topic: Text::from(&topic.name),
            topic_id: topic.id,
            partitions: partitions.collect(),
        }],
        ..FetchRequest::default()
    }
}

/// What the partitions of an answer gave, or the first error among them.
pub fn read_answer(topic: &Topic, answer: FetchResponse) -> Result<Vec<Fetched>, ClientError> {
    ClientError::check(answer.error_code, None, || format!("reading {}", topic.name))?;
    let partitions = answer.responses.into_iter().flat_map(|topic| topic.partitions);
    let fetched = partitions.map(|data: PartitionData| {
        ClientError::check(data.error_code, None, || {
            format!("reading partition {} of {}", data.partition_index, topic.name)
        })?;
        Ok(Fetched {
            partition: data.partition_index,
            high_watermark: data.high_watermark,
            log_start: data.log_start_offset,
            records: data.records.map(|records| records.into_bytes()).unwrap_or_default(),
        })
    });
    fetched.collect()
}
