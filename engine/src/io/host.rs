//! What this host lacks to run Corelog, one sentence each with its remedy. Asked once at start, and by `--dry-run`; runs on
//! the main thread before any core does. Must never change the host, but for raising this process's own soft limits.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use io_uring::IoUring;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::utsname::uname;

use super::mount;
use super::storage::{self, Storage};
use super::tuning::{Change, Setting, State, Tuned};

/// The first kernel with deferred task runs (`IORING_SETUP_DEFER_TASKRUN`).
const KERNEL_MIN: (u32, u32) = (6, 1);

/// What glommio demands for each executor's rings.
const LOCKED_BYTES_MIN: u64 = 512 << 10;

/// Below this many descriptors a broker with a few thousand partitions and connections runs out.
const DESCRIPTORS_WANTED: u64 = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// It works, at a price that the sentence names.
    Warning,
    /// The broker cannot run.
    Fatal,
}

/// One sentence for a person: what is so, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub sentence: String,
}

impl Finding {
    pub(super) fn fatal(sentence: impl Into<String>) -> Finding {
        Finding { severity: Severity::Fatal, sentence: sentence.into() }
    }

    pub(super) fn warning(sentence: impl Into<String>) -> Finding {
        Finding { severity: Severity::Warning, sentence: sentence.into() }
    }

    pub(super) fn note(sentence: impl Into<String>) -> Finding {
        Finding { severity: Severity::Note, sentence: sentence.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Fatal => "fatal",
        };
        write!(f, "{word}: {}", self.sentence)
    }
}

#[derive(Clone, Debug)]
pub struct HostReport {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// Whether files of the data directory can be opened and written with O_DIRECT.
    pub direct_io: bool,
    /// What holds the data directory; none if the directory cannot be looked at.
    pub storage: Option<Storage>,
    /// Soft limits after they were raised.
    pub descriptors: u64,
    pub locked_bytes: u64,
}

impl HostReport {
    pub fn is_fatal(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Fatal)
    }
}

/// Looks at the host and at the data directory, which should exist. Raises the soft limits of descriptors and locked
/// memory to the hard ones. Quick: writes one small file and removes it.
pub fn probe(data_directory: &Path) -> HostReport {
    let kernel = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let descriptors = raise(Resource::RLIMIT_NOFILE);
    let locked_bytes = raise(Resource::RLIMIT_MEMLOCK);
    let mut findings = Vec::new();
    findings.extend(judge_kernel(&kernel));
    findings.extend(judge_locked_bytes(locked_bytes));
    findings.extend(judge_descriptors(descriptors));
    if let Err(error) = try_ring() {
        let switch = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
        findings.push(judge_ring(&error, switch.as_deref().map(str::trim)));
    }
    let storage = storage::look(data_directory, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let direct_io = storage.as_ref().is_some_and(|storage| storage.direct_io);
    HostReport { findings, kernel, direct_io, storage, descriptors, locked_bytes }
}

/// The settings below `root` that limits and speed depend on: those of this process and of `cpus`, and of what holds `directory`.
pub fn settings(root: &Path, directory: &Path, cpus: &[usize]) -> Vec<Setting> {
    let mount = directory.canonicalize().ok().and_then(|path| mount::of(&path));
    let device = mount.and_then(|mount| mount.device);
    let mut settings = limits(root, raise(Resource::RLIMIT_MEMLOCK), raise(Resource::RLIMIT_NOFILE)).to_vec();
    settings.extend(Tuned { root, cpus, device: device.as_deref() }.look());
    settings
}

/// The limits of logins, which a broker has that no service manager gives others. What is too small here is told by `probe` as well.
fn limits(root: &Path, locked_bytes: u64, descriptors: u64) -> [Setting; 2] {
    let limit = |name: &str, what: &str, is: String, is_good: bool, should: &str, why| {
        let file = Path::new("etc/security/limits.d").join(format!("corelog-{what}.conf"));
        let should = format!("* - {what} {should}");
        let is_set = fs::read_to_string(root.join(&file)).is_ok_and(|text| text.trim() == should);
        let state = match (is_good, is_set) {
            (true, _) => State::Good(is),
            (false, true) => State::Good(format!("{is}, and from the next login on {should}")),
            (false, false) => State::Left(vec![Change { file, is, should }]),
        };
        Setting { name: name.to_owned(), why, state }
    };
    let locked =
        if locked_bytes == u64::MAX { "unlimited".to_owned() } else { format!("{} KiB", locked_bytes >> 10) };
    [
        limit(
            "lockable memory",
            "memlock",
            locked,
            judge_locked_bytes(locked_bytes).is_none(),
            "unlimited",
            "each core's rings lock memory",
        ),
        limit(
            "file descriptors",
            "nofile",
            descriptors.to_string(),
            judge_descriptors(descriptors).is_none(),
            "1048576",
            "every connection and open segment is one",
        ),
    ]
}

/// Raises a soft limit to the hard one; the soft limit after it.
fn raise(resource: Resource) -> u64 {
    let Ok((soft, hard)) = getrlimit(resource) else { return 0 };
    if soft < hard && setrlimit(resource, hard, hard).is_ok() { hard } else { soft }
}

/// A ring as every core will have it.
fn try_ring() -> io::Result<()> {
    let ring: io::Result<IoUring> = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(8);
    ring.map(drop)
}

fn judge_kernel(release: &str) -> Option<Finding> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    let (major, minor) = KERNEL_MIN;
    (version < KERNEL_MIN).then(|| {
        Finding::fatal(format!(
            "the kernel is Linux {release}, and Corelog needs {major}.{minor} or newer for io_uring with deferred \
             completions: boot a newer kernel"
        ))
    })
}

fn judge_locked_bytes(bytes: u64) -> Option<Finding> {
    (bytes < LOCKED_BYTES_MIN).then(|| {
        Finding::fatal(format!(
            "this process may lock {} KiB of memory (RLIMIT_MEMLOCK), and each core's rings need {} KiB: set \
             LimitMEMLOCK=infinity in the systemd unit, `--ulimit memlock=-1` for a container, or `ulimit -l unlimited`",
            bytes >> 10,
            LOCKED_BYTES_MIN >> 10
        ))
    })
}

fn judge_descriptors(count: u64) -> Option<Finding> {
    (count < DESCRIPTORS_WANTED).then(|| {
        Finding::warning(format!(
            "this process may open {count} files and connections (RLIMIT_NOFILE), and {DESCRIPTORS_WANTED} or more are \
             wanted: set LimitNOFILE=1048576 in the systemd unit, or raise `ulimit -Hn`"
        ))
    })
}

/// What to say about `--zero-copy-send`, from whether the kernel has what it takes. Without a ring nothing is said: others say it.
pub fn judge_zero_copy(is_supported: io::Result<bool>) -> Option<Finding> {
    matches!(is_supported, Ok(false)).then(|| {
        Finding::fatal(
            "this kernel sends nothing without a copy (it lacks IORING_OP_SENDMSG_ZC): start without --zero-copy-send, or \
             boot Linux 6.1 or newer",
        )
    })
}

/// `switch`: what /proc/sys/kernel/io_uring_disabled says, where it exists (Linux 6.6).
fn judge_ring(error: &io::Error, switch: Option<&str>) -> Finding {
    let seccomp = "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile, or start \
                   it with `--security-opt seccomp=unconfined`";
    Finding::fatal(match (error.raw_os_error(), switch) {
        (Some(libc::EPERM), Some("2")) => {
            "io_uring is switched off on this host (kernel.io_uring_disabled=2): run `sysctl -w \
             kernel.io_uring_disabled=0`"
                .to_owned()
        }
        (Some(libc::EPERM), Some("1")) => {
            "io_uring is reserved for one group on this host (kernel.io_uring_disabled=1): add the broker's user to the \
             group that kernel.io_uring_group names, or run `sysctl -w kernel.io_uring_disabled=0`"
                .to_owned()
        }
        (Some(libc::EPERM | libc::EACCES), _) => format!("io_uring is forbidden to this process: {seccomp}"),
        (Some(libc::ENOSYS), _) => {
            format!("io_uring is missing: the kernel was built without it, or a filter hides it: {seccomp}")
        }
        (Some(libc::EINVAL), _) => {
            "io_uring lacks deferred completions (IORING_SETUP_DEFER_TASKRUN): boot Linux 6.1 or newer".to_owned()
        }
        (Some(libc::ENOMEM), _) => {
            "io_uring has no memory for a ring: raise RLIMIT_MEMLOCK, or give the container more memory".to_owned()
        }
        _ => format!("io_uring does not start ({error}): look into the kernel's log"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(finding: Option<Finding>, severity: Severity, part: &str) {
        let finding = finding.expect("a finding");
        assert_eq!(finding.severity, severity);
        assert!(finding.sentence.contains(part), "{finding}");
    }

    #[test]
    fn an_old_kernel_is_refused_and_a_new_one_is_not() {
        says(judge_kernel("5.15.0-91-generic"), Severity::Fatal, "needs 6.1");
        says(judge_kernel("6.0.19"), Severity::Fatal, "Linux 6.0.19");
        for release in ["6.1.0", "6.18.44-fc", "7.0-rc1", "10.2.3", "strange"] {
            assert_eq!(judge_kernel(release), None, "{release}");
        }
    }

    #[test]
    fn each_way_of_forbidding_io_uring_has_its_own_remedy() {
        let judge = |errno, switch| Some(judge_ring(&io::Error::from_raw_os_error(errno), switch));
        says(judge(libc::EPERM, Some("2")), Severity::Fatal, "kernel.io_uring_disabled=0");
        says(judge(libc::EPERM, Some("1")), Severity::Fatal, "kernel.io_uring_group");
        says(judge(libc::EPERM, Some("0")), Severity::Fatal, "seccomp");
        says(judge(libc::EPERM, None), Severity::Fatal, "seccomp");
        says(judge(libc::ENOSYS, None), Severity::Fatal, "built without");
        says(judge(libc::EINVAL, Some("0")), Severity::Fatal, "6.1");
        says(judge(libc::EIO, None), Severity::Fatal, "does not start");
    }

    #[test]
    fn small_limits_are_named_with_their_remedy() {
        says(judge_locked_bytes(64 << 10), Severity::Fatal, "64 KiB");
        assert_eq!(judge_locked_bytes(512 << 10), None);
        assert_eq!(judge_locked_bytes(u64::MAX), None);
        says(judge_descriptors(1024), Severity::Warning, "1024");
        assert_eq!(judge_descriptors(20_000), None);
    }

    #[test]
    fn a_kernel_that_cannot_send_without_a_copy_is_refused_where_it_shall() {
        says(judge_zero_copy(Ok(false)), Severity::Fatal, "without --zero-copy-send");
        assert_eq!(judge_zero_copy(Ok(true)), None);
        assert_eq!(judge_zero_copy(Err(io::ErrorKind::PermissionDenied.into())), None);
        assert!(crate::io::zero_copy::is_supported().expect("a ring"));
    }

    #[test]
    fn a_small_limit_is_left_until_logins_get_a_larger_one() {
        let root = tempfile::tempdir().expect("tempdir");
        let [locked, descriptors] = limits(root.path(), 64 << 10, 20_000);
        assert_eq!(descriptors.state, State::Good("20000".to_owned()));
        let State::Left(changes) = locked.state else { panic!("{locked:?}") };
        let file = root.path().join(&changes[0].file);
        fs::create_dir_all(file.parent().expect("a parent")).expect("directory");
        fs::write(file, &changes[0].should).expect("written");
        let [locked, _] = limits(root.path(), 64 << 10, 20_000);
        assert_eq!(
            locked.state,
            State::Good("64 KiB, and from the next login on * - memlock unlimited".to_owned())
        );
    }

    #[test]
    fn this_host_runs_corelog() {
        let directory = tempfile::tempdir().expect("tempdir");
        let report = probe(directory.path());
        assert!(!report.is_fatal(), "{:?}", report.findings);
        assert!(report.findings.is_sorted_by(|a, b| a.severity >= b.severity));
        assert!(report.storage.is_some());
        assert_eq!(
            fs::read_dir(directory.path()).expect("list").count(),
            0,
            "the probe leaves nothing behind"
        );
    }

    #[test]
    fn a_directory_that_is_not_there_is_fatal_and_said_so() {
        let report = probe(Path::new("/nonexistent/corelog"));
        assert!(report.is_fatal());
        assert!(report.findings[0].sentence.contains("/nonexistent/corelog"), "{:?}", report.findings);
    }
}
