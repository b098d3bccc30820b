//! Memory that this core's connections have lent to the kernel, to be sent without a copy: what the device told of each piece, who waits for
//! it, and what is held until it is released, whether its connection is there or not. Lives on one core.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    os::fd::AsRawFd,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use engine::{
    io::{
        limits::ZERO_COPY_CONNECTION_DIVISOR,
        sends::SendId,
        socket::Socket,
        zero_copy::{Refusal, Told, Way},
    },
    metrics::Figures,
};

use super::{Node, measure::ZERO_COPY_BYTES};
use crate::conn::{Lent, SendSlices};

#[derive(Default)]
pub(super) struct Loans {
    pieces: BTreeMap<SendId, Piece>,
    begun: u64,
    from_memory: u64,
    copied: u64,
}

struct Piece {
    lent: Lent,
    sent: usize,
    line: Rc<Line>,
}

/// What a connection and its pieces share.
#[derive(Default)]
struct Line {
    lent: Cell<usize>,
    answer: Cell<Option<Result<usize, Refusal>>>,
    /// Who waits for `answer`, and for nothing to be lent.
    sender: RefCell<Option<Waker>>,
    ender: RefCell<Option<Waker>>,
}

impl Loans {
    /// The device has told something; whom to wake.
    pub(super) fn told(&mut self, id: SendId, told: Told, now_ns: u64) -> Option<Waker> {
        let piece = self.pieces.get_mut(&id)?;
        let answer = match told {
            Told::Sent(bytes) => {
                piece.sent = bytes;
                Ok(bytes)
            }
            Told::Refused(refusal) => Err(refusal),
            Told::Released(way) => return self.released(id, way, now_ns),
        };
        piece.line.answer.set(Some(answer));
        piece.line.sender.take()
    }

    fn released(&mut self, id: SendId, way: Way, now_ns: u64) -> Option<Waker> {
        let Piece { lent, sent, line } = self.pieces.remove(&id)?;
        *match way {
            Way::FromMemory => &mut self.from_memory,
            Way::Copied => &mut self.copied,
        } += sent as u64;
        line.lent.set(line.lent.get() - lent.bytes());
        lent.returned(now_ns);
        if line.lent.get() == 0 { line.ender.take() } else { None }
    }

    pub(super) fn measure(&self, figures: &mut Figures) {
        for (way, bytes) in [("memory", self.from_memory), ("copy", self.copied)] {
            figures.number(&ZERO_COPY_BYTES, vec![("from", way.into())], bytes);
        }
    }
}

impl Node {
    /// What sends memory to this socket without a copy.
    pub fn send_slices(self: &Rc<Self>, socket: &dyn AsRawFd) -> io::Result<Box<dyn SendSlices>> {
        let socket = Socket::of(socket)?;
        let lent_max = self.device.borrow().lent_max() / ZERO_COPY_CONNECTION_DIVISOR;
        Ok(Box::new(Sending { node: self.clone(), socket, line: Rc::default(), lent_max, under_way: None }))
    }
}

struct Sending {
    node: Rc<Node>,
    socket: Socket,
    line: Rc<Line>,
    lent_max: usize,
    under_way: Option<SendId>,
}

impl Sending {
    /// Nobody waits for what becomes of the piece under way any more.
    fn give_up(&mut self) {
        if let Some(id) = self.under_way.take() {
            self.node.device.borrow_mut().cancel_lent(id);
            self.node.alarm.ring();
        }
    }
}

impl SendSlices for Sending {
    fn room(&self) -> usize {
        self.lent_max.saturating_sub(self.line.lent.get())
    }

    fn begin(&mut self, slices: Vec<Bytes>, lent: Lent) -> bool {
        let mut loans = self.node.loans.borrow_mut();
        loans.begun += 1;
        let id = SendId(loans.begun);
        if !self.node.device.borrow_mut().lend(id, slices, &self.socket) {
            return false;
        }
        self.line.lent.set(self.line.lent.get() + lent.bytes());
        loans.pieces.insert(id, Piece { lent, sent: 0, line: self.line.clone() });
        self.under_way = Some(id);
        self.node.alarm.ring();
        true
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Refusal>> {
        match self.line.answer.take() {
            Some(answer) => {
                self.under_way = None;
                Poll::Ready(answer)
            }
            None => {
                *self.line.sender.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn replace(&mut self, slices: Vec<Bytes>) {
        if let Some(id) = self.under_way {
            self.node.device.borrow_mut().replace_lent(id, slices);
        }
    }

    fn poll_returned(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.give_up();
        if self.line.lent.get() == 0 {
            return Poll::Ready(());
        }
        *self.line.ender.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    fn shut_down(&self) {
        self.socket.shut_down();
    }

    fn abort(&self) {
        self.socket.abort();
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.give_up();
        if self.line.lent.get() > 0 {
            self.socket.abort();
        }
    }
}
