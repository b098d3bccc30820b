//! A Fetch request as a list of partitions: what a session remembers of it, what is asked of the cores, and the topics of a
//! response put together again. Pure.

use engine::base::TopicId;

use crate::wire::{
    Text,
    fetch::{FetchRequest, FetchableTopicResponse, PartitionData},
};

/// How a version names topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    ByName,
    ById,
}

impl Named {
    pub(super) fn of(version: i16) -> Named {
        if version >= 13 { Named::ById } else { Named::ByName }
    }
}

/// One partition of a Fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Empty where topics are named by id.
    pub topic: Text,
    pub topic_id: TopicId,
    pub partition: i32,
    pub offset: i64,
    pub bytes_max: i32,
    /// -1: not checked.
    pub leader_epoch: i32,
}

/// The partitions that a request names.
pub(super) fn of(request: &FetchRequest) -> Vec<Part> {
    let topics = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| Part {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partition: partition.partition,
            offset: partition.fetch_offset,
            bytes_max: partition.partition_max_bytes,
            leader_epoch: partition.current_leader_epoch,
        })
    });
    topics.collect()
}

/// The partitions that a request no longer wants.
pub(super) fn forgotten(request: &FetchRequest) -> Vec<Part> {
    let topics = request.forgotten_topics_data.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| Part {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partition: *partition,
            ..Part::default()
        })
    });
    topics.collect()
}

/// Neighbours of one topic become one topic again.
pub(super) fn by_topic(answers: impl Iterator<Item = (Part, PartitionData)>) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    for (part, data) in answers {
        match topics.last_mut() {
            Some(last) if last.topic_id == part.topic_id && last.topic == part.topic => {
                last.partitions.push(data);
            }
            _ => topics.push(FetchableTopicResponse {
                topic: part.topic,
                topic_id: part.topic_id,
                partitions: vec![data],
            }),
        }
    }
    topics
}
