//! Cuts a socket's bytes into frames: 4 bytes of length, then so many bytes. Small frames are read many at a time through
//! the core's scratch buffer; the rest of a frame that did not arrive whole is read straight into a buffer of its own. The memory of a
//! large frame is taken from the core's budget before its bytes are read: until there is enough, the connection is not read. Only its
//! beginning comes through the scratch buffer like small frames do: who announces and sends nothing never stands before others.
//! An idle connection holds no buffer. Lives on one core. Never allocates for a length beyond the limit.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_lite::io::AsyncRead;

use super::{
    Meter, Permit, Shared,
    part::{Begun, Filling, Part},
};
use crate::limits;

/// One request as it came, without its length.
#[derive(Debug)]
pub struct Frame {
    pub body: Bytes,
    /// Keeps the body's memory accounted for until the answer is made.
    pub held: Held,
}

/// What a frame holds of its core until it is answered.
#[derive(Debug)]
pub struct Held {
    /// The pooled buffer under the body.
    pub whole: Option<Bytes>,
    pub permit: Permit,
    /// For what it was decoded to, once it is.
    pub decoded: Option<Permit>,
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
    #[error("a frame of {length} bytes; with this --memory a core has {bytes_max} for requests")]
    Memory { length: usize, bytes_max: usize },
}

pub struct FrameReader {
    bytes_max: usize,
    /// What its frames hold.
    meter: Meter,
    /// The first bytes of a length that did not arrive whole.
    head: [u8; 4],
    head_bytes: usize,
    part: Option<Part>,
}

impl FrameReader {
    /// `bytes_max`: the largest frame, without its length.
    pub fn new(bytes_max: usize, meter: Meter) -> FrameReader {
        FrameReader { bytes_max, meter, head: [0; 4], head_bytes: 0, part: None }
    }

    /// Goes on behind what another reader's `head` was.
    pub fn behind(mut self, head: &[u8]) -> FrameReader {
        self.head_bytes = head.len().min(self.head.len() - 1);
        self.head[..self.head_bytes].copy_from_slice(&head[..self.head_bytes]);
        self
    }

    /// What is there between two frames: the first bytes of a length that did not arrive whole. None: a frame has begun.
    pub fn head(&self) -> Option<&[u8]> {
        self.part.is_none().then(|| &self.head[..self.head_bytes])
    }

    /// Has a frame begun whose bytes are awaited?
    pub fn is_inside_frame(&self) -> bool {
        match &self.part {
            None => self.head_bytes > 0,
            Some(Part::Beginning(begun)) => !begun.is_enough(),
            Some(Part::Waiting(..)) => false,
            Some(Part::Filling(_)) => true,
        }
    }

    /// Does a frame wait for memory that others have?
    pub fn is_waiting(&self) -> bool {
        match &self.part {
            Some(Part::Waiting(..)) => true,
            Some(Part::Beginning(begun)) => begun.turn.is_some(),
            Some(Part::Filling(_)) | None => false,
        }
    }

    /// Is what comes next read into memory that is taken already, or waited for?
    pub fn has_place(&self) -> bool {
        match &self.part {
            None => false,
            Some(Part::Beginning(begun)) => begun.is_enough(),
            Some(Part::Waiting(..) | Part::Filling(_)) => true,
        }
    }

    /// Takes the memory of the frame that has begun, if its turn has come: others wait behind it, whether it is read now or not.
    pub fn poll_place(&mut self, cx: &mut Context<'_>, shared: &Shared) {
        if let Some(part) = self.part.take() {
            self.part = Some(part.poll_place(cx, shared, &self.meter));
        }
    }

    /// Nothing more is read.
    pub fn abandon(&mut self) {
        self.part = None;
    }

    /// Reads once and appends the frames that are whole now. Answers the bytes read; 0: the peer has closed its side. Pending also while
    /// there is no memory for the frame that has begun. Unless `has_place`, the budget of requests must admit something small.
    pub fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut R,
        shared: &Shared,
        frames: &mut VecDeque<Frame>,
    ) -> Poll<Result<usize, FrameError>> {
        self.poll_place(cx, shared);
        let filling = match &mut self.part {
            None => {
                let mut scratch = shared.scratch.borrow_mut();
                scratch[..self.head_bytes].copy_from_slice(&self.head[..self.head_bytes]);
                // Where many have begun something large, not much may come of what one more begins.
                let end =
                    if shared.requests.has_begun_room() { scratch.len() } else { limits::SHORT_READ_BYTES };
                let read = ready!(Pin::new(socket).poll_read(cx, &mut scratch[self.head_bytes..end]))?;
                let available = self.head_bytes + read;
                return Poll::Ready(self.cut(&scratch[..available], shared, frames).map(|()| read));
            }
            Some(Part::Beginning(begun)) if !begun.is_enough() => {
                return begun.poll_read(cx, socket, shared).map_err(FrameError::from);
            }
            Some(Part::Beginning(_) | Part::Waiting(..)) => return Poll::Pending,
            Some(Part::Filling(filling)) => filling,
        };
        let Poll::Ready(read) = Pin::new(socket).poll_read(cx, filling.room()) else {
            if filling.may_stand_back() && shared.requests.has_queue() {
                self.part = self.part.take().map(|part| part.stand_back(shared, &self.meter));
            }
            return Poll::Pending;
        };
        let read = read?;
        filling.filled += read;
        if filling.filled == filling.want
            && let Some(Part::Filling(Filling { buffer, want, permit, .. })) = self.part.take()
        {
            let whole = buffer.freeze();
            let body = whole.slice(..want);
            frames.push_back(Frame { body, held: Held { whole: Some(whole), permit, decoded: None } });
        }
        Poll::Ready(Ok(read))
    }

    /// Cuts what arrived into frames; keeps the beginning of the last.
    fn cut(&mut self, bytes: &[u8], shared: &Shared, frames: &mut VecDeque<Frame>) -> Result<(), FrameError> {
        self.head_bytes = 0;
        let bytes_max = shared.requests.large_max();
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
                Ok(length) if length > bytes_max => {
                    refused = Some(FrameError::Memory { length, bytes_max });
                    break;
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
        let small = |bytes| shared.requests.take(bytes).metered(&self.meter);
        let held = |bytes| Held { whole: None, permit: small(bytes), decoded: None };
        if count == 1 {
            let body = Bytes::copy_from_slice(&bytes[4..end]);
            let held = held(body.len());
            frames.push_back(Frame { body, held });
        } else if count > 1 {
            let run = Bytes::copy_from_slice(&bytes[..end]);
            let mut position = 0;
            while let Some(head) = run[position..].first_chunk::<4>() {
                let length = u32::from_be_bytes(*head) as usize;
                let body = run.slice(position + 4..position + 4 + length);
                frames.push_back(Frame { body, held: held(length) });
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
        let (want, begun) = (last_length, &rest[4..]);
        self.part = Some(if want <= limits::SCRATCH_BYTES {
            Part::Filling(Filling::new(want, begun, small(want), shared))
        } else {
            let permit = shared.requests.take_begun(begun.len()).metered(&self.meter);
            let (bytes, enough) = (begun.to_vec(), limits::BEGUN_BYTES_MIN);
            Part::Beginning(Begun { bytes, want, enough, turn: None, permit })
        });
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
    use std::task::Waker;

    use super::*;
    use crate::conn::Memory;

    /// A socket that hands out at most `piece` bytes at a time; behind the last one it is silent or closed.
    struct Pieces<'a> {
        bytes: &'a [u8],
        piece: usize,
        closed: bool,
    }

    impl AsyncRead for Pieces<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            if self.bytes.is_empty() && !self.closed {
                return Poll::Pending;
            }
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
        let mut reader = FrameReader::new(1 << 20, Meter::default());
        let mut socket = Pieces { bytes, piece, closed: true };
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
        let shared = Shared::new(&Memory::of(1 << 40));
        for piece in [1, 3, 7, 4096, 65_535, 65_536, 1 << 22] {
            let (frames, end) = read_all(&bytes, piece, &shared);
            end.unwrap();
            let read: Vec<Vec<u8>> = frames.iter().map(|frame| frame.body.to_vec()).collect();
            assert!(read == bodies, "pieces of {piece}");
            assert_eq!(shared.requests.used(), sizes.iter().sum::<usize>());
            drop(frames);
            assert_eq!(shared.requests.used(), 0);
        }
    }

    #[test]
    fn a_length_out_of_bounds_ends_the_connection_after_the_frames_before_it() {
        let shared = Shared::new(&Memory::of(1 << 40));
        for length in [-1, i32::MIN, 0, 7, (1 << 20) + 1, i32::MAX] {
            let mut bytes = stream(&[vec![1; 8], vec![2; 9]]);
            bytes.extend(length.to_be_bytes());
            let (frames, end) = read_all(&bytes, 1 << 20, &shared);
            assert_eq!(frames.len(), 2);
            assert!(matches!(end, Err(FrameError::Length { length: refused, .. }) if refused == length));
        }
    }

    /// Reads what has come, all of it if there is memory; answers the frames that are whole.
    fn fill(reader: &mut FrameReader, bytes: &[u8], shared: &Shared) -> Result<Vec<Frame>, FrameError> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut socket = Pieces { bytes, piece: usize::MAX, closed: false };
        let mut frames = VecDeque::new();
        while let Poll::Ready(read) = reader.poll_fill(&mut cx, &mut socket, shared, &mut frames) {
            read?;
        }
        Ok(frames.into())
    }

    fn readers<const N: usize>() -> [FrameReader; N] {
        std::array::from_fn(|_| FrameReader::new(1 << 30, Meter::default()))
    }

    /// The beginning of a frame of `length` bytes: with its length, so many bytes of it.
    fn beginning(length: usize, bytes: usize) -> Vec<u8> {
        [&(length as u32).to_be_bytes()[..], &vec![7; bytes]].concat()
    }

    #[test]
    fn a_reader_goes_on_where_another_has_stopped() {
        let shared = Shared::new(&Memory::of(1 << 40));
        let bytes = stream(&[vec![1; 8], vec![2; 9]]);
        for end in [12, 13, 15] {
            let [mut first, second] = readers();
            assert_eq!(fill(&mut first, &bytes[..end], &shared).unwrap().len(), 1);
            let head = first.head().expect("no frame has begun");
            assert_eq!(head, &bytes[12..end]);
            let frames = fill(&mut second.behind(head), &bytes[end..], &shared).unwrap();
            assert_eq!(frames[0].body, [2; 9][..]);
        }
        let [mut first] = readers();
        fill(&mut first, &bytes[..17], &shared).unwrap();
        assert_eq!(first.head(), None);
    }

    #[test]
    fn a_large_frame_is_not_read_before_there_is_memory_for_it() {
        let shared = Shared::new(&Memory::of(128 << 20));
        let large = shared.requests.large_max() * 2 / 3;
        let [mut first, mut second] = readers();
        fill(&mut first, &beginning(large, 300_000), &shared).unwrap();
        fill(&mut second, &beginning(large, 300_000), &shared).unwrap();
        assert!(first.is_inside_frame() && !second.is_inside_frame(), "the second waits for this side");
        assert!(!first.is_waiting() && second.is_waiting());
        assert!(shared.requests.used() < shared.requests.large_max());
        first.abandon();
        fill(&mut second, &[7; 1000], &shared).unwrap();
        assert!(second.is_inside_frame() && !second.is_waiting());
    }

    #[test]
    fn who_announces_a_large_frame_and_sends_little_of_it_takes_no_memory_and_stands_before_nobody() {
        let shared = Shared::new(&Memory::of(128 << 20));
        let large = shared.requests.large_max();
        let mut crowd: [FrameReader; 200] = readers();
        for reader in &mut crowd {
            fill(reader, &beginning(large, 3), &shared).unwrap();
            fill(reader, &[7], &shared).unwrap();
            assert!(reader.is_inside_frame(), "its bytes are missing, not memory");
        }
        assert_eq!(shared.requests.used(), 200 * 4);
        assert!(!shared.requests.is_wanted());
        let [mut good] = readers();
        assert_eq!(fill(&mut good, &stream(&[vec![1; 900_000]]), &shared).unwrap().len(), 1);
    }

    #[test]
    fn who_stops_after_a_beginning_gives_way_to_those_who_wait_and_goes_on_when_more_comes() {
        let shared = Shared::new(&Memory::of(128 << 20));
        let large = shared.requests.large_max() * 2 / 3;
        let body: Vec<u8> = (0..large).map(|at| at as u8).collect();
        let bytes = stream(std::slice::from_ref(&body));
        let [mut stopped, mut silent, mut good] = readers();
        fill(&mut stopped, &bytes[..65_000], &shared).unwrap();
        assert!(fill(&mut stopped, &[], &shared).unwrap().is_empty());
        assert!(shared.requests.used() >= large, "while nobody waits it keeps its memory");
        fill(&mut silent, &beginning(large, 65_000), &shared).unwrap();
        fill(&mut good, &bytes[..65_000], &shared).unwrap();
        assert!(silent.is_waiting() && good.is_waiting());
        for reader in [&mut stopped, &mut silent] {
            fill(reader, &[], &shared).unwrap();
            assert!(reader.is_inside_frame() && !reader.is_waiting(), "its bytes are missing, not memory");
        }
        assert_eq!(fill(&mut good, &bytes[65_000..], &shared).unwrap().remove(0).body, body);
        let frames = fill(&mut stopped, &bytes[65_000..], &shared).unwrap();
        assert_eq!(frames[0].body, body);
        drop((frames, silent));
        assert_eq!(shared.requests.used(), 0);
    }

    #[test]
    fn a_crowd_that_stops_after_a_beginning_leaves_small_requests_their_memory() {
        let shared = Shared::new(&Memory::of(64 << 20));
        let mut crowd: [FrameReader; 200] = readers();
        for reader in &mut crowd {
            fill(reader, &beginning(4 << 20, 60_000), &shared).unwrap();
            fill(reader, &[], &shared).unwrap();
        }
        assert!(shared.requests.has_spare(), "a small request is read");
        assert!(shared.requests.begun() < 2 * limits::SMALL_BYTES_MIN, "{}", shared.requests.begun());
        let last = crowd.last_mut().unwrap();
        assert!(last.is_waiting(), "it could not show that it goes on");
        let [mut good] = readers();
        assert_eq!(fill(&mut good, &stream(&[vec![1; 10_000]]), &shared).unwrap().len(), 1);
        crowd.iter_mut().for_each(FrameReader::abandon);
        let bytes = stream(&[vec![1; 900_000]]);
        assert_eq!(fill(&mut good, &bytes, &shared).unwrap().len(), 1);
        assert_eq!(shared.requests.used(), 0);
    }

    #[test]
    fn who_stood_back_never_stands_in_line_with_what_others_there_wait_for() {
        let shared = Shared::new(&Memory::of(64 << 20));
        let mut crowd: [FrameReader; 40] = readers();
        for _ in 0..2 {
            for reader in &mut crowd {
                fill(
                    reader,
                    if reader.part.is_none() { beginning(4 << 20, 60_000) } else { vec![7] }.as_slice(),
                    &shared,
                )
                .unwrap();
                fill(reader, &[], &shared).unwrap();
            }
        }
        let (holding, waiting): (Vec<_>, Vec<_>) =
            crowd.iter().partition(|reader| reader.meter.get() >= limits::BEGUN_BYTES_MIN);
        assert!(holding.len() > 10 && waiting.len() > 10, "{} and {}", holding.len(), waiting.len());
        assert!(waiting.iter().all(|reader| reader.is_waiting()), "there was no room for more of it");
        assert!(
            holding.iter().filter(|reader| reader.is_waiting()).count() <= 1,
            "one byte came of each, and one has the memory"
        );
    }

    #[test]
    fn who_goes_on_sending_keeps_his_memory_whoever_waits() {
        let shared = Shared::new(&Memory::of(128 << 20));
        let large = shared.requests.large_max() * 2 / 3;
        let [mut first, mut second] = readers();
        fill(&mut first, &beginning(large, 40_000), &shared).unwrap();
        fill(&mut first, &[7; limits::FRESH_BYTES_MIN], &shared).unwrap();
        fill(&mut second, &beginning(large, 40_000), &shared).unwrap();
        fill(&mut first, &[], &shared).unwrap();
        assert!(second.is_waiting());
        assert!(shared.requests.used() >= large, "the first has not stood back");
    }

    #[test]
    fn a_frame_that_never_fits_the_memory_is_refused() {
        let shared = Shared::new(&Memory::of(128 << 20));
        let length = shared.requests.large_max() + 1;
        let [mut reader] = readers();
        let filled = fill(&mut reader, &beginning(length, 0), &shared);
        assert!(matches!(filled, Err(FrameError::Memory { length: refused, .. }) if refused == length));
    }
}
