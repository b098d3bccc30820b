//! DescribeProducers (61), version 0: what partitions remember of their producers (KIP-664).

use crate::wire::Text;

message! {
    pub struct DescribeProducersRequest: request(DescribeProducers, DescribeProducersResponse) {
        [0..] topics: Vec<TopicRequest>,
    }

    pub struct TopicRequest {
        [0..] name: Text,
        [0..] partition_indexes: Vec<i32>,
    }

    pub struct DescribeProducersResponse: response(DescribeProducers) {
        [0..] throttle_time_ms: i32,
        [0..] topics: Vec<TopicResponse>,
    }

    pub struct TopicResponse {
        [0..] name: Text,
        [0..] partitions: Vec<PartitionResponse>,
    }

    pub struct PartitionResponse {
        [0..] partition_index: i32,
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text>,
        [0..] active_producers: Vec<ProducerState>,
    }

    pub struct ProducerState {
        [0..] producer_id: i64,
        [0..] producer_epoch: i32,
        [0..] last_sequence: i32 = -1,
        [0..] last_timestamp: i64 = -1,
        [0..] coordinator_epoch: i32,
        [0..] current_txn_start_offset: i64 = -1,
    }
}
