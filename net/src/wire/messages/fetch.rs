//! Fetch (1), versions 4–18.
//!
//! 7 adds sessions (KIP-227), 9 the leader epoch of the reader (KIP-320), 11 the rack (KIP-392), 12 divergence of followers
//! (KIP-595), 13 topic ids (KIP-516), 15 the follower's epoch (KIP-903), 16 addresses of current leaders (KIP-951), 17 a follower's
//! directory (KIP-853), 18 its high watermark (KIP-1166). Records of a response are shared pieces, never copied.

use engine::base::TopicId;

use crate::wire::{Records, Text};

message! {
    /// `isolation_level` is 0 for read uncommitted, 1 for read committed.
    pub struct FetchRequest: request(Fetch, FetchResponse) {
        [12..; tag(0) null(12..) ignorable] cluster_id: Option<Text>,
        [0..=14] replica_id: i32 = -1,
        [15..; tag(1)] replica_state: ReplicaState,
        [0..] max_wait_ms: i32,
        [0..] min_bytes: i32,
        [3..; ignorable] max_bytes: i32 = i32::MAX,
        [4..; ignorable] isolation_level: i8,
        [7..; ignorable] session_id: i32,
        [7..; ignorable] session_epoch: i32 = -1,
        [0..] topics: Vec<FetchTopic>,
        [7..] forgotten_topics_data: Vec<ForgottenTopic>,
        [11..; ignorable] rack_id: Text,
    }

    pub struct ReplicaState {
        [15..] replica_id: i32 = -1,
        [15..] replica_epoch: i64 = -1,
    }

    pub struct FetchTopic {
        [0..=12; ignorable] topic: Text,
        [13..; ignorable] topic_id: TopicId,
        [0..] partitions: Vec<FetchPartition>,
    }

    pub struct FetchPartition {
        [0..] partition: i32,
        [9..; ignorable] current_leader_epoch: i32 = -1,
        [0..] fetch_offset: i64,
        [12..] last_fetched_epoch: i32 = -1,
        [5..; ignorable] log_start_offset: i64 = -1,
        [0..] partition_max_bytes: i32,
        [17..; tag(0) ignorable] replica_directory_id: TopicId,
        [18..; tag(1) ignorable] high_watermark: i64 = i64::MAX,
    }

    pub struct ForgottenTopic {
        [7..=12; ignorable] topic: Text,
        [13..; ignorable] topic_id: TopicId,
        [7..] partitions: Vec<i32>,
    }

    pub struct FetchResponse: response(Fetch) {
        [1..; ignorable] throttle_time_ms: i32,
        [7..; ignorable] error_code: i16,
        [7..] session_id: i32,
        [0..] responses: Vec<FetchableTopicResponse>,
        [16..; tag(0)] node_endpoints: Vec<NodeEndpoint>,
    }

    pub struct FetchableTopicResponse {
        [0..=12; ignorable] topic: Text,
        [13..; ignorable] topic_id: TopicId,
        [0..] partitions: Vec<PartitionData>,
    }

    /// `records` and `aborted_transactions` may be null.
    pub struct PartitionData {
        [0..] partition_index: i32,
        [0..] error_code: i16,
        [0..] high_watermark: i64,
        [4..; ignorable] last_stable_offset: i64 = -1,
        [5..; ignorable] log_start_offset: i64 = -1,
        [12..; tag(0)] diverging_epoch: EpochEndOffset,
        [12..; tag(1)] current_leader: LeaderIdAndEpoch,
        [12..; tag(2)] snapshot_id: SnapshotId,
        [4..; null(4..) ignorable] aborted_transactions: Option<Vec<AbortedTransaction>> = Some(Vec::new()),
        [11..] preferred_read_replica: i32 = -1,
        [0..; null(0..)] records: Option<Records>,
    }

    pub struct EpochEndOffset {
        [12..] epoch: i32 = -1,
        [12..] end_offset: i64 = -1,
    }

    pub struct LeaderIdAndEpoch {
        [12..] leader_id: i32 = -1,
        [12..] leader_epoch: i32 = -1,
    }

    pub struct SnapshotId {
        [0..] end_offset: i64 = -1,
        [0..] epoch: i32 = -1,
    }

    pub struct AbortedTransaction {
        [4..] producer_id: i64,
        [4..] first_offset: i64,
    }

    pub struct NodeEndpoint {
        [16..] node_id: i32,
        [16..] host: Text,
        [16..] port: i32,
        [16..; null(16..)] rack: Option<Text>,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::{Message, Reader, response_frame};

    #[test]
    fn records_go_out_and_come_in_without_a_copy() {
        let batch = Bytes::from(vec![5; 5000]);
        let pieces: Records = [batch.clone(), batch.clone()].into_iter().collect();
        let partition = PartitionData { records: Some(pieces), ..PartitionData::default() };
        let topic =
            FetchableTopicResponse { partitions: vec![partition], ..FetchableTopicResponse::default() };
        let response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
        let chunks = response_frame(&response, 17, 1).unwrap();
        assert_eq!(chunks.iter().filter(|chunk| chunk.as_ptr() == batch.as_ptr()).count(), 2);

        let body = Bytes::from(chunks.concat()).slice(4 + 5..);
        let decoded = FetchResponse::decode(&mut Reader::new(body.clone()), 17).unwrap();
        assert_eq!(decoded, response);
        let records = decoded.responses[0].partitions[0].records.clone().unwrap().into_bytes();
        assert!(body.as_ptr_range().contains(&records.as_ptr()));
    }
}
