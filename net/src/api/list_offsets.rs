//! ListOffsets (2), versions 0–11: largest timestamp (KIP-734, from 7), earliest local (KIP-405, from 8), latest tiered
//! (KIP-1005, from 9), earliest pending upload (KIP-1023, from 11); the reader's leader epoch (KIP-320, from 4).
//!
//! Version 0 answers with a list of at most one offset. Nothing is tiered here: local is all, tiered is nothing. The
//! timeout of version 10 concerns remote storage and has nothing to bound. Read committed sees what read uncommitted sees
//! until transactions exist.

use std::{collections::HashSet, rc::Rc};

use engine::{
    base::{CoreId, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicPartition},
    controller::Image,
    error::ErrorCode,
    shard::command::{Command, OffsetAnswer, OffsetQuery, OffsetSpec, Reply},
};

use super::{Api, split::Split};
use crate::{
    conn::Answer,
    wire::{
        Text,
        list_offsets::{
            ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
            ListOffsetsTopicResponse,
        },
    },
};

/// What is known before any core is asked.
enum Asked {
    Core(CoreId, OffsetQuery),
    Answered(OffsetAnswer),
}

pub(super) async fn handle(
    api: Rc<Api>,
    request: ListOffsetsRequest,
    version: i16,
    correlation: i32,
) -> Answer {
    let mut split = Split::default();
    let mut answered = Vec::new();
    api.node.with_image(|image| {
        let mut seen = HashSet::new();
        for topic in &request.topics {
            for partition in &topic.partitions {
                let repeated = !seen.insert((&topic.name, partition.partition_index));
                match ask(image, &topic.name, partition, version) {
                    _ if repeated => {
                        split.skip();
                        answered.push(Some(failed(ErrorCode::InvalidRequest)));
                    }
                    Asked::Core(core, query) => {
                        split.push(core, query);
                        answered.push(None);
                    }
                    Asked::Answered(answer) => {
                        split.skip();
                        answered.push(Some(answer));
                    }
                }
            }
        }
    });
    let (groups, order) = split.take();
    let calls: Vec<_> = groups
        .into_iter()
        .map(|(core, queries)| api.node.call(core, Command::ListOffsets(queries)))
        .collect();
    let mut listed = Vec::with_capacity(calls.len());
    for call in calls {
        let Reply::OffsetsListed(answers) = call.await else {
            unreachable!("a ListOffsets is answered with OffsetsListed")
        };
        listed.push(answers);
    }
    let answers = order.restore(listed).zip(answered).map(|(listed, answered)| {
        listed.or(answered).unwrap_or_else(|| failed(ErrorCode::UnknownServerError))
    });
    super::reply(&respond(request, answers, version), version, correlation)
}

fn ask(image: &Image, name: &str, partition: &ListOffsetsPartition, version: i16) -> Asked {
    let index = PartitionIndex(partition.partition_index);
    let Some(topic) = image.topic(name) else {
        return Asked::Answered(failed(ErrorCode::UnknownTopicOrPartition));
    };
    let Some(found) = topic.partition(index) else {
        return Asked::Answered(failed(ErrorCode::UnknownTopicOrPartition));
    };
    let (spec, since) = match partition.timestamp {
        -1 => (OffsetSpec::Latest, 0),
        -2 => (OffsetSpec::Earliest, 0),
        -3 => (OffsetSpec::MaxTimestamp, 7),
        -4 => (OffsetSpec::EarliestLocal, 8),
        -5 => (OffsetSpec::LatestTiered, 9),
        // Nothing waits to be uploaded.
        -6 if version >= 11 => return Asked::Answered(failed(ErrorCode::None)),
        at if at >= 0 => (OffsetSpec::At(Timestamp(at)), 0),
        _ => return Asked::Answered(failed(ErrorCode::UnsupportedVersion)),
    };
    if version < since {
        return Asked::Answered(failed(ErrorCode::UnsupportedVersion));
    }
    let epoch = partition.current_leader_epoch;
    let leader_epoch = (epoch >= 0).then_some(LeaderEpoch(epoch));
    let partition = TopicPartition { topic: topic.id, partition: index };
    Asked::Core(found.core, OffsetQuery { partition, spec, leader_epoch })
}

/// No offset; with `ErrorCode::None`, that there is none.
fn failed(error: ErrorCode) -> OffsetAnswer {
    OffsetAnswer { error, offset: Offset(-1), timestamp: Timestamp::NONE, leader_epoch: LeaderEpoch(-1) }
}

fn respond(
    request: ListOffsetsRequest,
    mut answers: impl Iterator<Item = OffsetAnswer>,
    version: i16,
) -> ListOffsetsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let partitions = topic.partitions.iter().zip(&mut answers).map(|(asked, answer)| {
            let mut response = ListOffsetsPartitionResponse {
                partition_index: asked.partition_index,
                error_code: answer.error.code(),
                ..Default::default()
            };
            if version == 0 {
                let wanted = asked.max_num_offsets > 0 && answer.offset.0 >= 0;
                response.old_style_offsets = if wanted { vec![answer.offset.0] } else { Vec::new() };
            } else {
                response.timestamp = answer.timestamp.0;
                response.offset = answer.offset.0;
                response.leader_epoch = if version >= 4 { answer.leader_epoch.0 } else { -1 };
            }
            response
        });
        let name: Text = topic.name;
        topics.push(ListOffsetsTopicResponse { name, partitions: partitions.collect() });
    }
    ListOffsetsResponse { topics, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::list_offsets::ListOffsetsTopic;

    fn request(timestamps: &[i64]) -> ListOffsetsRequest {
        let partition = |(index, timestamp): (usize, &i64)| ListOffsetsPartition {
            partition_index: index as i32,
            timestamp: *timestamp,
            ..Default::default()
        };
        let partitions = timestamps.iter().enumerate().map(partition).collect();
        let topic = ListOffsetsTopic { name: "orders".into(), partitions };
        ListOffsetsRequest { topics: vec![topic], ..Default::default() }
    }

    #[test]
    fn answers_keep_the_order_of_the_request() {
        let answer = |offset| OffsetAnswer { offset: Offset(offset), ..failed(ErrorCode::None) };
        let response = respond(request(&[-1, -2]), [answer(7), answer(3)].into_iter(), 5);
        let offsets: Vec<i64> = response.topics[0].partitions.iter().map(|p| p.offset).collect();
        assert_eq!(offsets, [7, 3]);
    }

    #[test]
    fn version_0_answers_with_a_list() {
        let answer = |offset| OffsetAnswer { offset: Offset(offset), ..failed(ErrorCode::None) };
        let response = respond(request(&[-1, 5]), [answer(7), answer(-1)].into_iter(), 0);
        let lists: Vec<_> = response.topics[0].partitions.iter().map(|p| &p.old_style_offsets).collect();
        assert_eq!(lists, [&vec![7], &vec![]]);
    }

    #[test]
    fn an_unknown_topic_is_answered_without_asking_a_core() {
        let asked = ask(&Image::default(), "orders", &ListOffsetsPartition::default(), 5);
        let Asked::Answered(answer) = asked else { panic!("a core was asked") };
        assert_eq!(answer.error, ErrorCode::UnknownTopicOrPartition);
    }
}
