//! The data directory's lock: `flock` on `.lock`, the name and the call that Kafka uses. Taken once at start, held by the
//! process and by every data ring (`Ring::new`), so it lasts until the last write of a killed process has landed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The lock file's name in the data directory.
pub const LOCK_FILE: &str = ".lock";

/// How long a start waits for a killed predecessor's I/O to drain: far longer than a healthy device takes, short enough
/// for an operator who started a second broker by mistake.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Between two tries.
const RETRY_EVERY: Duration = Duration::from_millis(20);

#[derive(Debug, thiserror::Error)]
pub enum LockFailure {
    #[error(
        "the data directory {directory} is in use by another process{}; stop it, or give this broker a directory of its own",
        holder.as_deref().map(|holder| format!(" ({holder})")).unwrap_or_default()
    )]
    Held { directory: PathBuf, holder: Option<String> },
    #[error(
        "the lock file {path} cannot be used: {reason}; check the owner and the permissions of the data directory"
    )]
    Unusable { path: PathBuf, reason: io::Error },
}

/// Holds the directory until it is dropped.
#[derive(Debug)]
pub struct DirectoryLock {
    file: Flock<File>,
}

impl DirectoryLock {
    /// Locks the directory, waiting up to `patience`. Blocks; for the start only.
    pub fn acquire(directory: &Path, patience: Duration) -> Result<DirectoryLock, LockFailure> {
        let path = directory.join(LOCK_FILE);
        let unusable = |reason| LockFailure::Unusable { path: path.clone(), reason };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unusable)?;
        let deadline = Instant::now() + patience;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(mut file) => {
                    // For a person who looks into it; the lock does not depend on it.
                    let _ = file
                        .set_len(0)
                        .and_then(|()| file.rewind())
                        .and_then(|()| writeln!(file, "{}", std::process::id()));
                    return Ok(DirectoryLock { file });
                }
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) if Instant::now() < deadline => file = back,
                Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => {
                    let holder = holder(&back);
                    return Err(LockFailure::Held { directory: directory.to_owned(), holder });
                }
                Err((_, errno)) => return Err(unusable(errno.into())),
            }
            thread::sleep(RETRY_EVERY.min(deadline.saturating_duration_since(Instant::now())));
        }
    }
}

impl AsFd for DirectoryLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Who holds the lock, as far as /proc tells: its process id, and its command where it still runs.
fn holder(file: &File) -> Option<String> {
    let inode = file.metadata().ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let pid = holder_in(&locks, inode)?;
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(command) => Some(format!("process {pid}, {}", command.trim())),
        Err(_) => Some(format!("process {pid}, ended, whose last writes have not reached the device yet")),
    }
}

/// The process in a line such as `4: FLOCK  ADVISORY  WRITE 1234 fe:00:56789 0 EOF`. Device numbers there are not those of
/// `stat` on every file system, so the inode alone must do.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, file, ..] = fields.as_slice() else { return None };
        let held = file.rsplit(':').next()?.parse::<u64>().ok()?;
        if held == inode { pid.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Device, RingConfig};

    #[test]
    fn a_second_broker_is_refused_by_name_and_a_successor_is_let_in() {
        let directory = tempfile::tempdir().expect("tempdir");
        let lock = DirectoryLock::acquire(directory.path(), Duration::ZERO).expect("lock");
        let refused = DirectoryLock::acquire(directory.path(), Duration::from_millis(30)).expect_err("held");
        let sentence = refused.to_string();
        assert!(sentence.contains("in use by another process"), "{sentence}");
        assert!(sentence.contains(&format!("process {}", std::process::id())), "{sentence}");
        drop(lock);
        DirectoryLock::acquire(directory.path(), Duration::ZERO).expect("free again");
    }

    #[test]
    fn a_waiting_successor_gets_the_lock_when_it_is_let_go() {
        let directory = tempfile::tempdir().expect("tempdir");
        let lock = DirectoryLock::acquire(directory.path(), Duration::ZERO).expect("lock");
        let path = directory.path().to_owned();
        let waiter = thread::spawn(move || DirectoryLock::acquire(&path, Duration::from_secs(30)).is_ok());
        drop(lock);
        assert!(waiter.join().expect("thread"));
    }

    #[test]
    fn the_ring_keeps_the_lock_as_long_as_it_lives() {
        let directory = tempfile::tempdir().expect("tempdir");
        let lock = DirectoryLock::acquire(directory.path(), Duration::ZERO).expect("lock");
        let device =
            Device::open(&RingConfig::default(), directory.path(), Some(lock.as_fd())).expect("device");
        // Closing without LOCK_UN, as the end of a process does.
        drop(std::os::fd::OwnedFd::from(into_file(lock)));
        DirectoryLock::acquire(directory.path(), Duration::ZERO).expect_err("the ring holds it");
        drop(device);
        // The kernel takes a ring down behind the process's back: the patience of a start covers it.
        DirectoryLock::acquire(directory.path(), Duration::from_secs(30)).expect("free after the ring");
    }

    /// The file without the unlock that dropping a `Flock` brings: a duplicate shares the lock, and the original is leaked.
    fn into_file(lock: DirectoryLock) -> File {
        let duplicate = lock.file.try_clone().expect("dup");
        let raw = std::os::fd::AsRawFd::as_raw_fd(&*lock.file);
        std::mem::forget(lock);
        nix::unistd::close(raw).expect("close");
        duplicate
    }

    #[test]
    fn the_holder_is_found_among_other_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:77 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 22 fe:00:78 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 33 fe:00:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 44 fe:00:77 0 EOF\nnonsense\n";
        assert_eq!(holder_in(locks, 77), Some(44));
        assert_eq!(holder_in(locks, 79), None);
    }
}
