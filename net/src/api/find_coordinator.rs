//! FindCoordinator (10), versions 0–6 (batches of keys: KIP-699; share groups: KIP-932): which broker coordinates a group
//! or a transactional id.
//!
//! Served from the start because librdkafka takes lz4 for unsupported without it. There is no coordinator yet: every key
//! is answered with COORDINATOR_NOT_AVAILABLE and a sentence.

use engine::error::ErrorCode;

use crate::wire::{
    Text,
    find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
};

/// Group, transaction, share group.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=2;

pub(super) fn answer(request: FindCoordinatorRequest, version: i16) -> FindCoordinatorResponse {
    let (error, message) = if !KEY_TYPES.contains(&request.key_type) {
        (ErrorCode::InvalidRequest, "This key type is not known.")
    } else {
        (
            ErrorCode::CoordinatorNotAvailable,
            "This broker does not coordinate consumer groups or transactions yet; assign partitions explicitly.",
        )
    };
    let message = Some(Text::from_static(message));
    if version < 4 {
        return FindCoordinatorResponse {
            error_code: error.code(),
            error_message: message,
            node_id: -1,
            port: -1,
            ..Default::default()
        };
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| Coordinator {
        key,
        node_id: -1,
        host: Text::default(),
        port: -1,
        error_code: error.code(),
        error_message: message.clone(),
    });
    FindCoordinatorResponse { coordinators: coordinators.collect(), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_learns_that_there_is_no_coordinator() {
        let request =
            FindCoordinatorRequest { coordinator_keys: vec!["a".into(), "b".into()], ..Default::default() };
        let response = answer(request, 4);
        let keys: Vec<&str> = response.coordinators.iter().map(|found| found.key.as_str()).collect();
        assert_eq!(keys, ["a", "b"]);
        assert!(response.coordinators.iter().all(|found| found.error_code == 15 && found.node_id == -1));
        assert_eq!(answer(FindCoordinatorRequest::default(), 0).error_code, 15);
    }

    #[test]
    fn an_unknown_key_type_is_an_invalid_request() {
        let request = FindCoordinatorRequest { key_type: 3, ..Default::default() };
        assert_eq!(answer(request, 3).error_code, ErrorCode::InvalidRequest.code());
    }
}
