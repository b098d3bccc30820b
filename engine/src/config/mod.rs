//! The options: Kafka's names, defaults and rules, so that an operator's habits, `server.properties` and `kafka-configs`
//! carry over. Pure: text in, values out; no file is read here and nothing changes while it is read. Any core.

pub mod broker_keys;
mod error;
mod inert;
pub mod key;
mod layers;
mod suggest;
pub mod topic;
mod value;

#[cfg(test)]
mod tests;

pub use broker_keys::broker_key;
pub use error::ConfigError;
pub use key::{Check, Effect, Key, Type, Update, list_append, list_subtract};
pub use layers::{Described, DescribedSynonym, Layers, Source};
pub use topic::{Overrides, TOPIC_KEYS, TopicConfig, topic_key};
pub use value::{CleanupPolicy, CompressionType, Durability, TopicCompression};
