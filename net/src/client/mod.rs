//! Our own Kafka client, for the operator's CLI and the load generator: any broker that speaks Kafka's protocol answers it.
//!
//! Blocking sockets, no runtime and no threads of its own. `Connection` sends requests without waiting and receives the
//! answers in order; `Client` knows the cluster (metadata, leaders, retries); `Producer` batches and keeps order
//! per partition under retries; `fetch` reads by offset; `Member` takes part in a group. The broker itself never uses it.

mod address;
mod admin;
mod brokers;
mod cluster;
mod committed;
mod configs;
mod connection;
mod error;
mod fetch;
mod groups;
pub mod limits;
mod member;
mod offsets;
pub mod partitioner;
mod producer;
mod records;
mod topic;
mod versions;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use admin::{Created, NewTopic};
pub use brokers::{Broker, Cluster};
pub use cluster::{AutoCreation, Client, Options};
pub use committed::{Offsets, PerPartition};
pub use configs::{Change, Config, ConfigSource, Intent, Resource, ResourceKind, Synonym};
pub use connection::{Connection, Incoming, Outgoing, Ticket};
pub use error::ClientError;
pub use fetch::{Fetched, Position, Wait, fetch_request, read_answer};
pub use groups::{Group, GroupKind, GroupMember, ListedGroup, Partitions};
pub use member::{Member, MemberChange, MemberOptions, Protocol};
pub use offsets::{At, Found, list_offsets_request};
pub use producer::{Acks, Delivered, Producer, ProducerOptions, base_offset, produce_request};
pub use records::Removed;
pub use topic::{Partition, Topic};
pub use versions::Versions;
