//! Core to core: bounded rings between every pair of cores, one wake-up per batch. Each core has one `Endpoint`.
//! Must never block and never lose, reorder or duplicate a message between two cores.

mod endpoint;
mod sleeper;

pub use endpoint::{Endpoint, Full, mesh};
