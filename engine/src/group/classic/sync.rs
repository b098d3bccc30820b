//! SyncGroup: the leader brings the assignment, everybody fetches its part.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{ClassicGroup, Phase, Turn};
use crate::error::ErrorCode;
use crate::group::effects::{Proposal, Then};
use crate::group::request::{Caller, Reply, Sync, Synced};
use crate::group::timers::{Alarm, MemberId};

impl ClassicGroup {
    pub fn sync(&mut self, turn: &mut Turn<'_>, caller: Caller, sync: Sync) {
        if let Err(error) = self.check_sync(&sync) {
            turn.effects.reply(caller, Reply::Synced(Synced::refused(error)));
            return;
        }
        self.has_synced(turn, &sync.member);
        if self.phase == Phase::Stable {
            if let Some(member) = self.members.get(&*sync.member) {
                let synced = Reply::Synced(self.synced(member.assignment.clone()));
                // The generation may be on its way into the log.
                turn.effects.settled.push((caller, synced, vec![turn.partition]));
            }
            return;
        }
        let Some(member) = self.members.get_mut(&*sync.member) else { return };
        if let Some(first) = member.sync.replace(caller) {
            // The client asked again on another connection.
            let refused = Synced::refused(ErrorCode::RebalanceInProgress);
            turn.effects.reply(first, Reply::Synced(refused));
        }
        if self.is_leader(&sync.member) {
            let assignments: BTreeMap<&str, &Bytes> =
                sync.assignments.iter().map(|(member, assignment)| (&**member, assignment)).collect();
            let proposal = Proposal {
                partition: turn.partition,
                records: vec![self.record_with(turn, &assignments)],
                replies: Vec::new(),
                then: Then::Assigned { group: turn.id.clone(), generation: self.generation },
            };
            turn.effects.proposals.push(proposal);
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        if self.is_empty() {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.check_member(&sync.member, sync.instance.as_deref())?;
        if sync.generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |asked: &Option<String>, known: &Option<std::sync::Arc<str>>| matches!((asked, known), (Some(asked), Some(known)) if **asked != **known);
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.phase {
            Phase::Preparing(_) => Err(ErrorCode::RebalanceInProgress),
            Phase::Empty | Phase::Completing | Phase::Stable => Ok(()),
        }
    }

    fn has_synced(&mut self, turn: &mut Turn<'_>, member: &str) {
        self.unsynced.remove(member);
        if self.unsynced.is_empty() {
            self.sync_due.cancel(|| Alarm::Sync, &mut turn.effects.timers);
        }
    }

    fn synced(&self, assignment: Bytes) -> Synced {
        Synced {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }

    /// The assignment is in the log, and by `install` in the members: whoever waits for it, for when it is durable.
    pub fn assigned(&mut self, turn: &mut Turn<'_>) -> Vec<(Caller, Reply)> {
        let ids: Vec<MemberId> = self.members.keys().cloned().collect();
        let mut replies = Vec::new();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else { continue };
            let Some(caller) = member.sync.take() else { continue };
            let assignment = member.assignment.clone();
            replies.push((caller, Reply::Synced(self.synced(assignment))));
            self.touch(turn, &id);
        }
        replies
    }

    /// The assignment cannot be stored: nobody has it, all join again.
    pub fn not_assigned(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        if self.phase == Phase::Completing {
            self.drop_syncs(turn, error);
            self.prepare(turn, "the assignment could not be stored");
        }
    }
}
