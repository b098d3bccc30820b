//! JoinGroup (11), versions 0–9: a member comes into a classic group, or comes again for the next generation.
//!
//! 1 adds the rebalance timeout, 5 the instance id (KIP-345), 7 the protocol type in the answer (KIP-559), 8 the client's reason (KIP-800),
//! 9 that the leader need not assign (KIP-814).

use bytes::Bytes;

use crate::wire::Text;

message! {
    pub struct JoinGroupRequest: request(JoinGroup, JoinGroupResponse) {
        [0..] group_id: Text,
        [0..] session_timeout_ms: i32,
        [1..; ignorable] rebalance_timeout_ms: i32 = -1,
        [0..] member_id: Text,
        [5..; null(5..)] group_instance_id: Option<Text>,
        [0..] protocol_type: Text,
        [0..] protocols: Vec<JoinGroupRequestProtocol>,
        [8..; null(8..) ignorable] reason: Option<Text>,
    }

    pub struct JoinGroupRequestProtocol {
        [0..] name: Text,
        [0..] metadata: Bytes,
    }

    pub struct JoinGroupResponse: response(JoinGroup) {
        [2..; ignorable] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..] generation_id: i32 = -1,
        [7..; null(7..) ignorable] protocol_type: Option<Text>,
        [0..; null(7..)] protocol_name: Option<Text> = Some(Text::default()),
        [0..] leader: Text,
        [9..] skip_assignment: bool,
        [0..] member_id: Text,
        [0..] members: Vec<JoinGroupResponseMember>,
    }

    pub struct JoinGroupResponseMember {
        [0..] member_id: Text,
        [5..; null(5..) ignorable] group_instance_id: Option<Text>,
        [0..] metadata: Bytes,
    }
}
