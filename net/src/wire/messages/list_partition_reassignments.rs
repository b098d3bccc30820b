//! ListPartitionReassignments (46), version 0: partitions whose replicas are on the move (KIP-455).

use crate::wire::Text;

message! {
    /// No list of topics means all partitions.
    pub struct ListPartitionReassignmentsRequest: request(ListPartitionReassignments, ListPartitionReassignmentsResponse) {
        [0..] timeout_ms: i32 = 60000,
        [0..; null(0..)] topics: Option<Vec<ListPartitionReassignmentsTopics>>,
    }

    pub struct ListPartitionReassignmentsTopics {
        [0..] name: Text,
        [0..] partition_indexes: Vec<i32>,
    }

    pub struct ListPartitionReassignmentsResponse: response(ListPartitionReassignments) {
        [0..] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text> = Some(Text::default()),
        [0..] topics: Vec<OngoingTopicReassignment>,
    }

    pub struct OngoingTopicReassignment {
        [0..] name: Text,
        [0..] partitions: Vec<OngoingPartitionReassignment>,
    }

    pub struct OngoingPartitionReassignment {
        [0..] partition_index: i32,
        [0..] replicas: Vec<i32>,
        [0..] adding_replicas: Vec<i32>,
        [0..] removing_replicas: Vec<i32>,
    }
}
