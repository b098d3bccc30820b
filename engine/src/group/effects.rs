//! What an event does to the world outside the machine: answers, records to append, alarms to set. Plain data.

use super::consumer::Decision;
use super::request::{Caller, Join, Reply};
use super::timers::{GroupId, MemberId, TimerChange};
use crate::base::PartitionIndex;
use crate::group::record::GroupRecord;

#[derive(Debug, Default)]
pub struct Effects {
    /// Now.
    pub replies: Vec<(Caller, Reply)>,
    /// To append, in this order.
    pub proposals: Vec<Proposal>,
    /// When all that was appended to these partitions so far, this event's proposals included, is durable.
    pub settled: Vec<(Caller, Reply, Vec<PartitionIndex>)>,
    /// Of the group that the event concerns.
    pub timers: Vec<TimerChange>,
}

/// Records that shall be appended to one partition of `__consumer_offsets`. They are nothing until they are accepted.
#[derive(Debug)]
pub struct Proposal {
    pub partition: PartitionIndex,
    pub records: Vec<GroupRecord>,
    /// When the records are durable.
    pub replies: Vec<(Caller, Reply)>,
    pub then: Then,
}

/// What else happens when the records are accepted.
#[derive(Debug)]
pub enum Then {
    Nothing,
    /// The leader's assignment: the members' syncs are answered.
    Assigned {
        group: GroupId,
        generation: i32,
    },
    /// There was no such group: the JoinGroup that makes it is decided in it.
    Created(Box<(Caller, Join)>),
    /// A static member's id changes; its join is answered.
    Replaced(Box<Replacement>),
    /// The last member of the consumer protocol has left: the others, of the classic one, rebalance among themselves.
    Downgraded {
        group: GroupId,
    },
    /// A consumer group's decision: its alarms.
    Settled {
        group: GroupId,
        decision: Decision,
    },
}

/// A static member that came back under a new id, without a rebalance.
#[derive(Debug)]
pub struct Replacement {
    pub group: GroupId,
    pub old: MemberId,
    pub new: MemberId,
    pub caller: Caller,
    pub join: Join,
}

impl Effects {
    pub fn reply(&mut self, caller: Caller, reply: Reply) {
        self.replies.push((caller, reply));
    }
}
