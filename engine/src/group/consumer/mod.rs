//! A consumer group (KIP-848): members say what they subscribe to, the coordinator assigns, and each member is led step by step
//! from what it has to what it shall have. Follows org.apache.kafka.coordinator.group.modern.consumer. On the core that
//! owns the group's partition of `__consumer_offsets`. Pure: time, topics and random ids are arguments.
//!
//! `&self` decides: records, an answer, alarms. `apply` alone changes, live and at replay. One partition has never two members that
//! may read it: it counts as its member's until that member's record says that it was given up.

mod apply;
mod assignment;
mod assignor;
mod commit;
mod describe;
mod draft;
mod epoch;
mod fence;
mod guests;
mod heartbeat;
mod live;
mod member;
mod migrate;
mod protocol;
mod reconcile;
mod regex;
mod request;
mod resolve;
mod settings;
mod topics;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::base::{Now, PartitionIndex, Timestamp, TopicId};
use crate::group::record::GroupRecord;

pub use apply::Applied;
pub use assignment::{Assignment, Owned};
pub use assignor::Assignor;
pub use commit::Committer;
pub use describe::State;
pub use epoch::Epoch;
pub use fence::Leave;
pub use live::Live;
pub use member::{Member, MemberId, MemberState};
pub use migrate::ClassicSeat;
pub use regex::Matching;
pub use request::{
    ConsumerHeartbeat, ConsumerHeartbeatReply, Described, DescribedConsumerGroup, DescribedConsumerMember,
};
pub use settings::{MigrationPolicy, Settings};
pub use topics::{NoTopics, Topics};

/// What every decision is given.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub now: Now,
    pub settings: &'a Settings,
    pub topics: &'a dyn Topics,
}

/// What shall happen: the records first, then the rest when they are accepted. Nothing has changed before that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub records: Vec<GroupRecord>,
    pub alarms: Vec<(MemberId, AlarmChange)>,
    /// The group has looked at this version of the topics.
    pub seen: Option<i64>,
    /// Expressions are to be resolved, in turns to come.
    pub resolves: bool,
}

/// What rings for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberAlarm {
    /// It was silent for its session timeout.
    Session,
    /// It did not give up what it must within its rebalance timeout.
    Rebalance,
    /// A member of the classic protocol did not join again in time.
    Join,
    /// A member of the classic protocol did not ask for its part in time.
    Sync,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmChange {
    Set(MemberAlarm, u64),
    /// One that runs keeps its time.
    SetIfIdle(MemberAlarm, u64),
    Cancel(MemberAlarm),
}

/// A regular expression, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub topics: std::collections::BTreeSet<Arc<str>>,
    /// Of the topics that it was matched against.
    pub version: i64,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroup {
    id: Arc<str>,
    /// Raised by every change that may change the assignment.
    epoch: Epoch,
    metadata_hash: i64,
    /// The group's epoch that the target is for.
    assignment_epoch: Epoch,
    assigned_at: Timestamp,
    members: BTreeMap<MemberId, Member>,
    target: BTreeMap<MemberId, Assignment>,
    /// Static members by their instance id.
    instances: BTreeMap<Arc<str>, MemberId>,
    /// Who may read a partition, or has not given it up.
    owners: HashMap<(TopicId, PartitionIndex), MemberId>,
    regexes: BTreeMap<Arc<str>, Resolved>,
    /// A record of before Kafka 4.1 that the next change removes.
    has_partition_metadata: bool,
    bytes: usize,
    /// Not stored: the version of the topics that the metadata hash was last compared with.
    seen: Option<i64>,
}

impl ConsumerGroup {
    pub fn new(id: Arc<str>) -> ConsumerGroup {
        ConsumerGroup {
            id,
            // As Kafka since 4.3: the first member makes it 2.
            epoch: Epoch(1),
            metadata_hash: 0,
            assignment_epoch: Epoch(0),
            assigned_at: Timestamp(0),
            members: BTreeMap::new(),
            target: BTreeMap::new(),
            instances: BTreeMap::new(),
            owners: HashMap::new(),
            regexes: BTreeMap::new(),
            has_partition_metadata: false,
            bytes: size_of::<ConsumerGroup>(),
            seen: None,
        }
    }

    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub fn assignment_epoch(&self) -> Epoch {
        self.assignment_epoch
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub fn static_member(&self, instance: &str) -> Option<&Member> {
        self.members.get(self.instances.get(instance)?)
    }

    pub fn target(&self, member: &str) -> Option<&Assignment> {
        self.target.get(member)
    }

    /// Notes what is not stored, after the records of the same decision were applied.
    pub fn settle(&mut self, decision: &Decision) {
        if let Some(seen) = decision.seen {
            self.seen = Some(seen);
        }
    }

    /// Memory that it holds, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a map keeps beside a key and a value, roughly.
const ENTRY_BYTES: usize = 48;

fn target_bytes(target: &Assignment) -> usize {
    ENTRY_BYTES + target.values().map(|set| ENTRY_BYTES + 8 * set.len()).sum::<usize>()
}

fn regex_bytes(regex: &str, resolved: &Resolved) -> usize {
    let topics = resolved.topics.iter().map(|topic| ENTRY_BYTES + topic.len());
    ENTRY_BYTES + regex.len() + topics.sum::<usize>()
}
