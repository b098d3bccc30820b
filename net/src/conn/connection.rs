//! One connection: one task that reads frames, starts them in order, and sends answers in order. Lives on one core. Holds
//! no borrow across a wait; its panic ends it alone.
//!
//! A request's future is polled once when it is started, so what it asks of other cores is under way, and then again
//! when the answers before it are there; a Fetch only then. The connection stops reading while it has too much in flight.

use std::{
    any::Any,
    collections::VecDeque,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use engine::{base::CoreId, io::socket, op::FileRange};
use glommio::net::TcpStream;

use super::{
    Answer, Complaints, Extent, Frame, FrameReader, Held, Holding, Memory, Outbox, Peer, RangeFailure,
    SendRange, Sent, Serve, Shared, Stages, Started, Traffic, Wish, lending::Lending, registry::Place,
    stages::Begun,
};
use crate::{limits, wire::Chunk};

/// Why a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed it, or vanished: nothing to tell.
    ByPeer,
    /// This side closed it; the sentence says why.
    Refused(String),
    /// The broker stops.
    Finished,
}

/// A connection as it comes to a core, from its peer or from another core.
pub struct Arrival {
    pub stream: TcpStream,
    /// The first bytes of a frame's length, which the other core has read.
    pub head: Vec<u8>,
    pub traffic: Traffic,
}

impl From<TcpStream> for Arrival {
    fn from(stream: TcpStream) -> Arrival {
        Arrival { stream, head: Vec::new(), traffic: Traffic::default() }
    }
}

/// A connection on its way to another core, between two requests.
pub struct Moved {
    pub to: CoreId,
    pub peer: SocketAddr,
    pub socket: OwnedFd,
    pub head: Vec<u8>,
    /// For `Serve::met`.
    pub known: Box<dyn Any + Send>,
}

/// How a connection leaves its core.
pub enum Left {
    Ended(Ended),
    Moved(Moved),
}

/// What is done with a connection on which nothing is under way any more.
enum Parting {
    End(Ended),
    Move(CoreId, OwnedFd),
}

impl From<Ended> for Parting {
    fn from(ended: Ended) -> Parting {
        Parting::End(ended)
    }
}

pub struct Connection<S: Serve> {
    stream: TcpStream,
    place: Place,
    shared: Rc<Shared>,
    complaints: Rc<Complaints>,
    serve: Rc<S>,
    reader: FrameReader,
    /// Read, not started.
    frames: VecDeque<Frame>,
    /// Started, not answered, in request order.
    running: VecDeque<Running>,
    outbox: Outbox,
    /// What is sent of the outbox's first chunk, a range.
    sending: Option<Box<dyn SendRange>>,
    lending: Lending,
    /// Answers that it may hold before it is no longer read.
    answer_bytes_max: usize,
    stages: Stages,
    /// Set once nothing more is read: the reason, told when all answers before it are sent.
    closing: Option<Ended>,
    traffic: Traffic,
}

struct Running {
    started: Started,
    held: Held,
    begun: Begun,
}

impl<S: Serve> Connection<S> {
    /// `request_bytes_max`: the largest frame (`socket.request.max.bytes`). `lent_bytes_min`: from how many bytes on answers are sent without
    /// a copy; none: never.
    pub fn new(
        arrival: Arrival,
        place: Place,
        shared: Rc<Shared>,
        complaints: Rc<Complaints>,
        serve: Rc<S>,
        request_bytes_max: usize,
        lent_bytes_min: Option<usize>,
    ) -> Connection<S> {
        let Arrival { stream, head, traffic } = arrival;
        Connection {
            stream,
            reader: FrameReader::new(request_bytes_max, place.entry.requests.clone()).behind(&head),
            answer_bytes_max: Memory::answer_bytes_queued_max(&shared.answers),
            place,
            shared,
            complaints,
            serve,
            frames: VecDeque::new(),
            running: VecDeque::new(),
            outbox: Outbox::lending(lent_bytes_min),
            sending: None,
            lending: Lending::default(),
            stages: Stages::default(),
            closing: None,
            traffic,
        }
    }

    /// Serves until it ends or another core shall have it, and says which.
    pub async fn run(mut self) -> Left {
        let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| self.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(parting)) => Poll::Ready(Some(parting)),
            Err(_) => Poll::Ready(None),
        })
        .await;
        let peer = self.place.entry.peer;
        let ended = match caught {
            Some(Parting::Move(to, socket)) => {
                let head = self.reader.head().unwrap_or_default().to_vec();
                return Left::Moved(Moved { to, peer, socket, head, known: self.serve.parted(peer) });
            }
            Some(Parting::End(ended)) => ended,
            None => {
                // The panic hook has told what happened; the other connections go on.
                tracing::error!("a request from {peer} met a bug in Corelog; its connection is closed");
                self.serve.ended(peer);
                return Left::Ended(Ended::Refused("a bug".into()));
            }
        };
        self.serve.ended(peer);
        if let Ended::Refused(reason) = &ended {
            self.complaints.closed(self.serve.mono_ns(), peer, reason);
        }
        self.let_go().await;
        Left::Ended(ended)
    }

    /// Waits until the kernel has given back what it was lent, with everything else given up.
    async fn let_go(self) {
        let Connection { mut lending, place, stream, .. } = self;
        poll_fn(|cx| lending.poll_end(cx, &place.entry)).await;
        drop((lending, stream));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Parting> {
        self.place.entry.wakes(cx.waker());
        match self.place.entry.wish() {
            Wish::Serve => {}
            Wish::Finish if self.closing.is_none() => {
                self.frames.clear();
                self.reader.abandon();
                self.closing = Some(Ended::Finished);
            }
            Wish::Finish => {}
            Wish::End(reason) => return Poll::Ready(Ended::Refused(reason.into()).into()),
        }
        if self.place.entry.unpin.take() {
            self.outbox.unpin();
            self.lending.unpin(&self.outbox);
            for one in &mut self.running {
                let Started::Ready(Answer::Reply(chunks, _)) = &mut one.started else { continue };
                for chunk in chunks {
                    if let Chunk::Memory(slice) = chunk {
                        *slice = Bytes::copy_from_slice(slice);
                    }
                }
            }
        }
        self.poll_steps(cx)
    }

    fn poll_steps(&mut self, cx: &mut Context<'_>) -> Poll<Parting> {
        let mut read = 0;
        loop {
            self.start(cx.waker());
            self.collect(cx);
            let before = self.outbox.bytes();
            let sent = self.poll_send(cx);
            let sent_bytes = before - self.outbox.bytes();
            if sent_bytes > 0 {
                self.place.entry.touch(self.serve.mono_ns(), sent_bytes);
                self.stages.sent(&*self.serve, sent_bytes);
            }
            match sent {
                Poll::Ready(Ok(Sent::All)) => {
                    if self.running.is_empty()
                        && let Some(ended) = self.closing.take()
                    {
                        return Poll::Ready(ended.into());
                    }
                    if self.may_leave() {
                        ready!(self.lending.poll_returned(cx));
                        if let Some(parting) = self.leave() {
                            return Poll::Ready(parting);
                        }
                    }
                }
                Poll::Ready(Ok(Sent::Share | Sent::UpToRange | Sent::UpToLoan)) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Err(ended)) => return Poll::Ready(ended.into()),
                Poll::Pending => {}
            }
            if self.may_start_next(cx.waker()) {
                continue;
            }
            self.reader.poll_place(cx, &self.shared);
            self.place.entry.waits.set(self.reader.is_waiting());
            if !self.may_read(cx.waker()) {
                return Poll::Pending;
            }
            if read >= limits::READ_BYTES_PER_POLL {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let filled = self.reader.poll_fill(cx, &mut self.stream, &self.shared, &mut self.frames);
            self.place.entry.waits.set(self.reader.is_waiting());
            self.place.entry.inside_frame.set(self.reader.is_inside_frame());
            match filled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Ended::ByPeer.into()),
                Poll::Ready(Ok(bytes)) => {
                    read += bytes;
                    if !self.frames.is_empty() {
                        self.stages.read(self.serve.clock_ns());
                    }
                    self.place.entry.touch(self.serve.mono_ns(), bytes);
                }
                Poll::Ready(Err(super::FrameError::Io(_))) => return Poll::Ready(Ended::ByPeer.into()),
                Poll::Ready(Err(error)) => self.close_after_answers(error.to_string()),
            }
        }
    }

    /// Sends the outbox, its ranges and what is lent of it too.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Sent, Ended>> {
        loop {
            let sent = match self.lending.is_under_way() {
                true => Ok(Sent::UpToLoan),
                false => ready!(self.outbox.poll_send(cx, &mut self.stream)),
            };
            match sent {
                Ok(Sent::UpToRange) => {}
                Ok(Sent::UpToLoan) => {
                    let Connection { lending, outbox, stream, serve, place, .. } = self;
                    match ready!(lending.poll_send(cx, outbox, stream, &**serve, &place.entry)) {
                        Ok(()) => continue,
                        Err(_) => return Poll::Ready(Err(Ended::ByPeer)),
                    }
                }
                Ok(sent) => return Poll::Ready(Ok(sent)),
                Err(_) => return Poll::Ready(Err(Ended::ByPeer)),
            }
            let Some(range) = self.outbox.range() else { continue };
            let sending = match &mut self.sending {
                Some(sending) => sending,
                none => match self.serve.send_range(range, &self.stream) {
                    Ok(sending) => none.insert(sending),
                    Err(error) => return Poll::Ready(Err(unsendable(range, &error))),
                },
            };
            match ready!(sending.poll_sent(cx)) {
                Ok(gone) => {
                    if gone.whole {
                        self.sending = None;
                    }
                    self.outbox.range_sent(gone.bytes);
                }
                Err(RangeFailure::Peer(_)) => return Poll::Ready(Err(Ended::ByPeer)),
                Err(RangeFailure::File(error)) => return Poll::Ready(Err(unsendable(range, &error))),
            }
        }
    }

    fn close_after_answers(&mut self, reason: String) {
        self.reader.abandon();
        if self.closing.is_none() {
            self.closing = Some(Ended::Refused(reason));
        }
    }

    /// Another core that most requests are for. From then on no frame is begun here; that core has the connection when all is answered.
    fn home(&self) -> Option<CoreId> {
        self.traffic.home().filter(|home| *home != self.serve.core())
    }

    /// Is nothing of it under way here?
    fn may_leave(&self) -> bool {
        self.running.is_empty()
            && self.frames.is_empty()
            && self.reader.head().is_some()
            && self.home().is_some()
    }

    /// Without a descriptor to spare it stays.
    fn leave(&mut self) -> Option<Parting> {
        let to = self.home()?;
        match socket::duplicate(&self.stream) {
            Ok(socket) => Some(Parting::Move(to, socket)),
            Err(error) => {
                tracing::debug!(peer = %self.place.entry.peer, %error, "a connection cannot move to another core");
                self.traffic = Traffic::resting();
                None
            }
        }
    }

    fn may_read(&self, waker: &Waker) -> bool {
        self.closing.is_none()
            && (self.reader.head().is_none() || self.home().is_none())
            && self.frames.is_empty()
            && self.may_start()
            && (self.reader.has_place() || (self.shared.requests.admits(waker) && self.serve.admits(waker)))
    }

    fn may_start(&self) -> bool {
        self.running.len() < limits::REQUESTS_IN_FLIGHT_MAX
            && self.place.entry.answers.get() < self.answer_bytes_max
            && !self.is_held_by_bulk()
    }

    /// May the first of what was read start, and is there memory for what comes of it? If not, `waker` is called when there is.
    fn may_start_next(&self, waker: &Waker) -> bool {
        let Some(next) = self.frames.front() else { return false };
        let (decoded, answers) = (&self.shared.decoded, &self.shared.answers);
        let extent = self.extent(next);
        // Fetches may wait for minutes: half of what requests are decoded to is never theirs.
        let decoded_max = if extent == Extent::Bulky { decoded.bytes_max() / 2 } else { usize::MAX };
        self.may_start()
            && self.serve.admits(waker)
            && decoded.admits_below(decoded_max, waker)
            && (extent != Extent::Unbounded || answers.admits(waker))
    }

    /// Would the next request be one bulky answer too many under way? Each holds memory until it is sent.
    fn is_held_by_bulk(&self) -> bool {
        self.frames.front().is_some_and(|next| self.extent(next) == Extent::Bulky)
            && self.running.iter().filter(|one| self.serve.extent(one.begun.kind) == Extent::Bulky).count()
                >= limits::BULKY_IN_FLIGHT_MAX
    }

    fn extent(&self, frame: &Frame) -> Extent {
        self.serve.extent(self.serve.kind(&frame.body))
    }

    /// Starts what was read, in order.
    fn start(&mut self, waker: &Waker) {
        while self.may_start_next(waker) {
            let Some(Frame { body, mut held }) = self.frames.pop_front() else { return };
            let kind = self.serve.kind(&body);
            let begun = self.stages.started(&*self.serve, kind, body.len());
            let idle = self.running.is_empty() && self.outbox.is_empty();
            let holding = if idle { Holding::Nothing } else { Holding::Answers };
            let peer = Peer { address: self.place.entry.peer, holding };
            let (mut started, decoded) = self.serve.start(peer, body);
            if decoded > 0 {
                let permit = self.shared.decoded.take(decoded.saturating_mul(limits::DECODED_COST));
                held.decoded = Some(permit.metered(&self.place.entry.requests));
            }
            // The head of the queue is polled right after this, with the waker that counts. A bulky one begins only there: it may wait for
            // memory, and whoever waits in that queue must be woken when his turn comes.
            if let Started::Running(future) = &mut started
                && !self.running.is_empty()
                && self.serve.extent(kind) != Extent::Bulky
                && let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                started = Started::Ready(answer);
            }
            if let Started::Ready(answer) = &mut started {
                self.account(answer);
            }
            self.running.push_back(Running { started, held, begun });
            if self.running.len() == 1 {
                // Polled now and not after the next start: its records are appended in request order.
                self.collect(&mut Context::from_waker(waker));
            }
        }
    }

    /// From now until it is sent, an answer's memory is counted.
    fn account(&self, answer: &mut Answer) {
        let Answer::Reply(chunks, told) = answer else { return };
        let bytes = chunks.iter().map(Chunk::memory_bytes).sum::<usize>();
        let bytes = bytes + chunks.len() * limits::PIECE_COST_BYTES;
        let mut permit = told.held.take().unwrap_or_else(|| self.shared.answers.take(bytes));
        permit.resize(bytes);
        told.held = Some(permit.metered(&self.place.entry.answers));
    }

    /// Moves the answers that are there, in order, to the outbox.
    fn collect(&mut self, cx: &mut Context<'_>) {
        while self.outbox.bytes() < limits::RESPONSE_BYTES_QUEUED_MAX {
            let Some(first) = self.running.front_mut() else { return };
            let mut fresh = None;
            if let Started::Running(future) = &mut first.started {
                match Pin::new(future).poll(cx) {
                    Poll::Ready(answer) => fresh = Some(answer),
                    Poll::Pending => return,
                }
            }
            if let Some(answer) = &mut fresh {
                self.account(answer);
            }
            let Some(Running { started, held, begun }) = self.running.pop_front() else { return };
            let answer = match (fresh, started) {
                (Some(answer), _) | (None, Started::Ready(answer)) => answer,
                (None, Started::Running(_)) => return,
            };
            if let Some(whole) = held.whole {
                self.shared.buffers.give(whole);
            }
            self.place.entry.progress_ns.set(self.serve.mono_ns());
            if let Answer::Reply(_, told) | Answer::Silent(told) = &answer
                && let Some(lies) = told.lies
            {
                self.traffic.note(lies);
            }
            match answer {
                Answer::Reply(chunks, mut told) => {
                    let before = self.outbox.bytes();
                    chunks.into_iter().for_each(|chunk| self.outbox.push(chunk));
                    if let Some(permit) = told.held.take() {
                        self.outbox.hold(permit);
                    }
                    self.stages.answered(&*self.serve, begun, self.outbox.bytes() - before, &told);
                }
                Answer::Silent(told) => self.stages.answered(&*self.serve, begun, 0, &told),
                Answer::Close(reason) => {
                    self.frames.clear();
                    self.running.clear();
                    self.reader.abandon();
                    self.closing = Some(Ended::Refused(reason));
                    return;
                }
            }
        }
    }
}

/// The peer was promised more than there is: it must not take anything else for it.
fn unsendable(range: &FileRange, error: &io::Error) -> Ended {
    let (length, position) = (range.length, range.position);
    tracing::error!(
        position,
        length,
        %error,
        "a segment cannot be sent: `corelog log verify` on its directory shows what is wrong with it"
    );
    Ended::Refused(format!("{length} bytes of a segment cannot be sent: {error}"))
}
