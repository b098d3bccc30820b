//! Levels of log lines as a resource of options (type 8, KIP-412): DescribeConfigs shows them, IncrementalAlterConfigs sets them
//! at once, for the whole process, until it ends. The names are the modules that write lines and those above them; `root` is
//! what holds where nothing else does. Rules and words are Kafka's (org.apache.kafka.server.logger.RuntimeLoggerManager).

use std::fmt;

use engine::error::{ErrorCode, Refusal};

use super::Broker;
use crate::wire::{
    describe_configs::DescribeConfigsResourceResult, incremental_alter_configs::AlterableConfig,
};

/// The logger that all others inherit from.
pub const ROOT: &str = "root";

/// DescribeConfigs' number of where such a level comes from.
const DYNAMIC_BROKER_LOGGER: i8 = 6;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Kafka's levels. Nothing here is fatal and goes on: `Fatal` shows no lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// In the order that Kafka names them in.
    const ALL: [LogLevel; 6] =
        [LogLevel::Debug, LogLevel::Error, LogLevel::Fatal, LogLevel::Info, LogLevel::Trace, LogLevel::Warn];

    fn name(self) -> &'static str {
        match self {
            LogLevel::Fatal => "FATAL",
            LogLevel::Error => "ERROR",
            LogLevel::Warn => "WARN",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
            LogLevel::Trace => "TRACE",
        }
    }
}

/// The process's log levels, which all cores share.
pub trait Loggers: fmt::Debug + Send + Sync {
    /// Every logger with the level in force.
    fn levels(&self) -> Vec<(&'static str, LogLevel)>;

    /// From here on. `None` takes back what was set; never of the root.
    fn set(&self, changes: &[(&'static str, Option<LogLevel>)]);
}

pub(super) fn describe(broker: &Broker, name: &str) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    if name.is_empty() {
        return Err(invalid("Broker id must not be empty".to_owned()));
    }
    match name.parse::<i32>() {
        Err(_) => Err(invalid(format!("Broker id must be an integer, but it is: {name}"))),
        Ok(id) if id != broker.node.0 => {
            Err(invalid(format!("Unexpected broker id, expected {} but received {name}", broker.node)))
        }
        Ok(_) => {
            let levels = broker.loggers.levels().into_iter();
            Ok(levels.map(|(logger, level)| show(logger, level)).collect())
        }
    }
}

fn show(logger: &'static str, level: LogLevel) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult {
        name: logger.into(),
        value: Some(level.name().into()),
        config_source: DYNAMIC_BROKER_LOGGER,
        documentation: Some("".into()),
        ..Default::default()
    }
}

/// All of the changes, or none and why.
pub(super) fn alter(
    broker: &Broker,
    name: &str,
    configs: &[AlterableConfig],
    validate_only: bool,
) -> Result<(), Refusal> {
    match name.parse::<i32>() {
        Err(_) => return Err(invalid(format!("Node id must be an integer, but it is: {name}"))),
        Ok(id) if id != broker.node.0 => {
            let message = format!("Unexpected node id. Expected {}, but received {id}", broker.node);
            return Err(invalid(message));
        }
        Ok(_) => {}
    }
    let known = broker.loggers.levels();
    let mut changes: Vec<(&'static str, Option<LogLevel>)> = Vec::new();
    for config in configs {
        let change = check(config, &known)?;
        if changes.iter().any(|(logger, _)| *logger == change.0) {
            return Err(invalid("Error due to duplicate config keys".to_owned()));
        }
        changes.push(change);
    }
    if !validate_only {
        for (logger, level) in &changes {
            let level = level.map_or("as at the start", LogLevel::name);
            tracing::info!("log lines of {logger}: {level}");
        }
        broker.loggers.set(&changes);
    }
    Ok(())
}

fn check(
    config: &AlterableConfig,
    known: &[(&'static str, LogLevel)],
) -> Result<(&'static str, Option<LogLevel>), Refusal> {
    let name = config.name.as_str();
    let logger = || {
        let found = known.iter().map(|(logger, _)| *logger).find(|logger| *logger == name);
        found.ok_or_else(|| Refusal::new(ErrorCode::InvalidConfig, format!("Logger {name} does not exist!")))
    };
    let not_allowed = |operation: &str| {
        Err(invalid(format!("{operation} operation is not allowed for the BROKER_LOGGER resource")))
    };
    match config.config_operation {
        SET => {
            let Some(value) = config.value.as_deref() else {
                return Err(invalid(format!("Null value not supported for : {name}")));
            };
            let logger = logger()?;
            let level = LogLevel::ALL.into_iter().find(|level| level.name() == value);
            let level = level.ok_or_else(|| {
                let valid = LogLevel::ALL.map(LogLevel::name).join(", ");
                let message = format!(
                    "Cannot set the log level of {name} to {value} as it is not a supported log level. Valid log levels are {valid}"
                );
                Refusal::new(ErrorCode::InvalidConfig, message)
            })?;
            Ok((logger, Some(level)))
        }
        DELETE => match logger()? {
            ROOT => Err(invalid(format!("Removing the log level of the {ROOT} logger is not allowed"))),
            logger => Ok((logger, None)),
        },
        APPEND => not_allowed("APPEND"),
        SUBTRACT => not_allowed("SUBTRACT"),
        other => not_allowed(&format!("Unknown operation type {other}")),
    }
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::api::tests::broker;

    /// Two loggers that only remember.
    #[derive(Debug)]
    pub struct Remembered(Mutex<[LogLevel; 2]>);

    impl Default for Remembered {
        fn default() -> Remembered {
            Remembered(Mutex::new([LogLevel::Info; 2]))
        }
    }

    impl Loggers for Remembered {
        fn levels(&self) -> Vec<(&'static str, LogLevel)> {
            let levels = self.0.lock().unwrap();
            vec![(ROOT, levels[0]), ("engine.shard", levels[1])]
        }

        fn set(&self, changes: &[(&'static str, Option<LogLevel>)]) {
            let mut levels = self.0.lock().unwrap();
            for (name, level) in changes {
                levels[usize::from(*name != ROOT)] = level.unwrap_or(levels[0]);
            }
        }
    }

    fn config(name: &str, config_operation: i8, value: Option<&str>) -> AlterableConfig {
        AlterableConfig { name: name.into(), config_operation, value: value.map(Into::into) }
    }

    fn shown(broker: &Broker) -> Vec<(String, String)> {
        let found = describe(broker, "1").unwrap().into_iter();
        found.map(|one| (one.name.into(), one.value.unwrap().into())).collect()
    }

    #[test]
    fn a_level_holds_from_when_it_is_set_until_it_is_deleted() {
        let broker = broker();
        let levels = |broker: &Broker| shown(broker).into_iter().map(|(_, level)| level).collect::<Vec<_>>();
        alter(&broker, "1", &[config("engine.shard", SET, Some("DEBUG"))], true).unwrap();
        assert_eq!(levels(&broker), ["INFO", "INFO"], "only looked at");
        alter(&broker, "1", &[config("engine.shard", SET, Some("DEBUG"))], false).unwrap();
        assert_eq!(levels(&broker), ["INFO", "DEBUG"]);
        alter(&broker, "1", &[config("engine.shard", DELETE, None)], false).unwrap();
        assert_eq!(levels(&broker), ["INFO", "INFO"]);
    }

    /// Each as Apache Kafka 4.3 answers it, and nothing of the request is done.
    #[test]
    fn what_kafka_refuses_is_refused_in_its_words() {
        let broker = broker();
        let levels = "Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN";
        let unsupported = |value| {
            format!(
                "Cannot set the log level of root to {value} as it is not a supported log level. {levels}"
            )
        };
        let cases = [
            (config(ROOT, SET, Some("LOUD")), ErrorCode::InvalidConfig, unsupported("LOUD")),
            (config(ROOT, SET, Some("debug")), ErrorCode::InvalidConfig, unsupported("debug")),
            (config("x", SET, Some("LOUD")), ErrorCode::InvalidConfig, "Logger x does not exist!".to_owned()),
            (config("x", DELETE, None), ErrorCode::InvalidConfig, "Logger x does not exist!".to_owned()),
            (
                config(ROOT, DELETE, None),
                ErrorCode::InvalidRequest,
                "Removing the log level of the root logger is not allowed".to_owned(),
            ),
            (
                config(ROOT, APPEND, Some("DEBUG")),
                ErrorCode::InvalidRequest,
                "APPEND operation is not allowed for the BROKER_LOGGER resource".to_owned(),
            ),
            (
                config("engine.shard", SET, Some("INFO")),
                ErrorCode::InvalidRequest,
                "Error due to duplicate config keys".to_owned(),
            ),
        ];
        for (wrong, code, message) in cases {
            let first = config("engine.shard", SET, Some("TRACE"));
            let refusal = alter(&broker, "1", &[first, wrong], false).unwrap_err();
            assert_eq!((refusal.code, refusal.message), (code, message));
        }
        for name in ["2", "", "x"] {
            let one = config(ROOT, SET, Some("INFO"));
            assert_eq!(alter(&broker, name, &[one], false).unwrap_err().code, ErrorCode::InvalidRequest);
            assert_eq!(describe(&broker, name).unwrap_err().code, ErrorCode::InvalidRequest);
        }
        assert!(shown(&broker).iter().all(|(_, level)| level == "INFO"));
    }
}
