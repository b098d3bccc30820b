//! The connections of one core, by number: who is idle, who is to be ended. Wakes connections; never touches their sockets.
//! Lives on one core.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    task::Waker,
};

use slab::Slab;

use super::{Budget, Meter};
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
    active_ns: Cell<u64>,
    /// Set while a frame has begun that is not whole: then a stall counts as one sooner.
    pub inside_frame: Cell<bool>,
    /// Set while a frame of it waits for memory: that it does not get on is not its peer's doing.
    pub waits: Cell<bool>,
    /// What its requests hold, and what its answers hold until its socket has taken them.
    pub requests: Meter,
    pub answers: Meter,
    /// Bytes that moved since `fresh_ns`, when it last had moved `FRESH_BYTES_MIN` of them.
    fresh: Cell<usize>,
    fresh_ns: Cell<u64>,
    /// Bytes that moved since the last sweep.
    moved: Cell<usize>,
    /// Its answers wait for long already: they shall not hold buffers that they are small parts of.
    pub unpin: Cell<bool>,
    /// When it last held nothing, waited for memory, had an answer made, or moved bytes at a rate that is worth its memory.
    pub progress_ns: Cell<u64>,
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

    /// So many bytes moved.
    pub fn touch(&self, now_ns: u64, bytes: usize) {
        self.active_ns.set(now_ns);
        self.moved.set(self.moved.get().saturating_add(bytes));
        self.fresh.set(self.fresh.get().saturating_add(bytes));
        if self.fresh.get() >= limits::FRESH_BYTES_MIN {
            self.fresh.set(0);
            self.fresh_ns.set(now_ns);
        }
    }

    /// What it holds of the beginning of a large request whose peer has stopped, if it is no more than that.
    fn begun(&self) -> usize {
        let held = self.requests.get();
        if self.inside_frame.get() && !self.waits.get() && held <= limits::BEGUN_BYTES_MAX { held } else { 0 }
    }

    fn want(&self, wish: Wish) {
        self.wish.set(wish);
        self.wake();
    }

    pub fn wake(&self) {
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
            waits: Cell::new(false),
            requests: Meter::default(),
            answers: Meter::default(),
            fresh: Cell::new(0),
            fresh_ns: Cell::new(now_ns),
            moved: Cell::new(0),
            unpin: Cell::new(false),
            progress_ns: Cell::new(now_ns),
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

    /// Ends connections without activity for `idle_ms`, or stalled in the middle of a frame. To be called every `SWEEP_MS`: it also sees
    /// who makes progress.
    pub fn sweep(&self, now_ns: u64, idle_ms: u64) {
        for (_, entry) in self.entries.borrow().iter() {
            let moved = entry.moved.take();
            let holds_nothing = entry.requests.get() + entry.answers.get() == 0;
            if moved >= limits::HOLDER_PACE_BYTES || holds_nothing || entry.waits.get() {
                entry.progress_ns.set(now_ns);
            }
            if moved == 0 && entry.answers.get() > 0 {
                entry.unpin.set(true);
                entry.wake();
            }
            let quiet_ms = now_ns.saturating_sub(entry.active_ns.get()) / 1_000_000;
            if entry.inside_frame.get() && quiet_ms > limits::FRAME_STALL_MS {
                entry.want(Wish::End("a request stopped halfway"));
            } else if quiet_ms > idle_ms {
                entry.want(Wish::End("idle for longer than connections.max.idle.ms"));
            }
        }
    }

    /// Where somebody waits for the memory of answers, or of requests, ends those that hold some and have stood still for a while, the
    /// largest first, until half of it is free and the first who waits is served. Who only pauses keeps his connection while there is
    /// room. Before that, whoever has begun a request looks whether to give its memory up. Those who stopped after a beginning end sooner
    /// where others stand in line to begin. To be called every `RELIEF_MS`.
    pub fn relieve(&self, now_ns: u64, answers: &Budget, requests: &Budget) {
        let unread = "does not read its answers, and their memory is wanted";
        let unfinished = "its requests do not get on, and their memory is wanted";
        let relieved = |budget: &Budget| budget.is_wanted().then(|| (budget.used(), budget.relieved_bytes()));
        let ms_since = |ns: &Cell<u64>| now_ns.saturating_sub(ns.get()) / 1_000_000;
        let stalled = |entry: &Entry| ms_since(&entry.progress_ns) >= limits::HOLDER_STALL_MS;
        self.free(relieved(answers), stalled, |entry| entry.answers.get(), unread);
        if requests.has_queue() {
            let entries = self.entries.borrow();
            entries.iter().filter(|(_, entry)| entry.inside_frame.get()).for_each(|(_, entry)| entry.wake());
        }
        self.free(relieved(requests), stalled, |entry| entry.requests.get(), unfinished);
        let begun = requests.begun_relieved_bytes().map(|relieved| (requests.begun(), relieved));
        let stopped = |entry: &Entry| ms_since(&entry.fresh_ns) >= limits::BEGUN_STALL_MS;
        self.free(begun, stopped, Entry::begun, unfinished);
    }

    /// `used`: what is used, and what may stay; none: nobody wants it.
    fn free(
        &self,
        used: Option<(usize, usize)>,
        stalled: impl Fn(&Entry) -> bool,
        held: impl Fn(&Entry) -> usize,
        reason: &'static str,
    ) {
        let Some((mut used, relieved)) = used else { return };
        let entries = self.entries.borrow();
        let mut holders: Vec<_> = entries
            .iter()
            .map(|(_, entry)| entry)
            .filter(|entry| held(entry) > 0 && stalled(entry))
            .collect();
        holders.sort_by_key(|entry| std::cmp::Reverse(held(entry)));
        for holder in holders {
            if used <= relieved {
                return;
            }
            used = used.saturating_sub(held(holder));
            holder.want(Wish::End(reason));
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
    fn who_holds_memory_and_stands_still_is_ended_when_it_is_wanted_the_largest_first() {
        let registry = Rc::new(Registry::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let (answers, requests) = (Budget::new(100, 0), Budget::new(100, 0));
        let [small, large, reading] = [20, 35, 45].map(|unsent| {
            let place = registry.enter(peer, 0);
            let permit = answers.try_take(unsent).unwrap().metered(&place.entry.answers);
            (place, permit)
        });
        let sweep = |second: u64| {
            reading.0.entry.moved.set(limits::HOLDER_PACE_BYTES);
            small.0.entry.moved.set(10);
            registry.sweep(second * 1_000_000_000, u64::MAX / 2);
            registry.relieve(second * 1_000_000_000, &answers, &requests);
        };
        (1..20).for_each(sweep);
        assert_eq!(large.0.entry.wish(), Wish::Serve, "nobody wants it");
        let _waiting = answers.wait(50);
        sweep(20);
        assert!(matches!(large.0.entry.wish(), Wish::End(_)));
        assert!(matches!(small.0.entry.wish(), Wish::End(_)), "a few bytes a second are no progress");
        assert_eq!(reading.0.entry.wish(), Wish::Serve);
    }

    #[test]
    fn who_begins_to_hold_memory_after_long_silence_has_his_time() {
        let registry = Rc::new(Registry::default());
        let place = registry.enter(SocketAddr::from(([127, 0, 0, 1], 1)), 0);
        let (answers, requests) = (Budget::new(100, 0), Budget::new(100, 0));
        let second = 1_000_000_000;
        registry.sweep(100 * second, u64::MAX / 2);
        let _permit = requests.try_take(100).unwrap().metered(&place.entry.requests);
        let _waiting = requests.wait(100);
        registry.sweep(101 * second, u64::MAX / 2);
        registry.relieve(101 * second, &answers, &requests);
        assert_eq!(place.entry.wish(), Wish::Serve);
        registry.relieve(106 * second, &answers, &requests);
        assert!(matches!(place.entry.wish(), Wish::End(_)));
    }

    #[test]
    fn who_waits_for_memory_is_not_to_blame_and_enough_is_freed_for_the_first_who_does() {
        let registry = Rc::new(Registry::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let (answers, requests) = (Budget::new(100, 0), Budget::new(100, 20));
        let [waiting, small, silent] = [30, 3, 10].map(|bytes| {
            let place = registry.enter(peer, 0);
            let permit = requests.take(bytes).metered(&place.entry.requests);
            (place, permit)
        });
        waiting.0.entry.waits.set(true);
        let _waiting = requests.wait(96);
        for second in 1..=5 {
            registry.sweep(second * 1_000_000_000, u64::MAX / 2);
            registry.relieve(second * 1_000_000_000, &answers, &requests);
        }
        assert_eq!(waiting.0.entry.wish(), Wish::Serve);
        assert!(matches!(silent.0.entry.wish(), Wish::End(_)), "there is less than the first asks for");
        assert!(matches!(small.0.entry.wish(), Wish::End(_)), "and still less");
    }

    #[test]
    fn who_stops_after_a_beginning_makes_room_for_those_who_stand_in_line_and_who_goes_on_stays() {
        let registry = Rc::new(Registry::default());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let read = limits::SCRATCH_BYTES;
        let (answers, requests) = (Budget::new(0, 0), Budget::new(100 * read, 6 * read));
        let [stopped, trickling, going] = [(); 3].map(|()| {
            let place = registry.enter(peer, 0);
            place.entry.inside_frame.set(true);
            let permit = requests.take_begun(read).metered(&place.entry.requests);
            (place, permit)
        });
        let look = |ms: u64| {
            trickling.0.entry.touch(ms * 1_000_000, 1);
            going.0.entry.touch(ms * 1_000_000, limits::FRESH_BYTES_MIN);
            registry.relieve(ms * 1_000_000, &answers, &requests);
        };
        look(10 * limits::BEGUN_STALL_MS);
        assert_eq!(stopped.0.entry.wish(), Wish::Serve, "nobody stands in line");
        let mut turn = None;
        assert!(!requests.admits_begun(&mut turn, Waker::noop()));
        look(10 * limits::BEGUN_STALL_MS + limits::RELIEF_MS);
        let ended = [&stopped, &trickling, &going].map(|one| matches!(one.0.entry.wish(), Wish::End(_)));
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "one stands in line");
        let mut second = None;
        assert!(!requests.admits_begun(&mut second, Waker::noop()));
        look(10 * limits::BEGUN_STALL_MS + 2 * limits::RELIEF_MS);
        assert!(matches!(stopped.0.entry.wish(), Wish::End(_)), "and now two");
        assert!(matches!(trickling.0.entry.wish(), Wish::End(_)), "a byte at a time is no progress");
        assert_eq!(going.0.entry.wish(), Wish::Serve);
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
