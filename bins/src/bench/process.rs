//! What a process of this machine uses, read from `/proc`.

use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::cli::failure::Failure;
use crate::cli::json::Object;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system, of all threads.
    pub cpu: Duration,
    pub rss_bytes: u64,
    pub rss_bytes_peak: u64,
    /// Of all its threads that live.
    pub context_switches: u64,
    /// Calls of the read and write family; what goes through io_uring is not among them.
    pub read_calls: u64,
    pub write_calls: u64,
    pub disk_read_bytes: u64,
    pub disk_written_bytes: u64,
    /// Of its network namespace: of everybody there, with the loopback counted at both ends.
    pub net_received_bytes: u64,
    pub net_sent_bytes: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Result<Usage, Failure> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path)
                .map_err(|error| Failure::Failed(format!("cannot read {path}: {error}; is --pid right?")))
        };
        let ticks_per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        let parsed = parse(&read("stat")?, &read("status")?, ticks_per_second as f64);
        let mut usage =
            parsed.ok_or_else(|| Failure::Failed(format!("/proc/{pid} does not look as it should")))?;
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        // A thread that ends meanwhile is not counted.
        let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
        usage.context_switches = statuses.map(|status| switches(&status)).sum();
        // Another user's process does not show it; the rest is worth having.
        if let Ok(io) = read("io") {
            let field = |name| field(&io, name).unwrap_or(0);
            (usage.read_calls, usage.write_calls) = (field("syscr:"), field("syscw:"));
            (usage.disk_read_bytes, usage.disk_written_bytes) = (field("read_bytes:"), field("write_bytes:"));
        }
        (usage.net_received_bytes, usage.net_sent_bytes) = traffic(&read("net/dev")?);
        Ok(usage)
    }

    /// From `before` to now; memory is that of now.
    pub fn since(self, before: Usage) -> Usage {
        Usage {
            cpu: self.cpu.saturating_sub(before.cpu),
            rss_bytes: self.rss_bytes,
            rss_bytes_peak: self.rss_bytes_peak,
            context_switches: self.context_switches.saturating_sub(before.context_switches),
            read_calls: self.read_calls.saturating_sub(before.read_calls),
            write_calls: self.write_calls.saturating_sub(before.write_calls),
            disk_read_bytes: self.disk_read_bytes.saturating_sub(before.disk_read_bytes),
            disk_written_bytes: self.disk_written_bytes.saturating_sub(before.disk_written_bytes),
            net_received_bytes: self.net_received_bytes.saturating_sub(before.net_received_bytes),
            net_sent_bytes: self.net_sent_bytes.saturating_sub(before.net_sent_bytes),
        }
    }

    pub fn json(&self) -> Object {
        Object::new()
            .number("cpu_s", self.cpu.as_secs_f64())
            .number("rss_bytes", self.rss_bytes)
            .number("rss_bytes_peak", self.rss_bytes_peak)
            .number("context_switches", self.context_switches)
            .number("read_calls", self.read_calls)
            .number("write_calls", self.write_calls)
            .number("disk_read_bytes", self.disk_read_bytes)
            .number("disk_written_bytes", self.disk_written_bytes)
            .number("net_received_bytes", self.net_received_bytes)
            .number("net_sent_bytes", self.net_sent_bytes)
    }
}

fn parse(stat: &str, status: &str, ticks_per_second: f64) -> Option<Usage> {
    // The name in brackets may hold anything; fields are counted behind it: state is the third of all, utime the 14th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Usage {
        cpu: Duration::from_secs_f64(ticks as f64 / ticks_per_second),
        rss_bytes: field(status, "VmRSS:")? * 1024,
        rss_bytes_peak: field(status, "VmHWM:")? * 1024,
        ..Usage::default()
    })
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn switches(status: &str) -> u64 {
    ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"]
        .iter()
        .filter_map(|name| field(status, name))
        .sum()
}

/// Received and sent, over all interfaces of `/proc/PID/net/dev`.
fn traffic(devices: &str) -> (u64, u64) {
    let lines = devices.lines().filter_map(|line| line.split_once(':'));
    let numbers = lines.map(|(_, numbers)| {
        let number = |at| numbers.split_whitespace().nth(at).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        (number(0), number(8))
    });
    numbers.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_behind_a_name_with_brackets() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 3 0 1 2 3";
        let status = "Name:\tx\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\n";
        let usage = parse(stat, status, 100.0).unwrap();
        assert_eq!(
            (usage.cpu, usage.rss_bytes, usage.rss_bytes_peak),
            (Duration::from_secs(2), 200 << 10, 300 << 10)
        );
        assert_eq!(parse("", status, 100.0), None);
    }

    #[test]
    fn counters_are_summed() {
        assert_eq!(switches("voluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t4\n"), 7);
        let devices =
            "Inter-| Receive\n face |bytes\n    lo: 10 1 0 0 0 0 0 0 20 1\n  eth0:5 1 0 0 0 0 0 0 6 1\n";
        assert_eq!(traffic(devices), (15, 26));
    }

    #[test]
    fn this_process_can_be_read() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 0 && usage.context_switches > 0 && usage.read_calls > 0, "{usage:?}");
    }
}
