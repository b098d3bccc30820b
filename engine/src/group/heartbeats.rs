//! ConsumerGroupHeartbeat and ConsumerGroupDescribe: finds the group, or makes it, lets it decide, and carries out what it decided.

use std::borrow::Cow;
use std::sync::Arc;

use super::consumer::{
    ConsumerGroup, ConsumerHeartbeat, ConsumerHeartbeatReply, Context, Decision, DescribedConsumerGroup,
    Epoch, Leave, MemberId, Settings, Topics,
};
use super::effects::{Effects, Proposal, Then};
use super::groups::{Groups, Home};
use super::kind::Kind;
use super::offsets::Room;
use super::record::GroupRecord;
use super::request::{Caller, Reply};
use crate::base::{Now, PartitionIndex};
use crate::error::{ErrorCode, Refusal};

type Decided = Result<(Vec<GroupRecord>, Decision, ConsumerHeartbeatReply), Refusal>;

impl Groups {
    /// The topics as of now.
    pub fn see(&mut self, topics: Arc<dyn Topics>) {
        self.topics = topics;
    }

    pub(super) fn settings(&self, group: &str) -> Cow<'_, Settings> {
        self.config.consumer.with(self.topics.options(group))
    }

    pub(super) fn context<'a>(&'a self, now: Now, settings: &'a Settings) -> Context<'a> {
        Context { now, settings, topics: &*self.topics }
    }

    pub(super) fn consumer_heartbeat(
        &mut self,
        now: Now,
        caller: Caller,
        request: &ConsumerHeartbeat,
        home: Home<'_>,
        effects: &mut Effects,
    ) {
        let checked = request
            .check(&self.config.consumer.assignors)
            .and_then(|()| home(&request.group).map_err(|code| Refusal::new(code, "")));
        let decided = checked.and_then(|partition| Ok((partition, self.decide(now, request)?)));
        match decided {
            Err(refusal) => effects.reply(caller, Reply::ConsumerHeartbeat(Err(refusal))),
            Ok((partition, (before, decision, reply))) => {
                let reply = (caller, Reply::ConsumerHeartbeat(Ok(reply)));
                self.propose(now, partition, &request.group, before, decision, Some(reply), effects);
            }
        }
    }

    /// What the heartbeat leads to: records that make room for the group first, then the group's own.
    fn decide(&self, now: Now, request: &ConsumerHeartbeat) -> Decided {
        let settings = self.settings(&request.group);
        let cx = self.context(now, &settings);
        let not_found = |why: String| Err(Refusal::new(ErrorCode::GroupIdNotFound, why));
        let joins = request.epoch == Epoch::JOIN;
        let id = &request.group;
        match self.groups.get(&**id).map(|group| &group.kind) {
            Some(Kind::Consumer(live)) => {
                if joins && live.group.member(&request.member).is_none() {
                    self.check_memory()?;
                }
                if request.leaves() {
                    return self.decide_leave(&cx, &live.group, request);
                }
                let (decision, reply) = live.group.heartbeat(&cx, request)?;
                Ok((Vec::new(), decision, reply))
            }
            Some(Kind::Classic(group)) if joins && group.is_empty() => {
                self.check_memory()?;
                let group = ConsumerGroup::new(id.as_str().into());
                let (decision, reply) = group.heartbeat(&cx, request)?;
                Ok((vec![GroupRecord::GroupMetadata(id.clone(), None)], decision, reply))
            }
            Some(Kind::Classic(group)) if joins && group.speaks_consumer() => {
                self.check_memory()?;
                if !cx.settings.migration.upgrades() {
                    let why = "online upgrade is disabled";
                    return not_found(format!(
                        "Cannot upgrade classic group {id} to consumer group because {why}."
                    ));
                }
                let (upgraded, made) = ConsumerGroup::upgraded(&cx, id, group.generation(), group.seats())?;
                let (mut decision, reply) = upgraded.heartbeat(&cx, request)?;
                let mut records = vec![GroupRecord::GroupMetadata(id.clone(), None)];
                records.extend(made);
                decision.alarms.extend(upgraded.alarms_when_loaded(&cx));
                Ok((records, decision, reply))
            }
            Some(Kind::Classic(_)) => not_found(format!("Group {id} is not a consumer group.")),
            None if joins => {
                self.check_memory()?;
                let group = ConsumerGroup::new(id.as_str().into());
                let (decision, reply) = group.heartbeat(&cx, request)?;
                Ok((Vec::new(), decision, reply))
            }
            None => not_found(format!("Consumer group {id} not found.")),
        }
    }

    fn decide_leave(&self, cx: &Context<'_>, group: &ConsumerGroup, request: &ConsumerHeartbeat) -> Decided {
        let decision = match group.leave(request)? {
            Leave::Gone(member) => group.fence(cx, &[member]),
            Leave::Away(decision) => decision,
        };
        let reply = ConsumerHeartbeatReply {
            member: request.member.as_str().into(),
            epoch: request.epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        };
        Ok((Vec::new(), decision, reply))
    }

    fn check_memory(&self) -> Result<(), Refusal> {
        match self.room() {
            Room::Free => Ok(()),
            Room::Full => {
                let why = "The coordinator has no memory left for more groups and members.";
                Err(Refusal::new(ErrorCode::CoordinatorNotAvailable, why))
            }
        }
    }

    /// Without records it counts now; the answer tells of nothing that is not in the log.
    #[expect(clippy::too_many_arguments, reason = "one decision's parts, each of its own type")]
    pub(super) fn propose(
        &mut self,
        now: Now,
        partition: PartitionIndex,
        id: &str,
        before: Vec<GroupRecord>,
        decision: Decision,
        reply: Option<(Caller, Reply)>,
        effects: &mut Effects,
    ) {
        let mut records = before;
        if records.is_empty() && decision.records.is_empty() {
            self.settle(now, id, &decision, effects);
            effects.settled.extend(reply.map(|(caller, reply)| (caller, reply, vec![partition])));
            return;
        }
        let mut decision = decision;
        let downgrade = match self.groups.get(id).map(|group| &group.kind) {
            Some(Kind::Consumer(live)) => {
                live.group.downgrade(&self.context(now, &self.settings(id)), &decision)
            }
            _ => None,
        };
        records.append(&mut decision.records);
        let then = match downgrade {
            None => Then::Settled { group: id.into(), decision },
            Some(downgrade) => {
                records.extend(downgrade);
                Then::Downgraded { group: id.into() }
            }
        };
        effects.proposals.push(Proposal { partition, records, replies: reply.into_iter().collect(), then });
    }

    /// A decision's records are applied: what else it wants.
    pub(super) fn settle(&mut self, now: Now, id: &str, decision: &Decision, effects: &mut Effects) {
        self.with_group(now, id, effects, |group, turn| {
            if let Kind::Consumer(live) = &mut group.kind {
                live.settle(turn.now, decision, &mut turn.effects.timers);
            }
        });
        if decision.resolves {
            self.ask_for_resolution(id);
        }
    }

    /// These members are overdue.
    pub(super) fn fence(&mut self, now: Now, id: &str, members: &[MemberId], effects: &mut Effects) {
        let Some(group) = self.groups.get(id) else { return };
        let Kind::Consumer(live) = &group.kind else { return };
        tracing::debug!(
            group = id,
            ?members,
            "members are fenced: they were silent, or did not give up in time"
        );
        let decision = live.group.fence(&self.context(now, &self.settings(id)), members);
        let partition = group.partition;
        self.propose(now, partition, id, Vec::new(), decision, None, effects);
    }

    pub(super) fn describe_consumer(
        &self,
        now: Now,
        id: &str,
        home: Home<'_>,
    ) -> Result<DescribedConsumerGroup, Refusal> {
        match self.find(id, home) {
            Err(ErrorCode::GroupIdNotFound) => {
                Err(Refusal::new(ErrorCode::GroupIdNotFound, format!("Group {id} not found.")))
            }
            Err(code) => Err(Refusal::new(code, "")),
            Ok(group) => match &group.kind {
                Kind::Consumer(live) => Ok(live.group.describe(&self.context(now, &self.settings(id)))),
                Kind::Classic(_) => {
                    let why = format!("Group {id} is not a consumer group.");
                    Err(Refusal::new(ErrorCode::GroupIdNotFound, why))
                }
            },
        }
    }
}
