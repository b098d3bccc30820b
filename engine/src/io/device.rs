//! What performs a core's `Op`s: the data ring for reads and writes, helper threads for the rest, one signal for both.
//! Created, used and dropped on the core's thread.
//!
//! A turn: `push` what the shard asks, `submit`, and when the signal was raised, `drain`. `Pump` waits for the signal.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::disk;
use super::files::OpenFile;
use super::flight::{Flight, Refused};
use super::ring::{Ring, RingConfig};
use super::root::Root;
use super::sends::{Progress, Send, SendId};
use super::signal::Signal;
use super::socket::Socket;
use super::worker::{Worker, stale_name};
use super::zero_copy::Told;
use crate::op::{Done, FileRange, Op, OpId};

pub struct Device {
    // Dropped first: it waits for the kernel.
    ring: Ring,
    worker: Worker,
    root: Arc<Root>,
    signal: Signal,
    /// Done without the kernel: refused Ops.
    ready: VecDeque<(OpId, Done)>,
    scratch: Vec<(OpId, Done)>,
}

impl Device {
    /// Devices of the calling thread's core on an existing data directory. `lock`: see `Ring::new`.
    pub fn open(config: &RingConfig, directory: &Path, lock: Option<BorrowedFd<'_>>) -> io::Result<Device> {
        Device::open_on(config, directory, lock, Signal::new()?)
    }

    /// As `open`, raising a signal that the core waits for anyway, such as its bus's.
    pub fn open_on(
        config: &RingConfig,
        directory: &Path,
        lock: Option<BorrowedFd<'_>>,
        signal: Signal,
    ) -> io::Result<Device> {
        let root = Arc::new(Root::open(directory)?);
        let ring = Ring::new(config, root.clone(), lock, signal.clone())?;
        let worker = Worker::start(&root, &signal)?;
        Ok(Device { ring, worker, root, signal, ready: VecDeque::new(), scratch: Vec::new() })
    }

    /// Takes an Op; its Done comes out of `drain`.
    pub fn push(&mut self, id: OpId, op: Op) {
        match Flight::new(id, op) {
            Ok(flight) => self.ring.push(flight),
            Err(Refused::Failed(failure)) => self.ready_now(id, Done::Failed(failure)),
            Err(Refused::NotOurs(Op::Open { file })) => {
                let opened = self.ring.files.get_to_send(&file);
                self.ready_now(id, opened.map_or_else(Done::Failed, Done::Opened));
            }
            Err(Refused::NotOurs(op)) => {
                // Before and (in `drain`) after: an open in between could have kept what was there.
                if let Some(name) = stale_name(&op) {
                    self.ring.files.forget(name);
                }
                if let Err((id, done)) = self.worker.push(id, op) {
                    self.ready_now(id, done);
                }
            }
        }
    }

    /// Sends a range of a file to a socket; `take_sent` tells how it goes on, under this name.
    pub fn send(&mut self, id: SendId, range: &FileRange, socket: &dyn AsRawFd) -> io::Result<()> {
        let file = range.file.0.clone().downcast::<OpenFile>();
        let file = file.map_err(|_| io::Error::other("the file was opened by another kind of device"))?;
        self.ring.sends.push(Send::new(id, file, range.position, range.length, socket)?);
        Ok(())
    }

    /// Nobody waits for it any more; its end is still told. The socket is shut down.
    pub fn cancel_send(&mut self, id: SendId) {
        self.ring.sends.cancel(id);
        self.signal.raise();
    }

    /// How sends have gone on since the last call; with the last of it a send is over.
    pub fn take_sent(&mut self, out: &mut Vec<(SendId, Progress)>) {
        out.append(&mut self.ring.sends.told);
    }

    /// Sends from memory, without a copy and as much as the socket takes at once; `take_lent` tells what becomes of it. False: too much is
    /// lent to the kernel already.
    pub fn lend(&mut self, id: SendId, slices: Vec<Bytes>, socket: &Socket) -> bool {
        self.ring.zero_copy.push(id, slices, socket)
    }

    /// The same bytes lie here: while the socket has not taken them, they may go from here.
    pub fn replace_lent(&mut self, id: SendId, slices: Vec<Bytes>) {
        self.ring.zero_copy.replace(id, slices);
    }

    /// As `cancel_send`. What the kernel has of it, it keeps until the peer has it or the socket is aborted.
    pub fn cancel_lent(&mut self, id: SendId) {
        self.ring.zero_copy.cancel(id);
        self.signal.raise();
    }

    /// What became of what was lent.
    pub fn take_lent(&mut self, out: &mut Vec<(SendId, Told)>) {
        out.append(&mut self.ring.zero_copy.told);
    }

    /// Bytes that may be lent at a time.
    pub fn lent_max(&self) -> usize {
        self.ring.zero_copy.lent_max()
    }

    /// Hands what was pushed to the kernel.
    pub fn submit(&mut self) {
        let mut refused = std::mem::take(&mut self.scratch);
        self.ring.submit(&mut refused);
        for (id, done) in refused.drain(..) {
            self.ready_now(id, done);
        }
        self.scratch = refused;
    }

    /// Appends all that is done. Never blocks. Whoever waits for the signal clears it before this call, not after.
    pub fn drain(&mut self, out: &mut Vec<(OpId, Done)>) {
        while let Some(finished) = self.worker.next() {
            if let Some(name) = &finished.stale {
                self.ring.files.forget(name);
            }
            out.push((finished.id, finished.done));
        }
        self.ring.drain(out);
        out.extend(self.ready.drain(..));
    }

    /// Raised whenever `drain` may have something.
    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.signal.as_fd()
    }

    /// Ops whose Done has not been drained.
    pub fn in_flight(&self) -> usize {
        self.ring.in_flight() + self.worker.in_flight() + self.ready.len()
    }

    /// Whether journal writes have real-time I/O priority.
    pub fn has_realtime(&self) -> bool {
        self.ring.has_realtime()
    }

    /// Blocks the thread until there may be something to drain, or the time is up. For start, stop and tests.
    pub fn wait_blocking(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let raised = self.signal.wait_blocking(timeout)?;
        self.signal.clear();
        Ok(raised)
    }

    /// Performs a batch and blocks for all of it (`op::Perform`): tens of thousands of small Ops at start.
    pub fn perform(&mut self, ops: Vec<Op>) -> Vec<Done> {
        let stale: Vec<_> = ops.iter().filter_map(stale_name).cloned().collect();
        let done = disk::perform(&self.root, ops);
        stale.iter().for_each(|name| self.ring.files.forget(name));
        done
    }

    fn ready_now(&mut self, id: OpId, done: Done) {
        self.ready.push_back((id, done));
        self.signal.raise();
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
