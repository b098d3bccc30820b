//! OffsetFetch (9), versions 1–10 (all topics from 2; stable offsets only: KIP-447, from 7; many groups: KIP-709, from 8; members of
//! both protocols: KIP-848, from 9; topics by id from 10).
//!
//! What is told is durable. No transaction makes an offset unstable yet, so `require_stable` changes nothing.

use std::rc::Rc;

use engine::{
    base::{PartitionIndex, TopicId},
    controller::Image,
    error::ErrorCode,
    group::request::{OffsetFound, OffsetsFound, OffsetsWanted, Reply, Request, TopicFound, TopicWanted},
};

use super::{
    Api,
    groups::{ask_core, core_of, owned},
    split::Split,
};
use crate::wire::{
    Text,
    offset_fetch::{
        OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
        OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
        OffsetFetchResponseTopics,
    },
};

pub(super) async fn handle(api: Rc<Api>, request: OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    let wanted = api.node.with_image(|image| wanted(image, &request, version));
    let mut split = Split::default();
    api.node.with_image(|image| {
        for group in &wanted {
            match core_of(image, &group.group) {
                Some(core) => split.push(core, group.clone()),
                None => split.skip(),
            }
        }
    });
    let (parts, order) = split.take();
    let mut found = Vec::with_capacity(parts.len());
    for (core, groups) in parts {
        found.push(match ask_core(&api, core, Request::FetchOffsets(groups)).await {
            Ok(Reply::OffsetsFetched(groups)) => groups,
            _ => Vec::new(),
        });
    }
    let found = order.restore(found).zip(&wanted).map(|(found, wanted)| {
        found.unwrap_or_else(|| refused(wanted.group.clone(), ErrorCode::NotCoordinator))
    });
    let found: Vec<OffsetsFound> = found.collect();
    if version < 8 {
        let found = found.into_iter().next();
        return one(
            found.unwrap_or_else(|| refused(String::new(), ErrorCode::UnknownServerError)),
            &wanted,
            version,
        );
    }
    let groups = api.node.with_image(|image| {
        let groups = found.into_iter().zip(&request.groups);
        groups.map(|(found, asked)| many(image, found, asked, version)).collect()
    });
    OffsetFetchResponse { groups, ..Default::default() }
}

fn refused(group: String, error: ErrorCode) -> OffsetsFound {
    OffsetsFound { group, error, topics: Vec::new() }
}

fn indexes(indexes: &[i32]) -> Vec<PartitionIndex> {
    indexes.iter().copied().map(PartitionIndex).collect()
}

fn wanted(image: &Image, request: &OffsetFetchRequest, version: i16) -> Vec<OffsetsWanted> {
    let by_name = |name: &Text, partitions: &[i32]| TopicWanted {
        name: name.to_string(),
        id: image.topic(name).map_or(TopicId::ZERO, |topic| topic.id),
        partitions: indexes(partitions),
    };
    if version < 8 {
        let topics = request.topics.as_ref().map(|topics| {
            topics.iter().map(|topic| by_name(&topic.name, &topic.partition_indexes)).collect()
        });
        let group = request.group_id.to_string();
        return vec![OffsetsWanted { group, member: None, member_epoch: -1, topics }];
    }
    let of_group = |group: &OffsetFetchRequestGroup| {
        let topics = group.topics.as_ref().map(|topics| {
            let topic = |topic: &crate::wire::offset_fetch::OffsetFetchRequestTopics| {
                if version < 10 {
                    return Some(by_name(&topic.name, &topic.partition_indexes));
                }
                // What has no such id is answered without the coordinator.
                let name = image.topic_by_id(topic.topic_id)?.name.to_string();
                let partitions = indexes(&topic.partition_indexes);
                Some(TopicWanted { name, id: topic.topic_id, partitions })
            };
            topics.iter().filter_map(topic).collect()
        });
        OffsetsWanted {
            group: group.group_id.to_string(),
            member: owned(group.member_id.as_ref()),
            member_epoch: group.member_epoch,
            topics,
        }
    };
    request.groups.iter().map(of_group).collect()
}

/// Versions 1–7. Version 1 has no place for an error but at the partitions.
fn one(found: OffsetsFound, wanted: &[OffsetsWanted], version: i16) -> OffsetFetchResponse {
    let partition = |found: OffsetFound| OffsetFetchResponsePartition {
        partition_index: found.partition.0,
        committed_offset: found.offset,
        committed_leader_epoch: found.leader_epoch,
        metadata: Some(Text::from(&*found.metadata)),
        error_code: found.error.code(),
    };
    if version < 2 && found.error != ErrorCode::None {
        let asked = wanted.iter().flat_map(|group| group.topics.iter().flatten());
        let topics = asked.map(|topic| OffsetFetchResponseTopic {
            name: Text::from(&topic.name),
            partitions: topic.partitions.iter().map(|at| partition(nothing(*at, found.error))).collect(),
        });
        return OffsetFetchResponse { topics: topics.collect(), ..Default::default() };
    }
    let topics = found.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name.into(),
        partitions: topic.partitions.into_iter().map(partition).collect(),
    });
    OffsetFetchResponse { topics: topics.collect(), error_code: found.error.code(), ..Default::default() }
}

fn nothing(partition: PartitionIndex, error: ErrorCode) -> OffsetFound {
    OffsetFound { partition, offset: -1, leader_epoch: -1, metadata: "".into(), error }
}

/// From version 8 on.
fn many(
    image: &Image,
    found: OffsetsFound,
    asked: &OffsetFetchRequestGroup,
    version: i16,
) -> OffsetFetchResponseGroup {
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::with_capacity(found.topics.len());
    let is_refused = found.error != ErrorCode::None;
    let mut known = found.topics.into_iter();
    match &asked.topics {
        Some(asked) if version >= 10 && !is_refused => {
            for topic in asked {
                let unknown = image.topic_by_id(topic.topic_id).is_none();
                let answered = if unknown { None } else { known.next() };
                topics.push(answered.map_or_else(
                    || {
                        OffsetFetchResponseTopics {
                            topic_id: topic.topic_id,
                            partitions: indexes(&topic.partition_indexes)
                                .into_iter()
                                .map(|at| partition(nothing(at, ErrorCode::UnknownTopicId)))
                                .collect(),
                            ..Default::default()
                        }
                    },
                    |found| told(topic.topic_id, found),
                ));
            }
        }
        _ => {
            for topic in known {
                // A topic that is gone has no id to be told by.
                match image.topic(&topic.name).map_or(TopicId::ZERO, |topic| topic.id) {
                    TopicId::ZERO if version >= 10 => {}
                    id => topics.push(told(id, topic)),
                }
            }
        }
    }
    OffsetFetchResponseGroup { group_id: asked.group_id.clone(), topics, error_code: found.error.code() }
}

fn told(id: TopicId, topic: TopicFound) -> OffsetFetchResponseTopics {
    OffsetFetchResponseTopics {
        name: topic.name.into(),
        topic_id: id,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    }
}

fn partition(found: OffsetFound) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: found.partition.0,
        committed_offset: found.offset,
        committed_leader_epoch: found.leader_epoch,
        metadata: Some(Text::from(&*found.metadata)),
        error_code: found.error.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_tells_an_error_at_each_partition_and_later_ones_once() {
        let topics = vec![TopicWanted {
            name: "t".to_owned(),
            id: TopicId::ZERO,
            partitions: vec![PartitionIndex(3)],
        }];
        let wanted =
            OffsetsWanted { group: "g".to_owned(), member: None, member_epoch: -1, topics: Some(topics) };
        let failed = || refused("g".to_owned(), ErrorCode::NotCoordinator);
        let first = one(failed(), std::slice::from_ref(&wanted), 1);
        assert_eq!((first.error_code, first.topics[0].partitions[0].error_code), (0, 16));
        let second = one(failed(), &[wanted], 2);
        assert_eq!((second.error_code, second.topics.len()), (16, 0));
    }

    #[test]
    fn an_unknown_topic_id_is_told_at_its_partitions() {
        let asked = OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: Some(vec![crate::wire::offset_fetch::OffsetFetchRequestTopics {
                topic_id: TopicId([7; 16]),
                partition_indexes: vec![0],
                ..Default::default()
            }]),
            ..Default::default()
        };
        let none = OffsetsFound { group: "g".to_owned(), error: ErrorCode::None, topics: Vec::new() };
        let group = many(&Image::default(), none, &asked, 10);
        assert_eq!((group.error_code, group.topics[0].partitions[0].error_code), (0, 100));
    }
}
