//! `--dry-run`: what the broker would run with, and what the host lacks. Starts nothing.

use std::io::{self, Write};

use engine::{
    config::{BROKER_KEYS, Layers, Source},
    io::{
        host::HostReport,
        tuning::{Change, Setting, State},
    },
    shard::settings::SegmentIo,
};

use super::{cpus, descriptors::Descriptors, settings::Settings, sizes};

pub fn print(
    settings: &Settings,
    host: &HostReport,
    tuned: &[Setting],
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "data directory   {}", settings.data_dir.display())?;
    for endpoint in &settings.endpoints {
        let port =
            if endpoint.advertised_port == 0 { endpoint.address.port() } else { endpoint.advertised_port };
        writeln!(
            out,
            "listens on       {}, advertised as {}:{port}",
            endpoint.address, endpoint.advertised_host
        )?;
    }
    if let Some(admin) = settings.admin {
        writeln!(out, "operators        http://{admin}/metrics")?;
    }
    let cores = settings.cpus.len();
    writeln!(out, "cores            {cores}, on CPU {}", cpus::show(&settings.cpus))?;
    writeln!(out, "memory           {} for each core", sizes::show(settings.memory_per_core))?;
    writeln!(out, "kernel           Linux {}", host.kernel)?;
    writeln!(out, "O_DIRECT         {}", if host.direct_io { "yes" } else { "no" })?;
    let way = match settings.segment_io {
        SegmentIo::Direct => "past",
        SegmentIo::Buffered => "through",
    };
    writeln!(out, "segments         {way} the page cache")?;
    if let Some(bytes) = settings.lent_bytes_min {
        let (bytes, lent) = (sizes::show(bytes as u64), sizes::show(settings.ring.zero_copy_bytes as u64));
        writeln!(out, "zero-copy send   from {bytes} on, {lent} of each core at a time")?;
    }
    let shared = Descriptors::share(host.descriptors, settings);
    writeln!(
        out,
        "descriptors      {}: {} files for each core, {} connections",
        host.descriptors, shared.files_per_core, shared.connections
    )?;
    let layers = Layers { static_broker: &settings.options, ..Layers::EMPTY };
    writeln!(out, "\noptions ( * given )")?;
    for key in BROKER_KEYS {
        let Some(described) = layers.describe_broker(key.name) else { continue };
        let given = if described.source == Source::Default { ' ' } else { '*' };
        let value = if key.is_sensitive() { "…".to_owned() } else { described.value.unwrap_or_default() };
        writeln!(out, "{given} {}={value}", key.name)?;
    }
    writeln!(out)?;
    for warning in &settings.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for finding in host.findings.iter().cloned().chain(tuned.iter().filter_map(Setting::finding)) {
        writeln!(out, "{finding}")?;
    }
    Ok(())
}

/// For a script: state, name, file, what is, what should be, why; tabs between them, `-` where there is nothing.
pub fn print_settings(tuned: &[Setting], out: &mut impl Write) -> io::Result<()> {
    for Setting { name, why, state } in tuned {
        match state {
            State::Absent => writeln!(out, "absent\t{name}\t-\t-\t-\t{why}")?,
            State::Good(is) => writeln!(out, "good\t{name}\t-\t{is}\t-\t{why}")?,
            State::Left(changes) => {
                for Change { file, is, should } in changes {
                    writeln!(out, "left\t{name}\t{}\t{is}\t{should}\t{why}", file.display())?;
                }
            }
        }
    }
    Ok(())
}
