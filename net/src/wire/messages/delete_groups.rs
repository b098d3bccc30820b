//! DeleteGroups (42), versions 0–2: groups without members, and their offsets (KIP-229).

use crate::wire::Text;

message! {
    pub struct DeleteGroupsRequest: request(DeleteGroups, DeleteGroupsResponse) {
        [0..] groups_names: Vec<Text>,
    }

    pub struct DeleteGroupsResponse: response(DeleteGroups) {
        [0..] throttle_time_ms: i32,
        [0..] results: Vec<DeletableGroupResult>,
    }

    pub struct DeletableGroupResult {
        [0..] group_id: Text,
        [0..] error_code: i16,
    }
}
