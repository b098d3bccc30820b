//! ElectLeaders (43), versions 0–2 (KIP-183; unclean elections: KIP-460, from 1). Every partition that has a leader has the
//! only one it can have: there is no election to hold, and that is what Kafka says in this case.

use engine::{base::PartitionIndex, controller::Image, error::ErrorCode};

use crate::wire::{
    Text,
    elect_leaders::{ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult},
};

pub(super) fn answer(image: &Image, request: ElectLeadersRequest) -> ElectLeadersResponse {
    // Asked for all partitions, Kafka tells only of those that an election concerned.
    let topics = request.topic_partitions.unwrap_or_default().into_iter();
    let results = topics.map(|asked| {
        let elect = |&partition| elect(image, &asked.topic, partition);
        let partition_result = asked.partitions.iter().map(elect).collect();
        ReplicaElectionResult { topic: asked.topic, partition_result }
    });
    ElectLeadersResponse { replica_election_results: results.collect(), ..Default::default() }
}

fn elect(image: &Image, name: &str, partition: i32) -> PartitionResult {
    let (error, message) = match image.topic(name) {
        None => (ErrorCode::UnknownTopicOrPartition, format!("No such topic as {name}")),
        Some(topic) => match topic.partition(PartitionIndex(partition)) {
            None => (ErrorCode::UnknownTopicOrPartition, format!("No such partition as {name}-{partition}")),
            Some(partition) if partition.leader.0 < 0 => (
                ErrorCode::EligibleLeadersNotAvailable,
                "Eligible topic partition leaders are not available.".to_owned(),
            ),
            Some(_) => {
                (ErrorCode::ElectionNotNeeded, "Leader election not needed for topic partition.".to_owned())
            }
        },
    };
    PartitionResult {
        partition_id: partition,
        error_code: error.code(),
        error_message: Some(Text::from(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::elect_leaders::TopicPartitions;

    #[test]
    fn what_does_not_exist_is_named_and_all_is_nothing() {
        let topic = TopicPartitions { topic: "orders".into(), partitions: vec![3] };
        let request = ElectLeadersRequest { topic_partitions: Some(vec![topic]), ..Default::default() };
        let response = answer(&Image::default(), request);
        let result = &response.replica_election_results[0].partition_result[0];
        assert_eq!(
            (result.error_code, result.error_message.as_deref()),
            (3, Some("No such topic as orders"))
        );
        let all = ElectLeadersRequest { topic_partitions: None, ..Default::default() };
        assert_eq!(answer(&Image::default(), all), ElectLeadersResponse::default());
    }
}
