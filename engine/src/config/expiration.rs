//! How long the state of a silent producer stays; read with a topic's options, so that a dynamic change takes effect.

use crate::config::error::ConfigError;
use crate::config::layers::{Layers, Reader};

/// `producer.id.expiration.ms`
pub fn producer_expiration_ms(layers: &Layers<'_>) -> Result<i64, ConfigError> {
    Reader::new(layers).required("producer.id.expiration.ms")
}
