//! ElectLeaders (43), versions 0–2: elections of preferred (0) or, from 1, any (1) leaders (KIP-183, KIP-460).

use crate::wire::Text;

message! {
    /// No list of topics means all partitions.
    pub struct ElectLeadersRequest: request(ElectLeaders, ElectLeadersResponse) {
        [1..] election_type: i8,
        [0..; null(0..)] topic_partitions: Option<Vec<TopicPartitions>> = Some(Vec::new()),
        [0..] timeout_ms: i32 = 60000,
    }

    pub struct TopicPartitions {
        [0..] topic: Text,
        [0..] partitions: Vec<i32>,
    }

    pub struct ElectLeadersResponse: response(ElectLeaders) {
        [0..] throttle_time_ms: i32,
        [1..] error_code: i16,
        [0..] replica_election_results: Vec<ReplicaElectionResult>,
    }

    pub struct ReplicaElectionResult {
        [0..] topic: Text,
        [0..] partition_result: Vec<PartitionResult>,
    }

    pub struct PartitionResult {
        [0..] partition_id: i32,
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text> = Some(Text::default()),
    }
}
