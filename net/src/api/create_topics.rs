//! CreateTopics (19), versions 0–7 (dry run: KIP-4; defaults with -1: KIP-464, from 4; the created configuration: KIP-525,
//! from 5; ids: KIP-516, from 7). The controller decides; the answer comes when every core knows the new topics, so the
//! timeout has nothing to bound.

use std::rc::Rc;

use engine::{
    base::{NodeId, PartitionIndex, TopicId},
    config::{Described, Overrides},
    controller::{Instruction, Mode, NewTopic, Outcome, TopicCreated},
    error::{ErrorCode, Refusal},
};

use super::{Api, options};
use crate::wire::{
    Text,
    create_topics::{
        CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
        CreateTopicsResponse,
    },
};

pub(super) async fn handle(api: Rc<Api>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mode = Mode::of(request.validate_only);
    let names: Vec<Text> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let topics = request.topics.into_iter().map(|topic| new_topic(topic, api.random_topic_id())).collect();
    let outcome = api.control(Instruction::CreateTopics { topics, mode }).await;
    let topics = api.node.with_image(|image| {
        respond(names, outcome, |overrides| options::of_topic(image, &api.broker, overrides))
    });
    CreateTopicsResponse { topics, ..Default::default() }
}

fn new_topic(topic: CreatableTopic, id: TopicId) -> NewTopic {
    let assignment = |assignment: crate::wire::create_topics::CreatableReplicaAssignment| {
        let replicas = assignment.broker_ids.into_iter().map(NodeId).collect();
        (PartitionIndex(assignment.partition_index), replicas)
    };
    let config = |config: crate::wire::create_topics::CreatableTopicConfig| {
        (config.name.to_string(), config.value.map(String::from))
    };
    NewTopic {
        name: topic.name.to_string(),
        id,
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic.assignments.into_iter().map(assignment).collect(),
        configs: topic.configs.into_iter().map(config).collect(),
    }
}

fn respond(
    names: Vec<Text>,
    outcome: Outcome,
    describe: impl Fn(&Overrides) -> Vec<Described>,
) -> Vec<CreatableTopicResult> {
    match outcome {
        Outcome::TopicsCreated(created) => {
            created.into_iter().map(|topic| result(topic, &describe)).collect()
        }
        Outcome::Refused(refusal) => names.into_iter().map(|name| failed(name, refusal.clone())).collect(),
        _ => {
            let refusal = Refusal::new(ErrorCode::UnknownServerError, "The controller gave another answer.");
            names.into_iter().map(|name| failed(name, refusal.clone())).collect()
        }
    }
}

fn result(created: TopicCreated, describe: &impl Fn(&Overrides) -> Vec<Described>) -> CreatableTopicResult {
    let name = Text::from(created.name);
    let topic = match created.result {
        Ok(topic) => topic,
        Err(refusal) => return failed(name, refusal),
    };
    let config = |described: Described| CreatableTopicConfigs {
        name: described.key.name.into(),
        value: described.value.map(Text::from),
        read_only: described.read_only,
        config_source: described.source.id(),
        is_sensitive: described.key.is_sensitive(),
    };
    CreatableTopicResult {
        name,
        topic_id: topic.id,
        error_message: None,
        num_partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        configs: Some(describe(&topic.overrides).into_iter().map(config).collect()),
        ..Default::default()
    }
}

fn failed(name: Text, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: refusal.code.code(),
        error_message: Some(refusal.message.into()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_whole_is_told_for_each_topic() {
        let refusal = Refusal::new(ErrorCode::NotController, "no");
        let results = respond(vec!["a".into(), "b".into()], Outcome::Refused(refusal), |_| Vec::new());
        let codes: Vec<(&str, i16)> = results.iter().map(|r| (r.name.as_str(), r.error_code)).collect();
        assert_eq!(codes, [("a", 41), ("b", 41)]);
    }
}
