//! Calls in flight of one core: each a cell that its Reply is put into and its caller waits at. Lives on one core.
//!
//! A call's number names its cell and how often the cell was used before, so the late Reply to a caller that has gone
//! finds nobody and is dropped.

use std::task::{Context, Poll, Waker};

use engine::shard::command::Reply;
use slab::Slab;

/// So many cells at most; the rest of a call's number counts uses.
const CELL_BITS: u32 = 24;

#[derive(Default)]
pub(super) struct Calls {
    cells: Slab<Cell>,
    uses: u64,
}

struct Cell {
    number: u64,
    state: State,
}

enum State {
    Waiting(Option<Waker>),
    Answered(Reply),
}

impl Calls {
    /// Opens a cell; its number.
    pub(super) fn open(&mut self) -> u64 {
        let entry = self.cells.vacant_entry();
        assert!(entry.key() < 1 << CELL_BITS, "more calls in flight than connections can make");
        self.uses = self.uses.wrapping_add(1);
        let number = self.uses << CELL_BITS | entry.key() as u64;
        entry.insert(Cell { number, state: State::Waiting(None) });
        number
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    fn key(&self, number: u64) -> Option<usize> {
        let key = (number & ((1 << CELL_BITS) - 1)) as usize;
        self.cells.get(key).filter(|cell| cell.number == number).map(|_| key)
    }

    /// Puts a Reply into its cell; whom to wake.
    pub(super) fn answer(&mut self, number: u64, reply: Reply) -> Option<Waker> {
        let key = self.key(number)?;
        match std::mem::replace(&mut self.cells[key].state, State::Answered(reply)) {
            State::Waiting(waker) => waker,
            State::Answered(_) => None,
        }
    }

    /// Takes the Reply and closes the cell.
    pub(super) fn poll(&mut self, number: u64, cx: &Context<'_>) -> Poll<Reply> {
        let Some(key) = self.key(number) else {
            // Only a future polled after its end gets here.
            return Poll::Pending;
        };
        if let State::Waiting(waker) = &mut self.cells[key].state {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        match self.cells.remove(key).state {
            State::Answered(reply) => Poll::Ready(reply),
            State::Waiting(_) => Poll::Pending,
        }
    }

    /// Closes the cell of a caller that waits no longer. Was it still open?
    pub(super) fn close(&mut self, number: u64) -> bool {
        self.key(number).map(|key| self.cells.remove(key)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_reaches_its_caller_and_nobody_after_it() {
        let mut calls = Calls::default();
        let cx = Context::from_waker(Waker::noop());
        let first = calls.open();
        assert!(calls.poll(first, &cx).is_pending());
        assert!(calls.answer(first, Reply::Watched).is_some());
        assert!(matches!(calls.poll(first, &cx), Poll::Ready(Reply::Watched)));
        assert_eq!(calls.len(), 0);

        let gone = calls.open();
        assert!(calls.close(gone));
        let next = calls.open();
        assert!(calls.answer(gone, Reply::Watched).is_none());
        assert!(calls.poll(next, &cx).is_pending());
        assert!(!calls.close(gone));
        assert_eq!(calls.len(), 1);
    }
}
