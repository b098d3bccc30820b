//! Figures of the whole process, from the kernel; the names that every Prometheus client library uses.

use std::fs;

use super::{About, exposition::Text};

engine::metrics! {
    BUILD: "corelog_build_info" Gauge One Broker
        "1, with the version, the node's id, the cluster's id and the number of cores as labels.";
    RESIDENT: "process_resident_memory_bytes" Gauge One Broker
        "Resident memory of the process.";
    OPEN_FDS: "process_open_fds" Gauge One Broker
        "Open file descriptors.";
    MAX_FDS: "process_max_fds" Gauge One Broker
        "Limit of open file descriptors.";
    CPU: "process_cpu_seconds_total" Counter Seconds Broker
        "CPU time of the process, helper threads included.";
}

pub fn tell(about: &About, text: &mut Text) {
    let cores = about.cores.to_string();
    let labels = [
        ("version", about.version),
        ("node", about.node.as_str()),
        ("cluster", about.cluster_id.as_str()),
        ("cores", cores.as_str()),
    ];
    text.begin(&BUILD);
    text.number(&BUILD, &labels, 1);
    for (metric, value) in [
        (&RESIDENT, resident_bytes()),
        (&OPEN_FDS, open_descriptors()),
        (&MAX_FDS, descriptors_max()),
        (&CPU, cpu_ns()),
    ] {
        if let Some(value) = value {
            text.begin(metric);
            text.number(metric, &[], value);
        }
    }
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

fn open_descriptors() -> Option<i64> {
    // From Linux 6.2 on the directory's size is their number; before, they are counted.
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok(),
        count => i64::try_from(count).ok(),
    }
}

fn descriptors_max() -> Option<i64> {
    let (soft, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).ok()?;
    i64::try_from(soft).ok()
}

fn cpu_ns() -> Option<i64> {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    Some((usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) * 1000)
}
