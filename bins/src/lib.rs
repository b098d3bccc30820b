//! Corelog's binaries share these modules.

pub mod cli;
