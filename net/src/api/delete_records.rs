//! DeleteRecords (21), versions 0–2: moves the log start of partitions; offset −1 is the high watermark. Answered when the new starts are in
//! stable storage, however long that takes: the timeout has no follower to wait for. Topics that are only compacted refuse
//! (POLICY_VIOLATION), and so do the broker's own.

use std::rc::Rc;

use engine::{
    base::{CoreId, Offset, PartitionIndex, TopicPartition},
    controller::{Image, is_internal},
    error::ErrorCode,
    shard::command::{Command, DeleteBefore, RecordsDeleted, RecordsDeletion, Reply},
};

use super::{Api, split::Split};
use crate::wire::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};

pub(super) async fn handle(api: Rc<Api>, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut split = Split::default();
    let mut refusals = Vec::new();
    api.node.with_image(|image| {
        for topic in &request.topics {
            for partition in &topic.partitions {
                match ask(image, &topic.name, partition) {
                    Ok((core, deletion)) => {
                        split.push(core, deletion);
                        refusals.push(ErrorCode::UnknownServerError);
                    }
                    Err(error) => {
                        split.skip();
                        refusals.push(error);
                    }
                }
            }
        }
    });
    let (groups, order) = split.take();
    let calls: Vec<_> = groups
        .into_iter()
        .map(|(core, deletions)| api.node.call(core, Command::DeleteRecords(deletions)))
        .collect();
    let mut deleted = Vec::with_capacity(calls.len());
    for call in calls {
        let Reply::RecordsDeleted(answers) = call.await else {
            unreachable!("a DeleteRecords is answered with RecordsDeleted")
        };
        deleted.push(answers);
    }
    let answers = order.restore(deleted).zip(refusals);
    respond(request, answers.map(|(deleted, refusal)| deleted.unwrap_or_else(|| refused(refusal))))
}

fn ask(
    image: &Image,
    name: &str,
    partition: &DeleteRecordsPartition,
) -> Result<(CoreId, RecordsDeletion), ErrorCode> {
    let index = PartitionIndex(partition.partition_index);
    let topic = image.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let found = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if is_internal(name) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let before = match partition.offset {
        -1 => DeleteBefore::HighWatermark,
        offset => DeleteBefore::Offset(Offset(offset)),
    };
    let partition = TopicPartition { topic: topic.id, partition: index };
    Ok((found.core, RecordsDeletion { partition, before }))
}

fn refused(error: ErrorCode) -> RecordsDeleted {
    RecordsDeleted { error, low_watermark: Offset(-1) }
}

fn respond(
    request: DeleteRecordsRequest,
    mut answers: impl Iterator<Item = RecordsDeleted>,
) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let partitions =
            topic.partitions.iter().zip(&mut answers).map(|(asked, answer)| DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark: answer.low_watermark.0,
                error_code: answer.error.code(),
            });
        let partitions = partitions.collect();
        topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    DeleteRecordsResponse { topics, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::delete_records::DeleteRecordsTopic;

    #[test]
    fn an_unknown_topic_is_answered_without_asking_a_core() {
        let asked = ask(&Image::default(), "orders", &DeleteRecordsPartition::default());
        assert_eq!(asked.err(), Some(ErrorCode::UnknownTopicOrPartition));
    }

    #[test]
    fn answers_keep_the_order_of_the_request() {
        let partition = |partition_index| DeleteRecordsPartition { partition_index, offset: 5 };
        let topic = |name: &str, partitions: &[i32]| DeleteRecordsTopic {
            name: name.into(),
            partitions: partitions.iter().copied().map(partition).collect(),
        };
        let request = DeleteRecordsRequest {
            topics: vec![topic("a", &[1, 0]), topic("b", &[2])],
            ..Default::default()
        };
        let deleted = |offset| RecordsDeleted { error: ErrorCode::None, low_watermark: Offset(offset) };
        let answers = [deleted(7), refused(ErrorCode::OffsetOutOfRange), deleted(9)];
        let response = respond(request, answers.into_iter());
        let flat: Vec<_> = response
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|one| (one.partition_index, one.low_watermark)))
            .collect();
        assert_eq!(flat, [(1, 7), (0, -1), (2, 9)]);
    }
}
