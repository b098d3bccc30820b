//! A frame that has begun and is not whole: its beginning, its wait for memory, its buffer. Lives on one core. Never holds memory that is
//! not counted.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use futures_lite::io::AsyncRead;

use super::{
    Meter, Permit, Shared,
    budget::{Turn, Waiting},
};
use crate::limits;

/// A frame that has begun and is not whole.
pub enum Part {
    /// A large one of which little has come.
    Beginning(Begun),
    /// There is no memory for it yet.
    Waiting(Begun, Waiting),
    Filling(Filling),
}

impl Part {
    /// A beginning that is enough waits for its memory, and who waits takes it when his turn has come.
    pub fn poll_place(self, cx: &mut Context<'_>, shared: &Shared, meter: &Meter) -> Part {
        let (begun, mut waiting) = match self {
            Part::Beginning(begun) if begun.is_enough() => {
                let waiting = shared.requests.wait(begun.want);
                (begun, waiting)
            }
            Part::Waiting(begun, waiting) => (begun, waiting),
            other => return other,
        };
        match Pin::new(&mut waiting).poll(cx) {
            Poll::Ready(permit) => {
                Part::Filling(Filling::new(begun.want, &begun.bytes, permit.metered(meter), shared))
            }
            Poll::Pending => Part::Waiting(begun, waiting),
        }
    }

    /// The peer sends nothing, and others wait for memory: what is being filled gives its own up until more comes. Who stops after a
    /// beginning so holds nobody up, however many there are of him.
    pub fn stand_back(self, shared: &Shared, meter: &Meter) -> Part {
        let Part::Filling(Filling { buffer, filled, want, permit, .. }) = self else { return self };
        let bytes = buffer[..filled].to_vec();
        shared.buffers.give(buffer.freeze());
        let begun = shared.requests.take_begun(filled).metered(meter);
        drop(permit);
        Part::Beginning(Begun { bytes, want, enough: filled + 1, turn: None, permit: begun })
    }
}

/// What arrived of a large frame before there was a buffer for it; never all of it.
pub struct Begun {
    pub bytes: Vec<u8>,
    pub want: usize,
    /// With so many bytes it may wait for memory.
    pub enough: usize,
    /// More is not read before its turn: others have begun as well, and hold what there is for that.
    pub turn: Option<Turn>,
    pub permit: Permit,
}

impl Begun {
    pub fn is_enough(&self) -> bool {
        self.bytes.len() >= self.enough
    }

    /// Reads some of what is missing, if there is memory for it; one byte at least is left for the frame's own buffer.
    pub fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut R,
        shared: &Shared,
    ) -> Poll<io::Result<usize>> {
        // Who stood back shows with a little that he goes on, and needs no turn for it: in line he would hold what others there wait for.
        let stood_back = self.bytes.len() >= limits::BEGUN_BYTES_MIN;
        if !stood_back && !shared.requests.admits_begun(&mut self.turn, cx.waker()) {
            return Poll::Pending;
        }
        // Used now, or of no use as long as the peer sends nothing: it is the next one's.
        let _used = self.turn.take();
        let mut scratch = shared.scratch.borrow_mut();
        let most = if stood_back { limits::SHORT_READ_BYTES } else { scratch.len() };
        let room = most.min(self.want - self.bytes.len() - 1);
        let read = ready!(Pin::new(socket).poll_read(cx, &mut scratch[..room]))?;
        self.bytes.reserve_exact(read);
        self.bytes.extend_from_slice(&scratch[..read]);
        self.permit.resize(self.bytes.len());
        Poll::Ready(Ok(read))
    }
}

pub struct Filling {
    pub buffer: BytesMut,
    pub filled: usize,
    /// What had come when the buffer was taken.
    begun: usize,
    pub want: usize,
    pub permit: Permit,
}

impl Filling {
    pub fn new(want: usize, begun: &[u8], permit: Permit, shared: &Shared) -> Filling {
        let mut buffer = if want >= limits::POOLED_BYTES_MIN {
            shared.buffers.take(want)
        } else {
            BytesMut::with_capacity(want)
        };
        let reused = buffer.len().min(begun.len());
        buffer[..reused].copy_from_slice(&begun[..reused]);
        buffer.extend_from_slice(&begun[reused..]);
        Filling { buffer, filled: begun.len(), begun: begun.len(), want, permit }
    }

    /// Has so little come, in all and since the memory was there, that others may have it first?
    pub fn may_stand_back(&self) -> bool {
        self.want > limits::SCRATCH_BYTES
            && self.filled <= limits::BEGUN_BYTES_MAX
            && self.filled + 1 < self.want
            && self.filled - self.begun < limits::FRESH_BYTES_MIN
    }

    /// Where the next bytes go: initialised as far as they may reach.
    pub fn room(&mut self) -> &mut [u8] {
        let end = (self.filled + limits::FILL_BYTES).min(self.want).max(self.buffer.len().min(self.want));
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.filled..end]
    }
}
