//! What is wrong with a metadata record: with its bytes (`RecordError`), or with its place in the log (`ApplyError`).
//! Both mean that the metadata log cannot be followed, and are reported, never skipped: a later record may rest on it.

use crate::base::{NodeId, PartitionIndex, ProducerId, TopicId};

/// Bytes that are no record this version of Corelog can follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error(
        "metadata record of unknown type {kind} (version {version}): written by a newer version of Corelog; start \
         that version, or a newer one"
    )]
    UnknownType { kind: u8, version: u8 },
    #[error(
        "metadata record {kind} of unknown version {version}: written by a newer version of Corelog; start that \
         version, or a newer one"
    )]
    UnknownVersion { kind: &'static str, version: u8 },
    #[error("metadata record {kind} is damaged: {reason}")]
    Damaged { kind: &'static str, reason: &'static str },
}

/// A record that does not fit the image it is applied to; the image is left as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("metadata names topic {0}, which does not exist")]
    UnknownTopic(TopicId),
    #[error("metadata names topic {0}, which does not exist")]
    UnknownTopicName(String),
    #[error("metadata creates topic {name} ({id}), but its name or its id is taken")]
    TopicExists { name: String, id: TopicId },
    #[error("metadata names partition {partition} of topic {topic}, which has {count}")]
    UnknownPartition { topic: TopicId, partition: PartitionIndex, count: usize },
    #[error("metadata gives partition {partition} of topic {topic} an epoch that is older than its own")]
    OldEpoch { topic: TopicId, partition: PartitionIndex },
    #[error(
        "metadata starts broker {node} with an incarnation or core count that cannot follow its last one"
    )]
    BrokerOutOfOrder { node: NodeId },
    #[error("metadata takes producer ids back: up to {next} after {current}")]
    ProducerIdsBack { current: ProducerId, next: ProducerId },
}
