//! Metadata (3), versions 0–13: brokers, topics, partitions and their leaders.
//!
//! In version 0 an empty list asks for all topics; from 1 null does and an empty list asks for none. 4 controls auto-creation,
//! 8 adds authorized operations, 10 topic ids (KIP-516), 12 asking by id alone, 13 an error code for the whole (KIP-1102).

use engine::base::TopicId;

use crate::wire::Text;

message! {
    pub struct MetadataRequest: request(Metadata, MetadataResponse) {
        [0..; null(1..)] topics: Option<Vec<MetadataRequestTopic>> = Some(Vec::new()),
        [4..] allow_auto_topic_creation: bool = true,
        [8..=10] include_cluster_authorized_operations: bool,
        [8..] include_topic_authorized_operations: bool,
    }

    pub struct MetadataRequestTopic {
        [10..; ignorable] topic_id: TopicId,
        [0..; null(10..)] name: Option<Text> = Some(Text::default()),
    }

    pub struct MetadataResponse: response(Metadata) {
        [3..; ignorable] throttle_time_ms: i32,
        [0..] brokers: Vec<MetadataResponseBroker>,
        [2..; null(2..) ignorable] cluster_id: Option<Text>,
        [1..; ignorable] controller_id: i32 = -1,
        [0..] topics: Vec<MetadataResponseTopic>,
        [8..=10] cluster_authorized_operations: i32 = i32::MIN,
        [13..; ignorable] error_code: i16,
    }

    pub struct MetadataResponseBroker {
        [0..] node_id: i32,
        [0..] host: Text,
        [0..] port: i32,
        [1..; null(1..) ignorable] rack: Option<Text>,
    }

    pub struct MetadataResponseTopic {
        [0..] error_code: i16,
        [0..; null(12..)] name: Option<Text> = Some(Text::default()),
        [10..; ignorable] topic_id: TopicId,
        [1..; ignorable] is_internal: bool,
        [0..] partitions: Vec<MetadataResponsePartition>,
        [8..] topic_authorized_operations: i32 = i32::MIN,
    }

    pub struct MetadataResponsePartition {
        [0..] error_code: i16,
        [0..] partition_index: i32,
        [0..] leader_id: i32,
        [7..; ignorable] leader_epoch: i32 = -1,
        [0..] replica_nodes: Vec<i32>,
        [0..] isr_nodes: Vec<i32>,
        [5..; ignorable] offline_replicas: Vec<i32>,
    }
}
