//! A member of a consumer group: what it subscribed to, what it has, and how far it has come. Plain state; changed by its
//! group's `apply` alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::assignment::{Owned, from_current_record, to_current_record};
use super::epoch::Epoch;
use crate::group::record::{
    ClassicMemberMetadata, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    GroupRecord, MemberKey,
};

pub type MemberId = Arc<str>;

/// Kafka's numbers are in the stored record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It has what it shall have, as far as it was told.
    Stable,
    /// It must give partitions up before it may go on.
    UnrevokedPartitions,
    /// Others must give partitions up before it can have all.
    UnreleasedPartitions,
    /// Of a later version of the software: the member must begin anew.
    Unknown,
}

impl MemberState {
    fn number(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
            MemberState::Unknown => 127,
        }
    }

    fn numbered(number: i8) -> MemberState {
        match number {
            0 => MemberState::Stable,
            1 => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            _ => MemberState::Unknown,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub epoch: Epoch,
    /// If the answer with the last epoch was lost, the member comes with this one.
    pub previous_epoch: Epoch,
    pub state: MemberState,
    pub instance: Option<Arc<str>>,
    pub rack: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub topics: BTreeSet<Arc<str>>,
    pub regex: Option<Arc<str>>,
    /// -1: not said yet.
    pub rebalance_timeout_ms: i32,
    pub assignor: Option<Arc<str>>,
    /// What it may read.
    pub assigned: Owned,
    /// What it must give up.
    pub revoking: Owned,
    /// It speaks the classic protocol.
    pub classic: Option<ClassicMemberMetadata>,
}

impl Member {
    pub fn new(id: MemberId) -> Member {
        Member {
            id,
            epoch: Epoch::JOIN,
            previous_epoch: Epoch::LEAVE,
            state: MemberState::Stable,
            instance: None,
            rack: None,
            client_id: "".into(),
            client_host: "".into(),
            topics: BTreeSet::new(),
            regex: None,
            rebalance_timeout_ms: -1,
            assignor: None,
            assigned: Owned::new(),
            revoking: Owned::new(),
            classic: None,
        }
    }

    /// Whether there is nothing left to reconcile with the assignment of this epoch.
    pub fn is_reconciled_to(&self, assignment_epoch: Epoch) -> bool {
        self.state == MemberState::Stable && self.epoch == assignment_epoch
    }

    pub(super) fn enter(mut self, epoch: Epoch, state: MemberState) -> Member {
        (self.previous_epoch, self.epoch, self.state) = (self.epoch, epoch, state);
        self
    }

    fn key(&self, group: &str) -> MemberKey {
        MemberKey { group: group.to_owned(), member: self.id.to_string() }
    }

    pub(super) fn metadata_record(&self, group: &str) -> GroupRecord {
        let value = ConsumerGroupMemberMetadataValue {
            instance_id: self.instance.as_deref().map(str::to_owned),
            rack_id: self.rack.as_deref().map(str::to_owned),
            client_id: self.client_id.to_string(),
            client_host: self.client_host.to_string(),
            subscribed_topic_names: self.topics.iter().map(|topic| topic.to_string()).collect(),
            subscribed_topic_regex: Some(self.regex.as_deref().unwrap_or_default().to_owned()),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.assignor.as_deref().map(str::to_owned),
            classic_member_metadata: self.classic.clone(),
        };
        GroupRecord::ConsumerGroupMemberMetadata(self.key(group), Some(value))
    }

    pub(super) fn current_record(&self, group: &str) -> GroupRecord {
        let value = ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch.0,
            previous_member_epoch: self.previous_epoch.0,
            state: self.state.number(),
            assigned_partitions: to_current_record(&self.assigned),
            partitions_pending_revocation: to_current_record(&self.revoking),
        };
        GroupRecord::ConsumerGroupCurrentMemberAssignment(self.key(group), Some(value))
    }

    pub(super) fn take_metadata(&mut self, value: &ConsumerGroupMemberMetadataValue) {
        let text = |text: &Option<String>| text.as_deref().map(Arc::from);
        self.instance = text(&value.instance_id);
        self.rack = text(&value.rack_id);
        self.client_id = value.client_id.as_str().into();
        self.client_host = value.client_host.as_str().into();
        self.topics = value.subscribed_topic_names.iter().map(|topic| topic.as_str().into()).collect();
        self.regex = text(&value.subscribed_topic_regex).filter(|regex| !regex.is_empty());
        self.rebalance_timeout_ms = value.rebalance_timeout_ms;
        self.assignor = text(&value.server_assignor);
        self.classic.clone_from(&value.classic_member_metadata);
    }

    pub(super) fn take_current(&mut self, value: &ConsumerGroupCurrentMemberAssignmentValue) {
        self.epoch = Epoch(value.member_epoch);
        self.previous_epoch = Epoch(value.previous_member_epoch);
        self.state = MemberState::numbered(value.state);
        self.assigned = from_current_record(&value.assigned_partitions, self.epoch);
        self.revoking = from_current_record(&value.partitions_pending_revocation, self.epoch);
    }

    /// Memory that it holds, roughly, its place in the table of owners included.
    pub fn bytes(&self) -> usize {
        const NODE: usize = 48;
        let owned = |owned: &Owned| {
            owned.values().map(|partitions| NODE + (12 + NODE) * partitions.len()).sum::<usize>()
        };
        let classic = self.classic.as_ref().map_or(0, |classic| {
            classic.supported_protocols.iter().map(|p| NODE + p.name.len() + p.metadata.len()).sum()
        });
        size_of::<Member>()
            + 2 * self.id.len()
            + self.instance.as_ref().map_or(0, |instance| 2 * instance.len() + NODE)
            + self.rack.as_ref().map_or(0, |rack| rack.len())
            + self.client_id.len()
            + self.client_host.len()
            + self.topics.iter().map(|topic| NODE + topic.len()).sum::<usize>()
            + self.regex.as_ref().map_or(0, |regex| regex.len())
            + owned(&self.assigned)
            + owned(&self.revoking)
            + classic
    }
}
