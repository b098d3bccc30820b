//! Flags, file and options, resolved and checked as a whole before anything starts. Reads the configuration file and
//! resolves host names; changes nothing.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use engine::{
    base::NodeId,
    config::{self, BrokerConfig, DATA_DIR_DEFAULT, Layers, Overrides, properties},
    io::{
        RingConfig,
        limits::{ZERO_COPY_CONNECTION_DIVISOR, ZERO_COPY_SLICE_BYTES_MIN},
    },
    limits::BLOCK_BYTES,
    shard::settings::SegmentIo,
};

use super::{
    Flags, Refusal, cpus,
    endpoints::{self, Endpoint},
    sizes,
};

/// What a core gets if nobody says otherwise: it makes journal extents of 16 MiB.
const MEMORY_PER_CORE_DEFAULT: u64 = 256 << 20;
/// Below this, four journal groups and a request of usual size have no room.
const MEMORY_PER_CORE_MIN: u64 = 16 << 20;
const READ_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=16 << 20;
/// The kernel is lent at most this part of a core's memory (one divided by it) for sends without a copy. Each slice may keep a buffer of
/// many times its size from being used again.
const ZERO_COPY_MEMORY_DIVISOR: u64 = 64;
const IO_DEPTH_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;

#[derive(Clone, Debug)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// The file's and the command line's options, as given.
    pub options: Overrides,
    pub config: BrokerConfig,
    /// `node.id`, if somebody said it.
    pub node: Option<NodeId>,
    pub endpoints: Vec<Endpoint>,
    /// `--admin-listen`
    pub admin: Option<SocketAddr>,
    /// `--client-telemetry`
    pub takes_telemetry: bool,
    pub cpus: Vec<usize>,
    pub memory_per_core: u64,
    pub spin: Duration,
    pub ring: RingConfig,
    pub journal_extents: usize,
    pub read_bytes: u32,
    /// `--segment-io`
    pub segment_io: SegmentIo,
    /// `--zero-copy-send`
    pub lent_bytes_min: Option<usize>,
    /// What was given and does nothing.
    pub warnings: Vec<String>,
}

impl Settings {
    /// All that is wrong is told at once.
    pub fn resolve(flags: &Flags) -> Result<Settings, Refusal> {
        let mut wrong = Vec::new();
        let options = options(flags, &mut wrong);
        let cpus = cpus(flags).unwrap_or_else(|error| {
            wrong.push(error);
            Vec::new()
        });
        let warnings = match config::accept(&options) {
            Ok(warnings) => warnings.into_iter().map(|warning| warning.message).collect(),
            Err(errors) => {
                wrong.extend(errors.iter().map(ToString::to_string));
                Vec::new()
            }
        };
        let memory_per_core = memory_per_core(flags, cpus.len(), &mut wrong);
        for (flag, value, range) in
            [("--read-size", flags.read_size, READ_BYTES), ("--io-depth", flags.io_depth, IO_DEPTH_BYTES)]
        {
            if !range.contains(&value) {
                let (first, last) = (sizes::show(*range.start()), sizes::show(*range.end()));
                wrong.push(format!("{flag} is {}; allowed are {first} to {last}", sizes::show(value)));
            }
        }
        let zero_copy_bytes = memory_per_core / ZERO_COPY_MEMORY_DIVISOR;
        if let Some(bytes) = flags.zero_copy_send {
            let range =
                ZERO_COPY_SLICE_BYTES_MIN as u64..=zero_copy_bytes / ZERO_COPY_CONNECTION_DIVISOR as u64;
            if !range.contains(&bytes) {
                wrong.push(format!(
                    "--zero-copy-send is {}; with {} of memory for each core, allowed are {} to {}",
                    sizes::show(bytes),
                    sizes::show(memory_per_core),
                    sizes::show(*range.start()),
                    sizes::show(*range.end()),
                ));
            }
        }
        if !wrong.is_empty() {
            return Err(Refusal(wrong));
        }
        let config = BrokerConfig::resolve(&Layers { static_broker: &options, ..Layers::EMPTY })
            .map_err(|error| Refusal::one(error.to_string()))?;
        let endpoints = endpoints::resolve(&config).map_err(Refusal::one)?;
        let admin = flags.admin_listen.as_deref().map(endpoints::admin).transpose().map_err(Refusal::one)?;
        let node_is_given = ["node.id", "broker.id"].iter().any(|key| options.contains_key(*key));
        let read_bytes = u32::try_from(flags.read_size).unwrap_or(u32::MAX);
        let given_dir = flags.data_dir.clone().or(config.data_dirs.first().map(PathBuf::from));
        Ok(Settings {
            data_dir: given_dir.unwrap_or_else(|| PathBuf::from(DATA_DIR_DEFAULT)),
            node: node_is_given.then_some(config.node_id),
            endpoints,
            admin,
            takes_telemetry: flags.client_telemetry,
            cpus,
            memory_per_core,
            spin: Duration::from_micros(flags.spin_us),
            ring: RingConfig {
                entries: flags.ring_entries,
                zero_copy_bytes: match flags.zero_copy_send {
                    Some(_) => usize::try_from(zero_copy_bytes).unwrap_or(usize::MAX),
                    None => 0,
                },
                background_bytes: usize::try_from(flags.io_depth).unwrap_or(usize::MAX),
                ..RingConfig::default()
            },
            journal_extents: usize::try_from(flags.journal_extents).unwrap_or(usize::MAX),
            read_bytes: read_bytes / BLOCK_BYTES as u32 * BLOCK_BYTES as u32,
            segment_io: flags.segment_io.into(),
            lent_bytes_min: flags.zero_copy_send.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            options,
            config,
            warnings,
        })
    }
}

/// The file, then `-o`, then the flags that are options under another name.
fn options(flags: &Flags, wrong: &mut Vec<String>) -> Overrides {
    let mut options = Overrides::new();
    if let Some(path) = &flags.config {
        match fs::read_to_string(path).map_err(|error| error.to_string()) {
            Ok(text) => match properties::parse(&text) {
                Ok(parsed) => options = parsed,
                Err(error) => wrong.push(format!("{}: {error}", path.display())),
            },
            Err(error) => {
                wrong.push(format!("the configuration file {} cannot be read: {error}", path.display()))
            }
        }
    }
    for option in &flags.options {
        match properties::parse_pair(option) {
            Ok((key, value)) => drop(options.insert(key, value)),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if let Some(listen) = &flags.listen {
        options.insert("listeners".into(), with_protocol(listen));
    }
    if let Some(advertise) = &flags.advertise {
        options.insert("advertised.listeners".into(), with_protocol(advertise));
    }
    options
}

/// `host:port` as an entry of `listeners`.
fn with_protocol(address: &str) -> String {
    if address.contains("://") { address.to_owned() } else { format!("PLAINTEXT://{address}") }
}

fn cpus(flags: &Flags) -> Result<Vec<usize>, String> {
    let allowed = cpus::allowed();
    match &flags.cores {
        Some(list) => cpus::parse(list, &allowed),
        None => Ok(allowed),
    }
}

fn memory_per_core(flags: &Flags, cores: usize, wrong: &mut Vec<String>) -> u64 {
    let cores = cores.max(1) as u64;
    let Some(memory) = flags.memory else { return MEMORY_PER_CORE_DEFAULT };
    let per_core = memory / cores;
    if per_core < MEMORY_PER_CORE_MIN {
        wrong.push(format!(
            "--memory {} is {} for each of {cores} cores; a core needs {} or more",
            sizes::show(memory),
            sizes::show(per_core),
            sizes::show(MEMORY_PER_CORE_MIN)
        ));
    }
    per_core
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn resolve(arguments: &[&str]) -> Result<Settings, Refusal> {
        let arguments = ["corelogd"].iter().chain(arguments);
        Settings::resolve(&Flags::try_parse_from(arguments).unwrap())
    }

    #[test]
    fn without_flags_a_broker_listens_on_this_host_with_all_cpus() {
        let settings = resolve(&[]).unwrap();
        assert_eq!(settings.endpoints[0].address, SocketAddr::from(([127, 0, 0, 1], 9092)));
        assert_eq!(settings.endpoints[0].advertised_host, "127.0.0.1");
        assert_eq!(settings.cpus, cpus::allowed());
        assert_eq!((settings.node, settings.memory_per_core), (None, MEMORY_PER_CORE_DEFAULT));
    }

    #[test]
    fn flags_are_stronger_than_options_and_options_than_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("server.properties");
        fs::write(&file, "node.id=1\nnum.partitions=2\nlisteners=PLAINTEXT://127.0.0.1:1\nlog.dirs=/tmp/x\n")
            .unwrap();
        let file = file.to_str().unwrap();
        let settings = resolve(&[
            "--config",
            file,
            "-o",
            "num.partitions=3",
            "--listen",
            "[::1]:2",
            "--advertise",
            "kafka:3",
        ]);
        let settings = settings.unwrap();
        assert_eq!((settings.config.num_partitions, settings.node), (3, Some(NodeId(1))));
        assert_eq!(settings.data_dir, PathBuf::from("/tmp/x"));
        let endpoint = &settings.endpoints[0];
        assert_eq!(endpoint.address, "[::1]:2".parse().unwrap());
        assert_eq!((endpoint.advertised_host.as_str(), endpoint.advertised_port), ("kafka", 3));
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let refusal =
            resolve(&["-o", "num.partitons=3", "-o", "nonsense", "--cores", "9999", "--memory", "1M"]);
        let sentences = refusal.unwrap_err().0;
        assert_eq!(sentences.len(), 4, "{sentences:?}");
        assert!(sentences.iter().any(|sentence| sentence.contains("num.partitions")));
    }

    #[test]
    fn a_size_that_no_connection_could_lend_is_refused() {
        let settings = resolve(&["--cores", "0", "--memory", "256M", "--zero-copy-send"]).unwrap();
        assert_eq!((settings.lent_bytes_min, settings.ring.zero_copy_bytes), (Some(32 << 10), 4 << 20));
        for (memory, size) in [("256M", "8K"), ("256M", "2M"), ("16M", "128K")] {
            let size = format!("--zero-copy-send={size}");
            let refusal = resolve(&["--cores", "0", "--memory", memory, &size]).unwrap_err();
            assert!(refusal.0[0].contains("allowed are 12 KiB to"), "{refusal:?}");
        }
        assert_eq!(resolve(&[]).unwrap().ring.zero_copy_bytes, 0);
    }

    #[test]
    fn a_protocol_that_is_not_served_is_refused() {
        assert!(resolve(&["--listen", "SSL://127.0.0.1:9093"]).unwrap_err().0[0].contains("SSL"));
    }
}
