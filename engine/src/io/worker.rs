//! Helper threads of one core for Ops that io_uring does not do well: they change metadata or block for long. Two lanes,
//! each first in first out, so that a slow one (fill, syncfs, a tree to remove) never stands before a quick one. Never
//! touches what the core owns: Ops go in, Dones come out.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use nix::sched::{sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::disk;
use super::ring::PRIORITY_BACKGROUND;
use super::root::{Root, refusal};
use super::signal::Signal;
use crate::op::{Done, FileName, Op, OpId};

/// Names of the threads.
const QUICK: &str = "io-quick";
const SLOW: &str = "io-slow";

struct Job {
    id: OpId,
    op: Op,
}

/// What a lane finished, and the name that stands for something else since.
pub struct Finished {
    pub id: OpId,
    pub done: Done,
    pub stale: Option<FileName>,
}

struct Lane {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

pub struct Worker {
    quick: Lane,
    slow: Lane,
    finished: Receiver<Finished>,
    in_flight: usize,
}

impl Worker {
    /// Starts the threads; each finished Op raises `signal`.
    pub fn start(root: &Arc<Root>, signal: &Signal) -> std::io::Result<Worker> {
        let (sender, finished) = channel();
        let quick = Lane::start(QUICK, root, signal, &sender)?;
        let slow = Lane::start(SLOW, root, signal, &sender)?;
        Ok(Worker { quick, slow, finished, in_flight: 0 })
    }

    pub fn push(&mut self, id: OpId, op: Op) -> Result<(), (OpId, Done)> {
        let lane = match op {
            Op::Fill { .. } | Op::SyncFilesystem | Op::RemoveTree { .. } => &self.slow,
            _ => &self.quick,
        };
        let sent = lane.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { id, op }).is_ok());
        if !sent {
            let name = FileName::new(".");
            return Err((id, Done::Failed(refusal("queue", &name, 0, "the helper thread has ended"))));
        }
        self.in_flight += 1;
        Ok(())
    }

    /// The next finished Op, if there is one; never blocks.
    pub fn next(&mut self) -> Option<Finished> {
        let finished = self.finished.try_recv().ok()?;
        self.in_flight -= 1;
        Some(finished)
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}

impl Lane {
    fn start(
        name: &str,
        root: &Arc<Root>,
        signal: &Signal,
        finished: &Sender<Finished>,
    ) -> std::io::Result<Lane> {
        let is_slow = name == SLOW;
        let (jobs, queue) = channel::<Job>();
        let (root, signal, finished) = (root.clone(), signal.clone(), finished.clone());
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            leave_the_core();
            if is_slow {
                step_back();
            }
            for Job { id, op } in queue {
                let stale = stale_name(&op).cloned();
                let done = disk::execute(&root, op);
                if finished.send(Finished { id, done, stale }).is_err() {
                    return;
                }
                signal.raise();
            }
        })?;
        Ok(Lane { jobs: Some(jobs), thread: Some(thread) })
    }
}

impl Drop for Lane {
    /// Lets the queue run empty: an Op that was taken is performed.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened; its Op never gets a Done.
            let _ = thread.join();
        }
    }
}

/// The name whose open descriptors are of no use once this Op runs.
pub fn stale_name(op: &Op) -> Option<&FileName> {
    match op {
        Op::Remove { file } => Some(file),
        Op::RemoveTree { directory } => Some(directory),
        Op::Rename { from, .. } => Some(from),
        Op::Write { .. }
        | Op::Read { .. }
        | Op::Create { .. }
        | Op::Allocate { .. }
        | Op::Fill { .. }
        | Op::Truncate { .. }
        | Op::SyncFile { .. }
        | Op::SyncDir { .. }
        | Op::SyncFilesystem
        | Op::Open { .. }
        | Op::List { .. } => None,
    }
}

/// A thread inherits the CPU its core is pinned to, where it would wait for that core to sleep: run where the main thread
/// may run. Failing that it is only slower.
fn leave_the_core() {
    if let Ok(cpus) = sched_getaffinity(Pid::this()) {
        let _ = sched_setaffinity(Pid::from_raw(0), &cpus);
    }
}

/// The lowest best-effort I/O priority for what the slow lane writes. Failing that it only competes harder.
fn step_back() {
    const WHO_PROCESS: libc::c_int = 1;
    const THIS_THREAD: libc::c_int = 0;
    // SAFETY: ioprio_set takes three integers and no pointer.
    unsafe {
        libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, THIS_THREAD, libc::c_int::from(PRIORITY_BACKGROUND))
    };
}
