//! Writing: records are gathered into a batch per partition, and batches go out while others are on their way. One
//! partition never has two batches on their way, so a retry cannot change the order. With `Acks::All` batches carry a producer
//! id and sequence numbers, so that what a lost answer leaves in doubt is sent again and stands in the log once (KIP-98).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use engine::base::{ProducerEpoch, ProducerId, Sequence};
use engine::error::ErrorCode;
use engine::record::{BatchBuilder, Compression, RecordData};

use super::cluster::{AutoCreation, Client, Retries, arbitrary};
use super::connection::Ticket;
use super::error::ClientError;
use super::limits::{IN_FLIGHT_MAX, READY_BATCHES_MAX};
use super::partitioner::{Sticky, partition_of_key};
use super::topic::Topic;
use crate::wire::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use crate::wire::{Records, Text};

/// How safe a record is before the broker answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// No answer at all.
    None,
    /// The leader has it.
    Leader,
    /// Every in-sync replica has it.
    All,
}

impl Acks {
    pub fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct ProducerOptions {
    pub acks: Acks,
    pub compression: Compression,
    /// A batch is sent when it has reached this size, before compression.
    pub batch_bytes: usize,
}

impl Default for ProducerOptions {
    fn default() -> ProducerOptions {
        // Below Kafka's `max.message.bytes` of 1 MiB, headers included.
        ProducerOptions { acks: Acks::All, compression: Compression::NONE, batch_bytes: 256 << 10 }
    }
}

/// A batch that the broker has acknowledged (with `Acks::None`: that was sent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    pub partition: i32,
    /// -1 with `Acks::None`, and where the broker knows only that it has the batch already.
    pub base_offset: i64,
    pub record_count: i32,
}

struct Ready {
    partition: i32,
    batch: Bytes,
    record_count: i32,
    retries: Retries,
}

struct InFlight {
    node: i32,
    ticket: Ticket<ProduceRequest>,
    ready: Ready,
}

pub struct Producer<'c> {
    client: &'c mut Client,
    topic: String,
    partition_count: usize,
    options: ProducerOptions,
    sticky: Sticky,
    /// None without `Acks::All`, and at brokers that give no ids.
    identity: Option<(ProducerId, ProducerEpoch)>,
    /// Of each partition's next batch.
    sequences: BTreeMap<i32, Sequence>,
    open: BTreeMap<i32, BatchBuilder>,
    ready: VecDeque<Ready>,
    in_flight: VecDeque<InFlight>,
    delivered: Vec<Delivered>,
}

impl<'c> Producer<'c> {
    /// Asks for the topic, which may create it.
    pub fn new(
        client: &'c mut Client,
        topic: &str,
        options: ProducerOptions,
    ) -> Result<Producer<'c>, ClientError> {
        let partition_count = client.topic(topic, AutoCreation::Allowed)?.partitions.len();
        let identity = match options.acks {
            Acks::All => client.init_producer_id()?,
            Acks::None | Acks::Leader => None,
        };
        Ok(Producer {
            client,
            topic: topic.to_owned(),
            partition_count,
            options,
            sticky: Sticky::starting_at(arbitrary()),
            identity,
            sequences: BTreeMap::new(),
            open: BTreeMap::new(),
            ready: VecDeque::new(),
            in_flight: VecDeque::new(),
            delivered: Vec::new(),
        })
    }

    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// Adds a record, to `partition` or to the one that its key or the sticky partitioner says. Sends what is full.
    pub fn push(&mut self, partition: Option<i32>, record: RecordData<'_>) -> Result<(), ClientError> {
        let partition = match (partition, record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, self.partition_count),
            (None, None) => self.sticky.partition(self.partition_count),
        };
        let (compression, batch_bytes) = (self.options.compression, self.options.batch_bytes);
        let fresh = || BatchBuilder::new(compression, batch_bytes);
        let mut open = self.open.remove(&partition).unwrap_or_else(fresh);
        if !open.push(record) {
            let full = std::mem::replace(&mut open, fresh());
            if full.is_empty() || !open.push(record) {
                return Err(self.unfit("it is larger than any batch may be"));
            }
            self.seal(partition, full)?;
        }
        if open.size() >= self.options.batch_bytes {
            self.seal(partition, open)?;
        } else {
            self.open.insert(partition, open);
        }
        self.send_ready()?;
        while self.ready.len() > READY_BATCHES_MAX {
            self.receive_oldest()?;
            self.send_ready()?;
        }
        Ok(())
    }

    /// Sends everything and waits until all of it is acknowledged.
    pub fn flush(&mut self) -> Result<(), ClientError> {
        for (partition, open) in std::mem::take(&mut self.open) {
            self.seal(partition, open)?;
        }
        loop {
            self.send_ready()?;
            if self.ready.is_empty() && self.in_flight.is_empty() {
                return Ok(());
            }
            self.receive_oldest()?;
        }
    }

    /// What was acknowledged since the last call.
    pub fn drain_delivered(&mut self) -> impl Iterator<Item = Delivered> + '_ {
        self.delivered.drain(..)
    }

    fn seal(&mut self, partition: i32, mut open: BatchBuilder) -> Result<(), ClientError> {
        let record_count = open.record_count();
        if let Some((id, epoch)) = self.identity {
            let next = self.sequences.entry(partition).or_default();
            open = open.producer(id, epoch, *next);
            // Behind i32::MAX comes 0.
            *next = Sequence(next.0.wrapping_add(record_count) & i32::MAX);
        }
        let batch = open.build().map_err(|error| self.unfit(&error.to_string()))?;
        self.ready.push_back(Ready { partition, batch, record_count, retries: Retries::default() });
        self.sticky.advance();
        Ok(())
    }

    fn unfit(&self, reason: &str) -> ClientError {
        ClientError::Record { topic: self.topic.clone(), reason: reason.to_owned() }
    }

    /// Sends, in order, the batches whose partitions have none on their way.
    fn send_ready(&mut self) -> Result<(), ClientError> {
        let mut at = 0;
        while at < self.ready.len() && self.in_flight.len() < IN_FLIGHT_MAX {
            let partition = self.ready[at].partition;
            let waits = self.in_flight.iter().any(|sent| sent.ready.partition == partition)
                || self.ready.range(..at).any(|earlier| earlier.partition == partition);
            let next = if waits { None } else { self.ready.remove(at) };
            let Some(ready) = next else {
                at += 1;
                continue;
            };
            match self.send(&ready) {
                Ok((_, _)) if self.options.acks == Acks::None => self.note_delivered(&ready, -1),
                Ok((node, ticket)) => self.in_flight.push_back(InFlight { node, ticket, ready }),
                Err(error) => {
                    self.again(ready, error)?;
                    // The failure may have dropped a connection with answers on their way, and moved batches.
                    at = 0;
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, ready: &Ready) -> Result<(i32, Ticket<ProduceRequest>), ClientError> {
        let topic = self.client.topic(&self.topic, AutoCreation::Allowed)?;
        let node = topic.leader(ready.partition)?;
        let timeout_ms = self.client.timeout_ms();
        let request = produce_request(&topic, ready.partition, &ready.batch, self.options.acks, timeout_ms);
        let (outgoing, _) = self.client.node(node)?.halves();
        let version = outgoing.version::<ProduceRequest>(topic.produce_version_max())?;
        let outcome = outgoing.send_version(&request, version);
        match self.client.noting(node, outcome) {
            Ok(ticket) => Ok((node, ticket)),
            Err(error) => {
                self.recall(node);
                Err(error)
            }
        }
    }

    fn receive_oldest(&mut self) -> Result<(), ClientError> {
        let Some(InFlight { node, ticket, ready }) = self.in_flight.pop_front() else { return Ok(()) };
        let outcome = self.client.node(node).and_then(|connection| connection.receive(ticket));
        let outcome = self.client.noting(node, outcome);
        if outcome.as_ref().is_err_and(ClientError::ends_connection) {
            self.recall(node);
        }
        match outcome.and_then(|answer| base_offset(&self.topic, ready.partition, &answer)) {
            Ok(base_offset) => {
                self.note_delivered(&ready, base_offset);
                Ok(())
            }
            // The answer to an earlier attempt was lost, and the broker no longer knows which offset it was.
            Err(error) if error.code() == Some(ErrorCode::DuplicateSequenceNumber) => {
                self.note_delivered(&ready, -1);
                Ok(())
            }
            Err(error) => self.again(ready, error),
        }
    }

    /// Takes back what was on its way to a node whose connection is gone. One per partition: their order is free.
    fn recall(&mut self, node: i32) {
        let (lost, kept) =
            std::mem::take(&mut self.in_flight).into_iter().partition(|sent| sent.node == node);
        self.in_flight = kept;
        let lost: VecDeque<InFlight> = lost;
        lost.into_iter().rev().for_each(|sent| self.ready.push_front(sent.ready));
    }

    /// Puts a batch back in front if its error may pass.
    fn again(&mut self, mut ready: Ready, error: ClientError) -> Result<(), ClientError> {
        if !error.is_retriable() || !ready.retries.another(self.client.options().retry_for) {
            return Err(error);
        }
        self.client.forget(&self.topic);
        self.ready.push_front(ready);
        Ok(())
    }

    fn note_delivered(&mut self, ready: &Ready, base_offset: i64) {
        let (partition, record_count) = (ready.partition, ready.record_count);
        self.delivered.push(Delivered { partition, base_offset, record_count });
    }
}

/// One batch for one partition.
pub fn produce_request(
    topic: &Topic,
    partition: i32,
    batch: &Bytes,
    acks: Acks,
    timeout_ms: i32,
) -> ProduceRequest {
    let data = PartitionProduceData { index: partition, records: Some(Records::from(batch.clone())) };
    ProduceRequest {
        transactional_id: None,
        acks: acks.code(),
        timeout_ms,
        topic_data: vec![TopicProduceData {
            name: Text::from(&topic.name),
            topic_id: topic.id,
            partition_data: vec![data],
        }],
    }
}

/// The offset that the answer gives to a partition's batch.
pub fn base_offset(topic: &str, partition: i32, answer: &ProduceResponse) -> Result<i64, ClientError> {
    let what = || format!("writing to partition {partition} of {topic}");
    let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let found = partitions.find(|found| found.index == partition);
    let found = found.ok_or_else(|| ClientError::Incomplete {
        operation: "Produce",
        what: format!("partition {partition} of {topic}"),
    })?;
    let of_record = found.record_errors.first().and_then(|error| error.batch_index_error_message.as_deref());
    ClientError::check(found.error_code, of_record.or(found.error_message.as_deref()), what)?;
    Ok(found.base_offset)
}
