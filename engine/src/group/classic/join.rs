//! JoinGroup: who comes in, under which id, and whether that starts a rebalance.

use std::fmt::Write;
use std::sync::Arc;

use super::member::Member;
use super::{ClassicGroup, Phase, Preparing, Turn, answer_join, answer_sync, pending_bytes};
use crate::error::ErrorCode;
use crate::group::effects::{Proposal, Replacement, Then};
use crate::group::limits::{MEMBER_ID_PREFIX_BYTES_MAX, NEW_MEMBER_TIMEOUT_MS};
use crate::group::request::{Caller, Join, Joined, MemberIds, Protocol, Reply, SkipAssignment};
use crate::group::timers::{Alarm, Due, MemberId};

impl ClassicGroup {
    pub fn join(&mut self, turn: &mut Turn<'_>, caller: Caller, mut join: Join) {
        distinct(&mut join.protocols);
        if !self.has_room_for(turn, &join.member) {
            self.give_place_up(turn, &join.member);
            let refused = Joined::refused("", ErrorCode::GroupMaxSizeReached);
            turn.effects.reply(caller, Reply::Joined(refused));
        } else if !self.speaks(&join) {
            let refused = Joined::refused(join.member, ErrorCode::InconsistentGroupProtocol);
            turn.effects.reply(caller, Reply::Joined(refused));
        } else if join.member.is_empty() {
            self.join_new(turn, caller, join);
        } else {
            self.join_known(turn, caller, join);
        }
    }

    /// `group.max.size`
    fn has_room_for(&self, turn: &Turn<'_>, member: &str) -> bool {
        let size_max = turn.config.size_max;
        match self.phase {
            Phase::Empty => true,
            Phase::Preparing(_) => {
                self.members.get(member).is_some_and(|member| member.join.is_some())
                    || self.joining < size_max
            }
            Phase::Completing | Phase::Stable => {
                self.members.contains_key(member) || self.members.len() < size_max
            }
        }
    }

    /// A member that finds the group full leaves it.
    fn give_place_up(&mut self, turn: &mut Turn<'_>, member: &str) {
        self.forget_pending(turn, member);
        if let Some(member) = self.remove_member(turn, member) {
            answer_join(turn.effects, &member, ErrorCode::GroupMaxSizeReached);
            answer_sync(turn.effects, &member, ErrorCode::GroupMaxSizeReached);
            self.complete_join_if_all_are_here(turn);
        }
    }

    fn speaks(&self, join: &Join) -> bool {
        // A group without members takes the type and the protocols of the first.
        if self.members.is_empty() {
            return !join.protocol_type.is_empty() && !join.protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(&*join.protocol_type)
            && self.votes.has_one_of(&join.protocols, self.members.len())
    }

    fn join_new(&mut self, turn: &mut Turn<'_>, caller: Caller, join: Join) {
        let id = new_member_id(&join);
        match &join.instance {
            Some(instance) => match self.instances.get(&**instance).cloned() {
                Some(old) => self.come_back(turn, caller, join, old, id),
                None => self.enter_member(turn, caller, join, id),
            },
            None => match join.ids {
                MemberIds::Given => self.enter_member(turn, caller, join, id),
                MemberIds::Required => {
                    let mut due = Due::default();
                    let session = turn.now.after_ms(timeout(join.session_timeout_ms));
                    due.set(session, || Alarm::Session(id.clone()), &mut turn.effects.timers);
                    self.bytes += pending_bytes(&id);
                    self.pending.insert(id.clone(), due);
                    let required = Joined::refused(id, ErrorCode::MemberIdRequired);
                    turn.effects.reply(caller, Reply::Joined(required));
                }
            },
        }
    }

    fn join_known(&mut self, turn: &mut Turn<'_>, caller: Caller, join: Join) {
        if join.instance.is_none() && self.forget_pending(turn, &join.member) {
            let id = MemberId::from(&*join.member);
            self.enter_member(turn, caller, join, id);
            return;
        }
        if let Err(error) = self.check_member(&join.member, join.instance.as_deref()) {
            turn.effects.reply(caller, Reply::Joined(Joined::refused(join.member, error)));
            return;
        }
        let changed = self.members.get(&*join.member).is_some_and(|known| known.protocols != join.protocols);
        let rejoins = match self.phase {
            Phase::Preparing(_) => true,
            // It did not get the answer, or it wants something else.
            Phase::Completing => changed,
            // A leader that joins wants to assign anew, for instance because topics have grown.
            Phase::Stable => changed || self.is_leader(&join.member),
            Phase::Empty => {
                let refused = Joined::refused(join.member, ErrorCode::UnknownMemberId);
                turn.effects.reply(caller, Reply::Joined(refused));
                return;
            }
        };
        if rejoins {
            let why = why(&join, "joins again");
            self.update_member(turn, caller, &join);
            self.rebalance_or_complete(turn, &why);
        } else {
            turn.effects.reply(caller, Reply::Joined(self.joined(&join.member)));
        }
    }

    /// What a member of this generation is told.
    pub(super) fn joined(&self, member: &str) -> Joined {
        let members = if self.is_leader(member) {
            let protocol = self.protocol.as_deref();
            self.members.values().map(|member| member.shown_to_leader(protocol)).collect()
        } else {
            Vec::new()
        };
        Joined {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            member: member.into(),
            skip_assignment: false,
            members,
        }
    }

    fn enter_member(&mut self, turn: &mut Turn<'_>, caller: Caller, join: Join, id: MemberId) {
        let why = why(&join, "joins");
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.into());
        }
        if let Phase::Preparing(Preparing::Initial { new_member, .. }) = &mut self.phase {
            *new_member = true;
        }
        let mut session = Due::default();
        let silent_until = turn.now.after_ms(NEW_MEMBER_TIMEOUT_MS);
        session.set(silent_until, || Alarm::Session(id.clone()), &mut turn.effects.timers);
        self.add_member(Member {
            id,
            instance: join.instance.map(Arc::from),
            client: join.client,
            rebalance_timeout_ms: timeout(join.rebalance_timeout_ms),
            session_timeout_ms: timeout(join.session_timeout_ms),
            protocols: join.protocols,
            assignment: bytes::Bytes::new(),
            join: Some(caller),
            sync: None,
            is_new: true,
            session,
        });
        self.rebalance_or_complete(turn, &why);
    }

    fn update_member(&mut self, turn: &mut Turn<'_>, caller: Caller, join: &Join) {
        let Some(member) = self.members.get_mut(&*join.member) else { return };
        self.bytes -= member.bytes();
        self.votes.remove(&member.protocols);
        member.protocols.clone_from(&join.protocols);
        self.votes.add(&member.protocols);
        member.rebalance_timeout_ms = timeout(join.rebalance_timeout_ms);
        member.session_timeout_ms = timeout(join.session_timeout_ms);
        self.bytes += member.bytes();
        match member.join.replace(caller) {
            None => self.joining += 1,
            // The client asked again on another connection: nobody reads the answer to the first.
            Some(first) => {
                let refused = Joined::refused(member.id.clone(), ErrorCode::RebalanceInProgress);
                turn.effects.reply(first, Reply::Joined(refused));
            }
        }
    }

    /// A static member without an id: the client was restarted. It takes the place of what it was before.
    fn come_back(&mut self, turn: &mut Turn<'_>, caller: Caller, join: Join, old: MemberId, new: MemberId) {
        let replacement = Replacement { group: turn.id.clone(), old, new, caller, join };
        if self.phase == Phase::Stable && self.would_choose(&replacement) == self.protocol {
            // Nobody else needs to know, but the id is part of what is stored.
            let proposal = Proposal {
                partition: turn.partition,
                records: vec![self.record_replaced(&replacement)],
                replies: Vec::new(),
                then: Then::Replaced(Box::new(replacement)),
            };
            turn.effects.proposals.push(proposal);
            return;
        }
        let why = why(&replacement.join, "comes back as a static member");
        self.replace(turn, &replacement);
        let joining = Join { member: replacement.new.to_string(), ..replacement.join };
        self.update_member(turn, caller, &joining);
        match self.phase {
            Phase::Stable => self.rebalance_or_complete(turn, &why),
            Phase::Completing => self.prepare(turn, &why),
            _ => self.complete_join_if_all_are_here(turn),
        }
    }

    /// The protocol that the group would choose with this member's new list.
    fn would_choose(&self, replacement: &Replacement) -> Option<Arc<str>> {
        let mut votes = self.votes.clone();
        let mut members: Vec<Member> = self.members.values().cloned().collect();
        let member = members.iter_mut().find(|member| member.id == replacement.old)?;
        votes.remove(&member.protocols);
        member.protocols.clone_from(&replacement.join.protocols);
        votes.add(&member.protocols);
        votes.choose(members.iter())
    }

    /// Puts the new id in the old one's place; what waits under the old id is fenced.
    pub(super) fn replace(&mut self, turn: &mut Turn<'_>, replacement: &Replacement) {
        let is_leader = self.is_leader(&replacement.old);
        let was_unsynced = self.unsynced.contains(&replacement.old);
        let Some(old) = self.remove_member(turn, &replacement.old) else { return };
        answer_join(turn.effects, &old, ErrorCode::FencedInstanceId);
        answer_sync(turn.effects, &old, ErrorCode::FencedInstanceId);
        let id = replacement.new.clone();
        if is_leader {
            self.leader = Some(id.clone());
        }
        if was_unsynced {
            self.unsynced.insert(id.clone());
        }
        let (join, sync, is_new, session) = (None, None, false, Due::default());
        self.add_member(Member { id: id.clone(), join, sync, is_new, session, ..old });
        self.touch(turn, &id);
    }

    /// The replacement is in the log.
    pub fn replaced(&mut self, turn: &mut Turn<'_>, replacement: Replacement) -> (Caller, Reply) {
        let leader_before = self.leader.clone();
        self.replace(turn, &replacement);
        let Replacement { new, caller, join, .. } = replacement;
        if let Some(member) = self.members.get_mut(&new) {
            self.bytes -= member.bytes();
            self.votes.remove(&member.protocols);
            member.protocols = join.protocols;
            self.votes.add(&member.protocols);
            member.rebalance_timeout_ms = timeout(join.rebalance_timeout_ms);
            member.session_timeout_ms = timeout(join.session_timeout_ms);
            self.bytes += member.bytes();
        }
        self.touch(turn, &new);
        let mut joined = self.joined(&new);
        match join.skip_assignment {
            SkipAssignment::Understood => joined.skip_assignment = self.is_leader(&new),
            // An older client that reads its own id as the leader's would assign; the others would not hear of it.
            SkipAssignment::Unknown => {
                joined.members = Vec::new();
                joined.leader = leader_before.unwrap_or_else(|| "".into());
            }
        }
        (caller, Reply::Joined(joined))
    }
}

/// A name that is given twice counts once.
fn distinct(protocols: &mut Vec<Protocol>) {
    let mut seen = std::collections::BTreeSet::new();
    protocols.retain(|protocol| seen.insert(protocol.name.clone()));
}

/// A client's number; what it cannot mean is no time.
pub(super) fn timeout(ms: i32) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

fn new_member_id(join: &Join) -> MemberId {
    let prefix = join.instance.as_deref().unwrap_or(&join.client.id);
    let cut = prefix.floor_char_boundary(prefix.len().min(MEMBER_ID_PREFIX_BYTES_MAX));
    let mut id = format!("{}-", &prefix[..cut]);
    // A random UUID's digits and dashes.
    let mut random = join.entropy;
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    for (index, byte) in random.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        let _ = write!(id, "{byte:02x}");
    }
    id.into()
}

/// A sentence for the log.
fn why(join: &Join, does: &str) -> String {
    let who = join.instance.as_deref().unwrap_or(&join.client.id);
    format!("{who} {does}; client reason: {}", join.reason.as_deref().unwrap_or("not provided"))
}
