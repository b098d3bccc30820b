//! Open descriptors of one core's files, by name: a bounded cache, least recently used out first. A descriptor with an
//! Op in flight is held by that Op and stays open until its end, whatever happens here.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::fcntl::OFlag;

use super::root::{Root, refusal};
use crate::error::IoFailure;
use crate::op::{FileName, OpenedFile, Path};

/// One open file; what is sent from it may hold it on any core.
#[derive(Debug)]
pub struct OpenFile {
    descriptor: OwnedFd,
}

impl OpenFile {
    pub fn raw(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

#[derive(Default)]
struct Slot {
    direct: Option<Arc<OpenFile>>,
    buffered: Option<Arc<OpenFile>>,
    used: u64,
}

impl Slot {
    fn count(&self) -> usize {
        usize::from(self.direct.is_some()) + usize::from(self.buffered.is_some())
    }

    fn is_in_flight(&self) -> bool {
        [&self.direct, &self.buffered].into_iter().flatten().any(|file| Arc::strong_count(file) > 1)
    }

    fn file(&mut self, path: Path) -> &mut Option<Arc<OpenFile>> {
        match path {
            Path::Direct => &mut self.direct,
            Path::Buffered => &mut self.buffered,
        }
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The cache. Sorted by name, so that all files below a directory can be dropped together.
pub struct Files {
    root: Arc<Root>,
    slots: BTreeMap<FileName, Slot>,
    /// The slots' names by their last use.
    order: BTreeMap<u64, FileName>,
    open: usize,
    open_max: usize,
    tick: u64,
}

impl Files {
    pub fn new(root: Arc<Root>, open_max: usize) -> Files {
        Files {
            root,
            slots: BTreeMap::new(),
            order: BTreeMap::new(),
            open: 0,
            open_max: open_max.max(1),
            tick: 0,
        }
    }

    /// The file, opened for reading and writing if it was not; it must exist.
    pub fn get(
        &mut self,
        operation: &'static str,
        name: &FileName,
        path: Path,
    ) -> Result<Arc<OpenFile>, IoFailure> {
        self.tick += 1;
        if let Some(slot) = self.slots.get_mut(name) {
            let kept = self.order.remove(&slot.used).unwrap_or_else(|| name.clone());
            slot.used = self.tick;
            self.order.insert(self.tick, kept);
            if let Some(file) = slot.file(path) {
                return Ok(file.clone());
            }
        }
        let file = Arc::new(OpenFile { descriptor: open(&self.root, operation, name, path)? });
        if !self.slots.contains_key(name) {
            self.slots.insert(name.clone(), Slot { used: self.tick, ..Slot::default() });
            self.order.insert(self.tick, name.clone());
        }
        if let Some(slot) = self.slots.get_mut(name) {
            *slot.file(path) = Some(file.clone());
            self.open += 1;
        }
        self.evict();
        Ok(file)
    }

    /// The file for whoever sends it: he may hold it for as long as his peer likes, so only while the cache has room for it.
    pub fn get_to_send(&mut self, name: &FileName) -> Result<OpenedFile, IoFailure> {
        let file = self.get("open", name, Path::Buffered)?;
        if self.open > self.open_max {
            self.remove(name);
            return Err(refusal("open", name, libc::EMFILE, "too many files are being sent"));
        }
        Ok(OpenedFile(file))
    }

    /// Any descriptor of the file, for a sync: they all reach the same inode.
    pub fn get_any(&mut self, operation: &'static str, name: &FileName) -> Result<Arc<OpenFile>, IoFailure> {
        let path = match self.slots.get(name) {
            Some(slot) if slot.direct.is_some() => Path::Direct,
            _ => Path::Buffered,
        };
        self.get(operation, name, path)
    }

    /// Forgets a file, or every file below a directory: the name stands for something else from here on.
    pub fn forget(&mut self, name: &FileName) {
        self.remove(name);
        let below = FileName::new(format!("{}/", name.as_str()));
        let names = self.slots.range((Bound::Included(&below), Bound::Unbounded));
        let stale: Vec<FileName> = names
            .map(|(name, _)| name.clone())
            .take_while(|name| name.as_str().starts_with(below.as_str()))
            .collect();
        stale.iter().for_each(|name| self.remove(name));
    }

    /// Descriptors held by the cache.
    #[cfg(test)]
    fn open_count(&self) -> usize {
        self.open
    }

    fn remove(&mut self, name: &FileName) {
        if let Some(slot) = self.slots.remove(name) {
            self.order.remove(&slot.used);
            self.open -= slot.count();
        }
    }

    /// Closes what was used longest ago and has nothing in flight, down to the bound. With everything in flight the bound
    /// gives way: the ring's entries bound the excess.
    fn evict(&mut self) {
        while self.open > self.open_max {
            let idle = self
                .order
                .values()
                .find(|name| self.slots.get(*name).is_some_and(|slot| !slot.is_in_flight()));
            let Some(name) = idle.cloned() else { return };
            self.remove(&name);
        }
    }
}

/// As an answer to `Op::Open`.
pub fn open_whole(root: &Root, name: &FileName) -> Result<OpenedFile, IoFailure> {
    let descriptor = open(root, "open", name, Path::Buffered)?;
    Ok(OpenedFile(Arc::new(OpenFile { descriptor })))
}

/// Opens for O_DIRECT, or buffered where the file system has none: the caller still syncs as it would.
pub fn open(root: &Root, operation: &'static str, name: &FileName, path: Path) -> Result<OwnedFd, IoFailure> {
    match path {
        // A buffered write creates a missing file: index files come into being with their first entry.
        Path::Buffered if operation == "write" => {
            root.open_file(operation, name, OFlag::O_RDWR | OFlag::O_CREAT)
        }
        Path::Buffered => root.open_file(operation, name, OFlag::O_RDWR),
        Path::Direct => match root.open_file(operation, name, OFlag::O_RDWR | OFlag::O_DIRECT) {
            Err(failure) if failure.errno == libc::EINVAL => root.open_file(operation, name, OFlag::O_RDWR),
            outcome => outcome,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(count: usize, open_max: usize) -> (tempfile::TempDir, Files, Vec<FileName>) {
        let directory = tempfile::tempdir().expect("tempdir");
        let names: Vec<FileName> =
            (0..count).map(|i| FileName::new(format!("t-{}/{i}.log", i % 3))).collect();
        for name in &names {
            let path = directory.path().join(name.as_str());
            std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
            std::fs::write(path, b"x").expect("write");
        }
        let root = Arc::new(Root::open(directory.path()).expect("root"));
        (directory, Files::new(root, open_max), names)
    }

    #[test]
    fn the_least_recently_used_is_closed_and_what_is_in_flight_is_not() {
        let (_directory, mut files, names) = files(10, 3);
        let held = files.get("read", &names[0], Path::Buffered).expect("open");
        for name in &names {
            files.get("read", name, Path::Buffered).expect("open");
        }
        assert_eq!(files.open_count(), 3);
        let again = files.get("read", &names[0], Path::Buffered).expect("open");
        assert_eq!(again.raw(), held.raw());
        let kept: Vec<&str> = files.slots.keys().map(FileName::as_str).collect();
        assert_eq!(kept, ["t-0/0.log", "t-0/9.log", "t-2/8.log"]);
    }

    #[test]
    fn files_that_are_held_to_be_sent_are_no_more_than_the_cache_keeps() {
        let (_directory, mut files, names) = files(5, 3);
        let held: Vec<_> = names[..3].iter().map(|name| files.get_to_send(name).expect("room")).collect();
        let refused = files.get_to_send(&names[3]).expect_err("no room");
        assert_eq!((refused.errno, files.open_count()), (libc::EMFILE, 3));
        assert!(files.get_to_send(&names[0]).is_ok(), "it is open already");
        drop(held);
        assert!(files.get_to_send(&names[3]).is_ok());
    }

    #[test]
    fn a_forgotten_directory_takes_its_files_along_and_no_neighbour() {
        let (directory, mut files, names) = files(9, 100);
        for name in &names {
            files.get("read", name, Path::Direct).expect("open");
            files.get("read", name, Path::Buffered).expect("open");
        }
        assert_eq!(files.open_count(), 18);
        files.forget(&FileName::new("t-1"));
        assert_eq!(files.open_count(), 12);
        assert!(files.slots.keys().all(|name| !name.as_str().starts_with("t-1/")));
        assert_eq!(files.order.len(), files.slots.len());
        std::fs::remove_file(directory.path().join("t-1/1.log")).expect("unlink");
        let gone = files.get("read", &names[1], Path::Direct).expect_err("gone");
        assert!(gone.is_not_found());
    }
}
