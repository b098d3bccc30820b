//! Memory on its way to sockets without a copy, by IORING_OP_SENDMSG_ZC: one piece, one entry. Lives in its core's ring.
//!
//! The kernel sends from the memory itself, so that must stay as it is until a second completion says that the kernel has let go of it:
//! with TCP not before the peer has acknowledged the last byte. Each piece is told twice: what became of it, and that it was released. How
//! much is lent to the kernel is bounded, over all peers; who finds no room has his bytes copied. A socket without room is polled.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use bytes::Bytes;
use io_uring::{IoUring, Probe, cqueue, opcode, squeue, types};
use slab::Slab;

use super::limits::{ZERO_COPY_SLICE_BYTES_MIN, ZERO_COPY_SLICE_COST_BYTES};
use super::sends::SendId;
use super::socket::Socket;

/// Of the ring's user data: the entry is a piece's.
pub const ZERO_COPY_BIT: u64 = 1 << 62;

/// `IORING_SEND_ZC_REPORT_USAGE` (Linux 6.2) and what a notification then says, `IORING_NOTIF_USAGE_ZC_COPIED`.
const REPORT_USAGE: u16 = 1 << 3;
const USAGE_COPIED: u32 = 1 << 31;

/// What became of a piece.
#[derive(Debug)]
pub enum Told {
    /// The socket took so many bytes, from its beginning on; what is left is to be sent anew.
    Sent(usize),
    /// The socket took nothing of it.
    Refused(Refusal),
    /// The memory is the kernel's no more. Nothing is told of the piece after this.
    Released(Way),
}

#[derive(Debug)]
pub enum Refusal {
    /// Not by this kernel, or not to this kind of socket.
    Unsupported(io::Error),
    /// The kernel has no memory for it, or may lock none, now.
    Memory(io::Error),
    PeerGone(io::Error),
}

/// How the kernel sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    FromMemory,
    /// It had to copy after all: over loopback, or to a device that does not gather.
    Copied,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sends,
    /// For room in the socket.
    Polls,
    /// Its result is told.
    Over,
}

/// What an entry points to. It stays where it is on the heap, wherever this moves.
struct Gathered {
    header: Box<libc::msghdr>,
    /// `header` points to them, and they to the slices.
    _vectors: Vec<libc::iovec>,
}

impl Gathered {
    fn new(slices: &[Bytes]) -> Gathered {
        let vector =
            |slice: &Bytes| libc::iovec { iov_base: slice.as_ptr().cast_mut().cast(), iov_len: slice.len() };
        let mut vectors: Vec<_> = slices.iter().map(vector).collect();
        // SAFETY: a msghdr is integers and pointers, all of which may be zero: no name, no control data.
        let mut header: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        header.msg_iov = vectors.as_mut_ptr();
        header.msg_iovlen = vectors.len() as _;
        Gathered { header, _vectors: vectors }
    }
}

struct Piece {
    id: SendId,
    socket: Socket,
    slices: Vec<Bytes>,
    /// Of what may be lent.
    cost: usize,
    gathered: Gathered,
    /// The same bytes elsewhere, to be taken as soon as the kernel has nothing of `slices`.
    elsewhere: Option<Vec<Bytes>>,
    phase: Phase,
    /// An entry is in the kernel whose result has not come.
    entered: bool,
    /// Completions that are to come: of what is entered, and notifications.
    awaited: i32,
    copied: bool,
}

impl Piece {
    fn entry(&self, reports: bool) -> squeue::Entry {
        let socket = types::Fd(self.socket.raw());
        match self.phase {
            Phase::Sends => opcode::SendMsgZc::new(socket, &raw const *self.gathered.header)
                .ioprio(if reports { REPORT_USAGE } else { 0 })
                .flags((libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as u32)
                .build(),
            Phase::Polls | Phase::Over => opcode::PollAdd::new(socket, libc::POLLOUT as u32).build(),
        }
    }

    /// Moves to where the bytes are now, if the kernel has nothing of where they were.
    fn settle(&mut self) {
        let is_polled = self.phase == Phase::Polls && self.awaited == i32::from(self.entered);
        if is_polled && let Some(slices) = self.elsewhere.take() {
            self.gathered = Gathered::new(&slices);
            self.slices = slices;
        }
    }
}

pub struct ZeroCopy {
    all: Slab<Piece>,
    keys: BTreeMap<SendId, usize>,
    /// Whose next entry is to be pushed.
    ready: VecDeque<usize>,
    /// Completions that are to come.
    in_kernel: i64,
    /// What pieces cost that are not released, and what they may.
    lent: usize,
    lent_max: usize,
    /// Does this kernel say whether it copied?
    reports: bool,
    pub told: Vec<(SendId, Told)>,
}

impl ZeroCopy {
    pub fn new(lent_max: usize) -> ZeroCopy {
        ZeroCopy {
            all: Slab::new(),
            keys: BTreeMap::new(),
            ready: VecDeque::new(),
            in_kernel: 0,
            lent: 0,
            lent_max,
            reports: true,
            told: Vec::new(),
        }
    }

    /// Takes a piece on; false: too much is lent.
    pub fn push(&mut self, id: SendId, slices: Vec<Bytes>, socket: &Socket) -> bool {
        let cost = slices.iter().map(cost_of).sum();
        if cost > self.lent_max.saturating_sub(self.lent) {
            return false;
        }
        self.lent += cost;
        let key = self.all.insert(Piece {
            id,
            socket: socket.clone(),
            gathered: Gathered::new(&slices),
            slices,
            cost,
            elsewhere: None,
            phase: Phase::Sends,
            entered: false,
            awaited: 0,
            copied: false,
        });
        self.keys.insert(id, key);
        self.ready.push_back(key);
        true
    }

    /// Bytes that may be lent, all together.
    pub fn lent_max(&self) -> usize {
        self.lent_max
    }

    /// Pieces that are not released.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    pub fn is_in_kernel(&self) -> bool {
        self.in_kernel > 0
    }

    /// The same bytes lie here too: where they lay may be given up, unless the socket has taken them.
    pub fn replace(&mut self, id: SendId, slices: Vec<Bytes>) {
        let Some(&key) = self.keys.get(&id) else { return };
        let piece = &mut self.all[key];
        let bytes = |slices: &[Bytes]| slices.iter().map(Bytes::len).sum::<usize>();
        if piece.phase != Phase::Over && bytes(&piece.slices) == bytes(&slices) {
            piece.elsewhere = Some(slices);
            piece.settle();
        }
    }

    /// Nobody wants it sent any more: the socket is shut down. What the socket has taken of it stays lent until it is sent, or the socket
    /// aborted.
    pub fn cancel(&mut self, id: SendId) {
        let Some(&key) = self.keys.get(&id) else { return };
        // What waits for the socket is woken by this, and what is sent next fails.
        self.all[key].socket.shut_down();
        if !self.all[key].entered && self.all[key].phase != Phase::Over {
            self.ready.retain(|one| *one != key);
            let gone = Refusal::PeerGone(io::ErrorKind::NotConnected.into());
            self.over(key, Told::Refused(gone));
            self.release(key);
        }
    }

    /// Has the kernel let go of everything, at once.
    pub fn abort(&mut self) {
        self.all.iter().for_each(|(_, piece)| piece.socket.abort());
    }

    /// The next entry for the kernel, which is named by its key. What it points to stays until it is released.
    pub fn next_entry(&mut self) -> Option<(usize, squeue::Entry)> {
        let key = self.ready.pop_front()?;
        let piece = &mut self.all[key];
        piece.entered = true;
        piece.awaited += 1;
        self.in_kernel += 1;
        Some((key, piece.entry(self.reports).user_data(key as u64 | ZERO_COPY_BIT)))
    }

    /// The submission queue was full: again, later.
    pub fn put_back(&mut self, key: usize) {
        self.all[key].entered = false;
        self.all[key].awaited -= 1;
        self.in_kernel -= 1;
        self.ready.push_front(key);
    }

    /// Takes a completion.
    pub fn completed(&mut self, key: usize, result: i32, flags: u32) {
        let Some(piece) = self.all.get_mut(key) else { return };
        if !cqueue::more(flags) {
            piece.awaited -= 1;
            self.in_kernel -= 1;
        }
        if cqueue::notif(flags) {
            piece.copied |= result as u32 & USAGE_COPIED != 0;
        } else {
            piece.entered = false;
            let result = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
            self.answered(key, result);
        }
        self.all[key].settle();
        self.release(key);
    }

    /// What the kernel says of the send or poll itself.
    fn answered(&mut self, key: usize, result: io::Result<usize>) {
        let error = match (self.all[key].phase, result) {
            (Phase::Sends, Ok(bytes)) if bytes > 0 => return self.over(key, Told::Sent(bytes)),
            (Phase::Sends, Ok(_)) => io::ErrorKind::WriteZero.into(),
            // Room, or an end that the next step meets.
            (Phase::Polls, Ok(_)) => return self.go_on(key, Phase::Sends),
            (Phase::Over, _) => return,
            (phase, Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                return self.go_on(key, phase);
            }
            (Phase::Sends, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return self.go_on(key, Phase::Polls);
            }
            (Phase::Sends | Phase::Polls, Err(error)) => error,
        };
        let refusal = match error.raw_os_error() {
            // Linux 6.1 does not know the flag that asks for a report.
            Some(libc::EINVAL) if self.reports => {
                self.reports = false;
                return self.go_on(key, Phase::Sends);
            }
            Some(libc::EOPNOTSUPP | libc::EINVAL) => Refusal::Unsupported(error),
            Some(libc::ENOMEM | libc::ENOBUFS) => Refusal::Memory(error),
            _ => Refusal::PeerGone(error),
        };
        self.over(key, Told::Refused(refusal));
    }

    fn go_on(&mut self, key: usize, phase: Phase) {
        self.all[key].phase = phase;
        self.ready.push_back(key);
    }

    fn over(&mut self, key: usize, told: Told) {
        self.all[key].phase = Phase::Over;
        self.told.push((self.all[key].id, told));
    }

    /// Gives the memory back, if nothing is to come of it.
    fn release(&mut self, key: usize) {
        let Some(piece) = self.all.get(key) else { return };
        if piece.phase != Phase::Over || piece.awaited > 0 {
            return;
        }
        let piece = self.all.remove(key);
        self.keys.remove(&piece.id);
        self.lent -= piece.cost;
        let way = if piece.copied { Way::Copied } else { Way::FromMemory };
        self.told.push((piece.id, Told::Released(way)));
    }
}

/// A slice keeps the memory that it was cut from, which cannot be used for anything else meanwhile: a small one counts for more.
fn cost_of(slice: &Bytes) -> usize {
    let is_copy = slice.len() < ZERO_COPY_SLICE_BYTES_MIN;
    if is_copy { slice.len() } else { slice.len().max(ZERO_COPY_SLICE_COST_BYTES) }
}

/// Does this kernel have what is needed?
pub fn is_supported() -> io::Result<bool> {
    let ring: IoUring = IoUring::new(8)?;
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe)?;
    Ok(probe.is_supported(opcode::SendMsgZc::CODE))
}

#[cfg(test)]
#[path = "zero_copy_tests.rs"]
mod tests;
