//! FindCoordinator (10), versions 0–6: which broker coordinates a group (key type 0), a transactional id (1) or a share
//! group (2).
//!
//! Up to 3 for one key, from 4 for many (KIP-699).

use crate::wire::Text;

message! {
    pub struct FindCoordinatorRequest: request(FindCoordinator, FindCoordinatorResponse) {
        [0..=3] key: Text,
        [1..] key_type: i8,
        [4..] coordinator_keys: Vec<Text>,
    }

    pub struct FindCoordinatorResponse: response(FindCoordinator) {
        [1..; ignorable] throttle_time_ms: i32,
        [0..=3] error_code: i16,
        [1..=3; null(1..=3) ignorable] error_message: Option<Text> = Some(Text::default()),
        [0..=3] node_id: i32,
        [0..=3] host: Text,
        [0..=3] port: i32,
        [4..] coordinators: Vec<Coordinator>,
    }

    pub struct Coordinator {
        [4..] key: Text,
        [4..] node_id: i32,
        [4..] host: Text,
        [4..] port: i32,
        [4..] error_code: i16,
        [4..; null(4..) ignorable] error_message: Option<Text> = Some(Text::default()),
    }
}
