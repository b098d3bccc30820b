//! A classic group: members join, one of them, the leader, assigns, all learn their part (KIP-62, 394, 345, 814). Follows
//! org.apache.kafka.coordinator.group.classic.ClassicGroup. On the core that owns the group's partition.
//!
//! Who has joined is not stored: only a generation with its assignment is, as one record, and what it says is changed by
//! `install` alone, live and at replay. A group that is loaded again is the last stored generation.

mod heartbeat;
mod join;
mod leave;
mod member;
mod rebalance;
mod state;
mod stored;
mod subscription;
mod sync;
mod votes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::{Now, PartitionIndex, Timestamp};
use crate::error::ErrorCode;
use crate::group::config::GroupConfig;
use crate::group::consumer::ClassicSeat;
use crate::group::effects::Effects;
use crate::group::request::{Described, Listed, Reply, Synced};
use crate::group::timers::{Alarm, Due, GroupId, MemberId};
use member::Member;
pub use state::{Phase, Preparing};
pub use subscription::CONSUMER;
use votes::Votes;

/// What every transition is given.
pub struct Turn<'a> {
    pub now: Now,
    pub config: &'a GroupConfig,
    pub id: &'a GroupId,
    pub partition: PartitionIndex,
    pub effects: &'a mut Effects,
}

#[derive(Clone, Debug)]
pub struct ClassicGroup {
    phase: Phase,
    /// When it came into its phase; none: it was never written.
    since: Timestamp,
    generation: i32,
    /// `consumer`, `connect`, …; none: a group of offsets only.
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    /// Static members by their instance id.
    instances: BTreeMap<Arc<str>, MemberId>,
    /// Were given an id (KIP-394) and have not come back with it.
    pending: BTreeMap<MemberId, Due>,
    /// Have joined this generation and not asked for their part.
    unsynced: BTreeSet<MemberId>,
    votes: Votes,
    /// Members whose JoinGroup waits.
    joining: usize,
    join_due: Due,
    sync_due: Due,
    /// Of all members of the consumer protocol; none: not known.
    subscription: Option<BTreeSet<Arc<str>>>,
    bytes: usize,
}

impl Default for ClassicGroup {
    fn default() -> ClassicGroup {
        ClassicGroup {
            phase: Phase::Empty,
            since: Timestamp::NONE,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            votes: Votes::default(),
            joining: 0,
            join_due: Due::default(),
            sync_due: Due::default(),
            subscription: None,
            bytes: size_of::<ClassicGroup>(),
        }
    }
}

impl ClassicGroup {
    /// An empty group that has seen this moment.
    pub fn new(now: Now) -> ClassicGroup {
        ClassicGroup { since: now.wall, ..ClassicGroup::default() }
    }

    pub fn phase(&self) -> Phase {
        self.phase
    }

    pub fn generation(&self) -> i32 {
        self.generation
    }

    pub fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    /// Nobody is in it or expected: without offsets it may go.
    pub fn is_trivial(&self) -> bool {
        self.is_empty() && self.pending.is_empty()
    }

    /// Its members as a consumer group takes them over; waiting requests are not part of it.
    pub fn seats(&self) -> Vec<ClassicSeat> {
        self.members.values().map(|member| member.seat(self.protocol.as_deref())).collect()
    }

    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Memory that it holds, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_leader(&self, member: &str) -> bool {
        self.leader.as_deref() == Some(member)
    }

    pub fn speaks_consumer(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Offsets of a topic that is read are not deleted.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        match &self.subscription {
            Some(topics) => topics.contains(topic),
            None => self.speaks_consumer(),
        }
    }

    pub fn has_subscription(&self) -> bool {
        self.subscription.is_some()
    }

    pub fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether a request's member is who it says it is.
    fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if **current != *member => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// Whether this member may commit offsets now.
    pub fn check_commit(
        &self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.is_empty() {
            // A consumer that assigns itself, or an admin.
            return Ok(());
        }
        if generation >= 0 || !member.is_empty() || instance.is_some() {
            self.check_member(member, instance)?;
            if generation != self.generation {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if !self.is_empty() {
            return Err(ErrorCode::UnknownMemberId);
        }
        match self.phase {
            Phase::Completing => Err(ErrorCode::RebalanceInProgress),
            Phase::Empty | Phase::Preparing(_) | Phase::Stable => Ok(()),
        }
    }

    pub fn listed(&self, id: &GroupId) -> Listed {
        Listed {
            group: id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            state: self.phase.name(),
            kind: "classic",
        }
    }

    pub fn describe(&self, group: String) -> Described {
        let protocol = self.protocol.clone().filter(|_| self.phase == Phase::Stable);
        Described {
            group,
            error: ErrorCode::None,
            state: self.phase.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_else(|| "".into()),
            members: self.members.values().map(|member| member.describe(protocol.as_deref())).collect(),
            protocol: protocol.unwrap_or_else(|| "".into()),
            is_of_another_kind: false,
        }
    }

    fn enter(&mut self, now: Now, phase: Phase) {
        assert!(phase.may_follow(self.phase), "a group went from {} to {phase}", self.phase);
        self.phase = phase;
        self.since = now.wall;
    }

    fn rebalance_timeout_ms(&self) -> u64 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }

    fn add_member(&mut self, member: Member) {
        if let Some(instance) = &member.instance {
            let before = self.instances.insert(instance.clone(), member.id.clone());
            assert!(before.is_none(), "two members with one instance id");
        }
        self.votes.add(&member.protocols);
        self.joining += usize::from(member.join.is_some());
        self.bytes += member.bytes();
        self.leader.get_or_insert_with(|| member.id.clone());
        self.members.insert(member.id.clone(), member);
    }

    /// Takes a member out with its alarm; whoever waits of it is for the caller to answer.
    fn remove_member(&mut self, turn: &mut Turn<'_>, id: &str) -> Option<Member> {
        self.unsynced.remove(id);
        let mut member = self.members.remove(id)?;
        let timers = &mut turn.effects.timers;
        member.session.cancel(|| Alarm::Session(member.id.clone()), timers);
        self.votes.remove(&member.protocols);
        self.joining -= usize::from(member.join.is_some());
        self.bytes -= member.bytes();
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    fn forget_pending(&mut self, turn: &mut Turn<'_>, id: &str) -> bool {
        let Some((id, mut due)) = self.pending.remove_entry(id) else { return false };
        self.bytes -= pending_bytes(&id);
        due.cancel(|| Alarm::Session(id), &mut turn.effects.timers);
        true
    }

    /// The member has been heard from.
    fn touch(&mut self, turn: &mut Turn<'_>, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        let due = turn.now.after_ms(member.session_timeout_ms);
        member.session.set(due, || Alarm::Session(member.id.clone()), &mut turn.effects.timers);
    }

    /// Answers everybody who waits, because this is not their coordinator any more, and stops all alarms.
    pub fn abandon(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        let pending: Vec<MemberId> = self.pending.keys().cloned().collect();
        for id in pending {
            self.forget_pending(turn, &id);
        }
        let members: Vec<MemberId> = self.members.keys().cloned().collect();
        for id in members {
            if let Some(member) = self.remove_member(turn, &id) {
                answer_join(turn.effects, &member, error);
                answer_sync(turn.effects, &member, error);
            }
        }
        self.join_due.cancel(|| Alarm::Join, &mut turn.effects.timers);
        self.sync_due.cancel(|| Alarm::Sync, &mut turn.effects.timers);
    }
}

fn pending_bytes(id: &str) -> usize {
    id.len() + size_of::<Due>() + crate::group::limits::MAP_ENTRY_BYTES
}

/// Refuses a join that waits.
fn answer_join(effects: &mut Effects, member: &Member, error: ErrorCode) {
    if let Some(caller) = member.join {
        effects
            .reply(caller, Reply::Joined(crate::group::request::Joined::refused(member.id.clone(), error)));
    }
}

/// Refuses a sync that waits.
fn answer_sync(effects: &mut Effects, member: &Member, error: ErrorCode) {
    if let Some(caller) = member.sync {
        effects.reply(caller, Reply::Synced(Synced::refused(error)));
    }
}
