//! Ranges of files on their way to sockets, from the page cache and past the process's memory: file → pipe → socket, by
//! IORING_OP_SPLICE, one step at a time. Lives in its core's ring.
//!
//! Not linked: each of the two may come short (a pipe counts pages, a socket takes what it has room for), and a chain says no more than
//! that it broke. The kernel performs a splice on a thread of its own, so it may wait for the disk. It must never wait for a peer:
//! sockets are set to refuse instead (`Socket::of`), and a
//! poll waits for room. What is under way are the page cache's pages, not copies: a range must stay as it is until the peer has it. The
//! broker never cuts a file below what it answered; who does it behind its back changes bytes that are on their way to zeros.
//! Whoever waits for a peer may lose its pipe to somebody who does not; it fills another from the file again.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring::{opcode, squeue, types};
use slab::Slab;

use super::files::OpenFile;
use super::pipe::{Pipe, Pipes};
use super::socket::Socket;

/// A send as its asker names it, until its end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SendId(pub u64);

/// What became of a send since it was last told.
#[derive(Debug)]
pub enum Progress {
    /// The socket took so many bytes; there are more.
    Sent(usize),
    /// And these were the last.
    All(usize),
    /// The file does not give what it held, or there is no pipe to take it.
    FileFailed(io::Error),
    /// The peer is gone.
    PeerGone(io::Error),
}

/// Of the ring's user data: the entry is a send's, not a flight's.
pub const SEND_BIT: u64 = 1 << 63;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// For a pipe.
    Waits,
    /// The kernel is told what will be read: in one go, as a splice by itself would not, and as much again for whoever reads on.
    Advises,
    /// An entry is to be pushed, or is in the kernel.
    Fills,
    Drains,
    /// For room in the socket.
    Polls,
}

#[derive(Debug)]
pub struct Send {
    id: SendId,
    file: Arc<OpenFile>,
    socket: Socket,
    /// Where the next fill begins, and what is left from there.
    position: u64,
    left: usize,
    pipe: Option<Pipe>,
    /// Bytes in the pipe.
    held: usize,
    phase: Phase,
    advised: bool,
    in_kernel: bool,
}

impl Send {
    pub fn new(
        id: SendId,
        file: Arc<OpenFile>,
        position: u64,
        length: u32,
        socket: &dyn AsRawFd,
    ) -> io::Result<Send> {
        let (left, phase) = (length as usize, Phase::Waits);
        let socket = Socket::of(socket)?;
        Ok(Send {
            id,
            file,
            socket,
            position,
            left,
            pipe: None,
            held: 0,
            phase,
            advised: false,
            in_kernel: false,
        })
    }

    fn entry(&self) -> squeue::Entry {
        let socket = types::Fd(self.socket.raw());
        let (reader, writer) = self.pipe.as_ref().map_or((-1, -1), |pipe| (pipe.reader(), pipe.writer()));
        let bytes = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        match self.phase {
            Phase::Advises => {
                let length = i64::try_from(2 * self.left).unwrap_or(i64::MAX);
                opcode::Fadvise::new(types::Fd(self.file.raw()), length, libc::POSIX_FADV_WILLNEED)
                    .offset(self.position)
                    .build()
            }
            Phase::Fills => {
                let room = self.pipe.as_ref().map_or(0, Pipe::capacity);
                let from = i64::try_from(self.position).unwrap_or(i64::MAX);
                let file = types::Fd(self.file.raw());
                opcode::Splice::new(file, from, types::Fd(writer), -1, bytes(self.left.min(room))).build()
            }
            Phase::Drains => opcode::Splice::new(types::Fd(reader), -1, socket, -1, bytes(self.held)).build(),
            Phase::Waits | Phase::Polls => opcode::PollAdd::new(socket, libc::POLLOUT as u32).build(),
        }
    }
}

#[derive(Default)]
pub struct Sends {
    all: Slab<Send>,
    keys: BTreeMap<SendId, usize>,
    pipes: Pipes,
    /// Without a pipe, in the order asked.
    waiting: VecDeque<usize>,
    /// With a pipe, and for a peer to make room: whose pipe may be taken away.
    polling: VecDeque<usize>,
    /// Whose next entry is to be pushed.
    ready: VecDeque<usize>,
    /// With an entry in the kernel.
    in_kernel: usize,
    pub told: Vec<(SendId, Progress)>,
}

impl Sends {
    pub fn push(&mut self, send: Send) {
        let id = send.id;
        let key = self.all.insert(send);
        self.keys.insert(id, key);
        self.waiting.push_back(key);
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    pub fn in_kernel(&self) -> usize {
        self.in_kernel
    }

    /// The peer of this one is of no interest any more.
    pub fn cancel(&mut self, id: SendId) {
        let Some(&key) = self.keys.get(&id) else { return };
        // What waits for the socket is woken by this, and every other step fails.
        self.all[key].socket.shut_down();
        if !self.all[key].in_kernel {
            self.waiting.retain(|one| *one != key);
            self.ready.retain(|one| *one != key);
            self.end(key, Progress::PeerGone(io::ErrorKind::NotConnected.into()));
        }
    }

    /// As `cancel`, for all.
    pub fn shut_down(&mut self) {
        self.all.iter().for_each(|(_, send)| send.socket.shut_down());
    }

    /// The next entry for the kernel, which is named by its key. What it points to stays until `completed`.
    pub fn next_entry(&mut self) -> Option<(usize, squeue::Entry)> {
        self.give_pipes();
        let key = self.ready.pop_front()?;
        self.all[key].in_kernel = true;
        self.in_kernel += 1;
        Some((key, self.all[key].entry().user_data(key as u64 | SEND_BIT)))
    }

    /// The submission queue was full: again, later.
    pub fn put_back(&mut self, key: usize) {
        self.all[key].in_kernel = false;
        self.in_kernel -= 1;
        self.ready.push_front(key);
    }

    /// Takes the kernel's answer.
    pub fn completed(&mut self, key: usize, result: i32) {
        let Some(send) = self.all.get_mut(key) else { return };
        send.in_kernel = false;
        self.in_kernel -= 1;
        let moved = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
        match (send.phase, moved) {
            (_, Err(error)) if error.kind() == io::ErrorKind::Interrupted => self.ready.push_back(key),
            // Advice that is not taken costs time only.
            (Phase::Advises, _) => {
                send.advised = true;
                self.go_on(key, Phase::Fills);
            }
            (Phase::Fills, Ok(0)) => {
                let sentence =
                    format!("the file ends at byte {}, and {} more were sent for", send.position, send.left);
                let error = io::Error::new(io::ErrorKind::UnexpectedEof, sentence);
                self.end(key, Progress::FileFailed(error));
            }
            (Phase::Fills, Ok(count)) => {
                let count = count.min(send.left);
                send.position += count as u64;
                send.left -= count;
                send.held = count;
                self.go_on(key, Phase::Drains);
            }
            (Phase::Fills, Err(error)) => self.end(key, Progress::FileFailed(error)),
            (Phase::Drains, Ok(0)) => self.end(key, Progress::PeerGone(io::ErrorKind::WriteZero.into())),
            (Phase::Drains, Ok(count)) => {
                let count = count.min(send.held);
                send.held -= count;
                if send.held > 0 {
                    self.told.push((send.id, Progress::Sent(count)));
                    self.go_on(key, Phase::Polls);
                } else if send.left > 0 {
                    self.told.push((send.id, Progress::Sent(count)));
                    self.go_on(key, Phase::Fills);
                } else {
                    self.end(key, Progress::All(count));
                }
            }
            (Phase::Drains, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.go_on(key, Phase::Polls);
            }
            (Phase::Drains | Phase::Polls, Err(error)) => self.end(key, Progress::PeerGone(error)),
            // Room, or an end that the next step meets.
            (Phase::Polls, Ok(_)) if send.pipe.is_some() => {
                self.polling.retain(|one| *one != key);
                self.go_on(key, Phase::Drains);
            }
            (Phase::Polls | Phase::Waits, _) => {
                send.phase = Phase::Waits;
                self.waiting.push_back(key);
            }
        }
    }

    fn go_on(&mut self, key: usize, phase: Phase) {
        self.all[key].phase = phase;
        self.ready.push_back(key);
        if phase == Phase::Polls {
            self.polling.push_back(key);
        }
    }

    fn end(&mut self, key: usize, progress: Progress) {
        let send = self.all.remove(key);
        self.keys.remove(&send.id);
        self.polling.retain(|one| *one != key);
        match send.pipe {
            Some(pipe) if send.held == 0 => self.pipes.give(pipe),
            Some(pipe) => self.pipes.close(pipe),
            None => {}
        }
        self.told.push((send.id, progress));
    }

    /// Those who wait for a pipe get those that are free, then those of whoever waits for its peer.
    fn give_pipes(&mut self) {
        while let Some(&key) = self.waiting.front() {
            let pipe = match self.pipes.take() {
                Some(pipe) => pipe,
                None if self.take_one_away() => continue,
                None => return,
            };
            self.waiting.pop_front();
            match pipe {
                Ok(pipe) => {
                    self.all[key].pipe = Some(pipe);
                    let phase = if self.all[key].advised { Phase::Fills } else { Phase::Advises };
                    self.go_on(key, phase);
                }
                Err(error) => self.end(key, Progress::FileFailed(error)),
            }
        }
    }

    fn take_one_away(&mut self) -> bool {
        let Some(key) = self.polling.pop_front() else { return false };
        let send = &mut self.all[key];
        let Some(pipe) = send.pipe.take() else { return false };
        send.position -= send.held as u64;
        send.left += send.held;
        send.held = 0;
        self.pipes.close(pipe);
        true
    }
}

#[cfg(test)]
#[path = "sends_tests.rs"]
mod tests;
