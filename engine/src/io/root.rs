//! The data directory as devices see it: an open descriptor, and the way from a `FileName` to a path below it. Shared by a
//! core and its worker threads. Must never resolve a name to something outside the directory.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::error::IoFailure;
use crate::op::FileName;

/// The mode of new files before the umask, as Kafka's JVM creates them.
const FILE_MODE: Mode = Mode::from_bits_truncate(0o666);

/// One core's handle of the data directory. The descriptor stays open as long as it lives, so that `syncfs` on it reports
/// every write-back error since.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    directory: OwnedFd,
}

impl Root {
    pub fn open(path: &Path) -> io::Result<Root> {
        let path = path.canonicalize()?;
        let directory = File::open(&path)?;
        if !directory.metadata()?.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
        }
        Ok(Root { path, directory: directory.into() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path of a file or directory.
    pub fn resolve(&self, operation: &'static str, name: &FileName) -> Result<PathBuf, IoFailure> {
        check(operation, name)?;
        Ok(self.path.join(name.as_str()))
    }

    /// As `resolve`, and the empty name or `.` is the data directory itself.
    pub fn resolve_directory(&self, operation: &'static str, name: &FileName) -> Result<PathBuf, IoFailure> {
        match name.as_str() {
            "" | "." => Ok(self.path.clone()),
            _ => self.resolve(operation, name),
        }
    }

    /// Opens below the data directory, relative to the descriptor.
    pub fn open_file(
        &self,
        operation: &'static str,
        name: &FileName,
        flags: OFlag,
    ) -> Result<OwnedFd, IoFailure> {
        check(operation, name)?;
        openat(&self.directory, name.as_str(), flags | OFlag::O_CLOEXEC, FILE_MODE)
            .map_err(|errno| failure(operation, name, errno.into()))
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// The failure of an operation on a file, from the kernel's error.
pub fn failure(operation: &'static str, name: &FileName, error: io::Error) -> IoFailure {
    IoFailure {
        operation,
        path: name.as_str().to_owned(),
        errno: error.raw_os_error().unwrap_or(0),
        reason: error.to_string(),
    }
}

/// A failure that the kernel did not report: our own refusal, or a short write.
pub fn refusal(operation: &'static str, name: &FileName, errno: i32, reason: &str) -> IoFailure {
    IoFailure { operation, path: name.as_str().to_owned(), errno, reason: reason.to_owned() }
}

/// Relative, without `..`, `.`, empty parts or NUL: the kernel cannot lead it out of the directory.
fn check(operation: &'static str, name: &FileName) -> Result<(), IoFailure> {
    let sound = name.as_str().split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
    if sound {
        Ok(())
    } else {
        Err(refusal(operation, name, libc::EINVAL, "not a path below the data directory"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_data_directory() {
        let directory = tempfile::tempdir().expect("tempdir");
        let root = Root::open(directory.path()).expect("root");
        for name in ["", ".", "..", "/etc/passwd", "a/../../b", "a//b", "a/", "./a", "a\0b"] {
            let outcome = root.resolve("open", &FileName::new(name));
            assert_eq!(outcome.map_err(|failure| failure.errno), Err(libc::EINVAL), "{name:?}");
        }
        assert!(root.resolve("open", &FileName::new("topic-0/00000000000000000000.log")).is_ok());
        assert!(root.resolve("open", &FileName::new("..a/b..")).is_ok());
        assert!(root.resolve_directory("list", &FileName::new("")).is_ok());
    }
}
