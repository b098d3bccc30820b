//! A member's heartbeat: it joins, says what it subscribes to and owns, and is led one step on. Most say nothing new, and then
//! nothing is copied and nothing written.

use std::borrow::Cow;
use std::sync::Arc;

use super::assignment::{self, Assignment};
use super::draft::Draft;
use super::epoch::Epoch;
use super::member::{Member, MemberId, MemberState};
use super::reconcile::{Goal, Subscription};
use super::request::{ConsumerHeartbeat, ConsumerHeartbeatReply};
use super::{AlarmChange, ConsumerGroup, Context, Decision, MemberAlarm, draft, topics};
use crate::base::{PartitionIndex, TopicId};
use crate::error::{ErrorCode, Refusal};
use crate::group::record::{ConsumerGroupMetadataValue, GroupRecord};

/// Who a request is from.
pub(super) struct Entry<'a> {
    pub member: Cow<'a, Member>,
    /// The static member's old id, whose place it takes.
    pub replaced: Option<MemberId>,
    pub is_new: bool,
}

type Said<'a> = Option<&'a [(TopicId, Vec<PartitionIndex>)]>;

impl ConsumerGroup {
    /// A heartbeat of a member that stays; one that leaves is `leave`'s.
    pub fn heartbeat(
        &self,
        cx: &Context<'_>,
        request: &ConsumerHeartbeat,
    ) -> Result<(Decision, ConsumerHeartbeatReply), Refusal> {
        self.check_room(cx, &request.member)?;
        let id = match &*request.member {
            "" => made_up_id(request.entropy),
            id => id.into(),
        };
        let mut decision = Decision::default();
        let entry = match request.instance.as_deref() {
            None => self.dynamic_entry(id, request)?,
            Some(instance) => self.static_entry(id, instance, request, &mut decision)?,
        };
        let updated = updated(&entry.member, request);
        let said = request.owned.as_deref();
        let next = self.advance(cx, &entry, &updated, said, &mut decision)?;
        decision
            .alarms
            .push((next.id.clone(), AlarmChange::Set(MemberAlarm::Session, cx.settings.session_timeout_ms)));
        let tells =
            request.epoch == Epoch::JOIN || request.is_full() || entry.member.assigned != next.assigned;
        let reply = ConsumerHeartbeatReply {
            member: next.id.clone(),
            epoch: next.epoch,
            heartbeat_interval_ms: cx.settings.heartbeat_interval_ms,
            assignment: tells.then(|| assignment::listed(&next.assigned)),
        };
        Ok((decision, reply))
    }

    /// `group.consumer.max.size`
    pub(super) fn check_room(&self, cx: &Context<'_>, member: &str) -> Result<(), Refusal> {
        let size_max = cx.settings.size_max;
        if self.members.len() < size_max || self.members.contains_key(member) {
            return Ok(());
        }
        let why = format!("The consumer group has reached its maximum capacity of {size_max} members.");
        Err(Refusal::new(ErrorCode::GroupMaxSizeReached, why))
    }

    fn dynamic_entry(&self, id: MemberId, request: &ConsumerHeartbeat) -> Result<Entry<'_>, Refusal> {
        match self.members.get(&id) {
            Some(member) => {
                check_epoch(member, request)?;
                Ok(Entry { member: Cow::Borrowed(member), replaced: None, is_new: false })
            }
            None if request.epoch == Epoch::JOIN => Ok(Entry::of_new(id)),
            None => Err(self.unknown_member(&id)),
        }
    }

    fn static_entry(
        &self,
        id: MemberId,
        instance: &str,
        request: &ConsumerHeartbeat,
        decision: &mut Decision,
    ) -> Result<Entry<'_>, Refusal> {
        let Some(existing) = self.static_member(instance) else {
            return match request.epoch {
                Epoch::JOIN => Ok(Entry::of_new(id)),
                _ => {
                    let why = format!("Instance id {instance} is unknown.");
                    Err(Refusal::new(ErrorCode::UnknownMemberId, why))
                }
            };
        };
        if request.epoch == Epoch::JOIN {
            if existing.classic.is_none() && existing.epoch != Epoch::LEAVE_STATIC {
                let why = format!(
                    "Static member {id} with instance id {instance} cannot join the group because the instance id is owned by {} member.",
                    existing.id
                );
                return Err(Refusal::new(ErrorCode::UnreleasedInstanceId, why));
            }
            return Ok(self.replace(existing, id, decision));
        }
        check_instance(existing, &id, instance)?;
        check_epoch(existing, request)?;
        Ok(Entry { member: Cow::Borrowed(existing), replaced: None, is_new: false })
    }

    /// A static member comes back, under a new id or its old one: it takes over what it had.
    pub(super) fn replace(&self, old: &Member, id: MemberId, decision: &mut Decision) -> Entry<'_> {
        let member = Member { id, epoch: Epoch::JOIN, previous_epoch: Epoch::JOIN, ..old.clone() };
        self.tombstones_of(&old.id, &mut decision.records);
        decision.records.push(member.metadata_record(&self.id));
        let nothing = Assignment::new();
        let target = self.target.get(&old.id).unwrap_or(&nothing);
        decision.records.push(draft::target_record(&self.id, &member.id, target));
        decision.records.push(member.current_record(&self.id));
        if old.id != member.id {
            decision.alarms.extend(cancel_all(&old.id));
        }
        Entry { member: Cow::Owned(member), replaced: Some(old.id.clone()), is_new: false }
    }

    /// The three steps of every request that may change a member: what it is, what the group shall have, what the member
    /// may have now.
    pub(super) fn advance<'m>(
        &self,
        cx: &Context<'_>,
        entry: &Entry<'_>,
        updated: &'m Member,
        said: Said<'_>,
        decision: &mut Decision,
    ) -> Result<Cow<'m, Member>, Refusal> {
        let before: &Member = &entry.member;
        let names_changed = updated.topics != before.topics;
        let regex_changed = updated.regex != before.regex;
        if entry.is_new || *updated != *before {
            decision.records.push(updated.metadata_record(&self.id));
        }
        let mut draft = Draft {
            group: self,
            member: updated,
            replaced: entry.replaced.as_ref(),
            regexes: Cow::Borrowed(&self.regexes),
        };
        // While a new expression is not resolved nobody knows what the member gives up: it keeps what it has.
        // As in Kafka, it changes the group's epoch when it is resolved, and the join of a member that has nothing else does not.
        let changed = names_changed || regex_changed && self.change_regex(before, &mut draft, decision)?;
        decision.resolves = self.wants_resolution(cx, &draft);

        let mut epoch = self.epoch;
        let version = cx.topics.version();
        if changed || self.seen != Some(version) {
            let hash = topics::hash(&draft.topics(), cx.topics);
            decision.seen = Some(version);
            if changed || hash != self.metadata_hash {
                epoch = epoch.next();
                self.record_epoch(epoch, hash, decision);
            }
        }

        let due = cx.settings.assignment_interval_ms == 0
            || self.assigned_at.0 == 0
            || cx.now.wall.0 >= self.assigned_at.0.saturating_add(cx.settings.assignment_interval_ms);
        let (target_epoch, target) = if self.assignment_epoch < epoch && due {
            (epoch, Some(Cow::Owned(draft.assign(cx, epoch, &mut decision.records))))
        } else {
            (self.assignment_epoch, draft.target_before().map(Cow::Borrowed))
        };

        let subscription = if changed { Subscription::Changed } else { Subscription::Same };
        if subscription == Subscription::Same && updated.is_reconciled_to(target_epoch) {
            return Ok(Cow::Borrowed(updated));
        }
        let subscribed = draft.topics_of(updated, cx);
        let is_own = |owner: &MemberId| *owner == updated.id || Some(owner) == entry.replaced.as_ref();
        let goal = Goal {
            epoch: target_epoch,
            target: target.as_deref(),
            subscription,
            said,
            subscribed: &|topic| subscribed.contains_key(&topic),
            free: &|topic, partition| self.owners.get(&(topic, partition)).is_none_or(is_own),
        };
        let Some(next) = updated.reconcile(&goal)? else { return Ok(Cow::Borrowed(updated)) };
        decision.records.push(next.current_record(&self.id));
        if next.classic.is_none() {
            let change = match next.state {
                MemberState::UnrevokedPartitions => {
                    let timeout_ms = u64::try_from(next.rebalance_timeout_ms).unwrap_or(0);
                    AlarmChange::Set(MemberAlarm::Rebalance, timeout_ms)
                }
                _ => AlarmChange::Cancel(MemberAlarm::Rebalance),
            };
            decision.alarms.push((next.id.clone(), change));
        }
        Ok(Cow::Owned(next))
    }

    pub(super) fn record_epoch(&self, epoch: Epoch, metadata_hash: i64, decision: &mut Decision) {
        let value = ConsumerGroupMetadataValue { epoch: epoch.0, metadata_hash };
        decision.records.push(GroupRecord::ConsumerGroupMetadata(self.id.to_string(), Some(value)));
        if self.has_partition_metadata {
            let gone = GroupRecord::ConsumerGroupPartitionMetadata(self.id.to_string(), None);
            decision.records.push(gone);
        }
    }

    pub(super) fn unknown_member(&self, id: &str) -> Refusal {
        let why = format!("Member {id} is not a member of group {}.", self.id);
        Refusal::new(ErrorCode::UnknownMemberId, why)
    }
}

impl Entry<'_> {
    pub fn of_new(id: MemberId) -> Entry<'static> {
        Entry { member: Cow::Owned(Member::new(id)), replaced: None, is_new: true }
    }
}

/// The member with what the request says; the same one if it says nothing new.
fn updated<'a>(member: &'a Member, request: &ConsumerHeartbeat) -> Cow<'a, Member> {
    let same =
        |own: &Option<Arc<str>>, said: &Option<String>| said.is_none() || own.as_deref() == said.as_deref();
    let regex = request.regex.as_deref().map(|regex| (!regex.is_empty()).then_some(regex));
    let says_nothing = same(&member.instance, &request.instance)
        && same(&member.rack, &request.rack)
        && same(&member.assignor, &request.assignor)
        && (request.rebalance_timeout_ms == -1
            || request.rebalance_timeout_ms == member.rebalance_timeout_ms)
        && request.topics.as_ref().is_none_or(|topics| {
            topics.len() == member.topics.len()
                && topics.iter().all(|topic| member.topics.contains(topic.as_str()))
        })
        && regex.is_none_or(|regex| regex == member.regex.as_deref())
        && request.client_id == member.client_id
        && request.client_host == member.client_host
        && member.classic.is_none();
    if says_nothing {
        return Cow::Borrowed(member);
    }
    let mut member = member.clone();
    let set = |own: &mut Option<Arc<str>>, said: &Option<String>| {
        if let Some(said) = said {
            *own = Some(said.as_str().into());
        }
    };
    set(&mut member.instance, &request.instance);
    set(&mut member.rack, &request.rack);
    set(&mut member.assignor, &request.assignor);
    if request.rebalance_timeout_ms != -1 {
        member.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(topics) = &request.topics {
        member.topics = topics.iter().map(|topic| topic.as_str().into()).collect();
    }
    if let Some(regex) = regex {
        member.regex = regex.map(Arc::from);
    }
    member.client_id = request.client_id.clone();
    member.client_host = request.client_host.clone();
    member.classic = None;
    Cow::Owned(member)
}

/// A member that is behind is believed if the answer with its last epoch may have been lost.
fn check_epoch(member: &Member, request: &ConsumerHeartbeat) -> Result<(), Refusal> {
    let said = request.epoch;
    let differs = if said == Epoch::JOIN || said == member.epoch {
        return Ok(());
    } else if said > member.epoch {
        "greater"
    } else {
        let owned = request.owned.as_deref();
        if said == member.previous_epoch
            && owned.is_some_and(|owned| assignment::holds_all(&member.assigned, owned))
        {
            return Ok(());
        }
        "smaller"
    };
    let why = format!(
        "The consumer group member has a {differs} member epoch ({said}) than the one known by the group coordinator ({}). The member must abandon all its partitions and rejoin.",
        member.epoch
    );
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, why))
}

pub(super) fn check_instance(member: &Member, id: &str, instance: &str) -> Result<(), Refusal> {
    if &*member.id == id {
        return Ok(());
    }
    let why = format!("Static member {id} with instance id {instance} was fenced by member {}.", member.id);
    Err(Refusal::new(ErrorCode::FencedInstanceId, why))
}

/// As Kafka prints a random UUID.
pub(super) fn made_up_id(entropy: [u8; 16]) -> MemberId {
    TopicId(entropy).to_string().into()
}

pub(super) fn cancel_all(member: &MemberId) -> [(MemberId, AlarmChange); 4] {
    [MemberAlarm::Session, MemberAlarm::Rebalance, MemberAlarm::Join, MemberAlarm::Sync]
        .map(|alarm| (member.clone(), AlarmChange::Cancel(alarm)))
}
