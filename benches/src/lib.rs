//! Micro-benchmarks of the hot paths; each also runs small inside the tests.

pub mod coordinator;
pub mod devices;
pub mod groups;
pub mod instructions;
pub mod messages;
pub mod record;
pub mod wire;
