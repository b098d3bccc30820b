//! DescribeProducers (61), version 0 (KIP-664): the producers that a partition remembers, asked of the core that owns it.
//! Transactions are not in it yet: no producer has one open.

use std::rc::Rc;

use engine::{
    base::{PartitionIndex, TopicPartition},
    error::ErrorCode,
    producer::ProducerState,
    shard::{
        command::{Command, Reply},
        inspect::{Inspect, Inspected},
    },
};

use super::{Api, split::Split};
use crate::wire::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState as Told,
    TopicResponse,
};

pub(super) async fn handle(api: Rc<Api>, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let mut split = Split::default();
    api.node.with_image(|image| {
        for topic in &request.topics {
            let found = image.topic(&topic.name);
            for index in topic.partition_indexes.iter().copied().map(PartitionIndex) {
                match found.and_then(|topic| Some((topic.id, topic.partition(index)?.core))) {
                    Some((topic, core)) => split.push(core, TopicPartition { topic, partition: index }),
                    None => split.skip(),
                }
            }
        }
    });
    let (groups, order) = split.take();
    let calls: Vec<_> = groups
        .into_iter()
        .map(|(core, partitions)| api.node.call(core, Command::Inspect(Inspect::Producers(partitions))))
        .collect();
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        match call.await {
            Reply::Inspected(Inspected::Producers(producers)) => answers.push(producers),
            _ => unreachable!("Producers is answered with Producers"),
        }
    }
    respond(request, order.restore(answers))
}

/// What no core was asked about does not exist.
fn respond(
    request: DescribeProducersRequest,
    mut answers: impl Iterator<Item = Option<Result<Vec<ProducerState>, ErrorCode>>>,
) -> DescribeProducersResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let partitions = topic.partition_indexes.iter().zip(&mut answers).map(|(index, answer)| {
            let (error, producers) = match answer.unwrap_or(Err(ErrorCode::UnknownTopicOrPartition)) {
                Ok(producers) => (ErrorCode::None, producers),
                Err(error) => (error, Vec::new()),
            };
            PartitionResponse {
                partition_index: *index,
                error_code: error.code(),
                active_producers: producers.into_iter().map(tell).collect(),
                ..Default::default()
            }
        });
        let partitions = partitions.collect();
        topics.push(TopicResponse { name: topic.name, partitions });
    }
    DescribeProducersResponse { topics, ..Default::default() }
}

fn tell(state: ProducerState) -> Told {
    Told {
        producer_id: state.producer.0,
        producer_epoch: i32::from(state.epoch.0),
        last_sequence: state.last_sequence.0,
        last_timestamp: state.last_timestamp.0,
        // No transaction has ended here.
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::describe_producers::TopicRequest;
    use engine::base::{ProducerEpoch, ProducerId, Sequence, Timestamp};

    #[test]
    fn each_partition_has_its_producers_or_its_error() {
        let topic = TopicRequest { name: "orders".into(), partition_indexes: vec![0, 1] };
        let request = DescribeProducersRequest { topics: vec![topic] };
        let state = ProducerState {
            producer: ProducerId(7),
            epoch: ProducerEpoch(1),
            last_sequence: Sequence(9),
            last_timestamp: Timestamp(5),
        };
        let response = respond(request, [Some(Ok(vec![state])), None].into_iter());
        let [first, second] = &response.topics[0].partitions[..] else { panic!("{response:?}") };
        let producer = &first.active_producers[0];
        assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (7, 1, 9));
        assert_eq!((second.error_code, second.active_producers.len()), (3, 0));
    }
}
