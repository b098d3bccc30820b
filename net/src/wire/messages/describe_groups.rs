//! DescribeGroups (15), versions 0–6: state and members of classic groups.
//!
//! 3 adds authorized operations (KIP-430), 4 instance ids (KIP-345), 6 a sentence, and GROUP_ID_NOT_FOUND for a group that there is not
//! (KIP-1043).

use bytes::Bytes;

use crate::wire::Text;

message! {
    pub struct DescribeGroupsRequest: request(DescribeGroups, DescribeGroupsResponse) {
        [0..] groups: Vec<Text>,
        [3..] include_authorized_operations: bool,
    }

    pub struct DescribeGroupsResponse: response(DescribeGroups) {
        [1..; ignorable] throttle_time_ms: i32,
        [0..] groups: Vec<DescribedGroup>,
    }

    pub struct DescribedGroup {
        [0..] error_code: i16,
        [6..; null(6..)] error_message: Option<Text>,
        [0..] group_id: Text,
        [0..] group_state: Text,
        [0..] protocol_type: Text,
        [0..] protocol_data: Text,
        [0..] members: Vec<DescribedGroupMember>,
        [3..] authorized_operations: i32 = i32::MIN,
    }

    pub struct DescribedGroupMember {
        [0..] member_id: Text,
        [4..; null(4..) ignorable] group_instance_id: Option<Text>,
        [0..] client_id: Text,
        [0..] client_host: Text,
        [0..] member_metadata: Bytes,
        [0..] member_assignment: Bytes,
    }
}
