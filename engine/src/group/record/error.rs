//! Why a record of `__consumer_offsets` is not understood.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another kind of group's, or a later Kafka's: it means nothing to this broker and may be passed over.
    #[error("record type {0} is unknown")]
    UnknownType(i16),
    #[error("{kind} version {version} is unknown: a newer version of the software wrote it")]
    UnknownVersion { kind: &'static str, version: i16 },
    #[error("{kind} is damaged: {reason}")]
    Damaged { kind: &'static str, reason: &'static str },
}
