//! Micro-benchmarks of the hot paths; each also runs small inside the tests.

pub mod devices;
pub mod messages;
pub mod record;
pub mod wire;
