//! Ops by blocking system calls. Lives on helper threads, and on any thread at start and stop; must never run on a core
//! while that core serves.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path as FsPath;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, RenameFlags, fallocate, renameat2};

use super::buffer::{AlignedBuf, is_aligned};
use super::files;
use super::limits::{FILL_PIECE_BYTES, PERFORM_INLINE_OPS, PERFORM_THREADS};
use super::root::{Root, failure, refusal};
use crate::error::IoFailure;
use crate::limits::BLOCK_BYTES;
use crate::op::{Done, Entry, FileName, Op, Path, Sync};

/// Performs one Op and blocks for it.
pub fn execute(root: &Root, op: Op) -> Done {
    let outcome = match op {
        Op::Write { file, position, data, path, sync, class: _ } => {
            write(root, &file, position, &data, path, sync)
        }
        Op::Read { file, position, length, path, class: _ } => {
            return read(root, &file, position, length, path).map_or_else(Done::Failed, Done::Read);
        }
        Op::Open { file } => {
            return files::open_whole(root, &file).map_or_else(Done::Failed, Done::Opened);
        }
        Op::List { directory } => return list(root, &directory).map_or_else(Done::Failed, Done::Listed),
        Op::Create { file, allocate } => create(root, &file, allocate),
        Op::Allocate { file, size } => allocate(root, &file, size),
        Op::Fill { file, size } => fill(root, &file, size),
        Op::Truncate { file, size } => on_file(root, "truncate", &file, |file| file.set_len(size)),
        Op::SyncFile { file } => on_file(root, "sync", &file, |file| file.sync_data()),
        Op::SyncDir { directory } => root
            .resolve_directory("sync", &directory)
            .and_then(|path| sync_directory(&path).map_err(|error| failure("sync", &directory, error))),
        Op::SyncFilesystem => sync_filesystem(root),
        Op::Remove { file } => remove(root, &file, |path| fs::remove_file(path)),
        Op::RemoveTree { directory } => remove(root, &directory, |path| fs::remove_dir_all(path)),
        Op::Rename { from, to } => rename(root, &from, &to),
    };
    outcome.map_or_else(Done::Failed, |()| Done::Completed)
}

/// Performs a batch and blocks for all of it, several at once where that pays; answers in the order asked.
pub fn perform(root: &Root, ops: Vec<Op>) -> Vec<Done> {
    if ops.len() <= PERFORM_INLINE_OPS {
        return ops.into_iter().map(|op| execute(root, op)).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            // Cloning an Op copies reference counts, no bytes.
            let Some(op) = ops.get(index) else { return done };
            done.push((index, execute(root, op.clone())));
        }
    };
    let mut done: Vec<(usize, Done)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..PERFORM_THREADS)
            .map_while(|_| {
                std::thread::Builder::new().name("perform".to_owned()).spawn_scoped(scope, take).ok()
            })
            .collect();
        let mut done = take();
        for thread in threads {
            match thread.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, done)| done).collect()
}

/// Whether an O_DIRECT transfer keeps to whole blocks. Checked even where the device would take less, so that a mistake
/// shows on every machine.
pub fn check_direct(
    operation: &'static str,
    file: &FileName,
    position: u64,
    whole_blocks: bool,
) -> Result<(), IoFailure> {
    if whole_blocks && position.is_multiple_of(BLOCK_BYTES as u64) {
        return Ok(());
    }
    Err(refusal(operation, file, libc::EINVAL, "position, length or memory is not whole blocks"))
}

fn write(
    root: &Root,
    name: &FileName,
    position: u64,
    data: &Bytes,
    path: Path,
    sync: Sync,
) -> Result<(), IoFailure> {
    if path == Path::Direct {
        check_direct("write", name, position, is_aligned(data))?;
    }
    let file = files::open(root, "write", name, path)?;
    let flags = match sync {
        Sync::Later => 0,
        Sync::Data => libc::RWF_DSYNC,
    };
    let mut rest = data.as_ref();
    let mut position = position;
    while !rest.is_empty() {
        let count = pwrite(&file, rest, position, flags).map_err(|error| failure("write", name, error))?;
        if count == 0 {
            return Err(refusal("write", name, 0, "the device took no more bytes"));
        }
        rest = &rest[count..];
        position += count as u64;
    }
    Ok(())
}

fn pwrite(file: &OwnedFd, bytes: &[u8], position: u64, flags: i32) -> io::Result<usize> {
    let vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let position = i64::try_from(position).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    // SAFETY: the vector points to `bytes`, which outlives the call; a write only reads them.
    let count = unsafe { libc::pwritev2(file.as_raw_fd(), &vector, 1, position, flags) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

fn read(root: &Root, name: &FileName, position: u64, length: u32, path: Path) -> Result<Bytes, IoFailure> {
    let length = length as usize;
    if path == Path::Direct {
        check_direct("read", name, position, length.is_multiple_of(BLOCK_BYTES))?;
    }
    let file = File::from(files::open(root, "read", name, path)?);
    let size = file.metadata().map_err(|error| failure("read", name, error))?.len();
    // Never more memory than the file can fill: lengths come from headers that nobody has checked yet.
    let remains = usize::try_from(size.saturating_sub(position)).unwrap_or(usize::MAX);
    let mut buffer = AlignedBuf::zeroed(length.min(remains));
    buffer.truncate(if path == Path::Direct { buffer.len() } else { length.min(remains) });
    let mut filled = 0;
    while filled < buffer.len() {
        let count = match file.read_at(&mut buffer.as_mut_slice()[filled..], position + filled as u64) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failure("read", name, error)),
        };
        filled += count;
        if count == 0 || path == Path::Direct && !count.is_multiple_of(BLOCK_BYTES) {
            break;
        }
    }
    buffer.truncate(filled);
    Ok(buffer.freeze())
}

fn create(root: &Root, name: &FileName, size: u64) -> Result<(), IoFailure> {
    let file = create_empty(root, "create", name)?;
    extend(&file, size).map_err(|error| failure("create", name, error))
}

fn create_empty(root: &Root, operation: &'static str, name: &FileName) -> Result<File, IoFailure> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_TRUNC;
    match root.open_file(operation, name, flags) {
        Err(missing) if missing.is_not_found() => {
            let path = root.resolve(operation, name)?;
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| failure(operation, name, error))?;
            }
            root.open_file(operation, name, flags).map(File::from)
        }
        outcome => outcome.map(File::from),
    }
}

fn allocate(root: &Root, name: &FileName, size: u64) -> Result<(), IoFailure> {
    on_file(root, "allocate", name, |file| extend(file, size))
}

/// Allocates up to `size` and sets the size to it, if it is beyond the present one.
fn extend(file: &File, size: u64) -> io::Result<()> {
    let now = file.metadata()?.len();
    if size <= now {
        return Ok(());
    }
    let length = i64::try_from(size).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        // No allocation here: the space is met when it is written, which the report of the host warns of.
        Err(Errno::EOPNOTSUPP) => file.set_len(size),
        Err(errno) => {
            // A half-done allocation may have moved the size; give back what it took.
            let _ = file.set_len(now);
            Err(errno.into())
        }
    }
}

fn fill(root: &Root, name: &FileName, size: u64) -> Result<(), IoFailure> {
    create(root, name, size)?;
    let zeros = AlignedBuf::zeroed(FILL_PIECE_BYTES).freeze();
    // O_DIRECT for whole blocks, so that an extent does not push the page cache out.
    let path = if size.is_multiple_of(BLOCK_BYTES as u64) { Path::Direct } else { Path::Buffered };
    let file = files::open(root, "fill", name, path)?;
    let mut position = 0;
    while position < size {
        let piece = usize::try_from(size - position).unwrap_or(usize::MAX).min(zeros.len());
        let count =
            pwrite(&file, &zeros[..piece], position, 0).map_err(|error| failure("fill", name, error))?;
        if count == 0 {
            return Err(refusal("fill", name, 0, "the device took no more bytes"));
        }
        position += count as u64;
    }
    File::from(file).sync_all().map_err(|error| failure("fill", name, error))?;
    // Every directory up to the root: any of them may be new.
    let path = root.resolve("fill", name)?;
    for directory in path.ancestors().skip(1).take_while(|directory| directory.starts_with(root.path())) {
        sync_directory(directory).map_err(|error| failure("fill", name, error))?;
    }
    Ok(())
}

fn sync_directory(path: &FsPath) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn sync_filesystem(root: &Root) -> Result<(), IoFailure> {
    let directory = root.as_fd();
    // SAFETY: the descriptor is open for as long as the borrow.
    let outcome = unsafe { libc::syncfs(directory.as_raw_fd()) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(failure("syncfs", &FileName::new("."), io::Error::last_os_error()))
    }
}

fn remove(root: &Root, name: &FileName, how: impl Fn(&FsPath) -> io::Result<()>) -> Result<(), IoFailure> {
    let path = root.resolve("remove", name)?;
    match how(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(|error| failure("remove", name, error)),
    }
}

fn rename(root: &Root, from: &FileName, to: &FileName) -> Result<(), IoFailure> {
    let source = root.resolve("rename", from)?;
    let target = root.resolve("rename", to)?;
    let outcome = match renameat2(root, &source, root, &target, RenameFlags::RENAME_NOREPLACE) {
        // Not every file system can refuse to replace.
        Err(Errno::EINVAL) => fs::rename(&source, &target),
        outcome => outcome.map_err(io::Error::from),
    };
    outcome.map_err(|error| failure("rename", from, error))
}

fn list(root: &Root, name: &FileName) -> Result<Vec<Entry>, IoFailure> {
    let path = root.resolve_directory("list", name)?;
    let gather = || -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let is_directory = metadata.is_dir();
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                size: if is_directory { 0 } else { metadata.len() },
                is_directory,
            });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    };
    match gather() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        outcome => outcome.map_err(|error| failure("list", name, error)),
    }
}

fn on_file(
    root: &Root,
    operation: &'static str,
    name: &FileName,
    action: impl FnOnce(&File) -> io::Result<()>,
) -> Result<(), IoFailure> {
    let file = File::from(root.open_file(operation, name, OFlag::O_RDWR)?);
    action(&file).map_err(|error| failure(operation, name, error))
}
