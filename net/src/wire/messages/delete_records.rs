//! DeleteRecords (21), versions 0–2: moves the log start offset of partitions. Offset −1 is the high watermark.

use crate::wire::Text;

message! {
    pub struct DeleteRecordsRequest: request(DeleteRecords, DeleteRecordsResponse) {
        [0..] topics: Vec<DeleteRecordsTopic>,
        [0..] timeout_ms: i32,
    }

    pub struct DeleteRecordsTopic {
        [0..] name: Text,
        [0..] partitions: Vec<DeleteRecordsPartition>,
    }

    pub struct DeleteRecordsPartition {
        [0..] partition_index: i32,
        [0..] offset: i64,
    }

    pub struct DeleteRecordsResponse: response(DeleteRecords) {
        [0..] throttle_time_ms: i32,
        [0..] topics: Vec<DeleteRecordsTopicResult>,
    }

    pub struct DeleteRecordsTopicResult {
        [0..] name: Text,
        [0..] partitions: Vec<DeleteRecordsPartitionResult>,
    }

    pub struct DeleteRecordsPartitionResult {
        [0..] partition_index: i32,
        [0..] low_watermark: i64,
        [0..] error_code: i16,
    }
}
