//! Metadata (3), versions 0–13 (auto-creation flag: KIP-204, from 4; authorized operations: KIP-430, 8–10; topic ids:
//! KIP-516, from 10, asking by id from 12).
//!
//! Reads this core's image. Topics that are missing and may be created are created first, and are then in the answer: it
//! waits until every core knows them, so no client meets a topic without a leader. In version 0 an empty list asks for all
//! topics, later null does.

use std::rc::Rc;

use engine::{
    controller::{Image, Instruction, Mode, NewTopic, Outcome, TopicImage, is_internal},
    error::ErrorCode,
};

use super::{Api, Broker, CLUSTER_OPERATIONS, OPERATIONS_UNASKED, TOPIC_OPERATIONS};
use crate::wire::{
    Text,
    metadata::{
        MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
        MetadataResponsePartition, MetadataResponseTopic,
    },
};

pub(super) async fn handle(api: Rc<Api>, request: MetadataRequest, version: i16) -> MetadataResponse {
    let missing = api.node.with_image(|image| missing(image, &request, version));
    let mut refused = Vec::new();
    if api.broker.auto_create_topics && request.allow_auto_topic_creation && !missing.is_empty() {
        let topics = missing.into_iter().map(|name| NewTopic {
            name,
            id: api.random_topic_id(),
            partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        });
        let topics = topics.collect();
        if let Outcome::TopicsCreated(created) =
            api.control(Instruction::CreateTopics { topics, mode: Mode::Apply }).await
        {
            refused = created
                .into_iter()
                .filter_map(|topic| Some((topic.name, topic.result.err()?.code)))
                // Somebody else was faster: the topic is there.
                .filter(|(_, code)| *code != ErrorCode::TopicAlreadyExists)
                .collect();
        }
    }
    api.node.with_image(|image| respond(&api.broker, image, &request, &refused, version))
}

fn wants_all(request: &MetadataRequest, version: i16) -> bool {
    request.topics.as_ref().is_none_or(|topics| version == 0 && topics.is_empty())
}

/// Names that the request asks for and that do not exist, each once; the broker's own topics are not made this way.
fn missing(image: &Image, request: &MetadataRequest, version: i16) -> Vec<String> {
    if wants_all(request, version) {
        return Vec::new();
    }
    let asked = request.topics.iter().flatten().filter(|topic| topic.topic_id.is_zero());
    let mut names: Vec<String> = asked
        .filter_map(|topic| topic.name.as_deref())
        .filter(|name| image.topic(name).is_none() && !is_internal(name))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn respond(
    broker: &Broker,
    image: &Image,
    request: &MetadataRequest,
    refused: &[(String, ErrorCode)],
    version: i16,
) -> MetadataResponse {
    let operations =
        if request.include_topic_authorized_operations { TOPIC_OPERATIONS } else { OPERATIONS_UNASKED };
    let mut topics = Vec::new();
    if wants_all(request, version) {
        topics.extend(image.topics().map(|topic| describe(topic, operations)));
    } else {
        let asked = request.topics.iter().flatten();
        topics.extend(asked.map(|asked| find(image, asked, refused, operations, version)));
    }
    let cluster_operations =
        if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { OPERATIONS_UNASKED };
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: broker.node.0,
            host: broker.host.clone(),
            port: i32::from(broker.port),
            rack: broker.rack.clone(),
        }],
        cluster_id: Some(broker.cluster_id.clone()),
        controller_id: broker.node.0,
        topics,
        cluster_authorized_operations: cluster_operations,
        ..Default::default()
    }
}

fn find(
    image: &Image,
    asked: &MetadataRequestTopic,
    refused: &[(String, ErrorCode)],
    operations: i32,
    version: i16,
) -> MetadataResponseTopic {
    let failed = |error: ErrorCode| MetadataResponseTopic {
        error_code: error.code(),
        // Null only where the version knows it.
        name: asked.name.clone().or((version < 12).then(Text::default)),
        topic_id: asked.topic_id,
        is_internal: asked.name.as_deref().is_some_and(is_internal),
        ..Default::default()
    };
    match (&asked.name, asked.topic_id.is_zero()) {
        (Some(name), true) => match image.topic(name) {
            Some(topic) => describe(topic, operations),
            None => failed(
                refused
                    .iter()
                    .find(|(refused, _)| **name == **refused)
                    .map_or(ErrorCode::UnknownTopicOrPartition, |(_, code)| *code),
            ),
        },
        (_, false) if version >= 12 => match image.topic_by_id(asked.topic_id) {
            Some(topic) => describe(topic, operations),
            None => MetadataResponseTopic { name: None, ..failed(ErrorCode::UnknownTopicId) },
        },
        // Neither name nor id, or an id where the version cannot ask by it.
        _ => failed(ErrorCode::InvalidRequest),
    }
}

fn describe(topic: &TopicImage, operations: i32) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().enumerate().map(|(index, partition)| {
        let error = if partition.leader.0 < 0 { ErrorCode::LeaderNotAvailable } else { ErrorCode::None };
        MetadataResponsePartition {
            error_code: error.code(),
            // As many partitions as an i32 counts: the controller's limit is far below.
            partition_index: index as i32,
            leader_id: partition.leader.0,
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: partition.replicas.iter().map(|node| node.0).collect(),
            isr_nodes: partition.isr.iter().map(|node| node.0).collect(),
            offline_replicas: Vec::new(),
        }
    });
    MetadataResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(Text::from(&*topic.name)),
        topic_id: topic.id,
        is_internal: topic.internal,
        partitions: partitions.collect(),
        topic_authorized_operations: operations,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::broker;
    use engine::base::TopicId;

    fn asked(name: Option<&str>, id: TopicId) -> MetadataRequestTopic {
        MetadataRequestTopic { topic_id: id, name: name.map(Text::from) }
    }

    fn request(topics: Option<Vec<MetadataRequestTopic>>) -> MetadataRequest {
        MetadataRequest { topics, ..Default::default() }
    }

    #[test]
    fn an_empty_list_asks_for_all_topics_in_version_0_and_for_none_later() {
        assert!(wants_all(&request(Some(vec![])), 0));
        assert!(!wants_all(&request(Some(vec![])), 1));
        assert!(wants_all(&request(None), 1));
    }

    #[test]
    fn a_missing_name_is_created_once_and_an_internal_one_never() {
        let names = ["b", "a", "b", "__consumer_offsets"];
        let topics = names.iter().map(|name| asked(Some(name), TopicId::ZERO)).collect();
        assert_eq!(missing(&Image::default(), &request(Some(topics)), 9), ["a", "b"]);
    }

    #[test]
    fn each_topic_has_an_error_of_its_own() {
        let topics = vec![
            asked(Some("a"), TopicId::ZERO),
            asked(Some("bad name"), TopicId::ZERO),
            asked(None, TopicId([7; 16])),
            asked(None, TopicId::ZERO),
        ];
        let refused = [("bad name".to_owned(), ErrorCode::InvalidTopicException)];
        let response = respond(&broker(), &Image::default(), &request(Some(topics)), &refused, 12);
        let codes: Vec<i16> = response.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [3, 17, 100, 42]);
        assert_eq!(response.topics[2].name, None);
        assert_eq!((response.brokers[0].port, response.controller_id), (9092, 1));
    }
}
