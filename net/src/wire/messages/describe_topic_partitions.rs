//! DescribeTopicPartitions (75), version 0: topics in pages, with eligible leader replicas (KIP-966).

use engine::base::TopicId;

use crate::wire::Text;

message! {
    pub struct DescribeTopicPartitionsRequest: request(DescribeTopicPartitions, DescribeTopicPartitionsResponse) {
        [0..] topics: Vec<TopicRequest>,
        [0..] response_partition_limit: i32 = 2000,
        [0..; null(0..)] cursor: Option<Cursor>,
    }

    pub struct TopicRequest {
        [0..] name: Text,
    }

    pub struct Cursor {
        [0..] topic_name: Text,
        [0..] partition_index: i32,
    }

    pub struct DescribeTopicPartitionsResponse: response(DescribeTopicPartitions) {
        [0..; ignorable] throttle_time_ms: i32,
        [0..] topics: Vec<DescribeTopicPartitionsResponseTopic>,
        [0..; null(0..)] next_cursor: Option<Cursor>,
    }

    pub struct DescribeTopicPartitionsResponseTopic {
        [0..] error_code: i16,
        [0..; null(0..)] name: Option<Text> = Some(Text::default()),
        [0..; ignorable] topic_id: TopicId,
        [0..; ignorable] is_internal: bool,
        [0..] partitions: Vec<DescribeTopicPartitionsResponsePartition>,
        [0..] topic_authorized_operations: i32 = i32::MIN,
    }

    pub struct DescribeTopicPartitionsResponsePartition {
        [0..] error_code: i16,
        [0..] partition_index: i32,
        [0..] leader_id: i32,
        [0..; ignorable] leader_epoch: i32 = -1,
        [0..] replica_nodes: Vec<i32>,
        [0..] isr_nodes: Vec<i32>,
        [0..; null(0..)] eligible_leader_replicas: Option<Vec<i32>>,
        [0..; null(0..)] last_known_elr: Option<Vec<i32>>,
        [0..; ignorable] offline_replicas: Vec<i32>,
    }
}
