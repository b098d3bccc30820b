//! OffsetFetch (9), versions 1–10: how far a group has read; null topics ask for all (from 2).
//!
//! 7 can ask for offsets that no transaction is about to change (KIP-447), 8 asks for many groups (KIP-709), 9 names the member
//! (KIP-848), 10 names topics by id.

use engine::base::TopicId;

use crate::wire::Text;

message! {
    pub struct OffsetFetchRequest: request(OffsetFetch, OffsetFetchResponse) {
        [1..=7] group_id: Text,
        [1..=7; null(2..=7)] topics: Option<Vec<OffsetFetchRequestTopic>> = Some(Vec::new()),
        [8..] groups: Vec<OffsetFetchRequestGroup>,
        [7..] require_stable: bool,
    }

    pub struct OffsetFetchRequestTopic {
        [1..=7] name: Text,
        [1..=7] partition_indexes: Vec<i32>,
    }

    pub struct OffsetFetchRequestGroup {
        [8..] group_id: Text,
        [9..; null(9..) ignorable] member_id: Option<Text>,
        [9..; ignorable] member_epoch: i32 = -1,
        [8..; null(8..)] topics: Option<Vec<OffsetFetchRequestTopics>> = Some(Vec::new()),
    }

    pub struct OffsetFetchRequestTopics {
        [8..=9; ignorable] name: Text,
        [10..; ignorable] topic_id: TopicId,
        [8..] partition_indexes: Vec<i32>,
    }

    pub struct OffsetFetchResponse: response(OffsetFetch) {
        [3..; ignorable] throttle_time_ms: i32,
        [1..=7] topics: Vec<OffsetFetchResponseTopic>,
        [2..=7; ignorable] error_code: i16,
        [8..] groups: Vec<OffsetFetchResponseGroup>,
    }

    pub struct OffsetFetchResponseTopic {
        [1..=7] name: Text,
        [1..=7] partitions: Vec<OffsetFetchResponsePartition>,
    }

    pub struct OffsetFetchResponsePartition {
        [1..=7] partition_index: i32,
        [1..=7] committed_offset: i64,
        [5..=7; ignorable] committed_leader_epoch: i32 = -1,
        [1..=7; null(1..=7)] metadata: Option<Text> = Some(Text::default()),
        [1..=7] error_code: i16,
    }

    pub struct OffsetFetchResponseGroup {
        [8..] group_id: Text,
        [8..] topics: Vec<OffsetFetchResponseTopics>,
        [8..] error_code: i16,
    }

    pub struct OffsetFetchResponseTopics {
        [8..=9; ignorable] name: Text,
        [10..; ignorable] topic_id: TopicId,
        [8..] partitions: Vec<OffsetFetchResponsePartitions>,
    }

    pub struct OffsetFetchResponsePartitions {
        [8..] partition_index: i32,
        [8..] committed_offset: i64,
        [8..; ignorable] committed_leader_epoch: i32 = -1,
        [8..; null(8..)] metadata: Option<Text> = Some(Text::default()),
        [8..] error_code: i16,
    }
}
