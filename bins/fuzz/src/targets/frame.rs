//! One connection's bytes: frames come out the same however the bytes arrive, the client's way of cutting them agrees, and every
//! frame is a request or an error.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures_lite::io::AsyncRead;
use net::conn::{FrameReader, Memory, Meter, Shared};
use net::limits::FRAME_BYTES_MIN;
use net::wire::frame::{Next, next};
use net::wire::{Reader, RequestHeader, Writer};

use super::codec;
use crate::{Reached, input::Input};

thread_local! {
    static SHARED: Shared = Shared::new(&Memory::of(1 << 40));
}

pub fn run(bytes: &[u8]) -> Reached {
    let mut input = Input::new(bytes);
    let frame_bytes_max = FRAME_BYTES_MIN + usize::from(input.u16());
    let piece = 1 + usize::from(input.u8());
    let stream = input.rest();
    let whole = SHARED.with(|shared| cut(stream, usize::MAX, frame_bytes_max, shared));
    let pieces = SHARED.with(|shared| cut(stream, piece, frame_bytes_max, shared));
    assert_eq!(whole, pieces, "pieces of {piece}");
    let (frames, end) = whole;
    agrees_with_the_client(stream, frame_bytes_max, &frames, end);
    let requests = frames.iter().filter(|frame| is_request((*frame).clone())).count();
    if requests > 0 { Reached::Taken } else { Reached::Refused }
}

/// A socket that hands out at most `piece` bytes at a time.
struct Socket<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl AsyncRead for Socket<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = self.piece.min(into.len()).min(self.bytes.len());
        into[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes = &self.bytes[count..];
        Poll::Ready(Ok(count))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// The peer closed between frames, or inside one.
    Closed {
        inside_frame: bool,
    },
    Refused,
}

fn cut(bytes: &[u8], piece: usize, frame_bytes_max: usize, shared: &Shared) -> (Vec<Bytes>, End) {
    let mut reader = FrameReader::new(frame_bytes_max, Meter::default());
    let mut socket = Socket { bytes, piece };
    let mut frames = VecDeque::new();
    let mut cx = Context::from_waker(Waker::noop());
    let end = loop {
        match reader.poll_fill(&mut cx, &mut socket, shared, &mut frames) {
            Poll::Ready(Ok(0)) => break End::Closed { inside_frame: reader.is_inside_frame() },
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(_)) => break End::Refused,
            Poll::Pending => unreachable!("the socket is always ready"),
        }
    };
    drop(reader);
    let bodies = frames.iter().map(|frame| Bytes::copy_from_slice(&frame.body)).collect();
    drop(frames);
    assert_eq!(shared.requests.used(), 0, "what no frame holds is given back");
    (bodies, end)
}

/// The client has no least size of a frame, and otherwise cuts the same.
fn agrees_with_the_client(stream: &[u8], frame_bytes_max: usize, frames: &[Bytes], end: End) {
    let mut buffer = BytesMut::from(stream);
    for frame in frames {
        assert_eq!(next(&mut buffer, frame_bytes_max), Ok(Next::Frame(frame.clone())));
    }
    let left = buffer.len();
    let outcome = next(&mut buffer, frame_bytes_max);
    match end {
        End::Closed { inside_frame } => {
            assert!(matches!(outcome, Ok(Next::Missing(missing)) if missing <= 4 + frame_bytes_max));
            assert_eq!(inside_frame, left > 0);
        }
        End::Refused => match outcome {
            Ok(Next::Frame(frame)) => assert!(frame.len() < FRAME_BYTES_MIN),
            Ok(Next::Missing(missing)) => assert!(left + missing < 4 + FRAME_BYTES_MIN),
            Err(_) => {}
        },
    }
}

fn is_request(frame: Bytes) -> bool {
    let mut reader = Reader::new(frame.clone());
    let Ok(header) = RequestHeader::decode(&mut reader) else { return false };
    let mut writer = Writer::new();
    header.encode(&mut writer).expect("a header that was read can be written");
    let again = Bytes::from(writer.finish_in_memory().expect("within the frame's limit").concat());
    assert_eq!(RequestHeader::decode(&mut Reader::new(again)), Ok(header.clone()));
    header.api().is_some_and(|api| codec::is_request_body(api, header.api_version, reader))
}
