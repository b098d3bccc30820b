//! Where log lines go: standard error, as text for a person or as JSON for a collector.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::{Refusal, flags::LogFormat};

/// To be called once, before the first line.
pub fn start(level: &str, format: LogFormat) -> Result<(), Refusal> {
    let filter = EnvFilter::builder().parse(level).map_err(|error| {
        Refusal::one(format!("--log-level {level}: {error}; write error, warn, info, debug or trace"))
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
