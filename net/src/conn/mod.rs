//! A connection's life: frames in, answers out, in order, within limits. Knows nothing of what the requests say: that is
//! behind [`Serve`]. One connection lives on one core, in one task.

mod budget;
mod buffers;
mod complaints;
mod connection;
mod frames;
mod lending;
mod memory;
mod outbox;
mod part;
mod registry;
mod shared;
mod stages;
mod traffic;

pub use budget::{Budget, Meter, Permit};
pub use buffers::Buffers;
pub use complaints::Complaints;
pub use connection::{Arrival, Connection, Ended, Left, Moved};
pub use frames::{Frame, FrameError, FrameReader, Held};
pub use lending::Lent;
pub use memory::Memory;
pub use outbox::{Outbox, Sent};
pub use registry::{Entry, Registry, Wish};
pub use shared::Shared;
pub use stages::{Kind, Passed, Stages};
pub use traffic::{Lies, Traffic};

use std::{
    any::Any,
    future::Future,
    io,
    net::SocketAddr,
    os::fd::AsRawFd,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use engine::{base::CoreId, io::zero_copy::Refusal, op::FileRange};

use crate::wire::{Chunk, Errors};

/// What a request comes to.
#[derive(Debug)]
pub enum Answer {
    /// The frame to send, its length included, in chunks.
    Reply(Vec<Chunk>, Told),
    /// Nothing is sent (produce with acks=0).
    Silent(Told),
    /// The connection is closed, after the answers before this one; the sentence says why.
    Close(String),
}

/// What the figures want to know of an answer.
#[derive(Debug, Default)]
pub struct Told {
    pub errors: Errors,
    /// How long it waited for something that the peer wants to wait for, as a long poll does.
    pub waited_ns: u64,
    /// The memory of the answer, where it was taken beforehand.
    pub held: Option<Permit>,
    /// Where the partitions lie whose records it was about.
    pub lies: Option<Lies>,
}

impl Answer {
    /// Waiting is no part of the time that it took.
    pub fn after_waiting(mut self, ns: u64) -> Answer {
        if let Answer::Reply(_, told) = &mut self {
            told.waited_ns = ns;
        }
        self
    }

    /// It is about records of partitions that lie there.
    pub fn about(mut self, partitions: Option<Lies>) -> Answer {
        if let Answer::Reply(_, told) | Answer::Silent(told) = &mut self {
            told.lies = partitions;
        }
        self
    }

    /// Its memory is taken already.
    pub fn holding(mut self, permit: Permit) -> Answer {
        if let Answer::Reply(_, told) = &mut self {
            told.held = Some(permit);
        }
        self
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    pub holding: Holding,
}

/// Has the connection answers that are not sent, or not made?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holding {
    Nothing,
    Answers,
}

/// How large an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// About as its request.
    Bounded,
    /// Much larger.
    Unbounded,
    /// Much larger, and it takes its memory before it is made.
    Bulky,
}

/// A request that has been started.
pub enum Started {
    Ready(Answer),
    /// Polled in the order of requests, when the answers before it are there.
    Running(Pin<Box<dyn Future<Output = Answer>>>),
}

/// A range of a file on its way to the socket; ends when it is dropped, and the socket with it if not all was sent.
pub trait SendRange {
    /// How it went on since the last call.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<Gone, RangeFailure>>;
}

/// So much of a range is gone to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    pub bytes: usize,
    /// All of it.
    pub whole: bool,
}

#[derive(Debug)]
pub enum RangeFailure {
    /// The rest of what was announced is not to be had.
    File(io::Error),
    Peer(io::Error),
}

/// Sends memory to one socket without copying it. What is lent to the kernel then stays so when this is dropped, but the socket is aborted,
/// so that it comes back soon.
pub trait SendSlices {
    /// How many more bytes this socket may lend.
    fn room(&self) -> usize;

    /// Lends `slices` to the kernel; nobody else writes to the socket until `poll_sent` is ready. `lent` is kept until the kernel has let go
    /// of them. False: too much is lent by others.
    fn begin(&mut self, slices: Vec<Bytes>, lent: Lent) -> bool;

    /// How much of them the socket has taken, from the beginning on.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Refusal>>;

    /// The same bytes lie here too, and where they lay is to be given up if it can be.
    fn replace(&mut self, slices: Vec<Bytes>);

    /// Ready when nothing is lent.
    fn poll_returned(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ends the socket behind what it has taken.
    fn shut_down(&self);

    /// Ends the socket at once, without what its peer has not acknowledged.
    fn abort(&self);
}

/// Answers requests. One per core, shared by its connections.
pub trait Serve {
    /// Starts one request; answers also what its arrays occupy. Whatever must happen in request order (appending records) happens here or
    /// in the first poll of the future, which comes before the next request is started.
    fn start(self: &Rc<Self>, peer: Peer, request: Bytes) -> (Started, usize);

    /// A connection is over.
    fn ended(&self, _peer: SocketAddr) {}

    /// The core that this is of.
    fn core(&self) -> CoreId;

    /// A connection leaves for another core: what is known of it, to be told to `met` there.
    fn parted(&self, peer: SocketAddr) -> Box<dyn Any + Send> {
        self.ended(peer);
        Box::new(())
    }

    /// A connection comes from another core.
    fn met(&self, _peer: SocketAddr, _known: Box<dyn Any + Send>) {}

    /// May another request start? If not, `waker` is called when it may.
    fn admits(&self, waker: &Waker) -> bool;

    /// The monotonic clock, in nanoseconds, at most about a second old: asked for at every byte that moves.
    fn mono_ns(&self) -> u64;

    /// The same clock, read now.
    fn clock_ns(&self) -> u64;

    /// What kind of request this is, for the figures.
    fn kind(&self, request: &Bytes) -> Kind;

    /// What its answer may come to.
    fn extent(&self, kind: Kind) -> Extent;

    /// Sends what a file holds to this socket, which nobody else writes to meanwhile.
    fn send_range(&self, range: &FileRange, socket: &dyn AsRawFd) -> io::Result<Box<dyn SendRange>>;

    /// Sends memory to this socket without a copy.
    fn send_slices(&self, _socket: &dyn AsRawFd) -> io::Result<Box<dyn SendSlices>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A request has passed a stage.
    fn passed(&self, kind: Kind, passed: Passed<'_>);
}
