//! Corelog's binaries share these modules.

pub mod bench;
pub mod cli;
pub mod corelogd;
pub mod sim;
