//! The connections of one core, by number: who is idle, who is to be ended. Wakes connections; never touches their sockets.
//! Lives on one core.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    task::Waker,
};

use slab::Slab;

use crate::limits;

/// What the core wants of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Serve,
    /// Read no more, answer what was read, end.
    Finish,
    /// End now; the word says why.
    End(&'static str),
}

/// One connection as its core sees it.
pub struct Entry {
    pub peer: SocketAddr,
    /// When bytes last moved, or a request was last in flight.
    pub active_ns: Cell<u64>,
    /// Set while a frame has begun that is not whole: then a stall counts as one sooner.
    pub inside_frame: Cell<bool>,
    /// Bytes of answers that its socket does not take.
    pub unsent_bytes: Cell<usize>,
    wish: Cell<Wish>,
    waker: RefCell<Option<Waker>>,
}

impl Entry {
    pub fn wish(&self) -> Wish {
        self.wish.get()
    }

    /// Whom to wake when the wish changes.
    pub fn wakes(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        match &mut *slot {
            Some(present) => present.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    fn want(&self, wish: Wish) {
        self.wish.set(wish);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

#[derive(Default)]
pub struct Registry {
    entries: RefCell<Slab<Rc<Entry>>>,
    wish: Cell<Option<Wish>>,
    empty: RefCell<Option<Waker>>,
}

/// A connection's place in the registry, left when dropped.
pub struct Place {
    registry: Rc<Registry>,
    key: usize,
    pub entry: Rc<Entry>,
}

impl Registry {
    pub fn enter(self: &Rc<Registry>, peer: SocketAddr, now_ns: u64) -> Place {
        let entry = Rc::new(Entry {
            peer,
            active_ns: Cell::new(now_ns),
            inside_frame: Cell::new(false),
            unsent_bytes: Cell::new(0),
            wish: Cell::new(self.wish.get().unwrap_or(Wish::Serve)),
            waker: RefCell::new(None),
        });
        let key = self.entries.borrow_mut().insert(entry.clone());
        Place { registry: self.clone(), key, entry }
    }

    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    /// Tells every connection, and those that come later.
    pub fn want(&self, wish: Wish) {
        self.wish.set(Some(wish));
        for (_, entry) in self.entries.borrow().iter() {
            entry.want(wish);
        }
    }

    /// Ends connections without activity for `idle_ms`, or stalled in the middle of a frame.
    pub fn sweep(&self, now_ns: u64, idle_ms: u64) {
        for (_, entry) in self.entries.borrow().iter() {
            let quiet_ms = now_ns.saturating_sub(entry.active_ns.get()) / 1_000_000;
            if entry.inside_frame.get() && quiet_ms > limits::FRAME_STALL_MS {
                entry.want(Wish::End("a request stopped halfway"));
            } else if quiet_ms > idle_ms {
                entry.want(Wish::End("idle for longer than connections.max.idle.ms"));
            }
        }
    }

    /// Bytes of answers that sockets do not take, of all connections.
    pub fn unsent_bytes(&self) -> usize {
        self.entries.borrow().iter().map(|(_, entry)| entry.unsent_bytes.get()).sum()
    }

    /// Where connections together hold more than `bytes_max` of answers that are not read, ends those that have not read for a
    /// while, the largest first, until the rest fits. A reader that only pauses keeps its connection while there is room.
    pub fn relieve(&self, now_ns: u64, bytes_max: usize) {
        let mut held = self.unsent_bytes();
        if held <= bytes_max {
            return;
        }
        let entries = self.entries.borrow();
        let stalled = |entry: &Entry| {
            let quiet_ms = now_ns.saturating_sub(entry.active_ns.get()) / 1_000_000;
            entry.unsent_bytes.get() > 0 && quiet_ms >= limits::READER_STALL_MS
        };
        let mut readers: Vec<_> = entries.iter().map(|(_, entry)| entry).filter(|one| stalled(one)).collect();
        readers.sort_by_key(|entry| std::cmp::Reverse(entry.unsent_bytes.get()));
        for reader in readers {
            if held <= bytes_max {
                return;
            }
            held -= reader.unsent_bytes.get();
            reader.want(Wish::End("does not read its answers, and their memory is wanted"));
        }
    }

    /// Is the last connection gone? If not, `waker` is called when it is.
    pub fn is_vacant(&self, waker: &Waker) -> bool {
        if self.is_empty() {
            return true;
        }
        *self.empty.borrow_mut() = Some(waker.clone());
        false
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.entries.borrow_mut().remove(self.key);
        if self.registry.is_empty()
            && let Some(waker) = self.registry.empty.take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_and_the_stalled_are_ended_and_nobody_else() {
        let registry = Rc::new(Registry::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let second = 1_000_000_000;
        let idle = registry.enter(peer, 0);
        let busy = registry.enter(peer, 0);
        let stalled = registry.enter(peer, 0);
        busy.entry.active_ns.set(600 * second);
        stalled.entry.active_ns.set(560 * second);
        stalled.entry.inside_frame.set(true);
        registry.sweep(601 * second, 600_000);
        assert!(matches!(idle.entry.wish(), Wish::End(_)));
        assert_eq!(busy.entry.wish(), Wish::Serve);
        assert!(matches!(stalled.entry.wish(), Wish::End(_)));
    }

    #[test]
    fn who_does_not_read_is_ended_when_the_memory_is_wanted_the_largest_first() {
        let registry = Rc::new(Registry::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let second = 1_000_000_000;
        let [small, large, reading] = [(10, 0), (50, 0), (90, 20)].map(|(unsent, active)| {
            let place = registry.enter(peer, active * second);
            place.entry.unsent_bytes.set(unsent);
            place
        });
        registry.relieve(20 * second, 150);
        assert_eq!(large.entry.wish(), Wish::Serve, "there is room");
        registry.relieve(20 * second, 100);
        assert!(matches!(large.entry.wish(), Wish::End(_)));
        assert_eq!((small.entry.wish(), reading.entry.wish()), (Wish::Serve, Wish::Serve));
    }

    #[test]
    fn a_wish_reaches_those_who_come_later_and_the_last_to_leave_is_noticed() {
        let registry = Rc::new(Registry::default());
        assert!(registry.is_vacant(Waker::noop()));
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let first = registry.enter(peer, 0);
        registry.want(Wish::Finish);
        let second = registry.enter(peer, 0);
        assert_eq!((first.entry.wish(), second.entry.wish()), (Wish::Finish, Wish::Finish));
        assert!(!registry.is_vacant(Waker::noop()));
        drop((first, second));
        assert!(registry.is_vacant(Waker::noop()));
    }
}
