//! Produce (0), versions 3–13 (errors per record: KIP-467; topic ids: KIP-516). 0–2 are advertised and refused, as in
//! Kafka: the old message sets are gone.
//!
//! Splits the request by owning core, in its first poll: so batches of one connection reach a partition in the order
//! sent. Answers in the order asked. With acks=0 nothing is sent; an error then closes the connection, so that the
//! producer learns of it. With acks=-1 what is not durable within timeout_ms is answered REQUEST_TIMED_OUT; its records stay.
//! Transactional ids are refused until transactions exist. Records stay slices of the frame.
//! Kafka's own topics are written by the broker alone: INVALID_TOPIC_EXCEPTION.

use std::rc::Rc;

use engine::{
    base::{Offset, PartitionIndex, Timestamp, TopicId, TopicPartition},
    controller::{Image, TopicImage},
    error::{ErrorCode, Refusal},
    record::{BatchHeader, Codec, RecordFault},
    shard::command::{Acks, Command, Produce, ProducePartition, Produced, Reply},
};

use super::{Api, split::Split};
use crate::{
    conn::{Answer, Lies, Told},
    limits,
    wire::{
        Text,
        produce::{
            BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
            ProduceResponse, TopicProduceData, TopicProduceResponse,
        },
    },
};

/// The first version whose clients may send zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;

/// A topic of the request, as the answer needs it.
struct Asked {
    name: Text,
    topic_id: TopicId,
    partitions: Vec<AskedPartition>,
}

struct AskedPartition {
    index: i32,
    /// Set where no core is asked.
    refusal: Option<Refusal>,
}

pub(super) async fn handle(api: Rc<Api>, request: ProduceRequest, version: i16, correlation: i32) -> Answer {
    let silent = request.acks == 0;
    let mut lies = None;
    let (split, asked) = match acks(&request) {
        Ok(acks) => {
            let placed = api.node.with_image(|image| place(image, request.topic_data, version));
            let (groups, order) = placed.0.take();
            lies = Lies::of(groups.iter().map(|(core, _)| *core));
            let deadline = wait_ms(acks, request.timeout_ms).map(|ms| api.node.now().after_ms(ms));
            let calls: Vec<_> = groups
                .into_iter()
                .map(|(core, partitions)| {
                    api.node.call(core, Command::Produce(Produce { acks, deadline, partitions }))
                })
                .collect();
            let mut produced = Vec::with_capacity(calls.len());
            for call in calls {
                let Reply::Produced(answers) = call.await else {
                    unreachable!("a Produce is answered with Produced")
                };
                produced.push(answers);
            }
            (order.restore(produced).collect(), placed.1)
        }
        Err(refusal) => (Vec::new(), refuse(request.topic_data, &refusal)),
    };
    let (response, failure) = respond(asked, split);
    match failure {
        Some(code) if silent => Answer::Close(format!("a produce request with acks=0 failed: {code}")),
        None if silent => Answer::Silent(Told::default()).about(lies),
        _ => super::reply(&response, version, correlation).about(lies),
    }
}

/// How long the request may wait for stable storage. None: as long as it takes; in Kafka too it is acks=-1 alone that waits for others.
fn wait_ms(acks: Acks, timeout_ms: i32) -> Option<u64> {
    let wait_ms = u64::try_from(timeout_ms).unwrap_or(0).max(limits::PRODUCE_WAIT_MS_MIN);
    (acks == Acks::All).then_some(wait_ms)
}

/// What the whole request is refused for.
fn acks(request: &ProduceRequest) -> Result<Acks, Refusal> {
    if request.transactional_id.is_some() {
        return Err(Refusal::new(
            ErrorCode::TransactionalIdAuthorizationFailed,
            "This broker does not serve transactions yet.",
        ));
    }
    match request.acks {
        0 => Ok(Acks::None),
        1 => Ok(Acks::Leader),
        -1 => Ok(Acks::All),
        other => Err(Refusal::new(
            ErrorCode::InvalidRequiredAcks,
            format!("acks is {other}; allowed are 0, 1 and -1 (all)."),
        )),
    }
}

fn refuse(topics: Vec<TopicProduceData>, refusal: &Refusal) -> Vec<Asked> {
    let partition =
        |data: PartitionProduceData| AskedPartition { index: data.index, refusal: Some(refusal.clone()) };
    let topic = |data: TopicProduceData| Asked {
        name: data.name,
        topic_id: data.topic_id,
        partitions: data.partition_data.into_iter().map(partition).collect(),
    };
    topics.into_iter().map(topic).collect()
}

/// Each partition to the core that owns it, or its refusal.
fn place(
    image: &Image,
    topics: Vec<TopicProduceData>,
    version: i16,
) -> (Split<ProducePartition>, Vec<Asked>) {
    let mut split = Split::default();
    let mut asked = Vec::with_capacity(topics.len());
    for TopicProduceData { name, topic_id, partition_data } in topics {
        let (topic, unknown) = if version >= 13 {
            (image.topic_by_id(topic_id), ErrorCode::UnknownTopicId)
        } else {
            (image.topic(&name), ErrorCode::UnknownTopicOrPartition)
        };
        let mut partitions = Vec::with_capacity(partition_data.len());
        for data in partition_data {
            let index = data.index;
            let refusal = match place_partition(topic.map(AsRef::as_ref), data, unknown, version) {
                Ok((core, partition)) => {
                    split.push(core, partition);
                    None
                }
                Err(refusal) => {
                    split.skip();
                    Some(refusal)
                }
            };
            partitions.push(AskedPartition { index, refusal });
        }
        asked.push(Asked { name, topic_id, partitions });
    }
    (split, asked)
}

fn place_partition(
    topic: Option<&TopicImage>,
    data: PartitionProduceData,
    unknown: ErrorCode,
    version: i16,
) -> Result<(engine::base::CoreId, ProducePartition), Refusal> {
    let index = PartitionIndex(data.index);
    let topic = topic.ok_or_else(|| Refusal::new(unknown, "This broker has no such topic."))?;
    let partition = topic.partition(index).ok_or_else(|| {
        Refusal::new(
            ErrorCode::UnknownTopicOrPartition,
            format!("Topic {} has no partition {index}.", topic.name),
        )
    })?;
    if topic.internal {
        let message = format!("Cannot append to internal topic {}", topic.name);
        return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
    }
    let records = data.records.filter(|records| !records.is_empty()).ok_or_else(|| {
        Refusal::new(
            ErrorCode::InvalidRecord,
            format!(
                "Produce requests with version {version} must have exactly one record batch per partition."
            ),
        )
    })?;
    let records = records.into_bytes();
    let zstd = BatchHeader::parse(&records).is_ok_and(|header| header.codec() == Ok(Codec::Zstd));
    if zstd && version < ZSTD_SINCE {
        return Err(Refusal::new(
            ErrorCode::UnsupportedCompressionType,
            format!("Produce requests with version {version} are not allowed to use ZStandard compression."),
        ));
    }
    let partition_id = TopicPartition { topic: topic.id, partition: index };
    Ok((partition.core, ProducePartition { partition: partition_id, records }))
}

/// The answer, and the first error in it. `produced`: one for each partition in order; none where no core was asked.
fn respond(asked: Vec<Asked>, produced: Vec<Option<Produced>>) -> (ProduceResponse, Option<ErrorCode>) {
    let mut failure = None;
    let mut produced = produced.into_iter();
    let mut responses = Vec::with_capacity(asked.len());
    for Asked { name, topic_id, partitions } in asked {
        let mut partition_responses = Vec::with_capacity(partitions.len());
        for AskedPartition { index, refusal } in partitions {
            let answer = produced.next().flatten();
            let produced = match refusal {
                Some(refusal) => failed(refusal),
                None => answer.unwrap_or_else(|| {
                    failed(Refusal::new(
                        ErrorCode::UnknownServerError,
                        "The partition's core gave no answer.",
                    ))
                }),
            };
            if produced.error != ErrorCode::None {
                failure.get_or_insert(produced.error);
            }
            partition_responses.push(PartitionProduceResponse {
                index,
                error_code: produced.error.code(),
                base_offset: produced.base_offset.0,
                log_append_time_ms: produced.append_time.0,
                log_start_offset: produced.log_start.0,
                record_errors: produced.record_errors.into_iter().map(record_error).collect(),
                error_message: produced.message.map(Text::from),
                ..Default::default()
            });
        }
        responses.push(TopicProduceResponse { name, topic_id, partition_responses });
    }
    (ProduceResponse { responses, ..Default::default() }, failure)
}

fn record_error(fault: RecordFault) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage {
        batch_index: fault.index,
        batch_index_error_message: Some(Text::from(fault.message)),
    }
}

fn failed(refusal: Refusal) -> Produced {
    Produced {
        error: refusal.code,
        message: Some(refusal.message),
        record_errors: Vec::new(),
        base_offset: Offset(-1),
        append_time: Timestamp::NONE,
        log_start: Offset(-1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use engine::{
        base::{LeaderEpoch, NodeId, OwnerEpoch},
        controller::PartitionImage,
    };

    fn request(acks: i16, indexes: &[i32]) -> ProduceRequest {
        let records = Some(Bytes::from_static(b"batch").into());
        let partition = |index: &i32| PartitionProduceData { index: *index, records: records.clone() };
        let topic = TopicProduceData {
            name: "orders".into(),
            partition_data: indexes.iter().map(partition).collect(),
            ..Default::default()
        };
        ProduceRequest { acks, topic_data: vec![topic], ..Default::default() }
    }

    #[test]
    fn only_three_kinds_of_acks_are_accepted() {
        for (wire, expected) in [(0, Acks::None), (1, Acks::Leader), (-1, Acks::All)] {
            assert_eq!(acks(&request(wire, &[0])), Ok(expected));
        }
        for wire in [-2, 2, i16::MAX] {
            assert_eq!(acks(&request(wire, &[0])).unwrap_err().code, ErrorCode::InvalidRequiredAcks);
        }
    }

    #[test]
    fn all_acks_wait_for_the_time_that_is_asked_for_and_a_second_at_least() {
        for (asked, waited) in [(30_000, 30_000), (1, 1_000), (0, 1_000), (-1, 1_000)] {
            assert_eq!(wait_ms(Acks::All, asked), Some(waited));
        }
        assert_eq!((wait_ms(Acks::Leader, 30_000), wait_ms(Acks::None, 30_000)), (None, None));
    }

    #[test]
    fn a_transactional_id_is_refused_for_good() {
        let transactional = ProduceRequest { transactional_id: Some("t".into()), ..request(-1, &[0]) };
        assert_eq!(acks(&transactional).unwrap_err().code, ErrorCode::TransactionalIdAuthorizationFailed);
    }

    #[test]
    fn an_unknown_topic_is_answered_per_partition_in_kafkas_words() {
        for (version, expected) in [(12, ErrorCode::UnknownTopicOrPartition), (13, ErrorCode::UnknownTopicId)]
        {
            let (split, asked) = place(&Image::default(), request(1, &[3, 1]).topic_data, version);
            assert_eq!(split.take().0.len(), 0);
            let (response, failure) = respond(asked, vec![None, None]);
            assert_eq!(failure, Some(expected));
            let answers = &response.responses[0].partition_responses;
            let answers: Vec<(i32, i16)> = answers.iter().map(|p| (p.index, p.error_code)).collect();
            assert_eq!(answers, [(3, expected.code()), (1, expected.code())]);
        }
    }

    #[test]
    fn no_client_writes_into_kafkas_own_topics() {
        let core = engine::base::CoreId(0);
        let partition = PartitionImage {
            leader: NodeId(1),
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
            replicas: vec![NodeId(1)],
            isr: vec![NodeId(1)],
            core,
            owner_epoch: OwnerEpoch(0),
        };
        let topic = |internal| TopicImage {
            id: TopicId([7; 16]),
            name: "__consumer_offsets".into(),
            partitions: vec![partition.clone()],
            overrides: Default::default(),
            internal,
        };
        let data = || request(1, &[0]).topic_data.remove(0).partition_data.remove(0);
        let placed = |internal| {
            place_partition(Some(&topic(internal)), data(), ErrorCode::UnknownTopicId, 12)
                .map(|(core, _)| core)
        };
        assert_eq!(placed(true).unwrap_err().code, ErrorCode::InvalidTopicException);
        assert_eq!(placed(false), Ok(core));
    }

    #[test]
    fn a_core_that_gives_no_answer_is_an_error_and_not_a_success() {
        let refusal = Refusal::new(ErrorCode::None, "");
        let mut asked = refuse(request(1, &[0]).topic_data, &refusal);
        asked[0].partitions[0].refusal = None;
        let (_, failure) = respond(asked, vec![]);
        assert_eq!(failure, Some(ErrorCode::UnknownServerError));
    }
}
