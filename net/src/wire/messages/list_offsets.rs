//! ListOffsets (2), versions 0–11: an offset by timestamp, or by a meaning: −1 latest, −2 earliest, −3 the record with
//! the largest timestamp (from 7), −4 and −5 for tiered logs (8, 9), −6 the earliest not yet uploaded (11).
//!
//! Version 0 answers with a list of segment starts, later ones with one offset. 10 lets a client bound the wait.

use crate::wire::Text;

message! {
    pub struct ListOffsetsRequest: request(ListOffsets, ListOffsetsResponse) {
        [0..] replica_id: i32,
        [2..] isolation_level: i8,
        [0..] topics: Vec<ListOffsetsTopic>,
        [10..; ignorable] timeout_ms: i32,
    }

    pub struct ListOffsetsTopic {
        [0..] name: Text,
        [0..] partitions: Vec<ListOffsetsPartition>,
    }

    pub struct ListOffsetsPartition {
        [0..] partition_index: i32,
        [4..; ignorable] current_leader_epoch: i32 = -1,
        [0..] timestamp: i64,
        [0..=0] max_num_offsets: i32 = 1,
    }

    pub struct ListOffsetsResponse: response(ListOffsets) {
        [2..; ignorable] throttle_time_ms: i32,
        [0..] topics: Vec<ListOffsetsTopicResponse>,
    }

    pub struct ListOffsetsTopicResponse {
        [0..] name: Text,
        [0..] partitions: Vec<ListOffsetsPartitionResponse>,
    }

    pub struct ListOffsetsPartitionResponse {
        [0..] partition_index: i32,
        [0..] error_code: i16,
        [0..=0] old_style_offsets: Vec<i64>,
        [1..] timestamp: i64 = -1,
        [1..] offset: i64 = -1,
        [4..] leader_epoch: i32 = -1,
    }
}
