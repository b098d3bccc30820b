//! Values as the broker uses them, read from text that `Key::check` accepted.

use crate::base::{Codec, Compression, TimestampType};
use crate::config::key::entries;

/// Reads a value; `None` where the text is no such value, which `Key::check` rules out for keys of that type.
pub trait FromValue: Sized {
    fn from_value(value: &str) -> Option<Self>;
}

macro_rules! parsed {
    ($($kind:ty),*) => {
        $(impl FromValue for $kind {
            fn from_value(value: &str) -> Option<$kind> {
                value.parse().ok()
            }
        })*
    };
}

parsed!(i16, i32, i64, u32, u64, usize, f64, String);

impl FromValue for bool {
    fn from_value(value: &str) -> Option<bool> {
        value.to_ascii_lowercase().parse().ok()
    }
}

impl FromValue for Vec<String> {
    fn from_value(value: &str) -> Option<Vec<String>> {
        Some(entries(value).map(str::to_owned).collect())
    }
}

/// Negative is no limit.
impl FromValue for Option<u64> {
    fn from_value(value: &str) -> Option<Option<u64>> {
        value.parse::<i64>().ok().map(|number| u64::try_from(number).ok())
    }
}

/// `cleanup.policy`: both, either, or neither (kept for ever).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments go, by `retention.ms` and `retention.bytes`.
    pub delete: bool,
    /// Of each key the last record stays.
    pub compact: bool,
}

impl FromValue for CleanupPolicy {
    fn from_value(value: &str) -> Option<CleanupPolicy> {
        let has = |name| entries(value).any(|entry| entry == name);
        Some(CleanupPolicy { delete: has("delete"), compact: has("compact") })
    }
}

/// When an acknowledgement is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After the record is in stable storage.
    Sync,
    /// After it is in memory; the write follows at once.
    Async,
}

impl FromValue for Durability {
    fn from_value(value: &str) -> Option<Durability> {
        match value {
            "sync" => Some(Durability::Sync),
            "async" => Some(Durability::Async),
            _ => None,
        }
    }
}

impl FromValue for TimestampType {
    fn from_value(value: &str) -> Option<TimestampType> {
        match value {
            "CreateTime" => Some(TimestampType::CreateTime),
            "LogAppendTime" => Some(TimestampType::LogAppendTime),
            _ => None,
        }
    }
}

/// `compression.type`, without its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// As the producer sent it.
    Producer,
    Always(Codec),
}

impl FromValue for CompressionType {
    fn from_value(value: &str) -> Option<CompressionType> {
        match value {
            "producer" => Some(CompressionType::Producer),
            "uncompressed" => Some(CompressionType::Always(Codec::None)),
            name => Codec::ALL
                .into_iter()
                .find(|codec| *codec != Codec::None && codec.name() == name)
                .map(CompressionType::Always),
        }
    }
}

/// What happens to a batch's compression on its way into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicCompression {
    Keep,
    Recompress(Compression),
}
