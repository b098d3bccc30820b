//! ConsumerGroupDescribe (69), versions 0–1 (KIP-848): consumer groups with their members and what these have and shall have.
//!
//! Version 1 tells members of the classic protocol from the others (KIP-1099).

use engine::base::TopicId;

use crate::wire::Text;

message! {
    pub struct ConsumerGroupDescribeRequest: request(ConsumerGroupDescribe, ConsumerGroupDescribeResponse) {
        [0..] group_ids: Vec<Text>,
        [0..] include_authorized_operations: bool,
    }

    pub struct ConsumerGroupDescribeResponse: response(ConsumerGroupDescribe) {
        [0..] throttle_time_ms: i32,
        [0..] groups: Vec<DescribedGroup>,
    }

    pub struct DescribedGroup {
        [0..] error_code: i16,
        [0..; null(0..)] error_message: Option<Text>,
        [0..] group_id: Text,
        [0..] group_state: Text,
        [0..] group_epoch: i32,
        [0..] assignment_epoch: i32,
        [0..] assignor_name: Text,
        [0..] members: Vec<Member>,
        [0..] authorized_operations: i32 = i32::MIN,
    }

    pub struct Member {
        [0..] member_id: Text,
        [0..; null(0..)] instance_id: Option<Text>,
        [0..; null(0..)] rack_id: Option<Text>,
        [0..] member_epoch: i32,
        [0..] client_id: Text,
        [0..] client_host: Text,
        [0..] subscribed_topic_names: Vec<Text>,
        [0..; null(0..)] subscribed_topic_regex: Option<Text>,
        [0..] assignment: Assignment,
        [0..] target_assignment: Assignment,
        [1..; ignorable] member_type: i8 = -1,
    }

    pub struct TopicPartitions {
        [0..] topic_id: TopicId,
        [0..] topic_name: Text,
        [0..] partitions: Vec<i32>,
    }

    pub struct Assignment {
        [0..] topic_partitions: Vec<TopicPartitions>,
    }
}
