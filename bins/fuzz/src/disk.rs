//! A data directory in memory, for a start: performs Ops as the kernel would, one after the other. A clone shares the files
//! until they are written.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use engine::error::IoFailure;
use engine::op::{Done, Entry, FileName, Op};

#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub files: BTreeMap<String, Arc<Vec<u8>>>,
}

/// Beyond it the disk is full.
const FILE_BYTES_MAX: u64 = 4 << 20;

impl Disk {
    pub fn perform(&mut self, ops: Vec<Op>) -> Vec<Done> {
        ops.into_iter().map(|op| self.done(op)).collect()
    }

    fn done(&mut self, op: Op) -> Done {
        match op {
            Op::Write { file, position, data, .. } => {
                let end = position + data.len() as u64;
                if end > FILE_BYTES_MAX {
                    return failed("write", &file, libc_errno::ENOSPC);
                }
                let bytes = Arc::make_mut(self.files.entry(file.as_str().to_owned()).or_default());
                bytes.resize(bytes.len().max(end as usize), 0);
                bytes[position as usize..end as usize].copy_from_slice(&data);
                Done::Completed
            }
            Op::Read { file, position, length, .. } => match self.files.get(file.as_str()) {
                None => failed("read", &file, libc_errno::ENOENT),
                Some(bytes) => {
                    let start = bytes.len().min(position as usize);
                    let end = bytes.len().min(start + length as usize);
                    Done::Read(Bytes::copy_from_slice(&bytes[start..end]))
                }
            },
            Op::Create { file, allocate: size } => self.laid_out(&file, size),
            Op::Fill { file, size } => self.laid_out(&file, size),
            Op::Allocate { file, size } => match self.files.get(file.as_str()) {
                Some(bytes) if bytes.len() as u64 >= size => Done::Completed,
                _ => self.resized(&file, size),
            },
            Op::Truncate { file, size } => match self.files.contains_key(file.as_str()) {
                true => self.resized(&file, size),
                false => failed("truncate", &file, libc_errno::ENOENT),
            },
            Op::SyncFile { .. } | Op::SyncDir { .. } | Op::SyncFilesystem => Done::Completed,
            Op::Remove { file } => {
                self.files.remove(file.as_str());
                Done::Completed
            }
            Op::RemoveTree { directory } => {
                self.files.retain(|name, _| below(name, &directory).is_none());
                Done::Completed
            }
            Op::Rename { from, to } => {
                let moved: Vec<String> =
                    self.files.keys().filter(|name| is_or_below(name, &from)).cloned().collect();
                for name in moved {
                    let bytes = self.files.remove(&name).unwrap_or_default();
                    self.files.insert(format!("{}{}", to.as_str(), &name[from.as_str().len()..]), bytes);
                }
                Done::Completed
            }
            // A start reads, and opens nothing to send it.
            Op::Open { file } => failed("open", &file, libc_errno::ENOENT),
            Op::List { directory } => Done::Listed(self.listed(&directory)),
        }
    }

    fn laid_out(&mut self, file: &FileName, size: u64) -> Done {
        self.files.remove(file.as_str());
        self.resized(file, size)
    }

    fn resized(&mut self, file: &FileName, size: u64) -> Done {
        if size > FILE_BYTES_MAX {
            return failed("allocate", file, libc_errno::ENOSPC);
        }
        Arc::make_mut(self.files.entry(file.as_str().to_owned()).or_default()).resize(size as usize, 0);
        Done::Completed
    }

    fn listed(&self, directory: &FileName) -> Vec<Entry> {
        let mut entries: BTreeMap<&str, Entry> = BTreeMap::new();
        for (name, bytes) in &self.files {
            let Some(rest) = below(name, directory) else { continue };
            let (first, is_directory) =
                rest.split_once('/').map_or((rest, false), |(first, _)| (first, true));
            let size = if is_directory { 0 } else { bytes.len() as u64 };
            entries.entry(first).or_insert(Entry { name: first.to_owned(), size, is_directory });
        }
        entries.into_values().collect()
    }
}

fn below<'a>(name: &'a str, directory: &FileName) -> Option<&'a str> {
    match directory.as_str() {
        "." => Some(name),
        directory => name.strip_prefix(directory)?.strip_prefix('/'),
    }
}

fn is_or_below(name: &str, from: &FileName) -> bool {
    name == from.as_str() || below(name, from).is_some()
}

fn failed(operation: &'static str, file: &FileName, errno: i32) -> Done {
    let (path, reason) = (file.as_str().to_owned(), format!("errno {errno}"));
    Done::Failed(IoFailure { operation, path, errno, reason })
}

/// Linux's numbers.
mod libc_errno {
    pub const ENOENT: i32 = 2;
    pub const ENOSPC: i32 = 28;
}
