//! FindCoordinator (10), versions 0–6 (batches of keys: KIP-699, from 4; share groups: KIP-932): which broker coordinates a group
//! or a transactional id.
//!
//! This broker coordinates every group, from when `__consumer_offsets` exists: the first who asks makes it, and everybody is answered when
//! every core knows it. Transactional ids have no coordinator yet: COORDINATOR_NOT_AVAILABLE and a sentence.

use std::rc::Rc;

use engine::{
    controller::{Instruction, Mode, NewTopic, Outcome},
    error::{ErrorCode, Refusal},
    shard::group::OFFSETS_TOPIC,
};

use super::{Api, Broker};
use crate::wire::{
    Text,
    find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
};

const GROUP: i8 = 0;
/// Group, transaction, share group.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=2;

/// `offsets.topic.*`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetsTopic {
    pub partitions: i32,
    /// None: as many as there are brokers, at most 3.
    pub replication_factor: Option<i16>,
    pub segment_bytes: u32,
}

pub(super) async fn handle(
    api: Rc<Api>,
    request: FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    let refusal = match request.key_type {
        GROUP => make_topic(&api).await.err(),
        kind if KEY_TYPES.contains(&kind) => Some(Refusal::new(
            ErrorCode::CoordinatorNotAvailable,
            "This broker does not coordinate transactions or share groups yet.",
        )),
        _ => Some(Refusal::new(ErrorCode::InvalidRequest, "This key type is not known.")),
    };
    respond(&api.broker, request, refusal, version)
}

async fn make_topic(api: &Api) -> Result<(), Refusal> {
    let wanted = &api.broker.offsets_topic;
    let (exists, brokers) =
        api.node.with_image(|image| (image.topic(OFFSETS_TOPIC).is_some(), image.brokers().count()));
    if exists {
        return Ok(());
    }
    let config = |key: &str, value: String| (key.to_owned(), Some(value));
    let topic = NewTopic {
        name: OFFSETS_TOPIC.to_owned(),
        id: api.random_topic_id(),
        partitions: wanted.partitions,
        replication_factor: wanted.replication_factor.unwrap_or(brokers.clamp(1, 3) as i16),
        assignments: Vec::new(),
        configs: vec![
            config("cleanup.policy", "compact".to_owned()),
            config("compression.type", "producer".to_owned()),
            config("segment.bytes", wanted.segment_bytes.to_string()),
        ],
    };
    let create = Instruction::CreateTopics { topics: vec![topic], mode: Mode::Apply };
    let refusal = match api.control(create).await {
        Outcome::TopicsCreated(mut created) => match created.pop().map(|topic| topic.result) {
            Some(Ok(_)) => return Ok(()),
            // Somebody else was faster.
            Some(Err(refusal)) if refusal.code == ErrorCode::TopicAlreadyExists => return Ok(()),
            Some(Err(refusal)) => refusal,
            None => Refusal::new(ErrorCode::UnknownServerError, "The controller gave no answer."),
        },
        Outcome::Refused(refusal) => refusal,
        _ => Refusal::new(ErrorCode::UnknownServerError, "The controller gave another answer."),
    };
    tracing::error!(error = %refusal.code, reason = refusal.message, "{OFFSETS_TOPIC} cannot be made: groups have no coordinator");
    Err(Refusal::new(ErrorCode::CoordinatorNotAvailable, refusal.message))
}

fn respond(
    broker: &Broker,
    request: FindCoordinatorRequest,
    refusal: Option<Refusal>,
    version: i16,
) -> FindCoordinatorResponse {
    let answer = match refusal {
        None => Coordinator {
            node_id: broker.node.0,
            host: broker.host.clone(),
            port: i32::from(broker.port),
            error_message: None,
            ..Default::default()
        },
        Some(refusal) => Coordinator {
            node_id: -1,
            port: -1,
            error_code: refusal.code.code(),
            error_message: Some(refusal.message.into()),
            ..Default::default()
        },
    };
    if version < 4 {
        return FindCoordinatorResponse {
            error_code: answer.error_code,
            error_message: answer.error_message,
            node_id: answer.node_id,
            host: answer.host,
            port: answer.port,
            ..Default::default()
        };
    }
    let of_key = |key: Text| Coordinator { key, ..answer.clone() };
    let coordinators = request.coordinator_keys.into_iter().map(of_key).collect();
    FindCoordinatorResponse { coordinators, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::broker;

    #[test]
    fn every_key_learns_the_same() {
        let request = || FindCoordinatorRequest {
            coordinator_keys: vec!["a".into(), "b".into()],
            ..Default::default()
        };
        let found = respond(&broker(), request(), None, 4);
        let keys: Vec<(&str, i32, i32)> =
            found.coordinators.iter().map(|found| (found.key.as_str(), found.node_id, found.port)).collect();
        assert_eq!(keys, [("a", 1, 9092), ("b", 1, 9092)]);
        let refusal = || Some(Refusal::new(ErrorCode::CoordinatorNotAvailable, "not yet"));
        let refused = respond(&broker(), request(), refusal(), 4);
        assert!(refused.coordinators.iter().all(|found| found.error_code == 15 && found.node_id == -1));
        assert_eq!(respond(&broker(), request(), refusal(), 0).error_code, 15);
        assert_eq!(respond(&broker(), request(), None, 0).node_id, 1);
    }
}
