//! A rebalance: from the first who joins to the generation that all know, and what happens when somebody does not come.

use super::{ClassicGroup, Phase, Preparing, Turn, answer_join, answer_sync};
use crate::error::ErrorCode;
use crate::group::effects::{Proposal, Then};
use crate::group::limits::STATIC_MEMBERS_WAIT_MS_MIN;
use crate::group::request::Reply;
use crate::group::timers::{Alarm, MemberId, Rang};

impl ClassicGroup {
    pub(super) fn rebalance_or_complete(&mut self, turn: &mut Turn<'_>, why: &str) {
        match self.phase {
            Phase::Empty | Phase::Completing | Phase::Stable => self.prepare(turn, why),
            Phase::Preparing(_) => self.complete_join_if_all_are_here(turn),
        }
    }

    /// All members must join anew.
    pub fn prepare(&mut self, turn: &mut Turn<'_>, why: &str) {
        tracing::debug!(group = %turn.id, generation = self.generation, from = %self.phase, why, "a group rebalances");
        if self.phase == Phase::Completing {
            self.drop_syncs(turn, ErrorCode::RebalanceInProgress);
        }
        self.unsynced.clear();
        self.sync_due.cancel(|| Alarm::Sync, &mut turn.effects.timers);
        if self.phase == Phase::Empty {
            let delay_ms = turn.config.initial_rebalance_delay_ms;
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms);
            let initial = Preparing::Initial { delay_ms, remaining_ms, new_member: false };
            self.enter(turn.now, Phase::Preparing(initial));
            self.wait_for_joins(turn, delay_ms);
        } else {
            self.enter(turn.now, Phase::Preparing(Preparing::Again));
            if self.all_are_here() {
                self.complete_join(turn);
            } else {
                self.wait_for_joins(turn, self.rebalance_timeout_ms());
            }
        }
    }

    fn wait_for_joins(&mut self, turn: &mut Turn<'_>, ms: u64) {
        self.join_due.cancel(|| Alarm::Join, &mut turn.effects.timers);
        self.join_due.set(turn.now.after_ms(ms), || Alarm::Join, &mut turn.effects.timers);
    }

    fn all_are_here(&self) -> bool {
        self.joining == self.members.len() && self.pending.is_empty()
    }

    pub(super) fn complete_join_if_all_are_here(&mut self, turn: &mut Turn<'_>) {
        if self.phase == Phase::Preparing(Preparing::Again) && self.all_are_here() {
            self.complete_join(turn);
        }
    }

    /// The time is over, or all are here: those who joined are the next generation.
    fn complete_join(&mut self, turn: &mut Turn<'_>) {
        self.join_due.cancel(|| Alarm::Join, &mut turn.effects.timers);
        let late = |member: &&super::Member| member.join.is_none() && !member.is_static();
        let gone: Vec<MemberId> =
            self.members.values().filter(late).map(|member| member.id.clone()).collect();
        for id in gone {
            self.remove_member(turn, &id);
        }
        let somebody_leads = self.elect();
        if !somebody_leads && !self.members.is_empty() {
            // Static members only, and none of them is back: they keep their places until their sessions end.
            self.wait_for_joins(turn, self.rebalance_timeout_ms().max(STATIC_MEMBERS_WAIT_MS_MIN));
            return;
        }
        self.generation = self.generation.wrapping_add(1).max(0);
        self.unsynced.clear();
        if self.members.is_empty() {
            self.protocol = None;
            self.subscription = self.subscribed();
            self.enter(turn.now, Phase::Empty);
            let records = vec![self.record(turn.id)];
            let (partition, replies, then) = (turn.partition, Vec::new(), Then::Nothing);
            turn.effects.proposals.push(Proposal { partition, records, replies, then });
            return;
        }
        self.protocol = self.votes.choose(self.members.values());
        self.subscription = self.subscribed();
        self.enter(turn.now, Phase::Completing);
        self.answer_joins(turn);
        let timeout_ms = self.rebalance_timeout_ms();
        self.sync_due.set(turn.now.after_ms(timeout_ms), || Alarm::Sync, &mut turn.effects.timers);
    }

    fn answer_joins(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.joined(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
                if let Some(caller) = member.join.take() {
                    self.joining -= 1;
                    turn.effects.reply(caller, Reply::Joined(joined));
                }
            }
            self.touch(turn, &id);
            self.unsynced.insert(id);
        }
    }

    /// A leader that did not join is followed by one that did. Whether there is a leader that joined.
    fn elect(&mut self) -> bool {
        let joined = |member: &super::Member| member.join.is_some();
        if self.leader.as_ref().and_then(|leader| self.members.get(leader)).is_some_and(joined) {
            return true;
        }
        let next = self.members.values().find(|member| joined(member)).map(|member| member.id.clone());
        match next {
            Some(next) => {
                self.leader = Some(next);
                true
            }
            None => false,
        }
    }

    pub(super) fn subscribed(&self) -> Option<std::collections::BTreeSet<std::sync::Arc<str>>> {
        if !self.speaks_consumer() {
            return None;
        }
        match (&self.protocol, self.members.is_empty()) {
            (_, true) => Some(Default::default()),
            (None, false) => None,
            (Some(protocol), false) => super::subscription::union(
                self.members.values().filter_map(|member| member.metadata(protocol)),
            ),
        }
    }

    /// Refuses all syncs that wait; nobody has an assignment.
    pub(super) fn drop_syncs(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else { continue };
            self.bytes -= member.assignment.len();
            member.assignment = bytes::Bytes::new();
            if member.sync.is_some() {
                answer_sync(turn.effects, member, error);
                member.sync = None;
                self.touch(turn, &id);
            }
        }
    }

    pub fn ring(&mut self, turn: &mut Turn<'_>, alarm: Alarm) {
        let timers = &mut turn.effects.timers;
        match alarm {
            Alarm::Join => {
                if self.join_due.ring(turn.now, || Alarm::Join, timers) == Rang::Over {
                    self.joins_are_over(turn);
                }
            }
            Alarm::Sync => {
                if self.sync_due.ring(turn.now, || Alarm::Sync, timers) == Rang::Over {
                    self.syncs_are_over(turn);
                }
            }
            Alarm::Session(id) => self.session_rang(turn, id),
            // A consumer group's.
            Alarm::Member(..) => {}
        }
    }

    fn joins_are_over(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Preparing(Preparing::Initial { delay_ms, remaining_ms, new_member: true })
                if remaining_ms > 0 =>
            {
                let next_ms = turn.config.initial_rebalance_delay_ms.min(remaining_ms);
                let remaining_ms = remaining_ms.saturating_sub(delay_ms);
                let initial = Preparing::Initial { delay_ms: next_ms, remaining_ms, new_member: false };
                self.phase = Phase::Preparing(initial);
                self.wait_for_joins(turn, next_ms);
            }
            Phase::Preparing(_) => self.complete_join(turn),
            Phase::Empty | Phase::Completing | Phase::Stable => {}
        }
    }

    /// Who joined and did not ask for its part is gone.
    fn syncs_are_over(&mut self, turn: &mut Turn<'_>) {
        if self.unsynced.is_empty() || !matches!(self.phase, Phase::Completing | Phase::Stable) {
            return;
        }
        for id in std::mem::take(&mut self.unsynced) {
            self.remove_member(turn, &id);
        }
        self.prepare(turn, "members did not sync in time");
    }

    fn session_rang(&mut self, turn: &mut Turn<'_>, id: MemberId) {
        if let Some(due) = self.pending.get_mut(&id) {
            let rang = due.ring(turn.now, || Alarm::Session(id.clone()), &mut turn.effects.timers);
            if rang == Rang::Over {
                self.forget_pending(turn, &id);
                self.complete_join_if_all_are_here_or_initial(turn);
            }
            return;
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        let rang = member.session.ring(turn.now, || Alarm::Session(id.clone()), &mut turn.effects.timers);
        if rang == Rang::Over && !member.is_excused() {
            self.lose_member(turn, &id);
        }
    }

    /// The member was silent for too long.
    fn lose_member(&mut self, turn: &mut Turn<'_>, id: &str) {
        let Some(member) = self.remove_member(turn, id) else { return };
        answer_join(turn.effects, &member, ErrorCode::UnknownMemberId);
        answer_sync(turn.effects, &member, ErrorCode::UnknownMemberId);
        match self.phase {
            Phase::Completing | Phase::Stable => self.prepare(turn, "a member's session ended"),
            Phase::Preparing(_) => self.complete_join_if_all_are_here_or_initial(turn),
            Phase::Empty => {}
        }
    }

    /// When the last one goes silent, an initial delay has nobody left to wait for.
    fn complete_join_if_all_are_here_or_initial(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Preparing(_)) && self.all_are_here() {
            self.complete_join(turn);
        }
    }

    /// Loaded: the members' sessions begin now; a group that is over the limit rebalances, so that some can leave.
    pub fn loaded(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in ids {
            self.touch(turn, &id);
        }
        if self.phase == Phase::Stable && self.members.len() > turn.config.size_max {
            self.prepare(turn, "the group is larger than group.max.size");
        }
    }
}
