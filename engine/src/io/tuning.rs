//! The settings of a host that a broker's speed and limits depend on, each with its reason and the file that holds it: the one list
//! for `--dry-run` and for `scripts/tune-host`. Reads below a root, so that tests have hosts of their own; never writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::host::Finding;

/// Enough for a burst of clients that connect at once.
const BACKLOG_MIN: u64 = 4096;
/// Open files and connections that the systemd unit asks for.
const DESCRIPTORS_MIN: u64 = 1 << 20;
/// A socket's largest buffer: a millisecond of 100 Gb/s is 12.5 MB.
const SOCKET_BYTES_MIN: u64 = 16 << 20;
const READ_AHEAD_KIB_MAX: u64 = 128;
/// Since the boot: fewer are no work.
const INTERRUPTS_MIN: u64 = 1000;

/// What a person calls it, why it matters, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: String,
    pub why: &'static str,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The host has no such thing, or hides it as containers do.
    Absent,
    /// As it should be: so.
    Good(String),
    Left(Vec<Change>),
}

/// A file below the root, what it holds, and what should be written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub file: PathBuf,
    pub is: String,
    pub should: String,
}

impl Setting {
    /// For whoever only wants to hear what is not as it should be.
    pub fn finding(&self) -> Option<Finding> {
        let State::Left(changes) = &self.state else { return None };
        let Change { is, should, .. } = changes.first()?;
        let more = if changes.len() > 1 { format!(" ({} files)", changes.len()) } else { String::new() };
        let (name, why) = (&self.name, self.why);
        Some(Finding::note(format!(
            "{name} is {is}, {should} is better{more}: {why}; scripts/tune-host --apply sets it"
        )))
    }
}

/// Whom the settings are for.
pub(super) struct Tuned<'a> {
    pub root: &'a Path,
    /// CPUs that the broker runs on.
    pub cpus: &'a [usize],
    /// `major:minor` of the data directory's file system, where it has a device.
    pub device: Option<&'a str>,
}

impl Tuned<'_> {
    pub fn look(&self) -> Vec<Setting> {
        let mut settings = vec![self.governor(), self.huge_pages()];
        settings.extend(self.kernel());
        for (name, path) in self.nics() {
            settings.push(self.interrupts(&name, &path.join("device")));
            settings.push(self.receive_steering(&name, &path));
            settings.push(self.send_steering(&name, &path));
        }
        settings.extend(self.disk());
        settings
    }

    fn governor(&self) -> Setting {
        let file = |cpu| format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
        self.setting(
            "CPU governor".to_owned(),
            "a core that slows down when it is idle answers the next request late",
            self.cpus.iter().map(file),
            |is| (is != "performance").then(|| "performance".to_owned()),
        )
    }

    fn huge_pages(&self) -> Setting {
        self.setting(
            "transparent huge pages".to_owned(),
            "with `always` the kernel stops a core to make them, and memory grows beyond --memory",
            ["sys/kernel/mm/transparent_hugepage/enabled"],
            |is| (chosen(is) == "always").then(|| "madvise".to_owned()),
        )
    }

    /// What sysctl sets.
    fn kernel(&self) -> [Setting; 5] {
        let at_least = |min: u64| {
            move |is: &str| is.parse().is_ok_and(|count: u64| count < min).then(|| min.to_string())
        };
        // Least, usual and largest size: the last is what counts.
        let buffer = |is: &str| {
            let (rest, most) = is.rsplit_once(' ')?;
            let most: u64 = most.parse().ok()?;
            (most < SOCKET_BYTES_MIN).then(|| format!("{rest} {SOCKET_BYTES_MIN}"))
        };
        let fast = "a client far away or on a fast wire is held up by a smaller window";
        let setting = |key: &str, why, should: &dyn Fn(&str) -> Option<String>| {
            self.setting(key.replace('/', "."), why, [format!("proc/sys/{key}")], should)
        };
        [
            setting(
                "net/core/somaxconn",
                "connections that come at once beyond it are dropped and try again a second later",
                &at_least(BACKLOG_MIN),
            ),
            setting("net/ipv4/tcp_rmem", fast, &buffer),
            setting("net/ipv4/tcp_wmem", fast, &buffer),
            setting(
                "net/ipv4/tcp_slow_start_after_idle",
                "a connection that paused begins slowly again",
                &|is| (is != "0").then(|| "0".to_owned()),
            ),
            setting(
                "fs/nr_open",
                "no process may have more descriptors, whatever its limit says",
                &at_least(DESCRIPTORS_MIN),
            ),
        ]
    }

    /// Interfaces with hardware behind them, that are up.
    fn nics(&self) -> Vec<(String, PathBuf)> {
        let mut nics = self.list("sys/class/net".as_ref(), "");
        nics.retain(|name| {
            let path = Path::new("sys/class/net").join(name);
            self.root.join(&path).join("device").exists()
                && self.read(&path.join("operstate")).as_deref() == Some("up")
        });
        let path = |name: String| (name.clone(), Path::new("sys/class/net").join(name));
        nics.into_iter().map(path).collect()
    }

    /// Each CPU of the broker takes its share of a device's interrupts, as long as the kernel says which CPU takes which.
    fn interrupts(&self, of: &str, device: &Path) -> Setting {
        let places = ["msi_irqs", "../msi_irqs", "device/msi_irqs"];
        let irqs = places.map(|place| self.list(&device.join(place), ""));
        let irqs = irqs.into_iter().find(|irqs| !irqs.is_empty()).unwrap_or_default();
        // A device asks for some that it hardly uses.
        let is_silent = |irq: &String| {
            let counts = self.read(&Path::new("sys/kernel/irq").join(irq).join("per_cpu_count"));
            let sum = |counts: &String| counts.split(',').filter_map(|count| count.parse::<u64>().ok()).sum();
            counts.as_ref().map(sum).is_some_and(|sum: u64| sum < INTERRUPTS_MIN)
        };
        let taker = |irq: &String| {
            let place = |file| self.read(&Path::new("proc/irq").join(irq).join(file));
            let cpu = place("effective_affinity_list").or_else(|| place("smp_affinity_list"))?;
            Some((irq.clone(), cpu.parse::<usize>().ok()?))
        };
        let taken: Vec<(String, usize)> =
            irqs.iter().filter(|irq| !is_silent(irq)).filter_map(taker).collect();
        let mut loads = BTreeMap::<usize, usize>::new();
        taken.iter().for_each(|(_, cpu)| *loads.entry(*cpu).or_default() += 1);
        let share = taken.len().div_ceil(self.cpus.len().max(1));
        let state = match loads.values().max() {
            None => State::Absent,
            Some(most) if *most <= share => State::Good(format!("{most} at most on one CPU")),
            Some(_) => {
                let dealt = taken.into_iter().zip(self.cpus.iter().cycle());
                let moved = dealt.filter(|((_, is), should)| is != *should);
                let change = |((irq, is), should): ((String, usize), &usize)| Change {
                    file: format!("proc/irq/{irq}/smp_affinity_list").into(),
                    is: is.to_string(),
                    should: should.to_string(),
                };
                State::Left(moved.map(change).collect())
            }
        };
        Setting {
            name: format!("CPU of the interrupts of {of}"),
            why: "one core would do the work for all; irqbalance, where it runs, moves them again: stop it",
            state,
        }
    }

    /// RPS: only where the hardware has too few queues to spread over the cores by itself.
    fn receive_steering(&self, nic: &str, path: &Path) -> Setting {
        let queues = self.list(&path.join("queues"), "rx-");
        let wanted = mask(self.cpus.iter().copied());
        let is_spread = queues.len() >= self.cpus.len();
        self.setting(
            format!("receive steering (RPS) of {nic}"),
            "it has fewer queues than the broker has cores: the others would take no part in receiving",
            queues.iter().map(|queue| path.join("queues").join(queue).join("rps_cpus")),
            |is| (!is_spread && cpus(is) != cpus(&wanted)).then(|| wanted.clone()),
        )
    }

    /// XPS: every core has a queue to send through.
    fn send_steering(&self, nic: &str, path: &Path) -> Setting {
        let queues = self.list(&path.join("queues"), "tx-");
        let files: Vec<PathBuf> =
            queues.iter().map(|queue| path.join("queues").join(queue).join("xps_cpus")).collect();
        let masks: Vec<String> = files.iter().filter_map(|file| self.read(file)).collect();
        let served: Vec<usize> = masks.iter().flat_map(|mask| cpus(mask)).collect();
        let state = if masks.len() < 2 {
            State::Absent
        } else if self.cpus.iter().all(|cpu| served.contains(cpu)) {
            State::Good("every core has a queue".to_owned())
        } else {
            let count = masks.len();
            let change = |(at, (file, is)): (usize, (PathBuf, String))| Change {
                file,
                is,
                should: mask(self.cpus.iter().copied().skip(at).step_by(count)),
            };
            State::Left(files.into_iter().zip(masks).enumerate().map(change).collect())
        };
        Setting {
            name: format!("send steering (XPS) of {nic}"),
            why: "cores without a queue of their own wait for the lock of another's",
            state,
        }
    }

    /// The whole device below the data directory.
    fn disk(&self) -> Vec<Setting> {
        let found = self.device.map(|number| self.root.join("sys/dev/block").join(number));
        let Some(mut path) = found.and_then(|path| path.canonicalize().ok()) else { return Vec::new() };
        if path.join("partition").exists() {
            path.pop();
        }
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            return Vec::new();
        };
        let root = self.root.canonicalize().unwrap_or_default();
        let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
        let setting = |what: &str, file: &str, why, should: &dyn Fn(&str) -> Option<String>| {
            self.setting(format!("{what} of {name}"), why, [path.join("queue").join(file)], should)
        };
        let best = if name.starts_with("nvme") { "none" } else { "mq-deadline" };
        vec![
            setting(
                "scheduler",
                "scheduler",
                "an NVMe drive orders by itself; elsewhere mq-deadline lets journal writes pass at the least price",
                &|is| (![best, "none"].contains(&chosen(is))).then(|| best.to_owned()),
            ),
            setting(
                "completion CPU (rq_affinity)",
                "rq_affinity",
                "with 2 a write completes on the core that waits for it",
                &|is| (is != "2").then(|| "2".to_owned()),
            ),
            setting(
                "read-ahead (KiB)",
                "read_ahead_kb",
                "where O_DIRECT is missing, every block of an index search would bring so much with it",
                &|is| {
                    let is_more = is.parse().is_ok_and(|kib: u64| kib > READ_AHEAD_KIB_MAX);
                    is_more.then(|| READ_AHEAD_KIB_MAX.to_string())
                },
            ),
            self.interrupts(&name, &path.join("device")),
        ]
    }

    /// `should`: what a file should hold, if that is not what it holds.
    fn setting<F: Into<PathBuf>>(
        &self,
        name: String,
        why: &'static str,
        files: impl IntoIterator<Item = F>,
        should: impl Fn(&str) -> Option<String>,
    ) -> Setting {
        let (mut good, mut changes) = (None, Vec::new());
        for file in files {
            let file = file.into();
            let Some(is) = self.read(&file) else { continue };
            match should(&is) {
                Some(should) => changes.push(Change { file, is: chosen(&is).to_owned(), should }),
                None => good = Some(chosen(&is).to_owned()),
            }
        }
        let state = match good {
            _ if !changes.is_empty() => State::Left(changes),
            Some(is) => State::Good(is),
            None => State::Absent,
        };
        Setting { name, why, state }
    }

    /// A file's words with single spaces between them; none if it is not there, cannot be read, or is empty.
    fn read(&self, file: &Path) -> Option<String> {
        let text = fs::read_to_string(self.root.join(file)).ok()?;
        let words: Vec<&str> = text.split_whitespace().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Names in a directory that begin so: `rx-2` before `rx-10`.
    fn list(&self, directory: &Path, prefix: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(directory)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        names
    }
}

/// `always [madvise] never` is `madvise`; a value without a choice is itself.
pub(super) fn chosen(all: &str) -> &str {
    all.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or(all, |(chosen, _)| chosen)
}

/// CPUs of a mask as the kernel writes it: `1,00000003` are 0, 1 and 32.
fn cpus(mask: &str) -> Vec<usize> {
    let words = mask.split(',').rev().map(|word| u32::from_str_radix(word, 16).unwrap_or(0));
    let bits = |(at, word): (usize, u32)| {
        (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 32 + bit)
    };
    words.enumerate().flat_map(bits).collect()
}

/// The other way round.
fn mask(cpus: impl Iterator<Item = usize>) -> String {
    let mut words = vec![0u32];
    for cpu in cpus {
        words.resize(words.len().max(cpu / 32 + 1), 0);
        words[cpu / 32] |= 1 << (cpu % 32);
    }
    words.iter().rev().map(|word| format!("{word:08x}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
#[path = "tuning_tests.rs"]
mod tests;
