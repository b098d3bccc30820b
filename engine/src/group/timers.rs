//! When groups want to be looked at. A heartbeat only moves a deadline (`Due`); the entry in the order of time is moved when
//! it rings too early. So 30,000 heartbeats cost 30,000 stores and not a walk, and a member that goes takes its entry along.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::consumer::MemberAlarm;
use crate::base::{Deadline, Now};

pub type GroupId = Arc<str>;
pub type MemberId = Arc<str>;

/// What rings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// A member, or one that was given an id, was silent for its session timeout.
    Session(MemberId),
    /// The time to join is over.
    Join,
    /// The time to sync is over.
    Sync,
    /// A consumer group's member is late with something.
    Member(MemberId, MemberAlarm),
}

/// A change of the order of time, made by a group, carried out by whoever owns the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerChange {
    Arm(Deadline, Alarm),
    Disarm(Deadline, Alarm),
}

/// A deadline that moves often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    at: Option<Deadline>,
    /// The entry in the order of time; never later than `at`.
    armed: Option<Deadline>,
}

/// What an alarm that rang means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rang {
    /// The deadline has passed.
    Over,
    /// It was moved, or is not wanted any more.
    Early,
}

impl Due {
    pub fn set(&mut self, at: Deadline, alarm: impl FnOnce() -> Alarm, changes: &mut Vec<TimerChange>) {
        self.at = Some(at);
        if self.armed.is_none_or(|armed| at < armed) {
            let alarm = alarm();
            if let Some(armed) = self.armed {
                changes.push(TimerChange::Disarm(armed, alarm.clone()));
            }
            changes.push(TimerChange::Arm(at, alarm));
            self.armed = Some(at);
        }
    }

    /// Takes the entry out of the order of time: for what goes for good.
    pub fn cancel(&mut self, alarm: impl FnOnce() -> Alarm, changes: &mut Vec<TimerChange>) {
        self.at = None;
        if let Some(armed) = self.armed.take() {
            changes.push(TimerChange::Disarm(armed, alarm()));
        }
    }

    pub fn ring(&mut self, now: Now, alarm: impl FnOnce() -> Alarm, changes: &mut Vec<TimerChange>) -> Rang {
        self.armed = None;
        match self.at {
            None => Rang::Early,
            Some(at) if now.reached(at) => {
                self.at = None;
                Rang::Over
            }
            Some(at) => {
                self.set(at, alarm, changes);
                Rang::Early
            }
        }
    }
}

/// The order of time of one core's groups.
#[derive(Debug, Default)]
pub struct Timers {
    order: BTreeSet<(Deadline, GroupId, Alarm)>,
}

impl Timers {
    pub fn next(&self) -> Option<Deadline> {
        self.order.first().map(|(deadline, ..)| *deadline)
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn change(&mut self, group: &GroupId, changes: Vec<TimerChange>) {
        for change in changes {
            match change {
                TimerChange::Arm(deadline, alarm) => {
                    self.order.insert((deadline, group.clone(), alarm));
                }
                TimerChange::Disarm(deadline, alarm) => {
                    self.order.remove(&(deadline, group.clone(), alarm));
                }
            }
        }
    }

    /// The next alarm that has rung.
    pub fn ring(&mut self, now: Now) -> Option<(GroupId, Alarm)> {
        if !now.reached(self.next()?) {
            return None;
        }
        let (_, group, alarm) = self.order.pop_first()?;
        Some((group, alarm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { mono_ns: ms * 1_000_000, ..Now::default() }
    }

    #[test]
    fn a_deadline_that_moves_back_keeps_one_entry_and_rings_at_the_last() {
        let (mut timers, mut due, group) = (Timers::default(), Due::default(), GroupId::from("g"));
        for ms in [10, 20, 30] {
            let mut changes = Vec::new();
            due.set(at(0).after_ms(ms), || Alarm::Join, &mut changes);
            timers.change(&group, changes);
        }
        assert_eq!(timers.len(), 1);
        assert_eq!(timers.ring(at(9)), None);
        assert_eq!(timers.ring(at(10)), Some((group.clone(), Alarm::Join)));
        let mut changes = Vec::new();
        assert_eq!(due.ring(at(10), || Alarm::Join, &mut changes), Rang::Early);
        timers.change(&group, changes);
        assert_eq!(timers.ring(at(30)), Some((group, Alarm::Join)));
        assert_eq!(due.ring(at(30), || Alarm::Join, &mut Vec::new()), Rang::Over);
    }

    #[test]
    fn an_earlier_deadline_and_a_cancelled_one_leave_no_entry_behind() {
        let (mut timers, mut due, group) = (Timers::default(), Due::default(), GroupId::from("g"));
        let mut changes = Vec::new();
        due.set(at(0).after_ms(30), || Alarm::Sync, &mut changes);
        due.set(at(0).after_ms(10), || Alarm::Sync, &mut changes);
        timers.change(&group, changes);
        assert_eq!((timers.len(), timers.next()), (1, Some(at(0).after_ms(10))));
        let mut changes = Vec::new();
        due.cancel(|| Alarm::Sync, &mut changes);
        timers.change(&group, changes);
        assert!(timers.is_empty());
    }
}
