//! Memory of one use on one core: what it may come to, what is taken, and who waits for some. Lives on one core.
//!
//! What is large is taken before it is filled, in the order asked, and waits where it does not fit. What is small is taken as it
//! comes: it may use everything while nothing large waits, and always has a part of its own, so that a crowd of large ones never
//! stops those who ask for little. What has come of something large before it waits is counted by itself, up to half of that part more:
//! a crowd that only begins stops neither. Who finds no room to begin stands in a line: those who come later begin after him.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::limits;

/// Bytes that somebody holds, over all permits that are his.
pub type Meter = Rc<Cell<usize>>;

pub struct Budget {
    large: Cell<usize>,
    small: Cell<usize>,
    begun: Cell<usize>,
    /// What is large, all together.
    limit: usize,
    /// Beyond it, for what is small.
    spare: usize,
    queue: RefCell<Queue>,
    /// Who waits to begin something large, or to go on with its beginning.
    line: RefCell<Queue>,
    /// Who waits to take something small.
    gate: RefCell<Vec<Waker>>,
}

#[derive(Default)]
struct Queue {
    asked: VecDeque<Asked>,
    number: u64,
}

impl Queue {
    fn join(&mut self, bytes: usize, waker: &Waker) -> u64 {
        self.number += 1;
        self.asked.push_back(Asked { number: self.number, bytes, waker: waker.clone() });
        self.number
    }

    /// Was somebody of this number there?
    fn leave(&mut self, number: u64) -> bool {
        let before = self.asked.len();
        self.asked.retain(|asked| asked.number != number);
        self.asked.len() < before
    }
}

struct Asked {
    number: u64,
    bytes: usize,
    waker: Waker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Small,
    Large,
    Begun,
}

/// Bytes taken from the budget, given back when dropped.
pub struct Permit {
    budget: Rc<Budget>,
    size: Size,
    bytes: usize,
    meter: Option<Meter>,
}

/// A place in the queue for something large, left when dropped.
pub struct Waiting {
    budget: Rc<Budget>,
    number: u64,
    bytes: usize,
}

/// A place in the line of those who begin, left when dropped.
pub struct Turn {
    budget: Rc<Budget>,
    number: u64,
}

impl Budget {
    pub fn new(limit: usize, spare: usize) -> Rc<Budget> {
        Rc::new(Budget {
            large: Cell::default(),
            small: Cell::default(),
            begun: Cell::default(),
            limit,
            spare,
            queue: RefCell::default(),
            line: RefCell::default(),
            gate: RefCell::default(),
        })
    }

    pub fn used(&self) -> usize {
        self.large.get() + self.small.get() + self.begun.get()
    }

    /// All that may be used.
    pub fn bytes_max(&self) -> usize {
        self.limit + self.spare
    }

    /// The most that one may ask for.
    pub fn large_max(&self) -> usize {
        self.limit
    }

    /// May something small be taken? If not, `waker` is called when it may.
    pub fn admits(&self, waker: &Waker) -> bool {
        self.admits_below(usize::MAX, waker)
    }

    /// As `admits`, for those that leave what lies above `bytes` to others.
    pub fn admits_below(&self, bytes: usize, waker: &Waker) -> bool {
        if self.has_spare() && self.used() < bytes {
            return true;
        }
        self.knock(waker);
        false
    }

    /// May more come of something large that has begun? If not, it has a place in the line from now on, and `waker` is called when it
    /// may. The place is to be left once it was used, or is of no use.
    pub fn admits_begun(self: &Rc<Budget>, turn: &mut Option<Turn>, waker: &Waker) -> bool {
        let mut line = self.line.borrow_mut();
        let place = match turn {
            Some(turn) => line.asked.iter().position(|asked| asked.number == turn.number),
            None => None,
        };
        if place.unwrap_or(line.asked.len()) < self.begun_places() {
            return true;
        }
        match place {
            Some(place) => line.asked[place].waker.clone_from(waker),
            None => {
                let number = line.join(limits::SCRATCH_BYTES, waker);
                *turn = Some(Turn { budget: self.clone(), number });
            }
        }
        false
    }

    /// May somebody new begin something large before anybody else does?
    pub fn has_begun_room(&self) -> bool {
        self.line.borrow().asked.len() < self.begun_places()
    }

    /// How many may read on of what has begun now: each brings as much as one read does.
    fn begun_places(&self) -> usize {
        (self.spare / 2).saturating_sub(self.begun.get()).div_ceil(limits::SCRATCH_BYTES)
    }

    /// Of what is large, what has come before it waits.
    pub fn begun(&self) -> usize {
        self.begun.get()
    }

    /// How much of what has begun may stay where those in the line shall begin; none: nobody stands in it without room.
    pub fn begun_relieved_bytes(&self) -> Option<usize> {
        let line: usize = self.line.borrow().asked.iter().map(|asked| asked.bytes).sum();
        (line > 0 && self.begun_places() == 0).then(|| (self.spare / 2).saturating_sub(line))
    }

    /// Does somebody wait for something large?
    pub fn has_queue(&self) -> bool {
        !self.queue.borrow().asked.is_empty()
    }

    /// How much may stay in use where somebody waits: half, and no more than leaves the first in the queue what he asks for.
    pub fn relieved_bytes(&self) -> usize {
        let asked = self.queue.borrow().asked.front().map_or(0, |first| first.bytes);
        (self.bytes_max() / 2).min(self.limit.saturating_sub(asked))
    }

    fn knock(&self, waker: &Waker) {
        let mut gate = self.gate.borrow_mut();
        if !gate.iter().any(|other| other.will_wake(waker)) {
            gate.push(waker.clone());
        }
    }

    /// Does somebody wait?
    pub fn is_wanted(&self) -> bool {
        self.has_queue() || (!self.has_spare() && !self.gate.borrow().is_empty())
    }

    /// Takes something small, over the limit if need be: to be asked before with `admits`.
    pub fn take(self: &Rc<Budget>, bytes: usize) -> Permit {
        self.small.set(self.small.get() + bytes);
        Permit { budget: self.clone(), size: Size::Small, bytes, meter: None }
    }

    /// Takes what has come of something large, over the limit if need be: to be asked before with `admits_begun`.
    pub fn take_begun(self: &Rc<Budget>, bytes: usize) -> Permit {
        self.begun.set(self.begun.get() + bytes);
        Permit { budget: self.clone(), size: Size::Begun, bytes, meter: None }
    }

    fn of(&self, size: Size) -> &Cell<usize> {
        match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
            Size::Begun => &self.begun,
        }
    }

    /// Takes something large, if it fits and nobody waits.
    pub fn try_take(self: &Rc<Budget>, bytes: usize) -> Option<Permit> {
        (!self.has_queue() && self.fits(bytes)).then(|| self.take_large(bytes))
    }

    /// Takes something large when it fits. More than `large_max` never would.
    pub fn wait(self: &Rc<Budget>, bytes: usize) -> Waiting {
        let number = self.queue.borrow_mut().join(bytes, Waker::noop());
        Waiting { budget: self.clone(), number, bytes }
    }

    /// What is left for something large that nobody waits for.
    pub fn room(&self) -> usize {
        let borrowed = self.small.get().saturating_sub(self.spare);
        let left = self.limit.saturating_sub(self.large.get() + borrowed);
        if self.has_queue() { 0 } else { left }
    }

    /// May something small be taken now?
    pub fn has_spare(&self) -> bool {
        let limit =
            if self.has_queue() { self.spare } else { self.bytes_max() - self.large.get().min(self.limit) };
        self.small.get() < limit
    }

    fn fits(&self, bytes: usize) -> bool {
        let borrowed = self.small.get().saturating_sub(self.spare);
        self.large.get() + borrowed + bytes <= self.limit || self.used() == 0
    }

    fn take_large(self: &Rc<Budget>, bytes: usize) -> Permit {
        self.large.set(self.large.get() + bytes);
        Permit { budget: self.clone(), size: Size::Large, bytes, meter: None }
    }

    /// Something came back, or somebody left the queue.
    fn changed(&self) {
        let first = self
            .queue
            .borrow()
            .asked
            .front()
            .filter(|first| self.fits(first.bytes))
            .map(|first| first.waker.clone());
        if let Some(waker) = first {
            waker.wake();
        }
        if !self.gate.borrow().is_empty() && self.has_spare() {
            self.gate.take().into_iter().for_each(Waker::wake);
        }
        let line = self.line.borrow();
        line.asked.iter().take(self.begun_places()).for_each(|asked| asked.waker.wake_by_ref());
    }
}

impl Permit {
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts for whoever this meter belongs to.
    pub fn metered(mut self, meter: &Meter) -> Permit {
        self.unmeter();
        meter.set(meter.get() + self.bytes);
        self.meter = Some(meter.clone());
        self
    }

    /// Makes it `bytes`: less at once, more if there is room.
    pub fn try_resize(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        match self.size {
            _ if more == 0 => self.resize(bytes),
            Size::Large if self.budget.room() >= more => self.resize(bytes),
            Size::Large => return false,
            Size::Small | Size::Begun => match self.budget.try_take(bytes) {
                Some(mut large) => std::mem::swap(self, &mut large),
                None => return false,
            },
        }
        true
    }

    /// Makes it `bytes`, over the limit if need be.
    pub fn resize(&mut self, bytes: usize) {
        let used = self.budget.of(self.size);
        used.set(used.get() - self.bytes + bytes);
        if let Some(meter) = &self.meter {
            meter.set(meter.get() - self.bytes + bytes);
        }
        let less = bytes < self.bytes;
        self.bytes = bytes;
        if less {
            self.budget.changed();
        }
    }

    fn unmeter(&mut self) {
        if let Some(meter) = self.meter.take() {
            meter.set(meter.get() - self.bytes);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.resize(0);
        self.unmeter();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({} bytes)", self.bytes)
    }
}

impl Future for Waiting {
    type Output = Permit;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let mut queue = self.budget.queue.borrow_mut();
        match queue.asked.front_mut() {
            Some(first) if first.number == self.number && self.budget.fits(self.bytes) => {
                queue.asked.pop_front();
                drop(queue);
                let permit = self.budget.take_large(self.bytes);
                self.budget.changed();
                Poll::Ready(permit)
            }
            _ => {
                if let Some(own) = queue.asked.iter_mut().find(|asked| asked.number == self.number) {
                    own.waker.clone_from(cx.waker());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let left = self.budget.queue.borrow_mut().leave(self.number);
        if left {
            self.budget.changed();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let left = self.budget.line.borrow_mut().leave(self.number);
        if left {
            self.budget.changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(waiting: &mut Waiting) -> Option<Permit> {
        match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn what_is_large_waits_in_order_until_it_fits() {
        let budget = Budget::new(100, 10);
        let first = budget.try_take(60).unwrap();
        let mut second = budget.wait(50);
        let mut third = budget.wait(1);
        assert!(poll(&mut second).is_none() && poll(&mut third).is_none());
        assert!(budget.try_take(1).is_none(), "others wait already");
        assert!(budget.is_wanted());
        drop(first);
        assert!(poll(&mut third).is_none(), "not before the second");
        let second = poll(&mut second).unwrap();
        let third = poll(&mut third).unwrap();
        assert_eq!((budget.used(), budget.is_wanted()), (51, false));
        drop((second, third));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn who_leaves_the_queue_holds_nobody_up() {
        let budget = Budget::new(100, 10);
        let _held = budget.try_take(60).unwrap();
        let first = budget.wait(100);
        let mut second = budget.wait(40);
        assert!(poll(&mut second).is_none());
        drop(first);
        assert!(poll(&mut second).is_some());
    }

    #[test]
    fn what_is_small_always_has_its_part_and_more_while_nothing_large_waits() {
        let budget = Budget::new(100, 10);
        let mut small: Vec<Permit> = (0..11).map(|_| budget.take(10)).collect();
        assert!(!budget.admits(Waker::noop()), "all is used");
        small.truncate(5);
        assert!(budget.admits(Waker::noop()));
        let mut large = budget.wait(100);
        assert!(!budget.admits(Waker::noop()), "beyond its part something large comes first");
        small.clear();
        assert!(budget.admits(Waker::noop()));
        let _large = poll(&mut large).unwrap();
        let _small = budget.take(9);
        assert!(budget.admits(Waker::noop()), "the large one leaves it its part");
    }

    #[test]
    fn what_has_begun_has_a_part_of_its_own_and_takes_nothing_from_others() {
        let read = limits::SCRATCH_BYTES;
        let budget = Budget::new(100 * read, 10 * read);
        let begun: Vec<Permit> = (0..5).map(|_| budget.take_begun(read)).collect();
        assert_eq!(budget.begun_relieved_bytes(), None, "nobody stands in the line");
        let mut turn = None;
        assert!(!budget.admits_begun(&mut turn, Waker::noop()));
        assert_eq!(budget.begun_relieved_bytes(), Some(4 * read));
        assert_eq!((budget.begun(), budget.used()), (5 * read, 5 * read));
        assert!(budget.admits(Waker::noop()));
        let mut large = budget.wait(100 * read);
        assert!(poll(&mut large).is_some() && budget.admits(Waker::noop()));
        drop(begun);
        assert!(budget.admits_begun(&mut turn, Waker::noop()));
        assert_eq!(budget.begun_relieved_bytes(), None);
    }

    #[test]
    fn who_found_no_room_to_begin_begins_before_those_who_come_later() {
        let read = limits::SCRATCH_BYTES;
        let budget = Budget::new(0, 4 * read);
        let mut begun: Vec<Permit> = (0..2).map(|_| budget.take_begun(read)).collect();
        let [mut first, mut second, mut third] = [None, None, None];
        let admits = |turn: &mut Option<Turn>| budget.admits_begun(turn, Waker::noop());
        assert!(!admits(&mut first) && !admits(&mut second));
        begun.pop();
        assert!(!budget.has_begun_room() && !admits(&mut third), "one may begin, and two are before it");
        assert!(!admits(&mut second) && admits(&mut first));
        first = None;
        assert!(admits(&mut second) && !admits(&mut third), "the first had no use of it");
        begun.pop();
        assert!(admits(&mut third) && first.is_none());
        drop((second, third));
        assert!(budget.has_begun_room());
    }

    #[test]
    fn who_leaves_a_part_to_others_waits_sooner() {
        let budget = Budget::new(0, 100);
        let held = budget.take(50);
        assert!(!budget.admits_below(50, Waker::noop()) && budget.admits(Waker::noop()));
        assert!(!budget.is_wanted(), "there is room");
        drop(held);
        assert!(budget.admits_below(50, Waker::noop()));
    }

    #[test]
    fn a_permit_grows_only_where_there_is_room_and_its_meter_follows() {
        let budget = Budget::new(100, 20);
        let meter = Meter::default();
        let mut large = budget.try_take(50).unwrap().metered(&meter);
        let mut small = budget.take(15).metered(&meter);
        assert_eq!(meter.get(), 65);
        assert!(large.try_resize(70) && !large.try_resize(101));
        assert!(small.try_resize(30), "it becomes a large one");
        assert!(!small.try_resize(31) && small.try_resize(5));
        drop((large, small));
        assert_eq!((budget.used(), meter.get()), (0, 0));
    }
}
