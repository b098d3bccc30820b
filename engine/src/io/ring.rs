//! The data ring of one core: reads, writes, file syncs, and sends from files and from memory, through io_uring. Created, used and dropped
//! on that core's thread. Latency Ops go to the kernel at once; bulk and background Ops wait until their class has room in flight. An Op
//! owns its buffer until the kernel has reported it. Must never wait, except when it is dropped.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;

use io_uring::{IoUring, opcode, squeue, types};
use slab::Slab;

use super::files::Files;
use super::flight::{Flight, Step, Transfer};
use super::limits::{
    BACKGROUND_BYTES_IN_FLIGHT, BULK_BYTES_IN_FLIGHT, OPEN_FILES_DEFAULT, RING_ENTRIES_DEFAULT,
    RING_ENTRIES_MAX, RING_ENTRIES_MIN,
};
use super::root::Root;
use super::sends::{SEND_BIT, Sends};
use super::signal::Signal;
use super::zero_copy::{ZERO_COPY_BIT, ZeroCopy};
use crate::op::{Class, Done, OpId};

/// `IOPRIO_CLASS_RT`, level 4 of 0 to 7: journal writes pass everything else on a device with a scheduler.
const PRIORITY_REALTIME: u16 = (1 << 13) | 4;
/// `IOPRIO_CLASS_BE`, the lowest level.
pub(super) const PRIORITY_BACKGROUND: u16 = (2 << 13) | 7;
/// None of its own: that of the thread.
const PRIORITY_DEFAULT: u16 = 0;

/// How one core's ring is set up.
#[derive(Clone, Debug)]
pub struct RingConfig {
    /// `--ring-entries`, brought into `RING_ENTRIES_MIN..=RING_ENTRIES_MAX`.
    pub entries: u32,
    /// `--io-depth`: bytes of background I/O in flight.
    pub background_bytes: usize,
    /// Bytes of cold reads in flight.
    pub bulk_bytes: usize,
    /// Open descriptors to keep.
    pub open_files: usize,
    /// Bytes of memory that the kernel may be lent for sends without a copy; none without `--zero-copy-send`.
    pub zero_copy_bytes: usize,
}

impl Default for RingConfig {
    fn default() -> RingConfig {
        RingConfig {
            entries: RING_ENTRIES_DEFAULT,
            background_bytes: BACKGROUND_BYTES_IN_FLIGHT,
            bulk_bytes: BULK_BYTES_IN_FLIGHT,
            open_files: OPEN_FILES_DEFAULT,
            zero_copy_bytes: 0,
        }
    }
}

/// The Ops of one class: those that wait, and what is in flight of them.
struct Lane {
    waiting: VecDeque<usize>,
    bytes: usize,
    bytes_max: usize,
}

impl Lane {
    fn new(bytes_max: usize) -> Lane {
        Lane { waiting: VecDeque::new(), bytes: 0, bytes_max }
    }
}

pub struct Ring {
    ring: IoUring,
    pub(super) files: Files,
    flights: Slab<Flight>,
    pub(super) sends: Sends,
    pub(super) zero_copy: ZeroCopy,
    latency: Lane,
    bulk: Lane,
    background: Lane,
    /// Requests that the kernel has or that stand in the submission queue.
    in_kernel: usize,
    entries: usize,
    priority_journal: u16,
    signal: Signal,
    /// SINGLE_ISSUER: the ring belongs to the thread that made it.
    _thread: PhantomData<*const ()>,
}

impl Ring {
    /// `lock`: the data directory's lock file. Registered with the ring, it keeps its `flock` until the kernel has finished
    /// the last I/O of a killed process, so that a successor cannot start beneath late writes.
    pub fn new(
        config: &RingConfig,
        root: Arc<Root>,
        lock: Option<BorrowedFd<'_>>,
        signal: Signal,
    ) -> io::Result<Ring> {
        let entries = config.entries.clamp(RING_ENTRIES_MIN, RING_ENTRIES_MAX);
        let ring: IoUring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            // Lets `drain` see from memory whether completions wait to be run.
            .setup_taskrun_flag()
            // One refused request does not hold up those behind it.
            .setup_submit_all()
            .dontfork()
            .build(entries)?;
        if let Some(lock) = lock {
            ring.submitter().register_files(&[lock.as_raw_fd()])?;
        }
        let mut ring = Ring {
            ring,
            files: Files::new(root.clone(), config.open_files),
            flights: Slab::new(),
            sends: Sends::default(),
            zero_copy: ZeroCopy::new(config.zero_copy_bytes),
            latency: Lane::new(usize::MAX),
            bulk: Lane::new(config.bulk_bytes),
            background: Lane::new(config.background_bytes),
            in_kernel: 0,
            entries: entries as usize,
            priority_journal: PRIORITY_DEFAULT,
            signal: signal.clone(),
            _thread: PhantomData,
        };
        if ring.may_use_realtime(&root)? {
            ring.priority_journal = PRIORITY_REALTIME;
        }
        ring.ring.submitter().register_eventfd(signal.as_fd().as_raw_fd())?;
        Ok(ring)
    }

    /// Whether journal writes have real-time I/O priority.
    pub fn has_realtime(&self) -> bool {
        self.priority_journal == PRIORITY_REALTIME
    }

    /// Ops without a Done, sends, and memory that is lent for some.
    pub fn in_flight(&self) -> usize {
        self.flights.len() + self.sends.count() + self.zero_copy.count()
    }

    /// Takes an Op; it reaches the kernel with the next `submit`, or later when its class has no room.
    pub fn push(&mut self, flight: Flight) {
        let class = flight.class;
        let key = self.flights.insert(flight);
        self.lane(class).waiting.push_back(key);
    }

    /// Hands the kernel what there is room for.
    pub fn submit(&mut self, out: &mut Vec<(OpId, Done)>) {
        self.schedule(out);
        self.schedule_sends();
        let lends = self.schedule_zero_copy();
        if self.ring.submission().is_empty() {
            return;
        }
        match self.ring.submit() {
            // A send without a copy is answered by now: its connection need not wait for the next turn.
            Ok(_) if lends => self.reap(out),
            Ok(_) => {}
            // Short of memory or interrupted: the requests stay queued; come back for them in the next turn.
            Err(error) if is_passing(&error) => self.signal.raise(),
            Err(error) => panic!("io_uring_enter refuses the data ring: {error}"),
        }
    }

    /// Collects what the kernel has finished, and submits what found room by it.
    pub fn drain(&mut self, out: &mut Vec<(OpId, Done)>) {
        if self.ring.submission().taskrun() || self.ring.submission().cq_overflow() {
            match self.ring.submit() {
                Ok(_) => {}
                Err(error) if is_passing(&error) => self.signal.raise(),
                Err(error) => panic!("io_uring_enter refuses the data ring: {error}"),
            }
        }
        self.reap(out);
        self.submit(out);
    }

    fn reap(&mut self, out: &mut Vec<(OpId, Done)>) {
        loop {
            // One at a time: a step may touch the lanes, which the iterator's borrow would forbid.
            let Some(completion) = self.ring.completion().next() else { return };
            let name = completion.user_data();
            let key = usize::try_from(name & !(SEND_BIT | ZERO_COPY_BIT)).unwrap_or(usize::MAX);
            if name & SEND_BIT != 0 {
                self.sends.completed(key, completion.result());
                continue;
            }
            if name & ZERO_COPY_BIT != 0 {
                self.zero_copy.completed(key, completion.result(), completion.flags());
                continue;
            }
            let Some(flight) = self.flights.get_mut(key) else { continue };
            let (class, asked) = (flight.class, flight.asked);
            let step = flight.advance(completion.result());
            self.in_kernel -= 1;
            let lane = self.lane(class);
            lane.bytes -= asked;
            match step {
                Step::Again => lane.waiting.push_front(key),
                Step::Done(done) => {
                    let flight = self.flights.remove(key);
                    out.push((flight.id, done));
                }
            }
        }
    }

    /// Moves waiting Ops to the submission queue: latency first, the others while their class has room and half of the
    /// ring is left for latency.
    fn schedule(&mut self, out: &mut Vec<(OpId, Done)>) {
        for class in [Class::Latency, Class::Bulk, Class::Background] {
            let entries = if class == Class::Latency { self.entries } else { self.entries / 2 };
            while self.in_kernel < entries {
                let lane = self.lane(class);
                let Some(&key) = lane.waiting.front() else { break };
                let room = lane.bytes_max.saturating_sub(lane.bytes);
                let idle = lane.bytes == 0;
                let Some(flight) = self.flights.get_mut(key) else { break };
                let asked = flight.next_bytes();
                // A lane with nothing in flight takes one request of any size, or it would stand still.
                if asked > room && !idle {
                    break;
                }
                let lane = self.lane(class);
                lane.waiting.pop_front();
                if let Err(done) = self.start(key, asked) {
                    let flight = self.flights.remove(key);
                    out.push((flight.id, done));
                }
            }
        }
    }

    /// Sends are bounded by their pipes, and those that wait for a peer by the connections: they have no lane.
    fn schedule_sends(&mut self) {
        while let Some((key, entry)) = self.sends.next_entry() {
            // SAFETY: a send owns the descriptors that its entry names, which points to no memory; it stays in `sends` until the
            // completion with its key was reaped, and `Drop` waits for those.
            if unsafe { self.ring.submission().push(&entry) }.is_err() {
                // Full: once more when the kernel has taken what stands there.
                self.sends.put_back(key);
                self.signal.raise();
                return;
            }
        }
    }

    /// Bounded by what may be lent. Is there one?
    fn schedule_zero_copy(&mut self) -> bool {
        let mut any = false;
        while let Some((key, entry)) = self.zero_copy.next_entry() {
            // SAFETY: a piece owns the descriptor and the memory that its entry points to, slices and what gathers them, all on the heap
            // and never written to; it stays in `zero_copy` until every completion with its key was reaped, the kernel's notification
            // that it has let go of the memory too, and `Drop` waits for those.
            if unsafe { self.ring.submission().push(&entry) }.is_err() {
                self.zero_copy.put_back(key);
                self.signal.raise();
                break;
            }
            any = true;
        }
        any
    }

    /// Writes one request into the submission queue.
    fn start(&mut self, key: usize, asked: usize) -> Result<(), Done> {
        let Some(flight) = self.flights.get_mut(key) else { return Ok(()) };
        let class = flight.class;
        if flight.file.is_none() {
            let file = match flight.transfer {
                Transfer::Sync => self.files.get_any(flight.operation(), &flight.name),
                Transfer::Write { .. } | Transfer::Read { .. } => {
                    self.files.get(flight.operation(), &flight.name, flight.path)
                }
            };
            flight.file = Some(file.map_err(Done::Failed)?);
        }
        flight.asked = asked;
        let priority = match class {
            Class::Latency if flight.is_journal() => self.priority_journal,
            Class::Latency | Class::Bulk => PRIORITY_DEFAULT,
            Class::Background => PRIORITY_BACKGROUND,
        };
        let entry = flight.entry(asked, priority).user_data(key as u64);
        // SAFETY: the flight owns the memory that the entry points to (bytes on the heap that do not move with it) and the
        // open file; it stays in `flights` until the completion with its key was reaped, and `Drop` waits for those.
        let pushed = unsafe { self.ring.submission().push(&entry) };
        if pushed.is_err() {
            // Full although fewer requests than entries are out: an earlier submit failed. They wait together.
            flight.asked = 0;
            self.lane(class).waiting.push_front(key);
            self.signal.raise();
            return Ok(());
        }
        self.in_kernel += 1;
        self.lane(class).bytes += asked;
        Ok(())
    }

    fn lane(&mut self, class: Class) -> &mut Lane {
        match class {
            Class::Latency => &mut self.latency,
            Class::Bulk => &mut self.bulk,
            Class::Background => &mut self.background,
        }
    }

    /// Asks the kernel: a read of nothing with that priority is refused with EPERM where it is not allowed.
    fn may_use_realtime(&mut self, root: &Root) -> io::Result<bool> {
        let entry = opcode::Read::new(types::Fd(root.as_fd().as_raw_fd()), std::ptr::null_mut(), 0)
            .ioprio(PRIORITY_REALTIME)
            .build();
        self.ask(&entry).map(|result| result != -libc::EPERM)
    }

    fn ask(&mut self, entry: &squeue::Entry) -> io::Result<i32> {
        // SAFETY: the entry names no memory, and its completion is awaited here.
        unsafe { self.ring.submission().push(entry) }.map_err(io::Error::other)?;
        self.ring.submit_and_wait(1)?;
        let completion = self.ring.completion().next();
        completion.map(|completion| completion.result()).ok_or_else(|| io::Error::other("no completion"))
    }
}

impl Drop for Ring {
    /// Waits for the kernel to let go of every buffer.
    fn drop(&mut self) {
        let mut out = Vec::new();
        self.sends.shut_down();
        self.zero_copy.abort();
        while self.in_kernel + self.sends.in_kernel() > 0 || self.zero_copy.is_in_kernel() {
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                Err(_) => {
                    // Not to be waited for: leave the buffers to the kernel for good.
                    std::mem::forget(std::mem::take(&mut self.flights));
                    std::mem::forget(std::mem::take(&mut self.sends));
                    std::mem::forget(std::mem::replace(&mut self.zero_copy, ZeroCopy::new(0)));
                    return;
                }
            }
            self.reap(&mut out);
        }
    }
}

/// Errors of io_uring_enter that go away by themselves.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EBUSY | libc::EINTR))
}
