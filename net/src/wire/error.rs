//! Why bytes are not the message they claim to be, or a message cannot be said in a version. Every one of these is the
//! peer's or the caller's mistake and concerns one connection only.

use super::ApiKey;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("the message ends {missing} bytes before its field does")]
    Truncated { missing: usize },
    #[error("length {0} is negative or beyond what the field may have")]
    BadLength(i64),
    #[error("an array of {count} elements does not fit the remaining {remaining} bytes")]
    CountBeyondFrame { count: usize, remaining: usize },
    #[error("the message's arrays would take more than {0} bytes of memory")]
    BudgetExceeded(usize),
    #[error("a variable-length integer is longer than its type")]
    BadVarint,
    #[error("a string is not UTF-8")]
    NotUtf8,
    #[error("a value that may not be null is null")]
    Null,
    #[error("field {field} may not be null in version {version}")]
    NullInVersion { field: &'static str, version: i16 },
    #[error("field {field} has a value that version {version} cannot carry")]
    NotInVersion { field: &'static str, version: i16 },
    #[error("tagged field {tag} is {size} bytes long but its value ends elsewhere")]
    TagSize { tag: u32, size: usize },
    #[error("{0} bytes follow the message's last field")]
    TrailingBytes(usize),
    #[error("{api:?} has no version {version} here")]
    UnsupportedVersion { api: ApiKey, version: i16 },
    #[error("a frame of {size} bytes; allowed are 0 to {bytes_max}")]
    FrameSize { size: i64, bytes_max: usize },
}
