//! Where a connection's requests go. One whose partitions lie on another core costs both cores: every request and every answer crosses
//! the bus, and wakes somebody. Pure.

use engine::base::CoreId;

use crate::limits;

/// Where the partitions of one request lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    /// All of them.
    On(CoreId),
    Spread,
}

impl Lies {
    /// Of partitions on these cores; none: of none.
    pub fn of(mut cores: impl Iterator<Item = CoreId>) -> Option<Lies> {
        let first = cores.next()?;
        Some(if cores.all(|core| core == first) { Lies::On(first) } else { Lies::Spread })
    }
}

/// Which core most of the last requests went to: each that goes there counts for it, each that does not against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    core: Option<CoreId>,
    score: u32,
    /// So many requests more do not count.
    rest: u32,
}

impl Traffic {
    /// Of a connection that its core had no room for: it stays where it is for a while.
    pub fn resting() -> Traffic {
        Traffic { rest: limits::MOVE_REST_REQUESTS, ..Traffic::default() }
    }

    pub fn note(&mut self, lies: Lies) {
        if self.rest > 0 {
            self.rest -= 1;
            return;
        }
        match lies {
            Lies::On(core) if self.core == Some(core) => {
                self.score = (self.score + 1).min(limits::MOVE_AFTER_REQUESTS);
            }
            Lies::On(core) if self.score == 0 => (self.core, self.score) = (Some(core), 1),
            Lies::On(_) | Lies::Spread => self.score = self.score.saturating_sub(1),
        }
    }

    /// Where it belongs, once that is clear.
    pub fn home(&self) -> Option<CoreId> {
        self.core.filter(|_| self.score >= limits::MOVE_AFTER_REQUESTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENOUGH: u32 = limits::MOVE_AFTER_REQUESTS;

    fn note(traffic: &mut Traffic, lies: Lies, count: u32) {
        (0..count).for_each(|_| traffic.note(lies));
    }

    #[test]
    fn a_core_is_home_once_most_requests_went_there() {
        let mut traffic = Traffic::default();
        note(&mut traffic, Lies::On(CoreId(1)), ENOUGH - 1);
        assert_eq!(traffic.home(), None);
        note(&mut traffic, Lies::On(CoreId(2)), 1);
        note(&mut traffic, Lies::On(CoreId(1)), 2);
        assert_eq!(traffic.home(), Some(CoreId(1)));
        // What went there long ago counts no more than so much.
        note(&mut traffic, Lies::On(CoreId(1)), 10 * ENOUGH);
        note(&mut traffic, Lies::Spread, ENOUGH);
        note(&mut traffic, Lies::On(CoreId(2)), ENOUGH);
        assert_eq!(traffic.home(), Some(CoreId(2)));
    }

    #[test]
    fn who_asks_everywhere_has_no_home() {
        let mut traffic = Traffic::default();
        for number in 0..10 * ENOUGH {
            traffic.note(Lies::On(CoreId((number % 2) as u16)));
            traffic.note(Lies::Spread);
            assert_eq!(traffic.home(), None);
        }
    }

    #[test]
    fn who_was_sent_back_stays_for_a_while() {
        let mut traffic = Traffic::resting();
        note(&mut traffic, Lies::On(CoreId(1)), limits::MOVE_REST_REQUESTS + ENOUGH - 1);
        assert_eq!(traffic.home(), None);
        note(&mut traffic, Lies::On(CoreId(1)), 1);
        assert_eq!(traffic.home(), Some(CoreId(1)));
    }
}
