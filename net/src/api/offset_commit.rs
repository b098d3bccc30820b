//! OffsetCommit (8), versions 2–10 (retention time 2–4; leader epoch: KIP-320, from 6; static members: KIP-345, from 7; members of
//! both protocols: KIP-848, from 9; topics by id from 10).
//!
//! Partitions that there are not are refused here, the rest by the group's coordinator; answered when durable.

use std::rc::Rc;

use engine::{
    base::{PartitionIndex, TopicId},
    controller::{Image, TopicImage},
    error::ErrorCode,
    group::request::{Commit, CommitPartition, CommitTopic, Reply, Request, TopicCodes},
};

use super::{
    Api,
    groups::{ask, owned},
};
use crate::wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};

pub(super) async fn handle(api: Rc<Api>, request: OffsetCommitRequest, version: i16) -> OffsetCommitResponse {
    let (topics, refused) = api.node.with_image(|image| split(image, &request, version));
    let codes = if topics.is_empty() {
        Vec::new()
    } else {
        let commit = Commit {
            group: request.group_id.to_string(),
            generation: request.generation_id_or_member_epoch,
            member: request.member_id.to_string(),
            instance: owned(request.group_instance_id.as_ref()),
            retention_ms: (request.retention_time_ms >= 0).then_some(request.retention_time_ms),
            topics,
            version,
        };
        // The coordinator answers as much as it was asked; without it every partition has the same error.
        match ask(&api, &request.group_id, Request::Commit(commit)).await {
            Ok(Reply::Committed(codes)) => codes,
            Ok(_) => return respond(request, refused, &[], ErrorCode::UnknownServerError),
            Err(error) => return respond(request, refused, &[], error),
        }
    };
    respond(request, refused, &codes, ErrorCode::UnknownServerError)
}

fn find<'a>(image: &'a Image, topic: &OffsetCommitRequestTopic, version: i16) -> Option<&'a TopicImage> {
    let found = if version < 10 { image.topic(&topic.name) } else { image.topic_by_id(topic.topic_id) };
    found.map(|topic| &**topic)
}

/// What the coordinator shall commit, and for each partition asked a refusal, if it gets one here.
fn split(
    image: &Image,
    request: &OffsetCommitRequest,
    version: i16,
) -> (Vec<CommitTopic>, Vec<Option<ErrorCode>>) {
    let mut topics = Vec::new();
    let mut refused = Vec::new();
    for topic in &request.topics {
        let found = find(image, topic, version);
        let unknown =
            if version < 10 { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::UnknownTopicId };
        let mut partitions = Vec::new();
        for part in &topic.partitions {
            let partition = PartitionIndex(part.partition_index);
            let refusal = match found {
                None => Some(unknown),
                Some(topic) if topic.partition(partition).is_none() => {
                    Some(ErrorCode::UnknownTopicOrPartition)
                }
                Some(_) => None,
            };
            refused.push(refusal);
            if refusal.is_none() {
                partitions.push(CommitPartition {
                    partition,
                    offset: part.committed_offset,
                    leader_epoch: part.committed_leader_epoch,
                    metadata: owned(part.committed_metadata.as_ref()),
                });
            }
        }
        if !partitions.is_empty() {
            let name = found.map_or_else(String::new, |topic| topic.name.to_string());
            let id = found.map_or(TopicId::ZERO, |topic| topic.id);
            topics.push(CommitTopic { name, id, partitions });
        }
    }
    (topics, refused)
}

fn respond(
    request: OffsetCommitRequest,
    refused: Vec<Option<ErrorCode>>,
    codes: &[TopicCodes],
    otherwise: ErrorCode,
) -> OffsetCommitResponse {
    let mut committed = codes.iter().flat_map(|topic| topic.partitions.iter().map(|(_, code)| *code));
    let mut refused = refused.into_iter();
    let mut code = || match refused.next().flatten() {
        Some(refusal) => refusal,
        None => committed.next().unwrap_or(otherwise),
    };
    let topics = request.topics.into_iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|part| OffsetCommitResponsePartition {
                partition_index: part.partition_index,
                error_code: code().code(),
            })
            .collect(),
    });
    OffsetCommitResponse { topics: topics.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::offset_commit::OffsetCommitRequestPartition;

    #[test]
    fn refusals_and_codes_meet_their_partitions_again() {
        let part = |index| OffsetCommitRequestPartition { partition_index: index, ..Default::default() };
        let topic = |name: &str| OffsetCommitRequestTopic {
            name: name.into(),
            partitions: vec![part(0), part(1)],
            ..Default::default()
        };
        let request = OffsetCommitRequest { topics: vec![topic("a"), topic("b")], ..Default::default() };
        let unknown = Some(ErrorCode::UnknownTopicOrPartition);
        let codes = |name: &str, codes: &[ErrorCode]| TopicCodes {
            name: name.to_owned(),
            partitions: codes.iter().map(|code| (PartitionIndex(9), *code)).collect(),
        };
        let answered = [codes("a", &[ErrorCode::None]), codes("b", &[ErrorCode::OffsetMetadataTooLarge])];
        let refused = vec![None, unknown, unknown, None];
        let response = respond(request, refused, &answered, ErrorCode::UnknownServerError);
        let codes: Vec<i16> = response
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|part| part.error_code))
            .collect();
        assert_eq!(codes, [0, 3, 3, 12]);
    }

    #[test]
    fn a_topic_that_there_is_not_is_refused_by_name_and_by_id() {
        let topic = OffsetCommitRequestTopic {
            name: "a".into(),
            partitions: vec![OffsetCommitRequestPartition::default()],
            ..Default::default()
        };
        let request = OffsetCommitRequest { topics: vec![topic], ..Default::default() };
        let refused = |version| split(&Image::default(), &request, version).1;
        assert_eq!(refused(9), [Some(ErrorCode::UnknownTopicOrPartition)]);
        assert_eq!(refused(10), [Some(ErrorCode::UnknownTopicId)]);
    }
}
