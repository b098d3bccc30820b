//! Group coordinators: who is in a group, who reads what, and how far they are. Machines; on the core that owns the
//! group's partition of `__consumer_offsets`. Pure: time and random ids are arguments, records and replies the result.

pub mod consumer;
pub mod record;
