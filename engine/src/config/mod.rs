//! The options: Kafka's names, defaults and rules, so that an operator's habits, `server.properties` and `kafka-configs`
//! carry over. Pure: text in, values out; no file is read here and nothing changes while it is read. Any core.

mod broker;
pub mod broker_keys;
mod changes;
mod cleaner;
mod client_metrics;
mod error;
mod expiration;
pub mod group;
mod inert;
pub mod key;
mod layers;
mod listener;
pub mod properties;
mod suggest;
pub mod topic;
mod value;

#[cfg(test)]
mod tests;

pub use broker::{BrokerConfig, Warning, accept};
pub use broker_keys::{BROKER_KEYS, DATA_DIR_DEFAULT, broker_key, listed_keys};
pub use changes::check_broker_change;
pub use cleaner::CleanerConfig;
pub use client_metrics::{CLIENT_METRICS_KEYS, check_client_metrics, client_metrics_key};
pub use error::ConfigError;
pub use expiration::producer_expiration_ms;
pub use group::{GROUP_KEYS, GroupOptions, group_key};
pub use key::{Check, Effect, Key, Type, Update, list_append, list_subtract};
pub use layers::{Described, DescribedSynonym, Layers, Source};
pub use listener::{Listener, Protocol};
pub use topic::{Overrides, TOPIC_KEYS, TopicConfig, topic_key};
pub use value::{CleanupPolicy, CompressionType, Durability, TopicCompression};
