//! The wire: bytes and messages, connections, API handlers, and one core's node behind them.
//!
//! Layers, lower first; a module imports lower layers only (`bins/tests/tidy.rs` checks it):
//! 0 `wire limits` · 1 `conn node peer client` · 2 `api` · 3 `server` · 4 `admin`.

pub mod admin;
pub mod api;
pub mod client;
pub mod conn;
pub mod limits;
pub mod node;
pub mod server;
pub mod wire;
