//! What a process of this machine uses, read from `/proc`.

use std::fs;
use std::time::Duration;

use nix::unistd::{SysconfVar, sysconf};

use crate::cli::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// User and system, of all threads.
    pub cpu: Duration,
    pub rss_bytes: u64,
    pub rss_bytes_peak: u64,
}

impl Usage {
    pub fn of(pid: u32) -> Result<Usage, Failure> {
        let read = |name: &str| {
            let path = format!("/proc/{pid}/{name}");
            fs::read_to_string(&path).map_err(|error| {
                Failure::Failed(format!("cannot read {path}: {error}; is --broker-pid right?"))
            })
        };
        let ticks_per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
        let parsed = parse(&read("stat")?, &read("status")?, ticks_per_second as f64);
        parsed.ok_or_else(|| Failure::Failed(format!("/proc/{pid} does not look as it should")))
    }

    /// CPU from `before` to now; memory is that of now.
    pub fn since(self, before: Usage) -> Usage {
        Usage { cpu: self.cpu.saturating_sub(before.cpu), ..self }
    }
}

fn parse(stat: &str, status: &str, ticks_per_second: f64) -> Option<Usage> {
    // The name in brackets may hold anything; fields are counted behind it: state is the third of all, utime the 14th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    let bytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Usage {
        cpu: Duration::from_secs_f64(ticks as f64 / ticks_per_second),
        rss_bytes: bytes("VmRSS:")?,
        rss_bytes_peak: bytes("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_behind_a_name_with_brackets() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 3 0 1 2 3";
        let status = "Name:\tx\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\n";
        let expected = Usage { cpu: Duration::from_secs(2), rss_bytes: 200 << 10, rss_bytes_peak: 300 << 10 };
        assert_eq!(parse(stat, status, 100.0), Some(expected));
        assert_eq!(parse("", status, 100.0), None);
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(Usage::of(std::process::id()).unwrap().rss_bytes > 0);
    }
}
