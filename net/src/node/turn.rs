//! The turn of one core: completions, bus, deadlines and group commit, then what the shard wants done, said and
//! answered. One task per core runs it, woken by calls, by the device's and the bus's signals, and by the next deadline.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    ops::ControlFlow,
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use engine::{
    base::{CoreId, Deadline},
    io::{
        Signal, pump,
        sends::{Progress, SendId},
        zero_copy::Told,
    },
    op::{Done, Op, OpId},
    shard::command::{CallId, Message, Reply},
};
use glommio::timer::Timer;

use super::{
    Node,
    parcel::{Handed, Parcel},
};
use crate::limits;

/// Wakes the turn task; ringing twice turns once.
#[derive(Default)]
pub(super) struct Alarm {
    rung: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Alarm {
    pub(super) fn ring(&self) {
        if !self.rung.replace(true)
            && let Some(waker) = self.waker.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    }

    /// Was it rung? From now on `waker` is woken by the next ring.
    fn take(&self, waker: &Waker) -> bool {
        let mut slot = self.waker.borrow_mut();
        match &mut *slot {
            Some(present) => present.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
        self.rung.replace(false)
    }
}

/// A bug inside the shard stops the process: what it was doing is half done, and nobody may be told otherwise.
pub(super) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "corelogd: a core met a bug and cannot go on; what is durable is kept. Please report the lines above."
            );
            std::process::abort();
        }
    }
}

/// Reused from turn to turn.
#[derive(Default)]
pub(super) struct Batches {
    done: Vec<(OpId, Done)>,
    inbox: Vec<(CoreId, Parcel)>,
    handed: Vec<Handed>,
    ops: Vec<(OpId, Op)>,
    messages: Vec<(CoreId, Message)>,
    replies: Vec<(CallId, Reply)>,
    sent: Vec<(SendId, Progress)>,
    lent: Vec<(SendId, Told)>,
}

/// How the turns of a core ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Flushed, checkpointed, nothing in flight.
    Clean,
    /// The core cannot go on; the process must stop, saying this.
    Failed(String),
}

impl Node {
    /// Turns the shard until it has failed, or has been stopped (`stop`) and is done.
    pub async fn run(self: Rc<Self>) -> Stopped {
        let device = self.device.borrow().signal().clone();
        let bus = self.bus.borrow().signal().clone();
        // Dropped, and so ended, with this future.
        let _listeners = [device, bus].map(|signal| glommio::spawn_local(listen(self.clone(), signal)));
        let mut timer: Option<(Deadline, Timer)> = None;
        self.alarm.ring();
        poll_fn(move |cx| {
            let fired = timer.as_mut().is_some_and(|(_, timer)| Pin::new(timer).poll(cx).is_ready());
            if fired {
                timer = None;
            }
            if !self.alarm.take(cx.waker()) && !fired {
                return Poll::Pending;
            }
            let _guard = AbortOnPanic;
            if let Some(stopped) = self.turn() {
                return Poll::Ready(stopped);
            }
            // A timer that is too early costs one empty turn; only one that is too late is set anew.
            if let Some(next) = self.shard.borrow().next_deadline()
                && timer.as_ref().is_none_or(|(armed, _)| next < *armed)
            {
                let wait = Duration::from_nanos(next.0.saturating_sub(self.clock.now().mono_ns));
                let mut armed = Timer::new(wait);
                if Pin::new(&mut armed).poll(cx).is_ready() {
                    self.alarm.ring();
                } else {
                    timer = Some((next, armed));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Answers those who wait for a rebalance of their group: the broker is about to stop.
    pub fn resign_groups(&self) {
        let _guard = AbortOnPanic;
        self.shard.borrow_mut().resign_groups(self.clock.now());
        self.alarm.ring();
    }

    /// Stops the shard cleanly; `run` ends when that is done. Nobody calls any more.
    pub fn stop(&self) {
        self.stopping.set(true);
        let _guard = AbortOnPanic;
        self.shard.borrow_mut().stop(self.clock.now());
        self.alarm.ring();
    }

    /// One turn, bounded; rings the alarm if there was more to do.
    fn turn(&self) -> Option<Stopped> {
        let mut batches = self.batches.borrow_mut();
        let Batches { done, inbox, handed, ops, messages, replies, sent, lent } = &mut *batches;
        let now = self.now();
        let mut shard = self.shard.borrow_mut();
        let mut device = self.device.borrow_mut();
        let mut bus = self.bus.borrow_mut();

        device.drain(done);
        for (op, done) in done.drain(..) {
            shard.complete(now, op, done);
        }
        if bus.receive(limits::TURN_EVENTS_MAX, inbox) == limits::TURN_EVENTS_MAX {
            self.alarm.ring();
        }
        for (from, parcel) in inbox.drain(..) {
            match parcel {
                Parcel::Shard(message) => shard.receive(now, from, message),
                Parcel::Connection(connection) => handed.push(*connection),
            }
        }
        shard.turn(now);

        shard.drain_ops(ops);
        for (id, op) in ops.drain(..) {
            device.push(id, op);
        }
        device.submit();
        device.take_sent(sent);
        device.take_lent(lent);
        shard.drain_messages(messages);
        for (to, mut message) in messages.drain(..) {
            if let Message::Reply(_, reply) = &mut message {
                self.complete_figures(reply, bus.queued());
            }
            bus.send_or_queue(to, Parcel::Shard(message));
        }
        bus.flush();
        // Announced at the end of each turn: whoever sends to this core from here on raises its signal.
        if shard.wants_turn() || !bus.prepare_sleep() {
            self.alarm.ring();
        }
        let is_congested = bus.is_congested();
        let bus_queued = bus.queued();
        shard.drain_replies(replies);
        let failure = shard.failure().map(str::to_owned);
        let stopped = self.stopping.get() && shard.is_stopped() && device.in_flight() == 0;
        drop((shard, device, bus));

        for (id, progress) in sent.drain(..) {
            let waker = self.sends.borrow_mut().told(id, progress);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        for (id, told) in lent.drain(..) {
            let waker = self.loans.borrow_mut().told(id, told, now.mono_ns);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        for (call, mut reply) in replies.drain(..) {
            self.complete_figures(&mut reply, bus_queued);
            let waker = self.calls.borrow_mut().answer(call.number, reply);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        for connection in handed.drain(..) {
            // All cores have the same listeners.
            if let Some(door) = self.doors.borrow().get(connection.listener) {
                door(connection);
            }
        }
        if !is_congested {
            self.waiting_for_bus.take().into_iter().for_each(Waker::wake);
        }
        self.measures.turned(self.clock.mono_ns().saturating_sub(now.mono_ns));
        match failure {
            Some(failure) => Some(Stopped::Failed(failure)),
            None => stopped.then_some(Stopped::Clean),
        }
    }
}

/// Carries the signal of the device or of the bus to the turn task.
async fn listen(node: Rc<Node>, signal: Signal) {
    let ended = pump::run(&signal, || {
        node.alarm.ring();
        ControlFlow::Continue(())
    });
    if let Err(error) = ended.await {
        eprintln!("corelogd: a core cannot wait for its devices: {error}");
        std::process::abort();
    }
}
