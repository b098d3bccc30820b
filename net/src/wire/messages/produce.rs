//! Produce (0), versions 3–13. Kafka advertises 0–2 as well and refuses them: the old message sets are gone.
//!
//! 5 adds the log start offset, 8 errors per record (KIP-467), 10 the current leader and its address (KIP-951), 12 marks
//! transactional clients of KIP-890, 13 names topics by id (KIP-516). Records stay slices of the frame.

use engine::base::TopicId;

use crate::wire::{Records, Text};

message! {
    /// `acks` is 0, 1 or −1 (all in-sync replicas).
    pub struct ProduceRequest: request(Produce, ProduceResponse) {
        [3..; null(3..)] transactional_id: Option<Text>,
        [0..] acks: i16,
        [0..] timeout_ms: i32,
        [0..] topic_data: Vec<TopicProduceData>,
    }

    pub struct TopicProduceData {
        [0..=12; ignorable] name: Text,
        [13..; ignorable] topic_id: TopicId,
        [0..] partition_data: Vec<PartitionProduceData>,
    }

    /// `records` should be one batch; the codec does not look.
    pub struct PartitionProduceData {
        [0..] index: i32,
        [0..; null(0..)] records: Option<Records>,
    }

    pub struct ProduceResponse: response(Produce) {
        [0..] responses: Vec<TopicProduceResponse>,
        [1..; ignorable] throttle_time_ms: i32,
        [10..; tag(0)] node_endpoints: Vec<NodeEndpoint>,
    }

    pub struct TopicProduceResponse {
        [0..=12; ignorable] name: Text,
        [13..; ignorable] topic_id: TopicId,
        [0..] partition_responses: Vec<PartitionProduceResponse>,
    }

    pub struct PartitionProduceResponse {
        [0..] index: i32,
        [0..] error_code: i16,
        [0..] base_offset: i64,
        [2..; ignorable] log_append_time_ms: i64 = -1,
        [5..; ignorable] log_start_offset: i64 = -1,
        [8..; ignorable] record_errors: Vec<BatchIndexAndErrorMessage>,
        [8..; null(8..) ignorable] error_message: Option<Text>,
        [10..; tag(0)] current_leader: LeaderIdAndEpoch,
    }

    /// A record that made its batch refused.
    pub struct BatchIndexAndErrorMessage {
        [8..] batch_index: i32,
        [8..; null(8..)] batch_index_error_message: Option<Text>,
    }

    pub struct LeaderIdAndEpoch {
        [10..] leader_id: i32 = -1,
        [10..] leader_epoch: i32 = -1,
    }

    pub struct NodeEndpoint {
        [10..] node_id: i32,
        [10..] host: Text,
        [10..] port: i32,
        [10..; null(10..)] rack: Option<Text>,
    }
}
