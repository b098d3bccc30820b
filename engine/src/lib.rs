//! What Corelog stores and decides. Knows no socket and no API key.
//!
//! Layers, lower first; a module imports lower layers only (`bins/tests/tidy.rs` checks it):
//! 0 `base limits error op metrics` · 1 `record config` · 2 `log compact producer group controller quota` (machines) · 3 `io` · 4 `shard bus`.

pub mod base;
pub mod bus;
pub mod compact;
pub mod config;
pub mod controller;
pub mod error;
pub mod group;
pub mod io;
pub mod limits;
pub mod log;
pub mod metrics;
pub mod op;
pub mod producer;
pub mod quota;
pub mod record;
pub mod shard;
pub mod telemetry;
