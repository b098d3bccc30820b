//! ConsumerGroupHeartbeat and ConsumerGroupDescribe, free of the wire's versions. Plain data; crosses cores.

use std::sync::Arc;

use super::assignor::Assignor;
use super::epoch::Epoch;
use crate::base::{PartitionIndex, TopicId};
use crate::error::{ErrorCode, Refusal};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeat {
    pub group: String,
    /// Empty in version 0 only: the coordinator makes one up.
    pub member: String,
    pub epoch: Epoch,
    pub instance: Option<String>,
    /// None, here and below: as it was.
    pub rack: Option<String>,
    /// -1: as it was.
    pub rebalance_timeout_ms: i32,
    pub topics: Option<Vec<String>>,
    /// Empty: no longer.
    pub regex: Option<String>,
    pub assignor: Option<String>,
    pub owned: Option<Vec<(TopicId, Vec<PartitionIndex>)>>,
    pub client_id: Arc<str>,
    /// As Java prints an address: `/127.0.0.1`.
    pub client_host: Arc<str>,
    pub version: i16,
    /// Random: an id that is made up is made of it.
    pub entropy: [u8; 16],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeatReply {
    pub member: Arc<str>,
    pub epoch: Epoch,
    /// 0 in the answer to a leaving member.
    pub heartbeat_interval_ms: i32,
    /// None: as it was told last.
    pub assignment: Option<Vec<(TopicId, Vec<PartitionIndex>)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    pub group: Arc<str>,
    pub state: &'static str,
    pub epoch: Epoch,
    pub assignment_epoch: Epoch,
    pub assignor: Arc<str>,
    pub members: Vec<DescribedConsumerMember>,
}

/// Topics' names beside their ids, as far as they still exist.
pub type Described = Vec<(TopicId, Arc<str>, Vec<PartitionIndex>)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerMember {
    pub id: Arc<str>,
    pub instance: Option<Arc<str>>,
    pub rack: Option<Arc<str>>,
    pub epoch: Epoch,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub topics: Vec<Arc<str>>,
    pub regex: Arc<str>,
    pub assigned: Described,
    pub target: Described,
    /// It speaks the classic protocol.
    pub is_classic: bool,
}

impl ConsumerHeartbeat {
    /// From version 1 on the client makes up its id (KIP-1082).
    const MEMBER_ID_REQUIRED_VERSION: i16 = 1;

    /// What is wrong with it whatever the group is.
    pub fn check(&self, assignors: &[Assignor]) -> Result<(), Refusal> {
        let invalid = |why: &str| Err(Refusal::new(ErrorCode::InvalidRequest, why));
        let needs_member = self.version >= Self::MEMBER_ID_REQUIRED_VERSION
            || self.epoch > Epoch::JOIN
            || self.epoch == Epoch::LEAVE;
        if needs_member && self.member.trim().is_empty() {
            return invalid("MemberId can't be empty.");
        }
        if self.group.trim().is_empty() {
            return invalid("GroupId can't be empty.");
        }
        let is_blank = |text: &Option<String>| text.as_deref().is_some_and(|text| text.trim().is_empty());
        if is_blank(&self.instance) {
            return invalid("InstanceId can't be empty.");
        }
        if is_blank(&self.rack) {
            return invalid("RackId can't be empty.");
        }
        if self.epoch == Epoch::JOIN {
            if self.rebalance_timeout_ms == -1 {
                return invalid("RebalanceTimeoutMs must be provided in first request.");
            }
            if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
                return invalid("TopicPartitions must be empty when (re-)joining.");
            }
            if self.topics.is_none() && self.regex.is_none() {
                let why =
                    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
                return invalid(why);
            }
        } else if self.epoch == Epoch::LEAVE_STATIC && self.instance.is_none() {
            return invalid("InstanceId can't be null.");
        } else if self.epoch < Epoch::LEAVE_STATIC {
            return invalid("MemberEpoch is invalid.");
        }
        if let Some(name) = &self.assignor
            && !assignors.iter().any(|assignor| assignor.name() == name)
        {
            let supported: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            let supported = supported.join(", ");
            let why = format!("ServerAssignor {name} is not supported. Supported assignors: {supported}.");
            return Err(Refusal::new(ErrorCode::UnsupportedAssignor, why));
        }
        Ok(())
    }

    pub fn leaves(&self) -> bool {
        self.epoch == Epoch::LEAVE || self.epoch == Epoch::LEAVE_STATIC
    }

    /// A request that says everything asks for the assignment, whether it changed or not.
    pub(super) fn is_full(&self) -> bool {
        self.rebalance_timeout_ms != -1
            && (self.topics.is_some() || self.regex.is_some())
            && self.owned.is_some()
    }
}
