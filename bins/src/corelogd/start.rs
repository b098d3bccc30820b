//! The way from flags to a broker that serves, and to its end. Runs on the main thread; the cores have their own.

use std::{
    fs, io,
    path::Path,
    process,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use engine::{
    base::NodeId,
    io::{
        Clock, Device, RingConfig,
        host::{self, HostReport, Severity},
        lock::{DirectoryLock, LOCK_PATIENCE},
        zero_copy,
    },
    shard::{
        self, Boot, BootConfig, RetentionCheck,
        settings::{BrokerOptions, Budget, Pacing},
    },
};
use net::server::is_taken;

use super::{
    Flags, Refusal,
    cores::{self, Crew},
    descriptors::Descriptors,
    dry_run,
    identity::{self, Identity},
    logging,
    settings::Settings,
    signals,
};

/// A checkpoint this long after the first change that it would save: a restart redoes no more than this.
const CHECKPOINT_INTERVAL_MS: u64 = 60_000;

/// How long a start waits for a killed predecessor's listening sockets to go, and how often it looks.
const PORT_PATIENCE: Duration = Duration::from_secs(3);
const PORT_RETRY_EVERY: Duration = Duration::from_millis(50);

/// Runs the broker; the process's exit code.
pub fn run(flags: &Flags) -> i32 {
    match try_run(flags) {
        Ok(()) => 0,
        Err(Refusal(sentences)) => {
            for sentence in sentences {
                eprintln!("corelogd: {sentence}");
            }
            1
        }
    }
}

fn try_run(flags: &Flags) -> Result<(), Refusal> {
    let mut settings = Settings::resolve(flags)?;
    let loggers = Arc::new(logging::start(&flags.log_level, flags.log_format)?);
    if flags.dry_run || flags.host_settings.is_some() {
        return dry_run(&settings, flags.host_settings.as_deref());
    }
    // Before any thread exists: all inherit the mask.
    let blocked =
        signals::block().map_err(|error| Refusal::one(format!("signals cannot be blocked: {error}")))?;
    make_directory(&settings)?;
    let descriptors = Descriptors::share(check_host(&settings)?, &settings);
    settings.ring.open_files = descriptors.files_per_core;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let lock = DirectoryLock::acquire(&settings.data_dir, LOCK_PATIENCE)
        .map_err(|failure| Refusal::one(failure.to_string()))?;
    check_ports(&settings)?;
    let identity = identify(&settings)?;
    let clock = Clock::start();
    let boot = boot(&settings, &identity, descriptors, clock, &lock)?;
    let crew = Crew::new(settings.cpus.len())?;
    let stopping = crew.clone();
    signals::listen(blocked, move |signal| {
        tracing::info!("{signal}: stopping; a second signal ends the process at once");
        stopping.stop();
    })
    .map_err(|error| Refusal::one(format!("the thread for signals does not start: {error}")))?;
    cores::run(cores::Start { settings, identity, loggers, seeds: boot.seeds, clock, lock, crew })?;
    tracing::info!("stopped");
    Ok(())
}

/// `root`: only the host's settings below it are printed.
fn dry_run(settings: &Settings, root: Option<&Path>) -> Result<(), Refusal> {
    // A start would make the directory: what it would be made on is looked at.
    let present = settings.data_dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    let tuned = host::settings(root.unwrap_or(Path::new("/")), present, &settings.cpus);
    let out = &mut io::stdout().lock();
    let unwritten = |error| Refusal::one(format!("the report cannot be written: {error}"));
    if root.is_some() {
        return dry_run::print_settings(&tuned, out).map_err(unwritten);
    }
    let host = look_at_host(settings, present);
    dry_run::print(settings, &host, &tuned, out).map_err(unwritten)?;
    if host.is_fatal() { Err(Refusal(Vec::new())) } else { Ok(()) }
}

fn make_directory(settings: &Settings) -> Result<(), Refusal> {
    let directory = settings.data_dir.display();
    fs::create_dir_all(&settings.data_dir)
        .map_err(|error| Refusal::one(format!("the data directory {directory} cannot be made: {error}")))
}

/// `directory`: the data directory, or what it would be made in.
fn look_at_host(settings: &Settings, directory: &Path) -> HostReport {
    let mut host = host::probe(directory);
    if settings.lent_bytes_min.is_some() {
        host.findings.extend(host::judge_zero_copy(zero_copy::is_supported()));
    }
    host
}

/// How many descriptors this process may have.
fn check_host(settings: &Settings) -> Result<u64, Refusal> {
    let host = look_at_host(settings, &settings.data_dir);
    let mut fatal = Vec::new();
    for finding in host.findings {
        match finding.severity {
            Severity::Fatal => fatal.push(finding.sentence),
            Severity::Warning => tracing::warn!("{}", finding.sentence),
            Severity::Note => tracing::debug!("{}", finding.sentence),
        }
    }
    if fatal.is_empty() { Ok(host.descriptors) } else { Err(Refusal(fatal)) }
}

/// Nobody else listens where this broker shall. A killed predecessor's sockets live on for a moment, so one look is not enough.
fn check_ports(settings: &Settings) -> Result<(), Refusal> {
    let deadline = Instant::now() + PORT_PATIENCE;
    let addresses = settings.endpoints.iter().map(|endpoint| endpoint.address).chain(settings.admin);
    for address in addresses {
        while is_taken(address) {
            if Instant::now() > deadline {
                return Err(Refusal::one(format!(
                    "another process listens on {address}; stop it, or choose another one with --listen or --admin-listen"
                )));
            }
            thread::sleep(PORT_RETRY_EVERY);
        }
    }
    Ok(())
}

fn identify(settings: &Settings) -> Result<Identity, Refusal> {
    if let Some(identity) = identity::read(&settings.data_dir, settings.node)? {
        return Ok(identity);
    }
    let node = settings.node.unwrap_or(NodeId(1));
    let random = random().map(|bytes| bytes.to_be_bytes());
    random.and_then(|random| identity::create(&settings.data_dir, node, random)).map_err(|error| {
        Refusal::one(format!("meta.properties cannot be written in {}: {error}", settings.data_dir.display()))
    })
}

fn random() -> io::Result<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(u128::from_be_bytes(bytes))
}

/// Recovers what the data directory holds, on this thread.
fn boot(
    settings: &Settings,
    identity: &Identity,
    descriptors: Descriptors,
    clock: Clock,
    lock: &DirectoryLock,
) -> Result<Boot, Refusal> {
    use std::os::fd::AsFd;

    let begun = Instant::now();
    let refusal = |error: io::Error| {
        Refusal::one(format!("the devices of {} cannot be opened: {error}", settings.data_dir.display()))
    };
    let mut device =
        Device::open(&RingConfig::default(), &settings.data_dir, Some(lock.as_fd())).map_err(refusal)?;
    let config = BootConfig {
        options: Arc::new(BrokerOptions {
            node: identity.node,
            overrides: settings.options.clone(),
            partitions_default: settings.config.num_partitions,
            // A replica more than brokers cannot be placed; Kafka refuses later, and so does the controller.
            replication_factor_default: i16::try_from(settings.config.default_replication_factor)
                .unwrap_or(i16::MAX),
            connections_max: descriptors.connections,
        }),
        // CPU numbers are below 1024 each, and distinct.
        cores: u16::try_from(settings.cpus.len()).unwrap_or(u16::MAX),
        budget: Budget::of(settings.memory_per_core, settings.journal_extents),
        pacing: Pacing::default(),
        read_bytes: settings.read_bytes,
        segment_io: settings.segment_io,
        checkpoint_interval_ms: CHECKPOINT_INTERVAL_MS,
        retention_check: RetentionCheck {
            first_ms: settings.config.initial_task_delay_ms,
            interval_ms: settings.config.retention_check_interval_ms,
        },
        secret_seed: random().map_err(refusal)? as u64,
        now: clock.now(),
    };
    let boot = shard::boot(&mut |ops| device.perform(ops), &config)
        .map_err(|error| Refusal::one(error.to_string()))?;
    tracing::info!(
        "node {} of cluster {}, start {}, {} partitions, ready after {} ms, {} batches redone from the journal",
        identity.node,
        identity.cluster_id,
        boot.incarnation,
        boot.partitions,
        begun.elapsed().as_millis(),
        boot.redone_batches,
    );
    Ok(boot)
}

/// Ends the process for a failure that nothing can go on after.
pub(super) fn die(sentence: &str) -> ! {
    tracing::error!("{sentence}");
    eprintln!("corelogd: {sentence}");
    process::exit(1)
}
