//! OffsetForLeaderEpoch (23), versions 0–4: where a leader epoch ended, for consumers and followers that look for the
//! point at which their log leaves the leader's (KIP-101, KIP-320).

use crate::wire::Text;

message! {
    pub struct OffsetForLeaderEpochRequest: request(OffsetForLeaderEpoch, OffsetForLeaderEpochResponse) {
        [3..; ignorable] replica_id: i32 = -2,
        [0..] topics: Vec<OffsetForLeaderTopic>,
    }

    pub struct OffsetForLeaderTopic {
        [0..] topic: Text,
        [0..] partitions: Vec<OffsetForLeaderPartition>,
    }

    pub struct OffsetForLeaderPartition {
        [0..] partition: i32,
        [2..; ignorable] current_leader_epoch: i32 = -1,
        [0..] leader_epoch: i32,
    }

    pub struct OffsetForLeaderEpochResponse: response(OffsetForLeaderEpoch) {
        [2..; ignorable] throttle_time_ms: i32,
        [0..] topics: Vec<OffsetForLeaderTopicResult>,
    }

    pub struct OffsetForLeaderTopicResult {
        [0..] topic: Text,
        [0..] partitions: Vec<EpochEndOffset>,
    }

    pub struct EpochEndOffset {
        [0..] error_code: i16,
        [0..] partition: i32,
        [1..; ignorable] leader_epoch: i32 = -1,
        [0..] end_offset: i64 = -1,
    }
}
