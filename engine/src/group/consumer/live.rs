//! A consumer group at work: with the alarms of its members, which are not stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AlarmChange, ConsumerGroup, Decision, MemberAlarm, MemberId};
use crate::base::Now;
use crate::group::timers::{Alarm, Due, Rang, TimerChange};

#[derive(Clone, Debug)]
pub struct Live {
    pub group: ConsumerGroup,
    dues: BTreeMap<(MemberId, MemberAlarm), Due>,
}

impl Live {
    pub fn new(id: Arc<str>) -> Live {
        Live { group: ConsumerGroup::new(id), dues: BTreeMap::new() }
    }

    /// What a decision wants besides its records, when these are applied.
    pub fn settle(&mut self, now: Now, decision: &Decision, timers: &mut Vec<TimerChange>) {
        self.group.settle(decision);
        self.set_alarms(now, &decision.alarms, timers);
    }

    pub fn set_alarms(
        &mut self,
        now: Now,
        alarms: &[(MemberId, AlarmChange)],
        timers: &mut Vec<TimerChange>,
    ) {
        for (member, change) in alarms {
            match *change {
                AlarmChange::Set(alarm, ms) => self.set(now, member, alarm, ms, timers),
                AlarmChange::SetIfIdle(alarm, ms) => {
                    if !self.dues.contains_key(&(member.clone(), alarm)) {
                        self.set(now, member, alarm, ms, timers);
                    }
                }
                AlarmChange::Cancel(alarm) => {
                    if let Some(mut due) = self.dues.remove(&(member.clone(), alarm)) {
                        due.cancel(|| Alarm::Member(member.clone(), alarm), timers);
                    }
                }
            }
        }
    }

    fn set(
        &mut self,
        now: Now,
        member: &MemberId,
        alarm: MemberAlarm,
        ms: u64,
        timers: &mut Vec<TimerChange>,
    ) {
        // Of a member that there is not, nothing would ever take the alarm away.
        if self.group.member(member).is_none() {
            return;
        }
        let due = self.dues.entry((member.clone(), alarm)).or_default();
        due.set(now.after_ms(ms), || Alarm::Member(member.clone(), alarm), timers);
    }

    /// Whether the member is to be fenced.
    pub fn ring(
        &mut self,
        now: Now,
        member: &MemberId,
        alarm: MemberAlarm,
        timers: &mut Vec<TimerChange>,
    ) -> bool {
        let key = (member.clone(), alarm);
        let Some(due) = self.dues.get_mut(&key) else { return false };
        match due.ring(now, || Alarm::Member(member.clone(), alarm), timers) {
            Rang::Early => false,
            Rang::Over => {
                self.dues.remove(&key);
                self.group.is_overdue(member, alarm)
            }
        }
    }

    /// This core coordinates it no more.
    pub fn abandon(&mut self, timers: &mut Vec<TimerChange>) {
        for ((member, alarm), mut due) in std::mem::take(&mut self.dues) {
            due.cancel(|| Alarm::Member(member, alarm), timers);
        }
    }

    /// Memory that it holds, roughly.
    pub fn bytes(&self) -> usize {
        const DUE_BYTES: usize = 96;
        self.group.bytes() + self.dues.len() * DUE_BYTES
    }
}
