//! The seam: what a shard asks of the world (`Op`) and what it is told (`Done`). `io` performs Ops on the kernel, the
//! simulator performs the same Ops on seeded devices; the shard above cannot tell which. Plain data.
//!
//! Ordering: Ops in flight together may complete in any order and overlap in any way; an Op that must follow another is
//! pushed after the other's Done. An Op owns its buffers until its Done. A `Write` without `Sync::Data` and every
//! change of metadata (create, allocate, truncate, rename, remove) is in stable storage only after a `SyncFile`,
//! `SyncDir` or `SyncFilesystem` that was pushed after its Done has itself completed.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::IoFailure;

/// Names one Op of one shard until its Done; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// A file by its path relative to the data directory, with `/` between parts. Performers keep a bounded cache of
/// open descriptors behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(pub Arc<str>);

impl FileName {
    pub fn new(path: impl Into<Arc<str>>) -> FileName {
        FileName(path.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// O_DIRECT: position, length and memory are multiples of `limits::BLOCK_BYTES` (see `AlignedBuf`).
    /// On a file system without O_DIRECT the performer falls back to buffered, having said so at start.
    Direct,
    /// Through the page cache: small files (indexes), recovery, and segments where the broker is told so.
    Buffered,
}

/// What a write's Done promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Nothing about stable storage.
    Later,
    /// These bytes and the metadata to find them are in stable storage (RWF_DSYNC).
    Data,
}

/// Which queue of the device an Op shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Somebody waits for it: journal writes, fetches near the tail.
    Latency,
    /// Cold reads.
    Bulk,
    /// Flush, checkpoint, recovery.
    Background,
}

#[derive(Clone, Debug)]
pub enum Op {
    /// Writes all of `data` at `position`. A buffered write creates a missing file, a direct one does not. A short write
    /// is a failure.
    Write { file: FileName, position: u64, data: Bytes, path: Path, sync: Sync, class: Class },
    /// Reads up to `length` bytes at `position`; fewer at the end of the file.
    Read { file: FileName, position: u64, length: u32, path: Path, class: Class },
    /// Creates the file (no error if it exists: it is truncated) with its parent directories, and allocates `allocate` bytes, size included
    /// (they read as zeros).
    Create { file: FileName, allocate: u64 },
    /// Allocates space up to `size` and sets the file's size to it (fallocate with size); never shrinks. ENOSPC shows here.
    Allocate { file: FileName, size: u64 },
    /// Creates the file with its parents and writes `size` zero bytes in full, syncs it and its directory: later O_DIRECT +
    /// DSYNC writes inside change no metadata.
    Fill { file: FileName, size: u64 },
    /// Sets the file's size, down or up. Missing file: a failure with ENOENT.
    Truncate { file: FileName, size: u64 },
    /// fdatasync.
    SyncFile { file: FileName },
    /// fsync of the directory at this path.
    SyncDir { directory: FileName },
    /// syncfs of the data directory: everything completed before it was pushed is in stable storage after its Done.
    SyncFilesystem,
    /// Removes one file; no error if it is not there.
    Remove { file: FileName },
    /// Removes a directory with all it contains; no error if it is not there.
    RemoveTree { directory: FileName },
    /// Renames a file or directory; descriptors cached below it are dropped first. The target does not exist.
    Rename { from: FileName, to: FileName },
    /// Opens the file for `Done::Opened`. It must exist.
    Open { file: FileName },
    /// Names and sizes directly below a directory, sorted by name; empty if it is not there.
    List { directory: FileName },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub size: u64,
    pub is_directory: bool,
}

/// A file that its performer has opened and alone can read. What it held stays readable whatever becomes of its name.
#[derive(Clone, Debug)]
pub struct OpenedFile(pub Arc<dyn Any + Send + std::marker::Sync>);

/// Bytes of a file that are sent from there.
#[derive(Clone, Debug)]
pub struct FileRange {
    pub file: OpenedFile,
    pub position: u64,
    pub length: u32,
}

#[derive(Clone, Debug)]
pub enum Done {
    /// It is done, with the promise that the Op names.
    Completed,
    Read(Bytes),
    Opened(OpenedFile),
    Listed(Vec<Entry>),
    /// It is not done, or not known to be.
    Failed(IoFailure),
}

/// Performs a batch of Ops and waits for all of them, in any order among themselves; answers in the order asked. Only
/// for start and stop, when nothing else runs on the core.
pub type Perform<'a> = &'a mut dyn FnMut(Vec<Op>) -> Vec<Done>;
