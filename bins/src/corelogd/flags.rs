//! The command line. What Kafka has a name for is an option (`-o`, or the file); cores, memory and rings are flags.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use engine::{io, limits, shard::settings};

use super::sizes;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How segments are written and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SegmentIo {
    /// Past the page cache (O_DIRECT)
    #[default]
    Direct,
    /// Through the page cache; cold records go from there to the socket, past the broker's memory
    Buffered,
}

impl From<SegmentIo> for settings::SegmentIo {
    fn from(flag: SegmentIo) -> settings::SegmentIo {
        match flag {
            SegmentIo::Direct => settings::SegmentIo::Direct,
            SegmentIo::Buffered => settings::SegmentIo::Buffered,
        }
    }
}

/// Corelog, a distributed log that speaks Kafka's protocol: the broker.
#[derive(Clone, Debug, Parser)]
#[command(name = "corelogd", version, args_override_self = true)]
///
/// A flag that is given twice counts as given last.
pub struct Flags {
    /// Where everything is stored; made if it is not there [default: log.dirs, or ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where to listen, as host:port [default: the option listeners, or 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Where to serve /metrics, /healthz and /readyz over HTTP, as host:port [default: nowhere]
    #[arg(long, value_name = "HOST:PORT")]
    pub admin_listen: Option<String>,
    /// Take clients' own metrics (KIP-714) and tell them at /metrics: which ones, the options of client-metrics resources say
    #[arg(long, requires = "admin_listen")]
    pub client_telemetry: bool,
    /// Where clients shall connect [default: the option advertised.listeners, or where it listens]
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// A server.properties file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One option, stronger than the file; may be repeated
    #[arg(short = 'o', value_name = "KEY=VALUE")]
    pub options: Vec<String>,
    /// CPUs to run on, one core of the broker on each [default: all that this process may use]
    #[arg(long, value_name = "LIST")]
    pub cores: Option<String>,
    /// The broker's memory, split over the cores [default: 256M for each core]
    #[arg(long, value_name = "SIZE", value_parser = sizes::parse)]
    pub memory: Option<u64>,
    /// How long an idle core polls before it sleeps: lower latency on cores of its own, at the price of their power
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub spin_us: u64,
    /// Entries of each core's data ring
    #[arg(long, value_name = "N", default_value_t = io::limits::RING_ENTRIES_DEFAULT,
        value_parser = clap::value_parser!(u32)
            .range(i64::from(io::limits::RING_ENTRIES_MIN)..=i64::from(io::limits::RING_ENTRIES_MAX)))]
    pub ring_entries: u32,
    /// Background writes in flight per core, in bytes: less is kinder to the latency of others, more is faster
    #[arg(long, value_name = "SIZE", default_value = "512K", value_parser = sizes::parse)]
    pub io_depth: u64,
    /// Extents of each core's journal
    #[arg(long, value_name = "N", default_value_t = limits::EXTENTS_DEFAULT as u64,
        value_parser = clap::value_parser!(u64).range(limits::EXTENTS_MIN as u64..=1024))]
    pub journal_extents: u64,
    /// The largest cold read
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = sizes::parse)]
    pub read_size: u64,
    /// How segments are written and read; the journal is always written past the page cache
    #[arg(long, value_enum, default_value_t)]
    pub segment_io: SegmentIo,
    /// Send answers with so many bytes of records, or more, from memory instead of copying them into the socket (SENDMSG_ZC); without a
    /// SIZE, 32K. It pays on network cards that gather and checksum by themselves; over loopback and virtual links the kernel copies
    /// anyway and it costs more. Memory of answers stays in use until the peer has acknowledged them
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, default_missing_value = "32K",
        value_parser = sizes::parse)]
    pub zero_copy_send: Option<u64>,
    /// error, warn, info, debug or trace; also by module, as in info,net::conn=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Print the resolved configuration and what the host lacks, and start nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the settings of the host below ROOT, one a line, for scripts/tune-host
    #[arg(long, value_name = "ROOT", hide = true)]
    pub host_settings: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn sizes_and_repeated_options_are_read() {
        let flags =
            Flags::try_parse_from(["corelogd", "--memory", "1G", "-o", "a=b", "-o", "c=d", "--cores", "0"])
                .unwrap();
        assert_eq!((flags.memory, flags.options.len()), (Some(1 << 30), 2));
        assert!(Flags::try_parse_from(["corelogd", "--ring-entries", "1"]).is_err());
        let zero_copy = |flags: &[&str]| {
            Flags::try_parse_from(["corelogd"].iter().chain(flags)).map(|flags| flags.zero_copy_send)
        };
        assert_eq!(zero_copy(&[]).unwrap(), None);
        assert_eq!(zero_copy(&["--zero-copy-send", "--spin-us", "0"]).unwrap(), Some(32 << 10));
        assert_eq!(zero_copy(&["--zero-copy-send=64K"]).unwrap(), Some(64 << 10));
    }
}
