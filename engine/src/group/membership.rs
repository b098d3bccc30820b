//! Requests of members: finds the group, or makes it, and lets it decide.

use super::classic::ClassicGroup;
use super::consumer::Live;
use super::effects::{Effects, Proposal, Then};
use super::groups::{Groups, Home};
use super::kind::Kind;
use super::offsets::Room;
use super::request::{Caller, Heartbeat, Join, Joined, Leave, Left, Reply, Sync, Synced};
use crate::base::{Now, PartitionIndex};
use crate::error::ErrorCode;

impl Groups {
    pub(super) fn join(
        &mut self,
        now: Now,
        caller: Caller,
        join: Join,
        home: Home<'_>,
        effects: &mut Effects,
    ) {
        let mut refuse = |member: &str, error| {
            effects.reply(caller, Reply::Joined(Joined::refused(member, error)));
        };
        if join.group.is_empty() {
            return refuse(&join.member, ErrorCode::InvalidGroupId);
        }
        if !self.config.allows_session(join.session_timeout_ms) {
            return refuse(&join.member, ErrorCode::InvalidSessionTimeout);
        }
        let partition = match home(&join.group) {
            Ok(partition) => partition,
            Err(error) => return refuse(&join.member, error),
        };
        let is_known = self.groups.contains_key(&*join.group);
        if !is_known && !join.member.is_empty() {
            return refuse(&join.member, ErrorCode::UnknownMemberId);
        }
        // A member that is known may always come back.
        if join.member.is_empty() && self.room() == Room::Full {
            return refuse(&join.member, ErrorCode::CoordinatorNotAvailable);
        }
        let id = join.group.clone();
        let mut records = Vec::new();
        if let Some(Kind::Consumer(live)) = self.groups.get(&*id).map(|group| &group.kind) {
            if !live.group.is_empty() {
                let (decision, joined) =
                    live.group.join_classic(&self.context(now, &self.settings(&id)), &join);
                let reply = Some((caller, Reply::Joined(joined)));
                self.propose(now, partition, &id, Vec::new(), decision, reply, effects);
                return;
            }
            if !join.member.is_empty() {
                return refuse(&join.member, ErrorCode::UnknownMemberId);
            }
            // Nobody is left who would mind: the group is what the next member makes of it.
            records = live.group.tombstones();
        } else if is_known {
            return self.join_classic(now, caller, join, effects);
        }
        // As in Kafka: a group is stored, empty, before anybody is in it, and stays if nobody comes.
        records.push(ClassicGroup::new(now).record(&id));
        let (replies, then) = (Vec::new(), Then::Created(Box::new((caller, join))));
        effects.proposals.push(Proposal { partition, records, replies, then });
    }

    pub(super) fn join_classic(&mut self, now: Now, caller: Caller, join: Join, effects: &mut Effects) {
        let id = join.group.clone();
        self.with_group(now, &id, effects, |group, turn| match &mut group.kind {
            Kind::Classic(group) => group.join(turn, caller, join),
            Kind::Consumer(_) => {}
        });
    }

    pub(super) fn sync(
        &mut self,
        now: Now,
        caller: Caller,
        sync: Sync,
        home: Home<'_>,
        effects: &mut Effects,
    ) {
        let refusal = match self.find(&sync.group, home) {
            Ok(_) => None,
            Err(ErrorCode::GroupIdNotFound) => Some(ErrorCode::UnknownMemberId),
            Err(error) => Some(error),
        };
        if let Some(error) = refusal {
            effects.reply(caller, Reply::Synced(Synced::refused(error)));
            return;
        }
        let id = sync.group.clone();
        if let Some((partition, live)) = self.consumer(&id) {
            let (decision, synced) = live.group.sync_classic(&self.context(now, &self.settings(&id)), &sync);
            let reply = Some((caller, Reply::Synced(synced)));
            self.propose(now, partition, &id, Vec::new(), decision, reply, effects);
            return;
        }
        self.with_group(now, &id, effects, |group, turn| match &mut group.kind {
            Kind::Classic(group) => group.sync(turn, caller, sync),
            Kind::Consumer(_) => {}
        });
    }

    pub(super) fn heartbeat(&mut self, now: Now, heartbeat: &Heartbeat, home: Home<'_>) -> ErrorCode {
        match self.find(&heartbeat.group, home) {
            Ok(_) => {}
            // The member is to go on: its group is on its way.
            Err(ErrorCode::CoordinatorLoadInProgress) => return ErrorCode::None,
            Err(ErrorCode::GroupIdNotFound) => return ErrorCode::UnknownMemberId,
            Err(error) => return error,
        }
        let mut effects = Effects::default();
        let code =
            self.with_group(now, &heartbeat.group, &mut effects, |group, turn| match &mut group.kind {
                Kind::Classic(group) => group.heartbeat(turn, heartbeat),
                Kind::Consumer(live) => {
                    let (decision, code) = live.group.heartbeat_classic(heartbeat);
                    live.settle(turn.now, &decision, &mut turn.effects.timers);
                    code
                }
            });
        code.unwrap_or(ErrorCode::UnknownMemberId)
    }

    pub(super) fn leave(
        &mut self,
        now: Now,
        caller: Caller,
        leave: Leave,
        home: Home<'_>,
        effects: &mut Effects,
    ) {
        let refusal = match self.find(&leave.group, home) {
            Ok(_) => None,
            Err(ErrorCode::GroupIdNotFound) => {
                let members = leave.members.iter().map(|_| ErrorCode::UnknownMemberId).collect();
                Some(Left { error: ErrorCode::None, members })
            }
            Err(error) => Some(Left { error, members: Vec::new() }),
        };
        if let Some(left) = refusal {
            effects.reply(caller, Reply::Left(left));
            return;
        }
        if let Some((partition, live)) = self.consumer(&leave.group) {
            let (members, gone) = live.group.leave_classic(&leave);
            let decision = live.group.fence(&self.context(now, &self.settings(&leave.group)), &gone);
            let reply = Some((caller, Reply::Left(Left { error: ErrorCode::None, members })));
            self.propose(now, partition, &leave.group, Vec::new(), decision, reply, effects);
            return;
        }
        self.with_group(now, &leave.group, effects, |group, turn| match &mut group.kind {
            Kind::Classic(group) => group.leave(turn, caller, &leave),
            Kind::Consumer(_) => {}
        });
    }

    fn consumer(&self, id: &str) -> Option<(PartitionIndex, &Live)> {
        let group = self.groups.get(id)?;
        match &group.kind {
            Kind::Consumer(live) => Some((group.partition, live)),
            Kind::Classic(_) => None,
        }
    }
}
