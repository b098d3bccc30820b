//! How busy a core is, and whether it takes in a connection that another core would hand over to it. Pure.

use crate::limits;

/// Of one window of time after the other.
#[derive(Debug, Default)]
pub(super) struct Load {
    since_ns: u64,
    busy_ns: u64,
    /// Of the window before.
    permille: u64,
    /// One has come in this window: what it brings shows in the next.
    has_taken: bool,
}

impl Load {
    /// Its tasks have run for so long.
    pub(super) fn add(&mut self, now_ns: u64, ns: u64) {
        self.busy_ns += ns;
        let elapsed_ns = now_ns.saturating_sub(self.since_ns);
        if elapsed_ns >= limits::LOAD_WINDOW_NS {
            let permille = self.busy_ns * 1000 / elapsed_ns;
            *self = Load { since_ns: now_ns, permille, ..Load::default() };
        }
    }

    /// Is there room for one more connection? If so, it counts as taken.
    pub(super) fn take_one(&mut self, now_ns: u64) -> bool {
        self.add(now_ns, 0);
        let takes = !self.has_taken && self.permille < limits::LOAD_PERMILLE_MAX;
        self.has_taken |= takes;
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = limits::LOAD_WINDOW_NS;

    #[test]
    fn a_core_takes_one_connection_in_a_while_and_none_while_it_is_busy() {
        let mut load = Load::default();
        load.add(WINDOW, WINDOW / 10);
        assert!(load.take_one(WINDOW));
        assert!(!load.take_one(WINDOW + 1), "a second one at once");
        load.add(2 * WINDOW, WINDOW * 9 / 10);
        assert!(!load.take_one(2 * WINDOW), "it is busy");
        // Nothing ran for long.
        assert!(load.take_one(20 * WINDOW));
    }
}
