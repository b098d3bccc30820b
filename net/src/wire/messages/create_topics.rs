//! CreateTopics (19), versions 0–7.
//!
//! 1 adds a dry run and messages, 5 tells the configuration of what was created (KIP-525), 7 its id.

use engine::base::TopicId;

use crate::wire::Text;

message! {
    pub struct CreateTopicsRequest: request(CreateTopics, CreateTopicsResponse) {
        [0..] topics: Vec<CreatableTopic>,
        [0..] timeout_ms: i32 = 60000,
        [1..] validate_only: bool,
    }

    /// −1 partitions or replicas mean the broker's default; with `assignments` both are −1.
    pub struct CreatableTopic {
        [0..] name: Text,
        [0..] num_partitions: i32,
        [0..] replication_factor: i16,
        [0..] assignments: Vec<CreatableReplicaAssignment>,
        [0..] configs: Vec<CreatableTopicConfig>,
    }

    pub struct CreatableReplicaAssignment {
        [0..] partition_index: i32,
        [0..] broker_ids: Vec<i32>,
    }

    pub struct CreatableTopicConfig {
        [0..] name: Text,
        [0..; null(0..)] value: Option<Text> = Some(Text::default()),
    }

    pub struct CreateTopicsResponse: response(CreateTopics) {
        [2..; ignorable] throttle_time_ms: i32,
        [0..] topics: Vec<CreatableTopicResult>,
    }

    pub struct CreatableTopicResult {
        [0..] name: Text,
        [7..; ignorable] topic_id: TopicId,
        [0..] error_code: i16,
        [1..; null(0..) ignorable] error_message: Option<Text> = Some(Text::default()),
        [5..; tag(0) ignorable] topic_config_error_code: i16,
        [5..; ignorable] num_partitions: i32 = -1,
        [5..; ignorable] replication_factor: i16 = -1,
        [5..; null(5..) ignorable] configs: Option<Vec<CreatableTopicConfigs>> = Some(Vec::new()),
    }

    pub struct CreatableTopicConfigs {
        [5..] name: Text,
        [5..; null(5..)] value: Option<Text> = Some(Text::default()),
        [5..] read_only: bool,
        [5..; ignorable] config_source: i8 = -1,
        [5..] is_sensitive: bool,
    }
}
