//! One core's shard and what connects it to the world: the device, the bus, the calls in flight. Lives on one core.
//!
//! Handlers ask with `call`; one task, `run`, turns the shard. Everything else is synchronous, and no borrow of the shard
//! lasts across a wait. Calls made by several connections in one round of the executor share one turn: the first of them
//! schedules it behind all tasks that are already runnable. A panic inside the shard would leave half a transition behind:
//! it aborts the process.

mod calls;
mod load;
mod loans;
pub mod measure;
pub mod parcel;
pub mod rounds;
mod sends;
pub mod steps;
mod turn;

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use engine::{
    base::{CoreId, Now},
    bus::Endpoint,
    controller::Image,
    io::{Clock, Device},
    shard::{
        Shard,
        command::{CallId, Command, Message, Reply},
    },
};

use calls::Calls;
use loans::Loans;
use measure::Measures;
use parcel::{Door, Handed, Parcel};
use rounds::Rounds;
use sends::Sends;
use steps::Steps;
pub use turn::Stopped;
use turn::{Alarm, Batches};

/// A number that no call has: uses count from 1.
const NOBODY: u64 = 0;

pub struct Node {
    core: CoreId,
    clock: Clock,
    shard: RefCell<Shard>,
    device: RefCell<Device>,
    bus: RefCell<Endpoint<Parcel>>,
    calls: RefCell<Calls>,
    sends: RefCell<Sends>,
    loans: RefCell<Loans>,
    alarm: Alarm,
    batches: RefCell<Batches>,
    seen_ns: Cell<u64>,
    stopping: Cell<bool>,
    measures: Measures,
    steps: Steps,
    rounds: Rounds,
    /// By listener.
    doors: RefCell<Vec<Door>>,
    /// Connections that read no request until the bus has room.
    waiting_for_bus: RefCell<Vec<Waker>>,
}

impl Node {
    pub fn new(shard: Shard, device: Device, bus: Endpoint<Parcel>, clock: Clock) -> Rc<Node> {
        Rc::new(Node {
            core: shard.core(),
            clock,
            shard: RefCell::new(shard),
            device: RefCell::new(device),
            bus: RefCell::new(bus),
            calls: RefCell::default(),
            sends: RefCell::default(),
            loans: RefCell::default(),
            alarm: Alarm::default(),
            batches: RefCell::default(),
            seen_ns: Cell::new(clock.now().mono_ns),
            stopping: Cell::new(false),
            measures: Measures::default(),
            steps: Steps::default(),
            rounds: Rounds::default(),
            doors: RefCell::default(),
            waiting_for_bus: RefCell::default(),
        })
    }

    /// How many cores the broker runs on.
    pub fn cores(&self) -> u16 {
        self.shard.borrow().cores()
    }

    pub fn core(&self) -> CoreId {
        self.core
    }

    pub fn now(&self) -> Now {
        let now = self.clock.now();
        self.seen_ns.set(now.mono_ns);
        now
    }

    /// The monotonic clock as last read, in nanoseconds: for what needs no better than the second in which somebody reads
    /// it anyway.
    pub fn seen_ns(&self) -> u64 {
        self.seen_ns.get()
    }

    /// The monotonic clock, read now.
    pub fn clock_ns(&self) -> u64 {
        self.clock.mono_ns()
    }

    /// Looks at the metadata as this core knows it. Not the `Arc`: its count would be a cache line that all cores share.
    pub fn with_image<T>(&self, look: impl FnOnce(&Image) -> T) -> T {
        look(self.shard.borrow().image())
    }

    /// Asks a core, at once: commands to one core arrive in the order of the calls, whenever the answers are awaited.
    /// A call that is dropped is not undone, except a Watch, which ends.
    pub fn call(self: &Rc<Self>, core: CoreId, command: Command) -> Call {
        let number = self.calls.borrow_mut().open();
        let is_watch = matches!(command, Command::Watch(_));
        self.send(core, number, command);
        Call { node: self.clone(), core, number, is_watch }
    }

    /// Tells a core what has no Reply.
    pub fn tell(&self, core: CoreId, command: Command) {
        self.send(core, NOBODY, command);
    }

    /// May another request start? If not, `waker` is woken when it may: messages wait for room on the bus.
    pub fn admits(&self, waker: &Waker) -> bool {
        if !self.bus.borrow().is_congested() {
            return true;
        }
        self.waiting_for_bus.borrow_mut().push(waker.clone());
        // The turn looks whether there is room again.
        self.alarm.ring();
        false
    }

    /// A listener's number among those of its core.
    pub fn expect(&self, door: Door) -> usize {
        let mut doors = self.doors.borrow_mut();
        doors.push(door);
        doors.len() - 1
    }

    pub fn hand_over(&self, to: CoreId, connection: Handed) {
        self.bus.borrow_mut().send_or_queue(to, Parcel::Connection(Box::new(connection)));
        self.alarm.ring();
    }

    /// Has this core time for one more connection of another core? If so, that one counts as taken.
    pub fn takes_connection(&self) -> bool {
        self.steps.takes_connection(self.clock_ns())
    }

    /// Random bytes of the kernel.
    pub fn random(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        // Fails only on kernels without getrandom(2), long before the first that io_uring runs on.
        getrandom::fill(&mut bytes).expect("the kernel has random bytes");
        bytes
    }

    /// Calls that wait for their Reply.
    pub fn calls_in_flight(&self) -> usize {
        self.calls.borrow().len()
    }

    fn send(&self, core: CoreId, number: u64, command: Command) {
        let call = CallId { origin: self.core, number };
        if core == self.core {
            let now = self.now();
            let _guard = turn::AbortOnPanic;
            self.shard.borrow_mut().handle(now, call, command);
        } else {
            let message = Message::Command(call, command);
            self.bus.borrow_mut().send_or_queue(core, Parcel::Shard(message));
        }
        self.alarm.ring();
    }
}

/// A Command on its way to its Reply.
pub struct Call {
    node: Rc<Node>,
    core: CoreId,
    number: u64,
    is_watch: bool,
}

impl Future for Call {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        self.node.calls.borrow_mut().poll(self.number, cx)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let waited = self.node.calls.borrow_mut().close(self.number);
        if waited && self.is_watch {
            let watch = CallId { origin: self.node.core, number: self.number };
            self.node.send(self.core, self.number, Command::Cancel(watch));
        }
    }
}
