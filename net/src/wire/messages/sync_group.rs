//! SyncGroup (14), versions 0–5: the leader brings the assignment, every member takes its part.
//!
//! 3 adds the instance id (KIP-345), 5 the protocol on both sides, so that a mix-up shows (KIP-559).

use bytes::Bytes;

use crate::wire::Text;

message! {
    pub struct SyncGroupRequest: request(SyncGroup, SyncGroupResponse) {
        [0..] group_id: Text,
        [0..] generation_id: i32,
        [0..] member_id: Text,
        [3..; null(3..)] group_instance_id: Option<Text>,
        [5..; null(5..) ignorable] protocol_type: Option<Text>,
        [5..; null(5..) ignorable] protocol_name: Option<Text>,
        [0..] assignments: Vec<SyncGroupRequestAssignment>,
    }

    pub struct SyncGroupRequestAssignment {
        [0..] member_id: Text,
        [0..] assignment: Bytes,
    }

    pub struct SyncGroupResponse: response(SyncGroup) {
        [1..; ignorable] throttle_time_ms: i32,
        [0..] error_code: i16,
        [5..; null(5..) ignorable] protocol_type: Option<Text>,
        [5..; null(5..) ignorable] protocol_name: Option<Text>,
        [0..] assignment: Bytes,
    }
}
