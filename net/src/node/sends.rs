//! Ranges of files that this core sends: what its device told of each, and the connection that waits for it. Lives on one core.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    os::fd::AsRawFd,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use engine::{
    io::sends::{Progress, SendId},
    op::FileRange,
};

use super::Node;
use crate::conn::{Gone, RangeFailure, SendRange};

#[derive(Default)]
pub(super) struct Sends {
    /// Those that somebody waits for.
    waited_for: BTreeMap<SendId, Waiter>,
    begun: u64,
}

#[derive(Default)]
struct Waiter {
    told: VecDeque<Progress>,
    waker: Option<Waker>,
}

impl Sends {
    fn begin(&mut self) -> SendId {
        self.begun += 1;
        let id = SendId(self.begun);
        self.waited_for.insert(id, Waiter::default());
        id
    }

    /// The device has told something; whom to wake.
    pub(super) fn told(&mut self, id: SendId, progress: Progress) -> Option<Waker> {
        let waiter = self.waited_for.get_mut(&id)?;
        waiter.told.push_back(progress);
        waiter.waker.take()
    }
}

impl Node {
    /// Begins to send the range to the socket.
    pub fn send_range(
        self: &Rc<Self>,
        range: &FileRange,
        socket: &dyn AsRawFd,
    ) -> io::Result<Box<dyn SendRange>> {
        let id = self.sends.borrow_mut().begin();
        let sending = Box::new(Sending { node: self.clone(), id, over: false });
        self.device.borrow_mut().send(id, range, socket)?;
        self.alarm.ring();
        Ok(sending)
    }
}

struct Sending {
    node: Rc<Node>,
    id: SendId,
    /// Its end was told.
    over: bool,
}

impl SendRange for Sending {
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<Gone, RangeFailure>> {
        let mut sends = self.node.sends.borrow_mut();
        let Some(waiter) = sends.waited_for.get_mut(&self.id) else { return Poll::Pending };
        let Some(progress) = waiter.told.pop_front() else {
            waiter.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.over = !matches!(progress, Progress::Sent(_));
        Poll::Ready(match progress {
            Progress::Sent(bytes) => Ok(Gone { bytes, whole: false }),
            Progress::All(bytes) => Ok(Gone { bytes, whole: true }),
            Progress::FileFailed(error) => Err(RangeFailure::File(error)),
            Progress::PeerGone(error) => Err(RangeFailure::Peer(error)),
        })
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.node.sends.borrow_mut().waited_for.remove(&self.id);
        if !self.over {
            self.node.device.borrow_mut().cancel_send(self.id);
            self.node.alarm.ring();
        }
    }
}
