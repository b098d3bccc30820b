//! OffsetDelete (47), version 0: a group forgets how far it has read (KIP-496).

use crate::wire::Text;

message! {
    pub struct OffsetDeleteRequest: request(OffsetDelete, OffsetDeleteResponse) {
        [0..] group_id: Text,
        [0..] topics: Vec<OffsetDeleteRequestTopic>,
    }

    pub struct OffsetDeleteRequestTopic {
        [0..] name: Text,
        [0..] partitions: Vec<OffsetDeleteRequestPartition>,
    }

    pub struct OffsetDeleteRequestPartition {
        [0..] partition_index: i32,
    }

    pub struct OffsetDeleteResponse: response(OffsetDelete) {
        [0..] error_code: i16,
        [0..; ignorable] throttle_time_ms: i32,
        [0..] topics: Vec<OffsetDeleteResponseTopic>,
    }

    pub struct OffsetDeleteResponseTopic {
        [0..] name: Text,
        [0..] partitions: Vec<OffsetDeleteResponsePartition>,
    }

    pub struct OffsetDeleteResponsePartition {
        [0..] partition_index: i32,
        [0..] error_code: i16,
    }
}
