//! The wire.

pub mod wire;
