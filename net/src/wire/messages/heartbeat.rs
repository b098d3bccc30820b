//! Heartbeat (12), versions 0–4: a member of a classic group is there, and learns when it must join again. 3 adds the
//! instance id (KIP-345).

use crate::wire::Text;

message! {
    pub struct HeartbeatRequest: request(Heartbeat, HeartbeatResponse) {
        [0..] group_id: Text,
        [0..] generation_id: i32,
        [0..] member_id: Text,
        [3..; null(3..)] group_instance_id: Option<Text>,
    }

    pub struct HeartbeatResponse: response(Heartbeat) {
        [1..; ignorable] throttle_time_ms: i32,
        [0..] error_code: i16,
    }
}
