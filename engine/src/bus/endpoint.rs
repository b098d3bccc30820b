//! One core's end of the bus. Lives on that core; the rings behind it are the only memory that two cores share.
//!
//! A turn: `receive` with a budget, work, `send` or `send_or_queue`, `flush` once. Before the core sleeps:
//! `prepare_sleep`; if it says no, another turn. Never wait for room within a receive loop: two cores doing so stand still.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::sleeper::{Shortage, Sleeper, settle};
use crate::base::CoreId;
use crate::io::Signal;

/// The ring to that core is full: the message comes back. Back-pressure that the caller passes on.
pub struct Full<T>(pub T);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full")
    }
}

struct Outgoing<T> {
    ring: Producer<T>,
    /// What found no room, in order; goes before anything newer.
    overflow: VecDeque<T>,
    /// Something was put into the ring since the last flush.
    unflushed: bool,
    shortage: Arc<Shortage>,
    peer: Arc<Sleeper>,
}

struct Incoming<T> {
    ring: Consumer<T>,
    shortage: Arc<Shortage>,
    peer: Arc<Sleeper>,
}

/// One core's end. Made by `mesh`, moved to its core's thread.
pub struct Endpoint<T> {
    core: CoreId,
    outgoing: Vec<Outgoing<T>>,
    incoming: Vec<Incoming<T>>,
    /// Where the next `receive` begins, so that no core is always served last.
    first: usize,
    queued: usize,
    sleeper: Arc<Sleeper>,
}

/// An endpoint for each core, by index. Each ordered pair, a core with itself included, has a ring of `capacity` messages:
/// `cores² × capacity × size_of::<T>()` bytes in all.
pub fn mesh<T: Send>(cores: u16, capacity: usize) -> io::Result<Vec<Endpoint<T>>> {
    let sleepers =
        (0..cores).map(|_| Ok(Arc::new(Sleeper::new(Signal::new()?)))).collect::<io::Result<Vec<_>>>()?;
    let mut endpoints: Vec<Endpoint<T>> = (0..cores)
        .zip(&sleepers)
        .map(|(core, sleeper)| Endpoint {
            core: CoreId(core),
            outgoing: Vec::with_capacity(sleepers.len()),
            incoming: Vec::with_capacity(sleepers.len()),
            first: 0,
            queued: 0,
            sleeper: sleeper.clone(),
        })
        .collect();
    for from in 0..sleepers.len() {
        for to in 0..sleepers.len() {
            let (producer, consumer) = RingBuffer::new(capacity.max(1));
            let shortage = Arc::new(Shortage::default());
            endpoints[from].outgoing.push(Outgoing {
                ring: producer,
                overflow: VecDeque::new(),
                unflushed: false,
                shortage: shortage.clone(),
                peer: sleepers[to].clone(),
            });
            // `from` is the outer loop, so each receiver's list grows in the order of the senders.
            endpoints[to].incoming.push(Incoming { ring: consumer, shortage, peer: sleepers[from].clone() });
        }
    }
    Ok(endpoints)
}

impl<T> Endpoint<T> {
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// How many cores the bus joins.
    pub fn cores(&self) -> u16 {
        self.outgoing.len() as u16
    }

    /// Puts a message into the ring to `to`; it is seen at the latest after the next `flush`. `Full` also while older
    /// messages wait in the overflow. Panics on a core that the bus does not have.
    pub fn send(&mut self, to: CoreId, message: T) -> Result<(), Full<T>> {
        let outgoing = &mut self.outgoing[usize::from(to.0)];
        self.queued -= outgoing.drain_overflow();
        if !outgoing.overflow.is_empty() {
            return Err(Full(message));
        }
        outgoing.push(message).map_err(Full)
    }

    /// As `send`, and what finds no room waits here in order. The caller watches `queued` and `is_congested` and stops
    /// taking in work: nothing else bounds it.
    pub fn send_or_queue(&mut self, to: CoreId, message: T) {
        if let Err(Full(message)) = self.send(to, message) {
            let outgoing = &mut self.outgoing[usize::from(to.0)];
            // The peer is gone, as at a stop: nobody will ever make room.
            if !outgoing.ring.is_abandoned() {
                outgoing.overflow.push_back(message);
                self.queued += 1;
            }
        }
    }

    /// Messages that wait for room, to any core.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Whether messages wait for room.
    pub fn is_congested(&self) -> bool {
        self.queued > 0
    }

    /// Whether messages to this core wait for room.
    pub fn is_congested_to(&self, to: CoreId) -> bool {
        !self.outgoing[usize::from(to.0)].overflow.is_empty()
    }

    /// Moves on what waits for room, and wakes each core that got messages since the last flush, if it sleeps. Once per
    /// turn.
    pub fn flush(&mut self) {
        if self.queued > 0 {
            for outgoing in &mut self.outgoing {
                self.queued -= outgoing.drain_overflow();
            }
        }
        if self.outgoing.iter().any(|outgoing| outgoing.unflushed) {
            settle();
            for outgoing in self.outgoing.iter_mut().filter(|outgoing| outgoing.unflushed) {
                outgoing.unflushed = false;
                outgoing.peer.wake();
            }
        }
    }

    /// Appends up to `budget` messages with their senders; in order for each sender, the senders in turn. Returns how
    /// many: as many as the budget means that there may be more.
    pub fn receive(&mut self, budget: usize, out: &mut Vec<(CoreId, T)>) -> usize {
        self.sleeper.stay_awake();
        let count = self.incoming.len();
        let share = (budget / count.max(1)).max(1);
        let mut left = budget;
        let mut idle = 0;
        let mut index = self.first;
        while left > 0 && idle < count {
            let incoming = &mut self.incoming[index];
            let mut taken = 0;
            while taken < share.min(left) {
                let Ok(message) = incoming.ring.pop() else { break };
                out.push((CoreId(index as u16), message));
                taken += 1;
            }
            left -= taken;
            idle = if taken == 0 { idle + 1 } else { 0 };
            index = (index + 1) % count;
        }
        self.first = index;
        if left < budget {
            settle();
            for incoming in &self.incoming {
                if incoming.shortage.take() {
                    incoming.peer.wake();
                }
            }
        }
        budget - left
    }

    /// Announces that this core will wait for `wake_fd`. False: there is something to do already (messages to receive, or
    /// room for queued ones): take another turn instead. Flush before. `receive` ends the announcement.
    pub fn prepare_sleep(&mut self) -> bool {
        self.sleeper.announce();
        for outgoing in self.outgoing.iter().filter(|outgoing| !outgoing.overflow.is_empty()) {
            outgoing.shortage.announce();
        }
        settle();
        let work = self.incoming.iter().any(|incoming| !incoming.ring.is_empty())
            || self.outgoing.iter().any(|outgoing| !outgoing.overflow.is_empty() && !outgoing.ring.is_full())
            || self.outgoing.iter().any(|outgoing| outgoing.unflushed);
        if work {
            self.sleeper.stay_awake();
        }
        !work
    }

    /// Raised when another core has something for this one while it sleeps, or has made room. Other things that this core
    /// waits for may raise it too.
    pub fn signal(&self) -> &Signal {
        &self.sleeper.signal
    }

    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.sleeper.signal.as_fd()
    }
}

impl<T> Outgoing<T> {
    fn push(&mut self, message: T) -> Result<(), T> {
        match self.ring.push(message) {
            Ok(()) => {
                self.unflushed = true;
                Ok(())
            }
            Err(PushError::Full(message)) => Err(message),
        }
    }

    /// Moves what has room now from the overflow to the ring; how many left the overflow.
    fn drain_overflow(&mut self) -> usize {
        let before = self.overflow.len();
        while let Some(message) = self.overflow.pop_front() {
            if let Err(message) = self.push(message) {
                if self.ring.is_abandoned() {
                    // Nobody will ever make room: see `send_or_queue`.
                    self.overflow.clear();
                } else {
                    self.overflow.push_front(message);
                }
                break;
            }
        }
        before - self.overflow.len()
    }
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
