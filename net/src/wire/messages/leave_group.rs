//! LeaveGroup (13), versions 0–5: one member goes; from 3 many, each by its member id or its instance id (KIP-345); from 5 with the reason
//! (KIP-800).

use crate::wire::Text;

message! {
    pub struct LeaveGroupRequest: request(LeaveGroup, LeaveGroupResponse) {
        [0..] group_id: Text,
        [0..=2] member_id: Text,
        [3..] members: Vec<MemberIdentity>,
    }

    pub struct MemberIdentity {
        [3..] member_id: Text,
        [3..; null(3..)] group_instance_id: Option<Text>,
        [5..; null(5..) ignorable] reason: Option<Text>,
    }

    pub struct LeaveGroupResponse: response(LeaveGroup) {
        [1..; ignorable] throttle_time_ms: i32,
        [0..] error_code: i16,
        [3..] members: Vec<MemberResponse>,
    }

    pub struct MemberResponse {
        [3..] member_id: Text,
        [3..; null(3..)] group_instance_id: Option<Text> = Some(Text::default()),
        [3..] error_code: i16,
    }
}
