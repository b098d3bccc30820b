//! One read, write or sync on its way through the data ring: what is left of it, and what a completion means. Knows no
//! queue; lives in its ring's table.

use std::sync::Arc;

use bytes::Bytes;
use io_uring::{opcode, squeue, types};

use super::buffer::{AlignedBuf, is_aligned};
use super::disk::check_direct;
use super::files::OpenFile;
use super::limits::{BULK_PIECE_BYTES, PIECE_BYTES, READ_RETRIES_MAX, REQUEST_BYTES_MAX};
use super::root::{failure, refusal};
use crate::error::IoFailure;
use crate::limits::BLOCK_BYTES;
use crate::op::{Class, Done, FileName, Op, OpId, Path, Sync};

pub enum Transfer {
    Write { data: Bytes, sync: Sync },
    Read { buffer: AlignedBuf, length: usize },
    Sync,
}

pub struct Flight {
    pub id: OpId,
    pub name: FileName,
    pub path: Path,
    pub class: Class,
    pub transfer: Transfer,
    /// Opened when it first goes to the kernel.
    pub file: Option<Arc<OpenFile>>,
    /// Bytes of the request that the kernel has now.
    pub asked: usize,
    position: u64,
    moved: usize,
    /// Interruptions that were followed by another try.
    retries: u8,
}

/// After a completion.
pub enum Step {
    /// There is more to transfer.
    Again,
    Done(Done),
}

impl Flight {
    /// The Op as a flight; not `Ok` where it is refused, or given back when it is none of the ring's.
    pub fn new(id: OpId, op: Op) -> Result<Flight, Refused> {
        let (name, position, path, class, transfer) = match op {
            Op::Write { file, position, data, path, sync, class } => {
                if path == Path::Direct {
                    check_direct("write", &file, position, is_aligned(&data))?;
                }
                (file, position, path, class, Transfer::Write { data, sync })
            }
            Op::Read { file, position, length, path, class } => {
                let length = length as usize;
                if path == Path::Direct {
                    check_direct("read", &file, position, length.is_multiple_of(BLOCK_BYTES))?;
                }
                (file, position, path, class, Transfer::Read { buffer: AlignedBuf::with_capacity(0), length })
            }
            Op::SyncFile { file } => (file, 0, Path::Buffered, Class::Latency, Transfer::Sync),
            other => return Err(Refused::NotOurs(other)),
        };
        Ok(Flight { id, name, path, class, transfer, file: None, asked: 0, position, moved: 0, retries: 0 })
    }

    pub fn operation(&self) -> &'static str {
        match self.transfer {
            Transfer::Write { .. } => "write",
            Transfer::Read { .. } => "read",
            Transfer::Sync => "sync",
        }
    }

    /// Somebody's acknowledgement waits for this write.
    pub fn is_journal(&self) -> bool {
        self.class == Class::Latency && matches!(self.transfer, Transfer::Write { sync: Sync::Data, .. })
    }

    /// The size of the next request: all that is left, or a piece of it.
    pub fn next_bytes(&self) -> usize {
        let length = match &self.transfer {
            Transfer::Write { data, .. } => data.len(),
            Transfer::Read { length, .. } => *length,
            Transfer::Sync => 0,
        };
        let piece = match self.class {
            Class::Latency => REQUEST_BYTES_MAX,
            Class::Bulk => BULK_PIECE_BYTES,
            Class::Background => PIECE_BYTES,
        };
        (length - self.moved).min(piece)
    }

    /// The request for the next `asked` bytes. It points into this flight's buffer, which must stay until its completion.
    pub fn entry(&mut self, asked: usize, priority: u16) -> squeue::Entry {
        let descriptor = types::Fd(self.file.as_ref().map_or(-1, |file| file.raw()));
        let position = self.position + self.moved as u64;
        let count = u32::try_from(asked).unwrap_or(REQUEST_BYTES_MAX as u32);
        match &mut self.transfer {
            Transfer::Write { data, sync } => {
                let flags = match sync {
                    Sync::Later => 0,
                    Sync::Data => libc::RWF_DSYNC,
                };
                let rest = &data[self.moved..];
                opcode::Write::new(descriptor, rest.as_ptr(), count)
                    .offset(position)
                    .rw_flags(flags)
                    .ioprio(priority)
                    .build()
            }
            Transfer::Read { buffer, length } => {
                if buffer.capacity() == 0 {
                    *buffer = AlignedBuf::with_capacity(*length);
                }
                // In bounds: `moved` never exceeds `length`, which is within the capacity.
                let start = buffer.as_mut_ptr().wrapping_add(self.moved);
                opcode::Read::new(descriptor, start, count).offset(position).ioprio(priority).build()
            }
            Transfer::Sync => opcode::Fsync::new(descriptor).flags(types::FsyncFlags::DATASYNC).build(),
        }
    }

    /// Takes the kernel's answer to the request of `asked` bytes.
    pub fn advance(&mut self, result: i32) -> Step {
        let Ok(count) = usize::try_from(result) else {
            let is_read = matches!(self.transfer, Transfer::Read { .. });
            if is_read && matches!(-result, libc::EINTR | libc::EAGAIN) && self.retries < READ_RETRIES_MAX {
                self.retries += 1;
                return Step::Again;
            }
            let error = std::io::Error::from_raw_os_error(-result);
            return Step::Done(Done::Failed(failure(self.operation(), &self.name, error)));
        };
        let count = count.min(self.asked);
        // O_DIRECT goes on at block boundaries only; a file's end may lie within one.
        let stuck = count == 0 || self.path == Path::Direct && !count.is_multiple_of(BLOCK_BYTES);
        self.moved += count;
        match &mut self.transfer {
            Transfer::Sync => Step::Done(Done::Completed),
            Transfer::Write { data, .. } if self.moved == data.len() => Step::Done(Done::Completed),
            Transfer::Write { .. } if stuck => {
                let reason = "the device took only a part of the bytes";
                Step::Done(Done::Failed(refusal("write", &self.name, 0, reason)))
            }
            Transfer::Write { .. } => Step::Again,
            Transfer::Read { buffer, length } => {
                // SAFETY: the kernel has filled the buffer from its start up to `moved`: each request began where the one
                // before it ended, and `count` is at most what was asked, which ends within the capacity.
                unsafe { buffer.set_len(self.moved) };
                if self.moved < *length && !stuck {
                    return Step::Again;
                }
                let buffer = std::mem::replace(buffer, AlignedBuf::with_capacity(0));
                // A short read at a file's end must not hold the memory of a long one.
                let is_sparse = buffer.len() <= buffer.capacity() / 2;
                let bytes = if is_sparse { Bytes::copy_from_slice(&buffer) } else { buffer.freeze() };
                Step::Done(Done::Read(bytes))
            }
        }
    }
}

/// Why an Op became no flight.
pub enum Refused {
    NotOurs(Op),
    Failed(IoFailure),
}

impl From<IoFailure> for Refused {
    fn from(failure: IoFailure) -> Refused {
        Refused::Failed(failure)
    }
}
