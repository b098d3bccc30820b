//! ConsumerGroupHeartbeat (68), versions 0–1 (KIP-848): a member of a consumer group joins, lives, gives up, takes up and leaves.
//!
//! Version 1 adds subscriptions by regular expression, and the client makes up its member id (KIP-1082). Null, and -1 for the
//! timeout, is "as it was".

use engine::base::TopicId;

use crate::wire::Text;

message! {
    pub struct ConsumerGroupHeartbeatRequest: request(ConsumerGroupHeartbeat, ConsumerGroupHeartbeatResponse) {
        [0..] group_id: Text,
        [0..] member_id: Text,
        [0..] member_epoch: i32,
        [0..; null(0..)] instance_id: Option<Text>,
        [0..; null(0..)] rack_id: Option<Text>,
        [0..] rebalance_timeout_ms: i32 = -1,
        [0..; null(0..)] subscribed_topic_names: Option<Vec<Text>>,
        [1..; null(1..)] subscribed_topic_regex: Option<Text>,
        [0..; null(0..)] server_assignor: Option<Text>,
        [0..; null(0..)] topic_partitions: Option<Vec<TopicPartitions>>,
    }

    pub struct TopicPartitions {
        [0..] topic_id: TopicId,
        [0..] partitions: Vec<i32>,
    }

    pub struct ConsumerGroupHeartbeatResponse: response(ConsumerGroupHeartbeat) {
        [0..] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text>,
        [0..; null(0..)] member_id: Option<Text>,
        [0..] member_epoch: i32,
        [0..] heartbeat_interval_ms: i32,
        [0..; null(0..)] assignment: Option<Assignment>,
    }

    pub struct Assignment {
        [0..] topic_partitions: Vec<TopicPartitions>,
    }
}
