//! What a change of a broker's options must not bring about, beyond types and ranges: Kafka's rules for single options
//! (kafka.server.KafkaConfig, DynamicBrokerConfig), in its words. What was stored or given at the start is not held to them: it
//! is read as it is.

use crate::config::error::ConfigError;
use crate::config::layers::{Layers, Reader};
use crate::config::topic::Overrides;

/// What Kafka's cleaner wants more than, for each of its threads.
const DEDUPE_BYTES_PER_THREAD: i64 = 1 << 20;

/// `overrides`: what is then set on the resource; `layers`: what all of it comes to.
pub fn check_broker_change(overrides: &Overrides, layers: &Layers<'_>) -> Result<(), ConfigError> {
    let read = Reader::new(layers);
    let refuse = |key: &str, message: String| Err(ConfigError { key: key.to_owned(), message });
    let (buffer, threads) = ("log.cleaner.dedupe.buffer.size", "log.cleaner.threads");
    if overrides.contains_key(buffer) || overrides.contains_key(threads) {
        let count = read.required::<i64>(threads)?;
        if count == 0 {
            return refuse(
                threads,
                format!("Invalid value 0 for configuration {threads}: nobody would compact"),
            );
        }
        let each = read.required::<i64>(buffer)? / count;
        if each <= DEDUPE_BYTES_PER_THREAD {
            let message = format!("requirement failed: {buffer} must be at least 1MB per cleaner thread.");
            return refuse(buffer, message);
        }
    }
    let is_zero = |name: &str| overrides.get(name).is_some_and(|value| value.trim().parse() == Ok(0));
    if is_zero("log.retention.ms") {
        let name = "log.retention.ms";
        let message =
            format!("requirement failed: {name} must be unlimited (-1) or, greater than or equal to 1");
        return refuse(name, message);
    }
    // Nobody could connect to undo it.
    if let Some(name) =
        ["max.connections", "max.connection.creation.rate"].into_iter().find(|name| is_zero(name))
    {
        return refuse(name, format!("Invalid {name} 0 for configuration Invalid dynamic configuration"));
    }
    Ok(())
}
