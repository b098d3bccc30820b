//! What can go wrong between us and a broker: each says what happened, to what, and what to do.

use std::io;
use std::time::Duration;

use engine::error::ErrorCode;

use crate::wire::{ApiKey, WireError};

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{0}: not an address; write host:port, several with commas between them")]
    Address(String),
    #[error("cannot reach {address}: {source}; is the broker running there?")]
    Unreachable { address: String, source: io::Error },
    #[error("{address} did not answer {operation} within {} ms", .timeout.as_millis())]
    TimedOut { address: String, operation: &'static str, timeout: Duration },
    #[error("the connection to {address} broke during {operation}: {source}")]
    Broken { address: String, operation: &'static str, source: io::Error },
    #[error("{address} closed the connection instead of answering {operation}; its log may say why")]
    Closed { address: String, operation: &'static str },
    #[error("the answer of {address} to {operation} cannot be read: {source}")]
    Garbled { address: String, operation: &'static str, source: WireError },
    #[error("the request {operation} cannot be written: {source}")]
    Unsayable { operation: &'static str, source: WireError },
    #[error("{address} answered request {found} where {expected} was next")]
    OutOfOrder { address: String, expected: i32, found: i32 },
    #[error("{address} speaks no version of {} that is known here", .api.name())]
    NoCommonVersion { address: String, api: ApiKey },
    #[error("the answer to {operation} lacks {what}")]
    Incomplete { operation: &'static str, what: String },
    #[error("{what}: {}", refusal(*.code, .message))]
    Refused { what: String, code: i16, message: Option<String> },
    #[error("partition {partition} of {topic} has no leader; it returns when one of its replicas does")]
    NoLeader { topic: String, partition: i32 },
    #[error("{topic} has no partition {partition}; it has {count}, numbered from 0")]
    NoPartition { topic: String, partition: i32, count: usize },
    #[error("topic {0} does not exist; `corelog topic create {0}` makes it")]
    NoTopic(String),
    #[error("group {0} does not exist; `corelog group list` lists those that do")]
    NoGroup(String),
    #[error("there is no broker {0}; `corelog cluster describe` lists them")]
    NoBroker(String),
    #[error("a record of {topic} cannot be batched: {reason}")]
    Record { topic: String, reason: String },
}

fn refusal(code: i16, message: &Option<String>) -> String {
    let name = ErrorCode::from_code(code).map_or_else(|| format!("error {code}"), |code| code.to_string());
    match message {
        Some(message) if !message.is_empty() => format!("{name}: {message}"),
        _ => name,
    }
}

impl ClientError {
    /// Turns an error code of an answer into a result; `what` names what was asked, of what.
    pub fn check(code: i16, message: Option<&str>, what: impl FnOnce() -> String) -> Result<(), ClientError> {
        match code {
            0 => Ok(()),
            code => Err(ClientError::Refused { what: what(), code, message: message.map(str::to_owned) }),
        }
    }

    /// Worth another attempt: the same request may succeed once leaders or connections have changed.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Unreachable { .. }
            | ClientError::Broken { .. }
            | ClientError::Closed { .. }
            | ClientError::TimedOut { .. }
            | ClientError::NoLeader { .. } => true,
            ClientError::Refused { code, .. } => ErrorCode::from_code(*code).is_some_and(is_retriable_code),
            ClientError::Address(_)
            | ClientError::Garbled { .. }
            | ClientError::Unsayable { .. }
            | ClientError::OutOfOrder { .. }
            | ClientError::NoCommonVersion { .. }
            | ClientError::Incomplete { .. }
            | ClientError::NoPartition { .. }
            | ClientError::NoTopic(_)
            | ClientError::NoGroup(_)
            | ClientError::NoBroker(_)
            | ClientError::Record { .. } => false,
        }
    }

    /// The coordinator moves, loads or is not there yet: it is worth to look for it again.
    pub fn is_coordinators_passing_trouble(&self) -> bool {
        matches!(
            self.code(),
            Some(
                ErrorCode::NotCoordinator
                    | ErrorCode::CoordinatorNotAvailable
                    | ErrorCode::CoordinatorLoadInProgress
            )
        )
    }

    /// The connection can carry nothing more: what was in flight on it is unknown.
    pub fn ends_connection(&self) -> bool {
        matches!(
            self,
            ClientError::Unreachable { .. }
                | ClientError::Broken { .. }
                | ClientError::Closed { .. }
                | ClientError::TimedOut { .. }
                | ClientError::Garbled { .. }
                | ClientError::OutOfOrder { .. }
        )
    }

    /// Kafka's code, if a broker gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused { code, .. } => ErrorCode::from_code(*code),
            _ => None,
        }
    }
}

/// The codes that Kafka's own clients retry (subclasses of `RetriableException`).
fn is_retriable_code(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::CorruptMessage
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::RequestTimedOut
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::NetworkException
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::NotEnoughReplicasAfterAppend
            | ErrorCode::NotController
            | ErrorCode::KafkaStorageError
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::OffsetNotAvailable
            | ErrorCode::PreferredLeaderNotAvailable
            | ErrorCode::UnknownTopicId
            | ErrorCode::ThrottlingQuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_asked_and_what_the_broker_said() {
        let error = ClientError::check(36, Some("topic exists"), || "creating topic t".to_owned());
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "creating topic t: TopicAlreadyExists (36): topic exists");
        assert!(!error.is_retriable());
        let unknown = ClientError::check(4711, None, || "x".to_owned()).unwrap_err();
        assert_eq!(unknown.to_string(), "x: error 4711");
    }

    #[test]
    fn a_lost_leader_is_retried_and_a_bad_request_is_not() {
        let refused = |code: ErrorCode| {
            ClientError::Refused { what: String::new(), code: code.code(), message: None }.is_retriable()
        };
        assert!(refused(ErrorCode::NotLeaderOrFollower));
        assert!(!refused(ErrorCode::MessageTooLarge));
        assert!(!refused(ErrorCode::InvalidTopicException));
    }
}
