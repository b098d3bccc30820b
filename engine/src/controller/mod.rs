//! The metadata machine: what topics, partitions, options and producer ids exist. `decide` turns a command into
//! records and a reply and cannot mutate; `Image::apply` is the only mutator, live and at replay, so that the records
//! can be committed by one node's log today and by a Raft quorum later. The records live on core 0; every core
//! reads an immutable `Arc<Image>`. Pure: no I/O, no clock, no randomness; topic ids come in as arguments.

mod configs;
mod decide;
mod error;
mod features;
mod image;
pub mod limits;
mod names;
mod placement;
mod record;
mod registry;
#[cfg(test)]
mod tests;
mod topics;

pub use decide::*;
pub use error::{ApplyError, RecordError};
pub use features::{FEATURES, Feature, GROUP_VERSION};
pub use image::{BrokerImage, Image, PartitionImage, TopicImage};
pub use names::{check as check_topic_name, is_internal, topic_id_from_random};
pub use record::{ConfigResource, MetadataRecord, PartitionRecord};
pub use registry::{check_overrides, list_default};
