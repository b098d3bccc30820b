//! Group coordinators: who is in a group, who reads what, and how far they are. One machine per core, for the groups whose
//! partition of `__consumer_offsets` the core owns. Pure: time and random ids are arguments, answers, records and alarms the
//! result (`effects`).
//!
//! What must survive is a record (`record`) and is changed by `Groups::apply` alone, live and at replay: a request proposes
//! records, and when they are on their way into the log they are accepted. Who is joining, waiting or silent is not stored.

pub mod classic;
pub mod config;
pub mod consumer;
pub mod effects;
pub mod figures;
mod groups;
mod heartbeats;
mod inventory;
pub mod kind;
pub mod limits;
mod membership;
pub mod offsets;
mod positions;
pub mod record;
pub mod request;
mod resolutions;
mod storage;
#[cfg(test)]
mod tests;
pub mod timers;
pub mod walk;

pub use groups::{Groups, Home, partition_of};
