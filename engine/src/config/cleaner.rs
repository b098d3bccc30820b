//! The options of the log cleaner, read anew before each of its runs, so that dynamic ones take effect.

use crate::config::error::ConfigError;
use crate::config::layers::{Layers, Reader};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerConfig {
    pub enabled: bool,
    pub backoff_ms: u64,
    /// Of all cores together.
    pub dedupe_bytes: u64,
    /// Of all cores together; beyond any device is no limit.
    pub bytes_per_second: f64,
}

impl CleanerConfig {
    pub fn resolve(layers: &Layers<'_>) -> Result<CleanerConfig, ConfigError> {
        let read = Reader::new(layers);
        Ok(CleanerConfig {
            enabled: read.required("log.cleaner.enable")?,
            backoff_ms: read.required("log.cleaner.backoff.ms")?,
            dedupe_bytes: read.required("log.cleaner.dedupe.buffer.size")?,
            bytes_per_second: read.required("log.cleaner.io.max.bytes.per.second")?,
        })
    }
}
