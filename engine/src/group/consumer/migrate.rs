//! From a classic group to a consumer group, when the first member of the new protocol joins, and back, when the last has left.
//! Both are records: the old group's tombstones, then the new group, so that a loaded group is what it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assignment::{Assignment, Owned};
use super::draft::target_record;
use super::epoch::Epoch;
use super::member::{Member, MemberState};
use super::protocol::{ClassicAssignment, Subscription, write_assignment};
use super::{ConsumerGroup, Context, Decision, topics};
use crate::base::Timestamp;
use crate::error::{ErrorCode, Refusal};
use crate::group::classic::CONSUMER;
use crate::group::record::{
    ClassicMemberMetadata, ConsumerGroupTargetAssignmentMetadataValue, GroupMetadataValue, GroupRecord,
    MemberMetadata,
};
use crate::group::request::Client;

/// A member of a classic group, with its protocols.
#[derive(Clone, Debug)]
pub struct ClassicSeat {
    pub id: Arc<str>,
    pub instance: Option<Arc<str>>,
    pub client: Client,
    pub rebalance_timeout_ms: i32,
    /// Of the protocol that the group has chosen, or would.
    pub subscription: Vec<u8>,
    pub assignment: Vec<u8>,
    pub classic: ClassicMemberMetadata,
}

impl ConsumerGroup {
    /// The consumer group that a classic one becomes, with the records that make it; everybody keeps what it has.
    pub fn upgraded(
        cx: &Context<'_>,
        id: &str,
        generation: i32,
        seats: Vec<ClassicSeat>,
    ) -> Result<(ConsumerGroup, Vec<GroupRecord>), Refusal> {
        let refuse = |why: &str| {
            let why = format!("Cannot upgrade classic group {id} to consumer group because {why}.");
            Refusal::new(ErrorCode::GroupIdNotFound, why)
        };
        if seats.len() > cx.settings.size_max {
            return Err(refuse("the group size exceeds the consumer group maximum size"));
        }
        let epoch = Epoch(generation);
        let mut members = Vec::with_capacity(seats.len());
        for seat in seats {
            let malformed = || refuse("the embedded consumer protocol is malformed");
            let subscription = Subscription::read(&seat.subscription).ok_or_else(malformed)?;
            let assignment = ClassicAssignment::read(&seat.assignment).ok_or_else(malformed)?;
            if assignment.has_user_data {
                return Err(refuse("an unsupported custom assignor is in use"));
            }
            let mut assigned = Owned::new();
            for (topic, set) in assignment.by_id(cx.topics) {
                assigned
                    .entry(topic)
                    .or_default()
                    .extend(set.into_iter().map(|partition| (partition, epoch)));
            }
            members.push(Member {
                epoch,
                previous_epoch: epoch,
                state: MemberState::Stable,
                instance: seat.instance,
                rack: subscription.rack.as_deref().map(Arc::from),
                client_id: seat.client.id,
                client_host: seat.client.host,
                topics: subscription.topics.iter().map(|topic| topic.as_str().into()).collect(),
                rebalance_timeout_ms: seat.rebalance_timeout_ms,
                assigned,
                classic: Some(seat.classic),
                ..Member::new(seat.id)
            });
        }
        Ok(build(cx, id, epoch, &members))
    }

    /// The records by which it becomes a classic group when those of the decision are applied; none: it stays one of this kind.
    pub fn downgrade(&self, cx: &Context<'_>, decision: &Decision) -> Option<Vec<GroupRecord>> {
        // Without a look at the records: somebody of the classic protocol must be here or come.
        if !cx.settings.migration.downgrades()
            || self.members.values().filter(|member| member.classic.is_none()).count()
                > decision.records.len()
        {
            return None;
        }
        let mut after = self.clone();
        for record in &decision.records {
            after.apply(record);
        }
        let is_classic = !after.members.is_empty()
            && after.members.values().all(|member| member.classic.is_some())
            && after.members.len() <= cx.settings.classic_size_max;
        if !is_classic {
            return None;
        }
        // Of the epoch from before the decision: who stays behind is of that one, and may commit until it joins again.
        let record = after.classic_record(cx, self.epoch)?;
        let mut records = after.tombstones();
        records.push(record);
        Some(records)
    }

    fn classic_record(&self, cx: &Context<'_>, generation: Epoch) -> Option<GroupRecord> {
        let protocol = self.choose_protocol()?;
        let nothing = Assignment::new();
        let members = self.members.values().filter_map(|member| {
            let classic = member.classic.as_ref()?;
            let chosen = classic.supported_protocols.iter().find(|known| known.name == protocol)?;
            let version = Subscription::read(&chosen.metadata).map_or(0, |subscription| subscription.version);
            let target = self.target.get(&member.id).unwrap_or(&nothing);
            let sets = target.iter().map(|(topic, set)| (*topic, set.iter().collect()));
            Some(MemberMetadata {
                member_id: member.id.to_string(),
                group_instance_id: member.instance.as_deref().map(str::to_owned),
                client_id: member.client_id.to_string(),
                client_host: member.client_host.to_string(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: classic.session_timeout_ms,
                subscription: chosen.metadata.clone(),
                assignment: write_assignment(version, sets, cx.topics),
            })
        });
        let value = GroupMetadataValue {
            protocol_type: CONSUMER.to_owned(),
            generation: generation.0,
            protocol: Some(protocol.clone()),
            leader: self.members.keys().next().map(|id| id.to_string()),
            current_state_timestamp: cx.now.wall,
            members: members.collect(),
        };
        Some(GroupRecord::GroupMetadata(self.id.to_string(), Some(value)))
    }

    /// Each member votes for the first of its protocols that all have.
    fn choose_protocol(&self) -> Option<String> {
        let lists: Vec<Vec<&str>> = self
            .members
            .values()
            .filter_map(|member| member.classic.as_ref())
            .map(|classic| classic.supported_protocols.iter().map(|known| &*known.name).collect())
            .collect();
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for list in &lists {
            let all_have = |name: &&&str| lists.iter().all(|other| other.contains(name));
            if let Some(name) = list.iter().find(all_have) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
    }
}

fn build(cx: &Context<'_>, id: &str, epoch: Epoch, members: &[Member]) -> (ConsumerGroup, Vec<GroupRecord>) {
    let names = members.iter().flat_map(|member| member.topics.iter().cloned()).collect();
    let mut decision = Decision::default();
    let mut group = ConsumerGroup::new(id.into());
    for member in members {
        decision.records.push(member.metadata_record(id));
    }
    group.record_epoch(epoch, topics::hash(&names, cx.topics), &mut decision);
    for member in members {
        let target = member.assigned.iter().map(|(topic, set)| (*topic, set.keys().copied().collect()));
        decision.records.push(target_record(id, &member.id, &target.collect()));
    }
    let value = ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch.0,
        assignment_timestamp: Timestamp(0),
    };
    decision.records.push(GroupRecord::ConsumerGroupTargetAssignmentMetadata(id.to_owned(), Some(value)));
    for member in members {
        decision.records.push(member.current_record(id));
    }
    for record in &decision.records {
        group.apply(record);
    }
    (group, decision.records)
}
