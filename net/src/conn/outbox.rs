//! Answers on their way to a socket: slices gathered into few sends. Tiny neighbours are copied together, everything else
//! goes out as it is; what a file holds is sent by whoever can (`Serve::send_range`), between them, and so is what is to be sent without
//! a copy (`Lending`). Lives on one core.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    os::fd::AsRawFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use engine::{io::limits::ZERO_COPY_SLICE_BYTES_MIN, op::FileRange};
use futures_lite::io::AsyncWrite;
use nix::sys::socket::{MsgFlags, sendmsg};

use super::Permit;
use crate::{limits, wire::Chunk};

/// How far a poll came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    All,
    /// This poll's share: ask again.
    Share,
    /// All before a range, which comes next.
    UpToRange,
    /// All before memory that is to be lent, which comes next.
    UpToLoan,
}

#[derive(Default)]
pub struct Outbox {
    chunks: VecDeque<Chunk>,
    /// Small slices after the last of `chunks`, copied together.
    small: BytesMut,
    bytes: usize,
    /// Chunks at the front that hold no memory but their own.
    own: usize,
    /// Bytes ever sent.
    sent: u64,
    /// The memory of answers not wholly sent, and where each ends in the stream.
    held: VecDeque<(u64, Hold)>,
    /// From how many bytes of large slices on memory is lent; none: never.
    lent_bytes_min: Option<usize>,
    /// What lies before this place in the stream is copied.
    copied_to: u64,
}

/// The memory of an answer: its own, or that of what is lent of it too.
enum Hold {
    Sole(Permit),
    Shared(Rc<Permit>),
    /// For the moment in which one becomes the other.
    Nothing,
}

impl Hold {
    fn share(&mut self) -> Option<Rc<Permit>> {
        let shared = match std::mem::replace(self, Hold::Nothing) {
            Hold::Sole(permit) => Rc::new(permit),
            Hold::Shared(permit) => permit,
            Hold::Nothing => return None,
        };
        *self = Hold::Shared(shared.clone());
        Some(shared)
    }
}

impl Outbox {
    /// Lends memory where so many bytes of it lie in large slices.
    pub fn lending(bytes_min: Option<usize>) -> Outbox {
        Outbox { lent_bytes_min: bytes_min, ..Outbox::default() }
    }

    /// Bytes that wait to be sent.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn push(&mut self, chunk: Chunk) {
        self.bytes += chunk.len();
        if let Chunk::Memory(slice) = &chunk
            && slice.len() < limits::SEND_COALESCED_BYTES
        {
            self.small.extend_from_slice(slice);
            return;
        }
        self.seal();
        self.chunks.push_back(chunk);
    }

    /// The range that is next, if one is.
    pub fn range(&self) -> Option<&FileRange> {
        match self.chunks.front() {
            Some(Chunk::File(range)) => Some(range),
            _ => None,
        }
    }

    /// So much of that range is gone.
    pub fn range_sent(&mut self, bytes: usize) {
        self.consume(bytes);
    }

    /// What was pushed since the last call is accounted for by `permit`, until it is sent.
    pub fn hold(&mut self, permit: Permit) {
        if self.bytes > 0 {
            self.held.push_back((self.sent + self.bytes as u64, Hold::Sole(permit)));
        }
    }

    /// Copies what waits, as far as it is not yet: a slice keeps the whole buffer that it was cut from in memory, and a peer that does not
    /// read would keep it for as long as he likes.
    pub fn unpin(&mut self) {
        self.seal();
        for chunk in self.chunks.iter_mut().skip(self.own) {
            if let Chunk::Memory(slice) = chunk {
                *slice = Bytes::copy_from_slice(slice);
            }
        }
        self.own = self.chunks.len();
    }

    /// What is next, up to so many bytes and as many slices as one send takes. Small ones are copied.
    pub fn first(&self, bytes: usize) -> Vec<Bytes> {
        let mut left = bytes;
        let mut slices = Vec::new();
        for chunk in self.chunks.iter().take(limits::SEND_SLICES_MAX) {
            let Chunk::Memory(slice) = chunk else { break };
            if left == 0 {
                break;
            }
            let slice = slice.slice(..slice.len().min(left));
            left -= slice.len();
            let is_small = slice.len() < ZERO_COPY_SLICE_BYTES_MIN;
            slices.push(if is_small { Bytes::copy_from_slice(&slice) } else { slice });
        }
        slices
    }

    /// The memory of the answers that the next `bytes` are of, to be held as long as whoever has them likes.
    pub fn share(&mut self, bytes: usize) -> Vec<Rc<Permit>> {
        let end = self.sent + bytes as u64;
        let mut begins = self.sent;
        let mut shared = Vec::new();
        for (ends, hold) in &mut self.held {
            if begins >= end {
                break;
            }
            begins = *ends;
            shared.extend(hold.share());
        }
        shared
    }

    /// So much of what was lent is gone.
    pub fn lent_sent(&mut self, bytes: usize) {
        self.consume(bytes);
    }

    /// The next `bytes` are copied, or all from here on.
    pub fn copy_next(&mut self, bytes: Option<usize>) {
        self.copied_to = bytes.map_or(u64::MAX, |bytes| self.sent + bytes as u64);
    }

    /// Is what is next worth lending?
    fn is_loan_next(&self) -> bool {
        let Some(bytes_min) = self.lent_bytes_min.filter(|min| *min <= self.bytes) else { return false };
        if self.sent < self.copied_to {
            return false;
        }
        let mut large = 0;
        for chunk in self.chunks.iter().take(limits::SEND_SLICES_MAX) {
            match chunk {
                Chunk::Memory(slice) if slice.len() < ZERO_COPY_SLICE_BYTES_MIN => {}
                Chunk::Memory(slice) => large += slice.len(),
                Chunk::File(_) => break,
            }
            if large >= bytes_min {
                return true;
            }
        }
        false
    }

    fn seal(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push_back(self.small.split().freeze().into());
        }
    }

    /// Sends until all is sent, a range is next, the socket is full (Pending), or this poll's share is used up.
    pub fn poll_send<S: AsyncWrite + AsRawFd + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut S,
    ) -> Poll<io::Result<Sent>> {
        self.seal();
        let mut sent_now = 0;
        while let Some(first) = self.chunks.front() {
            let Chunk::Memory(first) = first else { return Poll::Ready(Ok(Sent::UpToRange)) };
            if sent_now >= limits::SEND_BYTES_PER_POLL {
                return Poll::Ready(Ok(Sent::Share));
            }
            if self.is_loan_next() {
                return Poll::Ready(Ok(Sent::UpToLoan));
            }
            let share = limits::SEND_BYTES_PER_POLL - sent_now;
            let sent = match self.send_gathered(socket, share)? {
                Some(sent) => sent,
                // Full, or a single slice: the stream sends it or waits for room.
                None => match Pin::new(&mut *socket).poll_write(cx, &first[..first.len().min(share)]) {
                    Poll::Ready(sent) => sent?,
                    Poll::Pending => return Poll::Pending,
                },
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.consume(sent);
            sent_now += sent;
        }
        Poll::Ready(Ok(Sent::All))
    }

    /// One system call for many slices, of this many bytes at most; none: the socket is full or one slice needs no gathering.
    fn send_gathered<S: AsRawFd>(&self, socket: &S, mut share: usize) -> io::Result<Option<usize>> {
        let mut gathered = [IoSlice::new(&[]); limits::SEND_SLICES_MAX];
        let mut count = 0;
        for (into, chunk) in gathered.iter_mut().zip(&self.chunks) {
            let Chunk::Memory(slice) = chunk else { break };
            if share == 0 {
                break;
            }
            *into = IoSlice::new(&slice[..slice.len().min(share)]);
            share -= into.len();
            count += 1;
        }
        if count < 2 {
            return Ok(None);
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(socket.as_raw_fd(), &gathered[..count], &[], flags, None) {
            Ok(sent) => Ok(Some(sent)),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn consume(&mut self, mut sent: usize) {
        self.bytes -= sent;
        self.sent += sent as u64;
        while self.held.front().is_some_and(|(end, _)| *end <= self.sent) {
            self.held.pop_front();
        }
        while let Some(front) = self.chunks.front_mut() {
            if sent < front.len() {
                match front {
                    // Not advance(): the slice keeps its memory either way.
                    Chunk::Memory(slice) => *slice = slice.slice(sent..),
                    Chunk::File(range) => {
                        range.position += sent as u64;
                        range.length -= sent as u32;
                    }
                }
                return;
            }
            sent -= front.len();
            self.chunks.pop_front();
            self.own = self.own.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, os::unix::net::UnixStream, task::Waker};

    /// A socket that never waits by itself: the test reads the other end when it is full.
    struct Nonblocking(UnixStream);

    impl AsRawFd for Nonblocking {
        fn as_raw_fd(&self) -> i32 {
            self.0.as_raw_fd()
        }
    }

    impl AsyncWrite for Nonblocking {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
            match io::Write::write(&mut self.0, from) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                done => Poll::Ready(done),
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn bytes_leave_in_order_through_a_socket_that_is_often_full() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut socket = Nonblocking(ours);
        let mut outbox = Outbox::default();
        let mut expected = Vec::new();
        for index in 0..2000usize {
            let slice = vec![index as u8; [3, 511, 512, 20_000, 1][index % 5]];
            expected.extend_from_slice(&slice);
            outbox.push(Bytes::from(slice).into());
        }
        assert_eq!(outbox.bytes(), expected.len());
        let mut cx = Context::from_waker(Waker::noop());
        let mut received = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        while received.len() < expected.len() {
            if let Poll::Ready(sent) = outbox.poll_send(&mut cx, &mut socket) {
                sent.unwrap();
            }
            match theirs.read(&mut buffer) {
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(received == expected);
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_waits_can_let_go_of_the_buffer_that_it_was_cut_from() {
        let buffer = Bytes::from(vec![7; 100_000]);
        let mut outbox = Outbox::default();
        outbox.push(buffer.slice(10..10_010).into());
        outbox.consume(5_000);
        assert!(!buffer.is_unique());
        outbox.unpin();
        assert!(buffer.is_unique());
        let address = |outbox: &Outbox| match &outbox.chunks[0] {
            Chunk::Memory(slice) => (slice.as_ptr(), slice.len()),
            Chunk::File(_) => unreachable!(),
        };
        assert_eq!((outbox.bytes(), address(&outbox).1), (5_000, 5_000));
        let before = address(&outbox);
        outbox.unpin();
        assert_eq!(address(&outbox), before, "once is enough");
    }

    #[test]
    fn an_answer_holds_its_memory_until_its_last_byte_is_sent() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut socket = Nonblocking(ours);
        let budget = crate::conn::Budget::new(1000, 100);
        let mut outbox = Outbox::default();
        for size in [300, 200] {
            outbox.push(Bytes::from(vec![7; size]).into());
            outbox.hold(budget.take(size));
        }
        outbox.seal();
        outbox.consume(299);
        assert_eq!(budget.used(), 500);
        outbox.consume(1);
        assert_eq!(budget.used(), 200);
        let sent = outbox.poll_send(&mut Context::from_waker(Waker::noop()), &mut socket);
        assert!(matches!(sent, Poll::Ready(Ok(Sent::All))));
        assert_eq!(budget.used(), 0);
    }

    /// 100 small bytes, 20,000 and 10,000, in two answers.
    fn lending(budget: &Rc<crate::conn::Budget>) -> (Outbox, Vec<u8>) {
        let mut outbox = Outbox::lending(Some(16 << 10));
        for sizes in [&[100, 20_000][..], &[10_000]] {
            sizes.iter().for_each(|size| outbox.push(Bytes::from(vec![*size as u8; *size]).into()));
            outbox.hold(budget.take(sizes.iter().sum()));
        }
        outbox.seal();
        let all = outbox.chunks.iter().flat_map(|chunk| match chunk {
            Chunk::Memory(slice) => slice.clone(),
            Chunk::File(_) => unreachable!(),
        });
        let all = all.collect();
        (outbox, all)
    }

    #[test]
    fn what_is_lent_holds_the_memory_of_its_answers_after_it_is_sent() {
        let budget = crate::conn::Budget::new(100_000, 100_000);
        let (mut outbox, all) = lending(&budget);
        assert!(outbox.is_loan_next());
        let slices = outbox.first(20_050);
        assert!(slices.concat() == all[..20_050]);
        let shared = outbox.share(20_050);
        assert_eq!(shared.len(), 1, "of the first answer only");
        let both = outbox.share(20_101);
        assert_eq!(both.len(), 2);
        outbox.lent_sent(30_100);
        assert!(outbox.is_empty());
        assert_eq!(budget.used(), 30_100);
        drop(both);
        assert_eq!(budget.used(), 20_100);
        drop(shared);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn small_answers_and_what_was_refused_are_copied_and_then_memory_is_lent_again() {
        let budget = crate::conn::Budget::new(100_000, 100_000);
        let (mut outbox, _) = lending(&budget);
        outbox.copy_next(Some(10_000));
        assert!(!outbox.is_loan_next());
        outbox.consume(10_000);
        assert!(!outbox.is_loan_next(), "10,100 and 10,000 are small slices");
        let (mut outbox, _) = lending(&budget);
        outbox.copy_next(Some(1_000));
        outbox.consume(1_000);
        assert!(outbox.is_loan_next(), "19,100 of one slice");
        let (mut outbox, _) = lending(&budget);
        outbox.copy_next(None);
        outbox.consume(100);
        assert!(!outbox.is_loan_next());
        assert!(!Outbox::default().is_loan_next());
    }
}
