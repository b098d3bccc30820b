//! Where log lines go, and which of them: standard error, as text for a person or as JSON for a collector. Levels are the whole
//! process's, so they are what cores share: any core may set them (`kafka-configs --entity-type broker-loggers`), and the
//! filter behind them is swapped for all.

use std::{collections::BTreeMap, fmt, io::IsTerminal, sync::Mutex};

use net::api::{LogLevel, Loggers, ROOT_LOGGER};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    Registry, filter::Targets, fmt as lines, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use super::{Refusal, flags::LogFormat};

/// The modules that write lines and those above them, beside the root. With dots: kafka-configs takes no colon in a name.
const LOGGERS: &[&str] = &[
    "bins",
    "bins.corelogd",
    "bins.corelogd.cores",
    "bins.corelogd.logging",
    "bins.corelogd.start",
    "engine",
    "engine.group",
    "engine.group.classic",
    "engine.group.classic.leave",
    "engine.group.classic.rebalance",
    "engine.group.consumer",
    "engine.group.consumer.regex",
    "engine.group.heartbeats",
    "engine.shard",
    "engine.shard.cleaner",
    "engine.shard.connections",
    "engine.shard.fetch",
    "engine.shard.flush",
    "engine.shard.group",
    "engine.shard.group.append",
    "engine.shard.group.load",
    "engine.shard.produce",
    "engine.shard.publish",
    "engine.shard.retention",
    "engine.shard.retirement",
    "engine.shard.settings",
    "engine.shard.swap",
    "net",
    "net.api",
    "net.api.describe_log_dirs",
    "net.api.find_coordinator",
    "net.api.loggers",
    "net.conn",
    "net.conn.complaints",
    "net.conn.connection",
    "net.conn.lending",
    "net.node",
    "net.node.steps",
    "net.server",
];

/// To be called once, before the first line.
pub fn start(level: &str, format: LogFormat) -> Result<Levels, Refusal> {
    let given: Targets = level.parse().map_err(|error| {
        Refusal::one(format!("--log-level {level}: {error}; write error, warn, info, debug or trace"))
    })?;
    let (filter, levels) = Levels::new(given);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = lines::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            registry.with(layer.with_target(false).with_ansi(std::io::stderr().is_terminal())).init();
        }
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).init(),
    }
    Ok(levels)
}

/// What `--log-level` says, and what was set since.
pub struct Levels {
    given: Targets,
    set: Mutex<BTreeMap<&'static str, LogLevel>>,
    handle: reload::Handle<Targets, Registry>,
}

impl Levels {
    fn new(given: Targets) -> (reload::Layer<Targets, Registry>, Levels) {
        let (filter, handle) = reload::Layer::new(given.clone());
        (filter, Levels { given, set: Mutex::default(), handle })
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Levels({})", self.given)
    }
}

impl Loggers for Levels {
    fn levels(&self) -> Vec<(&'static str, LogLevel)> {
        let set = self.set.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let filter = filter(&self.given, &set);
        let root = filter.default_level().map_or(LogLevel::Fatal, level_of);
        let loggers = LOGGERS.iter().map(|name| (*name, in_force(&filter, name)));
        loggers.chain([(ROOT_LOGGER, root)]).collect()
    }

    fn set(&self, changes: &[(&'static str, Option<LogLevel>)]) {
        let mut set = self.set.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (name, level) in changes {
            match level {
                Some(level) => set.insert(name, *level),
                None => set.remove(name),
            };
        }
        if let Err(error) = self.handle.reload(filter(&self.given, &set)) {
            tracing::error!(%error, "the levels of log lines cannot be changed any more");
        }
    }
}

/// The nearest logger above a module that has a level decides.
fn filter(given: &Targets, set: &BTreeMap<&'static str, LogLevel>) -> Targets {
    set.iter().fold(given.clone(), |filter, (name, level)| match *name {
        ROOT_LOGGER => filter.with_default(shown(*level)),
        name => filter.with_target(target(name), shown(*level)),
    })
}

/// What the module's lines are marked with.
fn target(name: &str) -> String {
    name.replace('.', "::")
}

fn in_force(filter: &Targets, name: &str) -> LogLevel {
    let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
    let most = levels.into_iter().find(|level| filter.would_enable(&target(name), level));
    most.map_or(LogLevel::Fatal, |level| level_of(level.into()))
}

fn level_of(filter: LevelFilter) -> LogLevel {
    match filter.into_level() {
        None => LogLevel::Fatal,
        Some(Level::ERROR) => LogLevel::Error,
        Some(Level::WARN) => LogLevel::Warn,
        Some(Level::INFO) => LogLevel::Info,
        Some(Level::DEBUG) => LogLevel::Debug,
        Some(Level::TRACE) => LogLevel::Trace,
    }
}

fn shown(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Fatal => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    use super::*;

    fn shows(level: Level) -> bool {
        match level {
            Level::DEBUG => tracing::enabled!(target: "engine::shard::cleaner", Level::DEBUG),
            _ => tracing::enabled!(target: "engine::shard::cleaner", Level::ERROR),
        }
    }

    fn of(levels: &Levels, name: &str) -> LogLevel {
        levels.levels().into_iter().find(|(logger, _)| *logger == name).expect("a logger").1
    }

    #[test]
    fn a_level_takes_effect_at_once_and_the_nearest_logger_above_decides() {
        let (filter, levels) = Levels::new("info,engine::shard=debug".parse().unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(filter), || {
            assert!(shows(Level::DEBUG), "as the flag says");
            levels.set(&[("engine.shard.cleaner", Some(LogLevel::Info))]);
            assert!(!shows(Level::DEBUG) && shows(Level::ERROR));
            levels.set(&[("engine.shard.cleaner", Some(LogLevel::Fatal))]);
            assert!(!shows(Level::ERROR));
            levels.set(&[("engine.shard.cleaner", None)]);
            assert!(shows(Level::DEBUG));
            levels.set(&[(ROOT_LOGGER, Some(LogLevel::Warn))]);
        });
        let names = [ROOT_LOGGER, "net.conn", "engine.shard", "engine.shard.cleaner"];
        let levels = names.map(|name| of(&levels, name));
        assert_eq!(levels, [LogLevel::Warn, LogLevel::Warn, LogLevel::Debug, LogLevel::Debug]);
    }

    #[test]
    fn every_module_that_writes_lines_is_a_logger_and_no_other() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let mut found = BTreeSet::new();
        for directory in ["engine/src", "net/src", "bins/src/corelogd"] {
            let mut left: Vec<PathBuf> = vec![root.join(directory)];
            while let Some(path) = left.pop() {
                if path.is_dir() {
                    left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                } else if writes_lines(&fs::read_to_string(&path).unwrap()) {
                    let inside = path.strip_prefix(root).unwrap().with_extension("");
                    let parts: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
                    let parts: Vec<&str> =
                        parts.into_iter().filter(|part| !["src", "mod", "lib"].contains(part)).collect();
                    found.extend((1..=parts.len()).map(|length| parts[..length].join(".")));
                }
            }
        }
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), LOGGERS);
    }

    fn writes_lines(source: &str) -> bool {
        ["error", "warn", "info", "debug", "trace"]
            .iter()
            .any(|level| source.contains(&format!("tracing::{level}!")))
    }
}
