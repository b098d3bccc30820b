//! ListGroups (16), versions 0–5: the groups that this broker coordinates; 4 filters by state (KIP-518), 5 by type (KIP-848).

use crate::wire::Text;

message! {
    pub struct ListGroupsRequest: request(ListGroups, ListGroupsResponse) {
        [4..] states_filter: Vec<Text>,
        [5..] types_filter: Vec<Text>,
    }

    pub struct ListGroupsResponse: response(ListGroups) {
        [1..; ignorable] throttle_time_ms: i32,
        [0..] error_code: i16,
        [0..] groups: Vec<ListedGroup>,
    }

    pub struct ListedGroup {
        [0..] group_id: Text,
        [0..] protocol_type: Text,
        [4..; ignorable] group_state: Text,
        [5..; ignorable] group_type: Text,
    }
}
