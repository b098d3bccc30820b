//! What holds the data directory: file system, block device, alignment, and what a sync costs. For the report at start and
//! for `--dry-run`; blocks, so never on a serving core.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use super::buffer::AlignedBuf;
use super::host::Finding;
use super::mount::{self, Mount};
use super::tuning;
use crate::limits::BLOCK_BYTES;

/// File systems whose prewritten blocks are overwritten in place, so that a DSYNC write is one device write.
const MEASURED: &[&str] = &["ext4", "xfs"];
/// Gone with the power.
const VOLATILE: &[&str] = &["tmpfs", "ramfs"];
/// Write elsewhere on each write: a DSYNC write costs metadata too.
const COPY_ON_WRITE: &[&str] = &["btrfs", "zfs", "bcachefs", "nilfs2", "f2fs"];

/// How a sync is measured: enough writes for a median, few enough for a start.
const SYNC_SAMPLES: usize = 64;
const SYNC_TIME_MAX: Duration = Duration::from_secs(3);
const SYNC_BLOCKS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// As mountinfo names it: `ext4`, `xfs`, `fuse.sshfs`.
    pub file_system: String,
    pub mount_point: PathBuf,
    pub free_bytes: u64,
    pub direct_io: bool,
    /// O_DIRECT's alignment of memory and position in bytes, where the kernel tells.
    pub alignment: Option<(u32, u32)>,
    pub device: Option<BlockDevice>,
}

/// What /sys tells of the device below; absent parts are not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockDevice {
    pub name: String,
    /// `write back` (a sync flushes the device's cache) or `write through`.
    pub write_cache: Option<String>,
    /// Whether one write can be forced to the medium without a flush.
    pub has_fua: Option<bool>,
    pub is_rotational: Option<bool>,
    /// The scheduler in use; with `none`, I/O priorities have no effect.
    pub scheduler: Option<String>,
}

/// Times of 4 KiB O_DIRECT + DSYNC writes into written blocks: what a small group commit costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncLatency {
    pub median: Duration,
    pub worst: Duration,
    pub samples: usize,
}

pub(super) fn look(directory: &Path, findings: &mut Vec<Finding>) -> Option<Storage> {
    let shown = directory.display();
    let path = match directory.canonicalize() {
        Ok(path) if path.is_dir() => path,
        Ok(_) => {
            findings.push(Finding::fatal(format!(
                "the data directory {shown} is not a directory: name another one"
            )));
            return None;
        }
        Err(error) => {
            findings.push(Finding::fatal(format!(
                "the data directory {shown} cannot be reached ({error}): create it, or name another one"
            )));
            return None;
        }
    };
    let mount = mount::of(&path).unwrap_or_default();
    let (direct_io, alignment) = match try_direct(&path) {
        Ok(outcome) => outcome,
        Err(error) => {
            findings.push(judge_unwritable(&path, &error));
            (false, None)
        }
    };
    let device = mount.device.as_deref().and_then(block_device);
    let free_bytes = statvfs(&path).map_or(0, |stat| stat.blocks_available() * stat.fragment_size());
    let storage = Storage {
        file_system: mount.file_system.clone(),
        mount_point: mount.point.clone(),
        free_bytes,
        direct_io,
        alignment,
        device,
    };
    findings.extend(judge(&storage, &mount, &path));
    Some(storage)
}

/// Measures what a sync costs, with a file of its own that is removed again.
pub fn measure_sync(directory: &Path) -> io::Result<SyncLatency> {
    let scratch = Scratch::create(directory)?;
    let block = AlignedBuf::zeroed(BLOCK_BYTES);
    scratch.file.write_all_at(&AlignedBuf::zeroed(SYNC_BLOCKS * BLOCK_BYTES), 0)?;
    scratch.file.sync_all()?;
    let flags = libc::O_DSYNC | libc::O_DIRECT;
    let file = match File::options().write(true).custom_flags(flags).open(&scratch.path) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            File::options().write(true).custom_flags(libc::O_DSYNC).open(&scratch.path)?
        }
        outcome => outcome?,
    };
    let started = Instant::now();
    let mut times = Vec::with_capacity(SYNC_SAMPLES);
    while times.len() < SYNC_SAMPLES && (times.is_empty() || started.elapsed() < SYNC_TIME_MAX) {
        let write = Instant::now();
        file.write_all_at(&block, (times.len() % SYNC_BLOCKS * BLOCK_BYTES) as u64)?;
        times.push(write.elapsed());
    }
    times.sort_unstable();
    let worst = times.last().copied().unwrap_or_default();
    Ok(SyncLatency { median: times[times.len() / 2], worst, samples: times.len() })
}

/// A file that is gone when this is dropped.
struct Scratch {
    file: File,
    path: PathBuf,
}

impl Scratch {
    fn create(directory: &Path) -> io::Result<Scratch> {
        let path = directory.join(format!(".probe-{}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Scratch { file, path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes a block: whether O_DIRECT takes it, and the alignment that the kernel names.
fn try_direct(directory: &Path) -> io::Result<(bool, Option<(u32, u32)>)> {
    let scratch = Scratch::create(directory)?;
    let block = AlignedBuf::zeroed(BLOCK_BYTES);
    scratch.file.write_all_at(&block, 0)?;
    let alignment = alignment(&scratch.path);
    let direct = File::options().write(true).custom_flags(libc::O_DIRECT).open(&scratch.path);
    match direct.and_then(|file| file.write_all_at(&block, 0)) {
        Ok(()) => Ok((true, alignment)),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok((false, alignment)),
        Err(error) => Err(error),
    }
}

fn alignment(path: &Path) -> Option<(u32, u32)> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut answer = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path ends with NUL, the answer has room for what statx writes, and all its fields may be zero.
    let answer = unsafe {
        if libc::statx(libc::AT_FDCWD, path.as_ptr(), 0, libc::STATX_DIOALIGN, answer.as_mut_ptr()) != 0 {
            return None;
        }
        answer.assume_init()
    };
    let told = answer.stx_mask & libc::STATX_DIOALIGN != 0 && answer.stx_dio_offset_align != 0;
    told.then_some((answer.stx_dio_mem_align, answer.stx_dio_offset_align))
}

fn block_device(number: &str) -> Option<BlockDevice> {
    let mut path = Path::new("/sys/dev/block").join(number).canonicalize().ok()?;
    if path.join("partition").exists() {
        // The queue belongs to the whole device.
        path.pop();
    }
    let setting =
        |name: &str| Some(fs::read_to_string(path.join("queue").join(name)).ok()?.trim().to_owned());
    let scheduler = setting("scheduler").map(|all| tuning::chosen(&all).to_owned());
    Some(BlockDevice {
        name: path.file_name()?.to_string_lossy().into_owned(),
        write_cache: setting("write_cache"),
        has_fua: setting("fua").map(|value| value != "0"),
        is_rotational: setting("rotational").map(|value| value != "0"),
        scheduler,
    })
}

fn judge_unwritable(path: &Path, error: &io::Error) -> Finding {
    let shown = path.display();
    Finding::fatal(match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => {
            format!("the data directory {shown} is not writable for this user: chown it to the broker's user")
        }
        Some(libc::EROFS) => {
            format!("the data directory {shown} is mounted read-only: remount it, after a look at why")
        }
        Some(libc::ENOSPC | libc::EDQUOT) => format!("the data directory {shown} is full: free some space"),
        _ => format!(
            "the data directory {shown} cannot be written ({error}): check the device and its file system"
        ),
    })
}

fn judge(storage: &Storage, mount: &Mount, path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (shown, name) = (path.display(), storage.file_system.as_str());
    let best = "ext4 or XFS on a local device is what Corelog is made for";
    let is_remote =
        ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs"].contains(&name) || name.starts_with("fuse");
    if VOLATILE.contains(&name) {
        findings.push(Finding::warning(format!(
            "{shown} is on {name}: every record is lost with the power; {best}"
        )));
    } else if COPY_ON_WRITE.contains(&name) {
        findings.push(Finding::warning(format!(
            "{shown} is on {name}, where each synced write moves data: {best}"
        )));
    } else if is_remote {
        findings.push(Finding::warning(format!(
            "{shown} is on {name}, whose syncs cross a network or a daemon: {best}"
        )));
    } else if name == "overlay" {
        findings.push(Finding::warning(format!(
            "{shown} is on a container's overlay and goes with the container: mount a volume there"
        )));
    } else if !MEASURED.contains(&name) {
        findings
            .push(Finding::note(format!("{shown} is on {name}, which Corelog was not measured on: {best}")));
    }
    if !storage.direct_io && !VOLATILE.contains(&name) {
        findings.push(match storage.alignment {
            Some((_, offset)) if offset as usize > BLOCK_BYTES => Finding::fatal(format!(
                "the device below {shown} wants writes in units of {offset} bytes, and Corelog writes {BLOCK_BYTES}: use \
                 another device"
            )),
            _ => Finding::warning(format!(
                "the file system {name} of {shown} takes no O_DIRECT: writes pass the page cache, synced all the same, and \
                 slower; {best}"
            )),
        });
    }
    if mount.options.iter().any(|option| matches!(option.as_str(), "nobarrier" | "barrier=0")) {
        findings.push(Finding::warning(format!(
            "{} is mounted without barriers: a sync does not reach the medium; remount it with barriers",
            storage.mount_point.display()
        )));
    }
    if let Some(device) = &storage.device {
        if device.is_rotational == Some(true) && device.write_cache.as_deref() == Some("write back") {
            findings.push(Finding::note(format!(
                "{} says that it rotates: if it does, a sync takes milliseconds; an NVMe drive takes microseconds",
                device.name
            )));
        }
        if device.write_cache.as_deref() == Some("write back") && device.has_fua == Some(false) {
            findings.push(Finding::note(format!(
                "{} has a write cache and no FUA: each group commit flushes the whole cache",
                device.name
            )));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::host::Severity;

    fn storage(file_system: &str, direct_io: bool) -> Storage {
        Storage {
            file_system: file_system.to_owned(),
            mount_point: PathBuf::from("/data"),
            free_bytes: 1 << 40,
            direct_io,
            alignment: Some((512, 512)),
            device: None,
        }
    }

    #[test]
    fn what_a_file_system_costs_is_said() {
        let cases = [
            ("ext4", true, None),
            ("xfs", true, None),
            ("tmpfs", false, Some("lost with the power")),
            ("btrfs", true, Some("moves data")),
            ("overlay", true, Some("mount a volume")),
            ("fuse.sshfs", true, Some("cross a network")),
            ("ext4", false, Some("no O_DIRECT")),
        ];
        for (name, direct_io, expected) in cases {
            let findings = judge(&storage(name, direct_io), &Mount::default(), Path::new("/data"));
            assert!(findings.iter().all(|finding| finding.severity != Severity::Fatal));
            match expected {
                None => assert_eq!(findings, [], "{name}"),
                Some(part) => assert!(findings[0].sentence.contains(part), "{}", findings[0]),
            }
        }
    }

    #[test]
    fn lies_and_mismatches_of_the_device_are_said() {
        let mount = Mount { options: vec!["rw".to_owned(), "barrier=0".to_owned()], ..Mount::default() };
        let findings = judge(&storage("ext4", true), &mount, Path::new("/data"));
        assert!(findings[0].sentence.contains("without barriers"));
        let coarse = Storage { alignment: Some((512, 16384)), ..storage("xfs", false) };
        let findings = judge(&coarse, &Mount::default(), Path::new("/data"));
        assert_eq!(findings[0].severity, Severity::Fatal);
    }

    #[test]
    fn a_sync_is_measured_and_leaves_no_file() {
        let directory = tempfile::tempdir().expect("tempdir");
        let latency = measure_sync(directory.path()).expect("measured");
        assert!(latency.samples > 0 && latency.median <= latency.worst);
        assert_eq!(fs::read_dir(directory.path()).expect("list").count(), 0);
    }
}
