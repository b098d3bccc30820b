//! OffsetForLeaderEpoch (23), versions 0–4 (KIP-101; the asker's own epoch: KIP-320, from 2): where a leader epoch ended, so
//! that a consumer learns after a change of leaders whether what it has read is still in the log.

use std::rc::Rc;

use engine::{
    base::{CoreId, LeaderEpoch, Offset, PartitionIndex, TopicPartition},
    controller::Image,
    error::ErrorCode,
    shard::{
        command::{Command, Reply},
        inspect::{EpochEnd, EpochQuery, Inspect, Inspected},
    },
};

use super::{Api, split::Split};
use crate::wire::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};

pub(super) async fn handle(
    api: Rc<Api>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut split = Split::default();
    api.node.with_image(|image| {
        for topic in &request.topics {
            for partition in &topic.partitions {
                match query(image, &topic.topic, partition) {
                    Some((core, query)) => split.push(core, query),
                    None => split.skip(),
                }
            }
        }
    });
    let (groups, order) = split.take();
    let calls: Vec<_> = groups
        .into_iter()
        .map(|(core, queries)| api.node.call(core, Command::Inspect(Inspect::EpochEnds(queries))))
        .collect();
    let mut ends = Vec::with_capacity(calls.len());
    for call in calls {
        match call.await {
            Reply::Inspected(Inspected::EpochEnds(answers)) => ends.push(answers),
            _ => unreachable!("EpochEnds is answered with EpochEnds"),
        }
    }
    respond(request, order.restore(ends))
}

fn query(image: &Image, topic: &str, asked: &OffsetForLeaderPartition) -> Option<(CoreId, EpochQuery)> {
    let partition = PartitionIndex(asked.partition);
    let topic = image.topic(topic)?;
    let query = EpochQuery {
        partition: TopicPartition { topic: topic.id, partition },
        current: (asked.current_leader_epoch >= 0).then_some(LeaderEpoch(asked.current_leader_epoch)),
        wanted: LeaderEpoch(asked.leader_epoch),
    };
    Some((topic.partition(partition)?.core, query))
}

/// What no core was asked about does not exist.
fn respond(
    request: OffsetForLeaderEpochRequest,
    mut ends: impl Iterator<Item = Option<Result<EpochEnd, ErrorCode>>>,
) -> OffsetForLeaderEpochResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let partitions = topic.partitions.iter().zip(&mut ends).map(|(asked, end)| {
            let (error, EpochEnd { epoch, end }) =
                match end.unwrap_or(Err(ErrorCode::UnknownTopicOrPartition)) {
                    Ok(end) => (ErrorCode::None, end),
                    Err(error) => (error, EpochEnd { epoch: LeaderEpoch(-1), end: Offset(-1) }),
                };
            EpochEndOffset {
                error_code: error.code(),
                partition: asked.partition,
                leader_epoch: epoch.0,
                end_offset: end.0,
            }
        });
        let partitions = partitions.collect();
        topics.push(OffsetForLeaderTopicResult { topic: topic.topic, partitions });
    }
    OffsetForLeaderEpochResponse { topics, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::offset_for_leader_epoch::OffsetForLeaderTopic;

    #[test]
    fn what_does_not_exist_is_told_without_asking_a_core() {
        let partition = OffsetForLeaderPartition { partition: 3, leader_epoch: 0, ..Default::default() };
        assert_eq!(query(&Image::default(), "orders", &partition), None);
        let topic = OffsetForLeaderTopic { topic: "orders".into(), partitions: vec![partition] };
        let request = OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() };
        let response = respond(request, [None].into_iter());
        let end = &response.topics[0].partitions[0];
        assert_eq!((end.error_code, end.partition, end.leader_epoch, end.end_offset), (3, 3, -1, -1));
    }
}
