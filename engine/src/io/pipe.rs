//! Pipes that carry pages from files to sockets: a bounded number of them, kept for reuse while they are empty. Lives on one core.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;

use super::limits::{PIPE_BYTES, PIPES_MAX};

#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    capacity: usize,
}

impl Pipe {
    /// Of `PIPE_BYTES`, or as large as this user may still have one.
    fn new() -> io::Result<Pipe> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        let asked = i32::try_from(PIPE_BYTES).unwrap_or(i32::MAX);
        let given = fcntl(&write, FcntlArg::F_SETPIPE_SZ(asked))
            .or_else(|_| fcntl(&write, FcntlArg::F_GETPIPE_SZ))?;
        Ok(Pipe { read, write, capacity: usize::try_from(given).unwrap_or(0).max(1) })
    }

    pub fn reader(&self) -> RawFd {
        self.read.as_raw_fd()
    }

    pub fn writer(&self) -> RawFd {
        self.write.as_raw_fd()
    }

    /// What it takes at most, if it starts on a page.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

#[derive(Debug, Default)]
pub struct Pipes {
    free: Vec<Pipe>,
    /// Free ones included.
    open: usize,
}

impl Pipes {
    /// An empty pipe; none: all are in use.
    pub fn take(&mut self) -> Option<io::Result<Pipe>> {
        if let Some(pipe) = self.free.pop() {
            return Some(Ok(pipe));
        }
        if self.open == PIPES_MAX {
            return None;
        }
        let pipe = Pipe::new();
        self.open += usize::from(pipe.is_ok());
        Some(pipe)
    }

    /// Gives one back that is empty.
    pub fn give(&mut self, pipe: Pipe) {
        self.free.push(pipe);
    }

    /// Closes one that is not: what it holds is gone.
    pub fn close(&mut self, pipe: Pipe) {
        drop(pipe);
        self.open -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_bounded_and_come_back() {
        let mut pipes = Pipes::default();
        let mut taken: Vec<Pipe> = Vec::new();
        while let Some(pipe) = pipes.take() {
            taken.push(pipe.expect("a pipe"));
        }
        assert_eq!(taken.len(), PIPES_MAX);
        assert!(taken.iter().all(|pipe| pipe.capacity() > 0));
        let reader = taken[0].reader();
        pipes.give(taken.remove(0));
        assert_eq!(pipes.take().expect("room").expect("a pipe").reader(), reader);
        assert!(pipes.take().is_none());
        pipes.close(taken.remove(0));
        assert!(pipes.take().is_some());
    }
}
