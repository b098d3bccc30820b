//! OffsetCommit (8), versions 2–10: how far a group has read.
//!
//! 2–4 carry a retention time, 6 adds the leader epoch (KIP-320), 7 the instance id (KIP-345), 9 is for members of both protocols
//! (KIP-848), 10 names topics by id.

use engine::base::TopicId;

use crate::wire::Text;

message! {
    pub struct OffsetCommitRequest: request(OffsetCommit, OffsetCommitResponse) {
        [2..] group_id: Text,
        [2..; ignorable] generation_id_or_member_epoch: i32 = -1,
        [2..; ignorable] member_id: Text,
        [7..; null(7..)] group_instance_id: Option<Text>,
        [2..=4; ignorable] retention_time_ms: i64 = -1,
        [2..] topics: Vec<OffsetCommitRequestTopic>,
    }

    pub struct OffsetCommitRequestTopic {
        [2..=9; ignorable] name: Text,
        [10..; ignorable] topic_id: TopicId,
        [2..] partitions: Vec<OffsetCommitRequestPartition>,
    }

    pub struct OffsetCommitRequestPartition {
        [2..] partition_index: i32,
        [2..] committed_offset: i64,
        [6..; ignorable] committed_leader_epoch: i32 = -1,
        [2..; null(2..)] committed_metadata: Option<Text> = Some(Text::default()),
    }

    pub struct OffsetCommitResponse: response(OffsetCommit) {
        [3..; ignorable] throttle_time_ms: i32,
        [2..] topics: Vec<OffsetCommitResponseTopic>,
    }

    pub struct OffsetCommitResponseTopic {
        [2..=9; ignorable] name: Text,
        [10..; ignorable] topic_id: TopicId,
        [2..] partitions: Vec<OffsetCommitResponsePartition>,
    }

    pub struct OffsetCommitResponsePartition {
        [2..] partition_index: i32,
        [2..] error_code: i16,
    }
}
