//! Members go: by their own word, or because they were silent, or too slow to give up what they must.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::epoch::Epoch;
use super::heartbeat::{cancel_all, check_instance};
use super::member::{Member, MemberId, MemberState};
use super::request::ConsumerHeartbeat;
use super::{AlarmChange, ConsumerGroup, Context, Decision, MemberAlarm, Owned, topics};
use crate::error::{ErrorCode, Refusal};
use crate::group::record::{GroupRecord, MemberKey};

/// What a member's goodbye means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// For good.
    Gone(MemberId),
    /// A static member that will be back: it keeps its place and its part until its session is over.
    Away(Decision),
}

impl ConsumerGroup {
    pub fn leave(&self, request: &ConsumerHeartbeat) -> Result<Leave, Refusal> {
        let Some(instance) = request.instance.as_deref() else {
            let member = self.members.get(&*request.member);
            return match member {
                Some(member) => Ok(Leave::Gone(member.id.clone())),
                None => Err(self.unknown_member(&request.member)),
            };
        };
        let Some(member) = self.static_member(instance) else {
            let why = format!("Instance id {instance} is unknown.");
            return Err(Refusal::new(ErrorCode::UnknownMemberId, why));
        };
        check_instance(member, &request.member, instance)?;
        if request.epoch != Epoch::LEAVE_STATIC {
            return Ok(Leave::Gone(member.id.clone()));
        }
        // Its epoch is no member's, so nothing that it sends counts any more; what it has is kept for the next one.
        let mut away = Member { epoch: Epoch::LEAVE_STATIC, revoking: Owned::new(), ..member.clone() };
        for epoch in away.assigned.values_mut().flat_map(|partitions| partitions.values_mut()) {
            *epoch = Epoch(0);
        }
        let records = vec![away.current_record(&self.id)];
        let alarms = vec![(member.id.clone(), AlarmChange::Cancel(MemberAlarm::Rebalance))];
        Ok(Leave::Away(Decision { records, alarms, ..Decision::default() }))
    }

    /// Takes members out; the others get what they had. Ids of no member are passed over.
    pub fn fence(&self, cx: &Context<'_>, gone: &[MemberId]) -> Decision {
        let mut decision = Decision::default();
        let gone: BTreeSet<&MemberId> = gone.iter().filter(|id| self.members.contains_key(*id)).collect();
        if gone.is_empty() {
            return decision;
        }
        for id in &gone {
            self.tombstones_of(id, &mut decision.records);
            decision.alarms.extend(cancel_all(id));
        }
        let (mut names, mut in_use) = (BTreeSet::new(), BTreeSet::<&Arc<str>>::new());
        for member in self.members.values().filter(|member| !gone.contains(&member.id)) {
            names.extend(member.topics.iter().cloned());
            in_use.extend(&member.regex);
        }
        for (regex, resolved) in &self.regexes {
            if in_use.contains(regex) {
                names.extend(resolved.topics.iter().cloned());
            } else {
                decision.records.push(self.regex_record(regex, None));
            }
        }
        self.record_epoch(self.epoch.next(), topics::hash(&names, cx.topics), &mut decision);
        decision
    }

    /// An alarm rang: whether the member is to be fenced.
    pub fn is_overdue(&self, member: &str, alarm: MemberAlarm) -> bool {
        let Some(member) = self.members.get(member) else { return false };
        match alarm {
            MemberAlarm::Session => true,
            MemberAlarm::Rebalance => {
                member.classic.is_none() && member.state == MemberState::UnrevokedPartitions
            }
            MemberAlarm::Join | MemberAlarm::Sync => member.classic.is_some(),
        }
    }

    /// The alarms of a group that was loaded: everybody has a whole session to be heard from.
    pub fn alarms_when_loaded(&self, cx: &Context<'_>) -> Vec<(MemberId, AlarmChange)> {
        let mut alarms = Vec::new();
        for member in self.members.values() {
            let session_ms = match &member.classic {
                Some(classic) => u64::try_from(classic.session_timeout_ms).unwrap_or(0),
                None => cx.settings.session_timeout_ms,
            };
            alarms.push((member.id.clone(), AlarmChange::Set(MemberAlarm::Session, session_ms)));
            if self.is_overdue(&member.id, MemberAlarm::Rebalance) {
                let timeout_ms = u64::try_from(member.rebalance_timeout_ms).unwrap_or(0);
                alarms.push((member.id.clone(), AlarmChange::Set(MemberAlarm::Rebalance, timeout_ms)));
            }
        }
        alarms
    }

    /// Everything that is stored of a member.
    pub(super) fn tombstones_of(&self, member: &str, records: &mut Vec<GroupRecord>) {
        let key = || MemberKey { group: self.id.to_string(), member: member.to_owned() };
        records.push(GroupRecord::ConsumerGroupCurrentMemberAssignment(key(), None));
        records.push(GroupRecord::ConsumerGroupTargetAssignmentMember(key(), None));
        records.push(GroupRecord::ConsumerGroupMemberMetadata(key(), None));
    }

    /// Everything that is stored of the group: its members first, itself last.
    pub fn tombstones(&self) -> Vec<GroupRecord> {
        let mut records = Vec::new();
        for id in self.members.keys() {
            self.tombstones_of(id, &mut records);
        }
        let group = || self.id.to_string();
        records.push(GroupRecord::ConsumerGroupTargetAssignmentMetadata(group(), None));
        for regex in self.regexes.keys() {
            records.push(self.regex_record(regex, None));
        }
        if self.has_partition_metadata {
            records.push(GroupRecord::ConsumerGroupPartitionMetadata(group(), None));
        }
        records.push(GroupRecord::ConsumerGroupMetadata(group(), None));
        records
    }
}
