//! Cuts a socket's bytes into frames: 4 bytes of length, then so many bytes. Small frames are read many at a time through
//! the core's scratch buffer; the rest of a frame that did not arrive whole is read straight into a buffer of its own.
//! An idle connection holds no buffer. Lives on one core. Never allocates for a length beyond the limit.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_lite::io::AsyncRead;

use super::{Budget, Buffers, Permit};
use crate::limits;

/// What the connections of one core share for reading. Borrowed within one poll only.
pub struct Shared {
    pub scratch: RefCell<Box<[u8]>>,
    pub buffers: Buffers,
    pub budget: Rc<Budget>,
}

impl Shared {
    /// `request_bytes_max`: the budget of requests in flight.
    pub fn new(request_bytes_max: usize) -> Shared {
        Shared {
            scratch: RefCell::new(vec![0; limits::SCRATCH_BYTES].into_boxed_slice()),
            buffers: Buffers::new(request_bytes_max / 2),
            budget: Budget::new(request_bytes_max),
        }
    }
}

/// One request as it came, without its length.
pub struct Frame {
    pub body: Bytes,
    /// Keeps the body's memory accounted for until the answer is sent.
    pub held: Held,
}

/// What a frame holds of its core until it is answered.
pub struct Held {
    /// The pooled buffer under the body.
    pub whole: Option<Bytes>,
    pub permit: Permit,
}

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    #[error(
        "a frame of {length} bytes; allowed are {} to {bytes_max} (socket.request.max.bytes)",
        limits::FRAME_BYTES_MIN
    )]
    Length { length: i32, bytes_max: usize },
}

pub struct FrameReader {
    bytes_max: usize,
    /// The first bytes of a length that did not arrive whole.
    head: [u8; 4],
    head_bytes: usize,
    filling: Option<Filling>,
}

struct Filling {
    buffer: BytesMut,
    filled: usize,
    want: usize,
    permit: Permit,
}

impl FrameReader {
    /// `bytes_max`: the largest frame, without its length.
    pub fn new(bytes_max: usize) -> FrameReader {
        FrameReader { bytes_max, head: [0; 4], head_bytes: 0, filling: None }
    }

    /// Has a frame begun that is not whole yet?
    pub fn is_inside_frame(&self) -> bool {
        self.filling.is_some() || self.head_bytes > 0
    }

    /// Reads once and appends the frames that are whole now. Answers the bytes read; 0: the peer has closed its side.
    pub fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut R,
        shared: &Shared,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<usize, FrameError>> {
        let Some(filling) = &mut self.filling else {
            let mut scratch = shared.scratch.borrow_mut();
            scratch[..self.head_bytes].copy_from_slice(&self.head[..self.head_bytes]);
            let read = ready!(Pin::new(socket).poll_read(cx, &mut scratch[self.head_bytes..]))?;
            let available = self.head_bytes + read;
            return Poll::Ready(self.cut(&scratch[..available], shared, frames).map(|()| read));
        };
        let room = &mut filling.buffer[filling.filled..filling.want];
        let read = ready!(Pin::new(socket).poll_read(cx, room))?;
        filling.filled += read;
        if filling.filled == filling.want
            && let Some(Filling { buffer, want, permit, .. }) = self.filling.take()
        {
            let whole = buffer.freeze();
            let body = whole.slice(..want);
            frames.push_back(Frame { body, held: Held { whole: Some(whole), permit } });
        }
        Poll::Ready(Ok(read))
    }

    /// Cuts what arrived into frames; keeps the beginning of the last.
    fn cut(&mut self, bytes: &[u8], shared: &Shared, frames: &mut VecDeque<Frame>) -> Result<(), FrameError> {
        self.head_bytes = 0;
        // Whole frames first, up to `end`: one allocation for all of them.
        let mut end = 0;
        let mut count = 0;
        let mut last_length = 0;
        let mut refused = None;
        while let Some(head) = bytes[end..].first_chunk::<4>() {
            match self.length(*head) {
                Ok(length) if bytes.len() - end - 4 >= length => {
                    end += 4 + length;
                    count += 1;
                    last_length = length;
                }
                Ok(length) => {
                    last_length = length;
                    break;
                }
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        if count == 1 {
            let body = Bytes::copy_from_slice(&bytes[4..end]);
            let permit = shared.budget.take(body.len());
            frames.push_back(Frame { body, held: Held { whole: None, permit } });
        } else if count > 1 {
            let run = Bytes::copy_from_slice(&bytes[..end]);
            let mut position = 0;
            while let Some(head) = run[position..].first_chunk::<4>() {
                let length = u32::from_be_bytes(*head) as usize;
                let body = run.slice(position + 4..position + 4 + length);
                let permit = shared.budget.take(length);
                frames.push_back(Frame { body, held: Held { whole: None, permit } });
                position += 4 + length;
            }
        }
        if let Some(error) = refused {
            return Err(error);
        }
        let rest = &bytes[end..];
        if rest.len() < 4 {
            self.head[..rest.len()].copy_from_slice(rest);
            self.head_bytes = rest.len();
            return Ok(());
        }
        let want = last_length;
        let begun = &rest[4..];
        let mut buffer =
            if want >= limits::POOLED_BYTES_MIN { shared.buffers.take(want) } else { BytesMut::zeroed(want) };
        buffer[..begun.len()].copy_from_slice(begun);
        self.filling = Some(Filling { buffer, filled: begun.len(), want, permit: shared.budget.take(want) });
        Ok(())
    }

    fn length(&self, head: [u8; 4]) -> Result<usize, FrameError> {
        let length = i32::from_be_bytes(head);
        usize::try_from(length)
            .ok()
            .filter(|bytes| (limits::FRAME_BYTES_MIN..=self.bytes_max).contains(bytes))
            .ok_or(FrameError::Length { length, bytes_max: self.bytes_max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// A socket that hands out at most `piece` bytes at a time.
    struct Pieces<'a> {
        bytes: &'a [u8],
        piece: usize,
    }

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let count = self.piece.min(into.len()).min(self.bytes.len());
            into[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            Poll::Ready(Ok(count))
        }
    }

    fn stream(bodies: &[Vec<u8>]) -> Vec<u8> {
        bodies.iter().flat_map(|body| [&(body.len() as u32).to_be_bytes()[..], body].concat()).collect()
    }

    fn read_all(bytes: &[u8], piece: usize, shared: &Shared) -> (Vec<Frame>, Result<(), FrameError>) {
        let mut reader = FrameReader::new(1 << 20);
        let mut socket = Pieces { bytes, piece };
        let mut frames = VecDeque::new();
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match reader.poll_fill(&mut cx, &mut socket, shared, &mut frames) {
                Poll::Ready(Ok(0)) => return (frames.into(), Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return (frames.into(), Err(error)),
                Poll::Pending => unreachable!("Pieces is always ready"),
            }
        }
    }

    #[test]
    fn frames_come_out_whole_and_in_order_however_the_bytes_arrive() {
        let sizes = [8, 9, 100, 70_000, 8, 40_000, 64 << 10, 1 << 20, 12, 13, 33_000];
        let bodies: Vec<Vec<u8>> =
            sizes.iter().enumerate().map(|(index, size)| vec![index as u8; *size]).collect();
        let bytes = stream(&bodies);
        let shared = Shared::new(1 << 30);
        for piece in [1, 3, 7, 4096, 65_535, 65_536, 1 << 22] {
            let (frames, end) = read_all(&bytes, piece, &shared);
            end.unwrap();
            let read: Vec<Vec<u8>> = frames.iter().map(|frame| frame.body.to_vec()).collect();
            assert!(read == bodies, "pieces of {piece}");
            assert_eq!(shared.budget.used(), sizes.iter().sum::<usize>());
            drop(frames);
            assert_eq!(shared.budget.used(), 0);
        }
    }

    #[test]
    fn a_length_out_of_bounds_ends_the_connection_after_the_frames_before_it() {
        let shared = Shared::new(1 << 30);
        for length in [-1, i32::MIN, 0, 7, (1 << 20) + 1, i32::MAX] {
            let mut bytes = stream(&[vec![1; 8], vec![2; 9]]);
            bytes.extend(length.to_be_bytes());
            let (frames, end) = read_all(&bytes, 1 << 20, &shared);
            assert_eq!(frames.len(), 2);
            assert!(matches!(end, Err(FrameError::Length { length: refused, .. }) if refused == length));
        }
    }
}
