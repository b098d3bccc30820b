//! The flow of a metadata change, on core 0: decide, append the records to the metadata log, and when they are durable publish
//! the new image to every core; answered when all have applied it. One change at a time: a deleted topic's directories are out of
//! the way on every core before the next change is decided.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    Shard,
    command::{Acks, CallId, Changed, Message, Produce, ProducePartition, Publication, Reply},
    settings::BrokerOptions,
};
use crate::{
    base::{CoreId, Now, Offset, PartitionIndex, Timestamp, TopicId, TopicPartition},
    config::{Layers, Overrides},
    controller::{
        ConfigResource, Context, Image, Instruction, MetadataRecord, Options, Outcome, check_overrides,
        decide, list_default,
    },
    error::{ErrorCode, Refusal},
    record::{BatchBuilder, Codec, RecordData},
};

/// The metadata log: one partition, on core 0, stored as any other.
pub const METADATA_LOG: TopicPartition =
    TopicPartition { topic: TopicId::METADATA, partition: PartitionIndex(0) };
pub const METADATA_TOPIC: &str = "__cluster_metadata";

/// The controller's own produce calls.
const APPEND_NUMBER: u64 = u64::MAX;

#[derive(Debug)]
enum Stage {
    Idle,
    Appending { call: CallId, outcome: Outcome, records: Vec<MetadataRecord>, batches_end: i64 },
    Publishing { call: CallId, outcome: Outcome, missing: BTreeSet<CoreId>, offset: Offset },
}

#[derive(Debug)]
pub struct Control {
    core: CoreId,
    queue: VecDeque<(CallId, Instruction)>,
    stage: Stage,
    /// The append's answer, until the turn looks at it.
    appended: Option<Reply>,
}

impl Control {
    pub fn new(core: CoreId) -> Control {
        Control { core, queue: VecDeque::new(), stage: Stage::Idle, appended: None }
    }

    pub fn append_call(&self) -> CallId {
        CallId { origin: self.core, number: APPEND_NUMBER }
    }
}

impl Shard {
    pub(super) fn control(&mut self, now: Now, call: CallId, instruction: Instruction) {
        if self.config.core != CoreId(0) {
            let refusal = Refusal::new(
                ErrorCode::NotController,
                "the controller is on core 0 of the controller broker",
            );
            self.reply(call, Reply::Controlled(Outcome::Refused(refusal)));
            return;
        }
        self.control.queue.push_back((call, instruction));
        self.advance_control(now);
    }

    pub(super) fn control_appended(&mut self, reply: Reply) {
        self.control.appended = Some(reply);
        self.wake = true;
    }

    pub(super) fn advance_control(&mut self, now: Now) {
        if let Some(reply) = self.control.appended.take() {
            self.publish(now, reply);
        }
        while matches!(self.control.stage, Stage::Idle)
            && let Some((call, instruction)) = self.control.queue.pop_front()
        {
            self.decide(now, call, instruction);
        }
    }

    fn decide(&mut self, now: Now, call: CallId, instruction: Instruction) {
        let options = self.config.options.clone();
        let decision = decide_with(&self.image, instruction, &options, self.config.cores);
        if decision.records.is_empty() {
            self.reply(call, Reply::Controlled(decision.outcome));
            return;
        }
        let Some(batch) = encode_records(&decision.records, now.wall) else {
            let message = "the change is too large for one metadata batch: ask for less at a time";
            let refusal = Refusal::new(ErrorCode::InvalidRequest, message);
            self.reply(call, Reply::Controlled(Outcome::Refused(refusal)));
            return;
        };
        let batches_end = decision.records.len() as i64;
        self.control.stage =
            Stage::Appending { call, outcome: decision.outcome, records: decision.records, batches_end };
        let partitions = vec![ProducePartition { partition: METADATA_LOG, records: batch }];
        let append = self.control.append_call();
        self.produce(now, append, Produce { acks: Acks::All, deadline: None, partitions });
    }

    /// The records are durable, or refused.
    fn publish(&mut self, now: Now, reply: Reply) {
        let Stage::Appending { call, outcome, records, batches_end } =
            std::mem::replace(&mut self.control.stage, Stage::Idle)
        else {
            return;
        };
        let appended = match reply {
            Reply::Produced(mut answers) => answers.pop(),
            _ => None,
        };
        let Some(appended) = appended.filter(|answer| answer.error == ErrorCode::None) else {
            let message = "the metadata log cannot be written: see the broker's log";
            let refusal = Refusal::new(ErrorCode::KafkaStorageError, message);
            self.reply(call, Reply::Controlled(Outcome::Refused(refusal)));
            return;
        };
        let offset = appended.base_offset.plus(batches_end);
        let mut image = Image::clone(&self.image);
        let before = self.image.clone();
        for record in &records {
            if let Err(error) = image.apply(record) {
                self.fail(format!(
                    "the metadata cannot take a record that was decided on it: {error}. Please report it."
                ));
                return;
            }
        }
        image.stand_at(offset);
        let changed = changed_by(&records, &before, &image);
        let publication = Publication { image: Arc::new(image), changed };
        let missing = (0..self.config.cores).map(CoreId).collect();
        self.control.stage = Stage::Publishing { call, outcome, missing, offset };
        for core in (1..self.config.cores).map(CoreId) {
            self.messages.push((core, Message::Publish(publication.clone())));
        }
        self.apply_publication(now, publication);
    }

    pub(super) fn publication_applied(&mut self, now: Now, from: CoreId, applied: Offset) {
        let Stage::Publishing { missing, offset, .. } = &mut self.control.stage else { return };
        if applied != *offset {
            return;
        }
        missing.remove(&from);
        if !missing.is_empty() {
            return;
        }
        if let Stage::Publishing { call, outcome, .. } =
            std::mem::replace(&mut self.control.stage, Stage::Idle)
        {
            self.reply(call, Reply::Controlled(outcome));
        }
        self.advance_control(now);
    }
}

/// The controller machine with the registry of options as it stands for this broker.
pub fn decide_with(
    image: &Image,
    instruction: Instruction,
    options: &BrokerOptions,
    cores: u16,
) -> crate::controller::Decision {
    let node = ConfigResource::Broker(options.node.0.to_string());
    let empty = Overrides::new();
    let layers = Layers {
        topic: &empty,
        dynamic_broker: image.overrides(&node),
        dynamic_cluster: image.overrides(&ConfigResource::Broker(String::new())),
        static_broker: &options.overrides,
    };
    let check =
        |resource: &ConfigResource, overrides: &Overrides| check_overrides(&layers, resource, overrides);
    let context = Context {
        node: options.node,
        cores,
        partitions_default: options.partitions_default,
        replication_factor_default: options.replication_factor_default,
        options: Options { check: &check, list_default: &list_default },
    };
    decide(image, instruction, &context)
}

/// One batch: the records become durable together or not at all.
pub fn encode_records(records: &[MetadataRecord], now: Timestamp) -> Option<bytes::Bytes> {
    let mut builder = BatchBuilder::new(Codec::None, METADATA_BATCH_BYTES_MAX);
    let mut value = Vec::new();
    for record in records {
        value.clear();
        record.encode(&mut value);
        let data = RecordData { timestamp: now, value: Some(&value), ..RecordData::default() };
        if !builder.push(data) {
            return None;
        }
    }
    builder.build().ok()
}

/// A metadata batch fits the smallest extent.
const METADATA_BATCH_BYTES_MAX: usize = 3 << 20;

fn changed_by(records: &[MetadataRecord], before: &Image, after: &Image) -> Changed {
    let mut topics = Vec::new();
    for record in records {
        match record {
            MetadataRecord::Topic { id, .. } | MetadataRecord::TopicRemoved { id } => topics.push(*id),
            MetadataRecord::Partition(partition) => topics.push(partition.topic),
            MetadataRecord::PartitionMoved { topic, .. } => topics.push(*topic),
            MetadataRecord::Config { resource: ConfigResource::Topic(name), .. } => {
                topics.extend(after.topic(name).or(before.topic(name)).map(|topic| topic.id));
            }
            MetadataRecord::Config { .. } | MetadataRecord::BrokerStarted { .. } => {
                return Changed::Everything;
            }
            MetadataRecord::ProducerIdBlock { .. } | MetadataRecord::Feature { .. } => {}
        }
    }
    topics.sort_unstable();
    topics.dedup();
    Changed::Topics(topics.into())
}
