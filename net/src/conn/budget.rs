//! Bytes of requests in flight on one core: from the moment a frame's length is known until its answer is sent. Lives on
//! one core. A reader asks before it begins a frame, so the budget is exceeded by one frame at most, and a frame larger
//! than the whole budget still gets its turn.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
};

pub struct Budget {
    used: Cell<usize>,
    limit: usize,
    waiting: RefCell<Vec<Waker>>,
}

/// Bytes taken from the budget, given back when dropped.
pub struct Permit {
    budget: Rc<Budget>,
    bytes: usize,
}

impl Budget {
    pub fn new(limit: usize) -> Rc<Budget> {
        Rc::new(Budget { used: Cell::new(0), limit, waiting: RefCell::default() })
    }

    pub fn used(&self) -> usize {
        self.used.get()
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// May another frame begin? If not, `waker` is called when it may.
    pub fn admits(&self, waker: &Waker) -> bool {
        if self.used.get() < self.limit {
            return true;
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        false
    }

    /// Takes bytes, over the limit if need be: to be asked before with `admits`.
    pub fn take(self: &Rc<Budget>, bytes: usize) -> Permit {
        self.used.set(self.used.get() + bytes);
        Permit { budget: self.clone(), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let used = self.budget.used.get() - self.bytes;
        self.budget.used.set(used);
        if used < self.budget.limit && !self.budget.waiting.borrow().is_empty() {
            for waker in self.budget.waiting.take() {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_budget_admits_nothing_until_bytes_return() {
        let budget = Budget::new(100);
        let small = budget.take(60);
        assert!(budget.admits(Waker::noop()));
        let large = budget.take(1000);
        assert!(!budget.admits(Waker::noop()));
        drop(small);
        assert!(!budget.admits(Waker::noop()));
        drop(large);
        assert!(budget.admits(Waker::noop()));
        assert_eq!(budget.used(), 0);
    }
}
