//! Promises of the metadata machine as a whole; what one file promises alone is tested in that file. Here: the machine
//! with a log beside it, which carries out instructions as core 0 does.

use std::collections::BTreeMap;

mod effects;
mod features;
mod refusals;
mod replay;

use super::*;
use crate::base::{
    CoreId, Incarnation, LeaderEpoch, NodeId, Offset, OwnerEpoch, PartitionIndex, ProducerId, TopicId,
};
use crate::error::{ErrorCode, Refusal};

fn check(_: &ConfigResource, overrides: &BTreeMap<String, String>) -> Result<(), Refusal> {
    match overrides.keys().find(|key| !["a", "b", "list"].contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Refusal::new(ErrorCode::InvalidConfig, format!("Unknown topic config name: {key}"))),
    }
}

fn list_default(_: &ConfigResource, key: &str) -> Option<String> {
    (key == "list").then(|| "delete".to_owned())
}

fn context(cores: u16) -> Context<'static> {
    Context {
        node: NodeId(1),
        cores,
        partitions_default: 1,
        replication_factor_default: 1,
        options: Options { check: &check, list_default: &list_default },
    }
}

/// The live image beside every record that made it.
#[derive(Default)]
struct Metadata {
    image: Image,
    records: Vec<MetadataRecord>,
    ids: u8,
    incarnation: u64,
    cores: u16,
}

impl Metadata {
    fn started(cores: u16) -> Metadata {
        let mut metadata = Metadata::default();
        metadata.start(cores);
        metadata
    }

    fn start(&mut self, cores: u16) {
        self.cores = cores;
        self.incarnation += 1;
        let outcome = self.carry_out(Instruction::StartBroker { incarnation: Incarnation(self.incarnation) });
        assert_eq!(outcome, Outcome::BrokerStarted);
    }

    fn carry_out(&mut self, instruction: Instruction) -> Outcome {
        let decision = decide(&self.image, instruction, &context(self.cores));
        for record in decision.records {
            self.image.apply(&record).unwrap();
            self.records.push(record);
        }
        decision.outcome
    }

    fn new_topic(&mut self, name: &str, partitions: i32) -> NewTopic {
        self.ids += 1;
        NewTopic {
            name: name.to_owned(),
            id: topic_id_from_random([self.ids; 16]),
            partitions,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }

    fn create(&mut self, topics: Vec<NewTopic>) -> Vec<TopicCreated> {
        match self.carry_out(Instruction::CreateTopics { topics, mode: Mode::Apply }) {
            Outcome::TopicsCreated(created) => created,
            other => panic!("{other:?}"),
        }
    }

    fn create_one(&mut self, topic: NewTopic) -> Result<CreatedTopic, Refusal> {
        self.create(vec![topic]).remove(0).result
    }

    fn named(&mut self, name: &str, partitions: i32) -> Result<CreatedTopic, Refusal> {
        let topic = self.new_topic(name, partitions);
        self.create_one(topic)
    }

    fn delete(&mut self, topics: Vec<DoomedTopic>) -> Vec<TopicDeleted> {
        match self.carry_out(Instruction::DeleteTopics(topics)) {
            Outcome::TopicsDeleted(deleted) => deleted,
            other => panic!("{other:?}"),
        }
    }

    fn grow(&mut self, name: &str, count: i32, assignments: Option<Vec<Vec<NodeId>>>) -> Result<(), Refusal> {
        let topics = vec![GrownTopic { name: name.to_owned(), count, assignments }];
        match self.carry_out(Instruction::CreatePartitions { topics, mode: Mode::Apply }) {
            Outcome::PartitionsCreated(mut grown) => grown.remove(0).result,
            other => panic!("{other:?}"),
        }
    }

    fn alter(&mut self, resource: ConfigResource, edit: ConfigEdit) -> Result<(), Refusal> {
        let resources = vec![ConfigChange { resource, edit }];
        match self.carry_out(Instruction::AlterConfigs { resources, mode: Mode::Apply }) {
            Outcome::ConfigsAltered(mut altered) => altered.remove(0).result,
            other => panic!("{other:?}"),
        }
    }

    fn loads(&self) -> Vec<usize> {
        (0..self.cores).map(|core| self.image.core_load(CoreId(core))).collect()
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (ErrorCode, String) {
    let refusal = result.unwrap_err();
    (refusal.code, refusal.message)
}

fn by_name(name: &str) -> DoomedTopic {
    DoomedTopic { name: Some(name.to_owned()), id: TopicId::ZERO }
}

fn step(key: &str, operation: ConfigOperation, value: Option<&str>) -> ConfigEdit {
    ConfigEdit::Increment(vec![ConfigStep {
        key: key.to_owned(),
        operation,
        value: value.map(str::to_owned),
    }])
}

fn orders() -> ConfigResource {
    ConfigResource::Topic("orders".to_owned())
}
