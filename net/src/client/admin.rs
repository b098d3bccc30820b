//! Topics made and removed, and producer ids. Any broker takes these; one that is not the controller passes them on.

use engine::base::{ProducerEpoch, ProducerId, TopicId};

use super::cluster::Client;
use super::configs::Intent;
use super::error::ClientError;
use crate::wire::Text;
use crate::wire::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use crate::wire::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest};
use crate::wire::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use crate::wire::init_producer_id::InitProducerIdRequest;

/// The first version that names topics to delete in structures of their own.
const DELETE_BY_STATE: i16 = 6;

#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    pub name: String,
    /// -1 is the broker's default.
    pub partitions: i32,
    /// -1 is the broker's default.
    pub replication_factor: i16,
    pub configs: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// Zero from a broker older than topic ids.
    pub id: TopicId,
    /// -1 from a broker that does not tell.
    pub partitions: i32,
    pub replication_factor: i16,
}

impl Client {
    pub fn create_topic(&mut self, topic: &NewTopic) -> Result<Created, ClientError> {
        let configs = topic.configs.iter().map(|(name, value)| CreatableTopicConfig {
            name: Text::from(name),
            value: Some(Text::from(value)),
        });
        let creatable = CreatableTopic {
            name: Text::from(&topic.name),
            num_partitions: topic.partitions,
            replication_factor: topic.replication_factor,
            assignments: Vec::new(),
            configs: configs.collect(),
        };
        let timeout_ms = self.timeout_ms();
        let request =
            CreateTopicsRequest { topics: vec![creatable], timeout_ms, ..CreateTopicsRequest::default() };
        // Not retried: after a lost answer the topic may exist, and "already exists" would mislead.
        let answer = self.call_any(&request)?;
        let found = answer.topics.first().ok_or_else(|| missing("CreateTopics", &topic.name))?;
        ClientError::check(found.error_code, found.error_message.as_deref(), || {
            format!("creating topic {}", topic.name)
        })?;
        Ok(Created {
            id: found.topic_id,
            partitions: found.num_partitions,
            replication_factor: found.replication_factor,
        })
    }

    pub fn delete_topic(&mut self, name: &str) -> Result<(), ClientError> {
        let timeout_ms = self.timeout_ms();
        let by_state = self.any()?.version::<DeleteTopicsRequest>()? >= DELETE_BY_STATE;
        let state = DeleteTopicState { name: Some(Text::from(name)), topic_id: TopicId::ZERO };
        let request = DeleteTopicsRequest {
            topics: if by_state { vec![state] } else { Vec::new() },
            topic_names: if by_state { Vec::new() } else { vec![Text::from(name)] },
            timeout_ms,
        };
        let answer = self.call_any(&request)?;
        self.forget(name);
        let found = answer.responses.first().ok_or_else(|| missing("DeleteTopics", name))?;
        ClientError::check(found.error_code, found.error_message.as_deref(), || {
            format!("deleting topic {name}")
        })
    }

    /// Adds partitions, up to `count` in all; the broker says where they go. Not retried, as a creation is not.
    pub fn create_partitions(&mut self, name: &str, count: i32, intent: Intent) -> Result<(), ClientError> {
        let topic = CreatePartitionsTopic { name: Text::from(name), count, assignments: None };
        let (timeout_ms, validate_only) = (self.timeout_ms(), intent.is_validation());
        let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms, validate_only };
        let answer = self.call_any(&request)?;
        self.forget(name);
        let found = answer.results.first().ok_or_else(|| missing("CreatePartitions", name))?;
        ClientError::check(found.error_code, found.error_message.as_deref(), || {
            format!("adding partitions to topic {name}")
        })
    }

    /// An id for an idempotent producer; none from a broker that does not know them.
    pub(super) fn init_producer_id(&mut self) -> Result<Option<(ProducerId, ProducerEpoch)>, ClientError> {
        self.retrying(|client| {
            let request = InitProducerIdRequest {
                transactional_id: None,
                transaction_timeout_ms: i32::MAX,
                ..InitProducerIdRequest::default()
            };
            let answer = match client.call_any(&request) {
                Err(ClientError::NoCommonVersion { .. }) => return Ok(None),
                answer => answer?,
            };
            ClientError::check(answer.error_code, None, || "asking for a producer id".to_owned())?;
            Ok(Some((ProducerId(answer.producer_id), ProducerEpoch(answer.producer_epoch))))
        })
    }

    /// What a broker may take for a request that it answers when done: less than we wait for the answer.
    pub(super) fn timeout_ms(&self) -> i32 {
        let ms = self.options().timeout.as_millis() * 3 / 4;
        i32::try_from(ms).unwrap_or(i32::MAX)
    }
}

fn missing(operation: &'static str, topic: &str) -> ClientError {
    ClientError::Incomplete { operation, what: format!("topic {topic}") }
}
