//! Sends without a copy, as one connection does them: a piece at a time, and what is lent to the kernel outlasts the send, until the peer has
//! acknowledged it. A connection is not over before that; where its memory is wanted, its socket is aborted. Lives on one core.

use std::{
    io,
    os::fd::AsRawFd,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use engine::io::zero_copy::Refusal;

use super::{Entry, Outbox, Permit, SendSlices, Serve, Wish};
use crate::limits;

/// What one piece holds as long as the kernel has it.
pub struct Lent {
    permits: Vec<Rc<Permit>>,
    entry: Rc<Entry>,
    bytes: usize,
}

impl Lent {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The kernel has let go of it. Its peer has acknowledged it, and so gets on; it may have waited for no more than its answers' memory.
    pub fn returned(self, now_ns: u64) {
        let Lent { permits, entry, bytes } = self;
        drop(permits);
        entry.touch(now_ns, bytes);
        entry.wake();
    }
}

#[derive(Default)]
pub struct Lending {
    line: Option<Box<dyn SendSlices>>,
    /// Bytes of the piece that the socket has not answered to.
    under_way: Option<usize>,
}

impl Lending {
    /// Is a piece under way? Then nothing else may be sent.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Lends what is next in `outbox`, or says that it is to be copied. An error: the peer is gone.
    pub fn poll_send<S: Serve>(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
        socket: &dyn AsRawFd,
        serve: &S,
        entry: &Rc<Entry>,
    ) -> Poll<io::Result<()>> {
        let line = match &mut self.line {
            Some(line) => line,
            none => match serve.send_slices(socket) {
                Ok(line) => none.insert(line),
                Err(error) => {
                    tracing::debug!(peer = %entry.peer, %error, "nothing is sent without a copy");
                    outbox.copy_next(None);
                    return Poll::Ready(Ok(()));
                }
            },
        };
        let bytes = match self.under_way {
            Some(bytes) => bytes,
            None => {
                let slices = outbox.first(limits::SEND_BYTES_PER_POLL.min(line.room()));
                let bytes = slices.iter().map(Bytes::len).sum();
                let lent = Lent { permits: outbox.share(bytes), entry: entry.clone(), bytes };
                if bytes < limits::LENT_BYTES_MIN || !line.begin(slices, lent) {
                    outbox.copy_next(Some(limits::COPIED_FOR_ROOM_BYTES));
                    return Poll::Ready(Ok(()));
                }
                *self.under_way.insert(bytes)
            }
        };
        let sent = ready!(line.poll_sent(cx));
        self.under_way = None;
        match sent {
            Ok(sent) => outbox.lent_sent(sent),
            Err(Refusal::Memory(_)) => outbox.copy_next(Some(bytes)),
            Err(Refusal::Unsupported(error)) => {
                tracing::debug!(peer = %entry.peer, %error, "this socket does not send without a copy");
                outbox.copy_next(None);
            }
            Err(Refusal::PeerGone(error)) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    /// After `Outbox::unpin`: the piece that waits for room goes from there. What the kernel has taken stays; it is bounded.
    pub fn unpin(&mut self, outbox: &Outbox) {
        if let (Some(line), Some(bytes)) = (&mut self.line, self.under_way) {
            line.replace(outbox.first(bytes));
        }
    }

    /// Ready when nothing is lent.
    pub fn poll_returned(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.line.as_mut().map_or(Poll::Ready(()), |line| line.poll_returned(cx))
    }

    /// The connection is over and nothing more is sent: ready when nothing is lent, which is when the peer has what the socket took. Where
    /// the core wants the connection to end, at once: the socket is aborted.
    pub fn poll_end(&mut self, cx: &mut Context<'_>, entry: &Entry) -> Poll<()> {
        let Some(line) = &mut self.line else { return Poll::Ready(()) };
        entry.wakes(cx.waker());
        let returned = line.poll_returned(cx);
        if returned.is_pending() {
            match entry.wish() {
                Wish::End(_) => {
                    line.abort();
                    return Poll::Ready(());
                }
                Wish::Serve | Wish::Finish => line.shut_down(),
            }
        }
        returned
    }
}
