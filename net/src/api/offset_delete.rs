//! OffsetDelete (47), version 0 (KIP-496): a group forgets offsets, unless a member reads the topic. Answered when durable.

use std::rc::Rc;

use engine::{
    base::PartitionIndex,
    controller::Image,
    error::ErrorCode,
    group::request::{OffsetsDoomed, Reply, Request, TopicCodes},
};

use super::{Api, groups::ask};
use crate::wire::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
};

pub(super) async fn handle(api: Rc<Api>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let (doomed, known) = api.node.with_image(|image| split(image, &request));
    let topics = doomed.clone();
    let asked = Request::DeleteOffsets(OffsetsDoomed { group: request.group_id.to_string(), topics });
    match ask(&api, &request.group_id, asked).await {
        Ok(Reply::OffsetsDeleted(Ok(codes))) => {
            OffsetDeleteResponse { topics: respond(request.topics, &known, codes), ..Default::default() }
        }
        Ok(Reply::OffsetsDeleted(Err(error))) | Err(error) => {
            OffsetDeleteResponse { error_code: error.code(), ..Default::default() }
        }
        Ok(_) => {
            OffsetDeleteResponse { error_code: ErrorCode::UnknownServerError.code(), ..Default::default() }
        }
    }
}

type Doomed = Vec<(String, Vec<PartitionIndex>)>;

/// The partitions that there are, and for each asked whether it is one.
fn split(image: &Image, request: &OffsetDeleteRequest) -> (Doomed, Vec<bool>) {
    let (mut doomed, mut known) = (Vec::new(), Vec::new());
    for topic in &request.topics {
        let found = image.topic(&topic.name);
        let mut partitions = Vec::new();
        for part in &topic.partitions {
            let partition = PartitionIndex(part.partition_index);
            let exists = found.is_some_and(|topic| topic.partition(partition).is_some());
            known.push(exists);
            if exists {
                partitions.push(partition);
            }
        }
        doomed.push((topic.name.to_string(), partitions));
    }
    (doomed, known)
}

fn respond(
    asked: Vec<OffsetDeleteRequestTopic>,
    known: &[bool],
    codes: Vec<TopicCodes>,
) -> Vec<OffsetDeleteResponseTopic> {
    let mut codes = codes.into_iter().flat_map(|topic| topic.partitions).map(|(_, code)| code);
    let mut known = known.iter();
    let mut topics = Vec::with_capacity(asked.len());
    for topic in asked {
        let partitions = topic.partitions.iter().map(|part| {
            let code = match known.next() {
                Some(true) => codes.next().unwrap_or(ErrorCode::UnknownServerError),
                _ => ErrorCode::UnknownTopicOrPartition,
            };
            OffsetDeleteResponsePartition { partition_index: part.partition_index, error_code: code.code() }
        });
        topics.push(OffsetDeleteResponseTopic { partitions: partitions.collect(), name: topic.name });
    }
    topics
}
