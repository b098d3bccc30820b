//! `--cores 0-3,8`: CPU numbers of this host, each of which gets one core of the broker.

use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};

/// The CPUs that this process may run on, in order.
pub fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(Pid::from_raw(0)) else { return vec![0] };
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

/// Reads a list of numbers and ranges. Each CPU once, and only such as are allowed.
pub fn parse(text: &str, allowed: &[usize]) -> Result<Vec<usize>, String> {
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            text.trim()
                .parse::<usize>()
                .map_err(|_| format!("{text:?} is no CPU number; write --cores 0-3,8"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("--cores {part}: the range ends before it begins"));
        }
        // Looked up before it is counted through: 0-18446744073709551615 must not take forever.
        for cpu in first..=last {
            if !allowed.contains(&cpu) {
                return Err(format!(
                    "CPU {cpu} is not there, or this process may not use it; it may use {}",
                    show(allowed)
                ));
            }
            if cpus.contains(&cpu) {
                return Err(format!(
                    "--cores names CPU {cpu} twice: a core of the broker has a CPU to itself"
                ));
            }
            cpus.push(cpu);
        }
    }
    Ok(cpus)
}

/// `0-3,8`
pub fn show(cpus: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => parts.push((*cpu, *cpu)),
        }
    }
    let part = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    parts.into_iter().map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_name_each_cpu_once() {
        let allowed: Vec<usize> = (0..16).collect();
        assert_eq!(parse("0-3,8", &allowed), Ok(vec![0, 1, 2, 3, 8]));
        assert_eq!(parse("5, 2", &allowed), Ok(vec![5, 2]));
        for text in ["", "a", "1-", "3-1", "1,1", "0-2,2", "16", "0-18446744073709551615", "-1"] {
            assert!(parse(text, &allowed).is_err(), "{text}");
        }
        assert_eq!(show(&[0, 1, 2, 3, 8]), "0-3,8");
    }

    #[test]
    fn this_process_runs_somewhere() {
        assert!(!allowed().is_empty());
    }
}
