//! What a group coordinator is asked and what it answers. Plain data, free of the wire's versions; crosses cores.
//!
//! Whoever asks gets exactly one answer, perhaps much later: a JoinGroup waits for the other members.

use std::sync::Arc;

use bytes::Bytes;

use super::consumer::{ConsumerHeartbeat, ConsumerHeartbeatReply, DescribedConsumerGroup};
use crate::base::{CoreId, PartitionIndex, TopicId};
use crate::error::{ErrorCode, Refusal};

/// Names one request until its answer: the core that asked, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Caller {
    pub core: CoreId,
    pub number: u64,
}

/// Who sends a request, as groups show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    pub id: Arc<str>,
    /// The peer's address as Java prints it: `/127.0.0.1`.
    pub host: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Join(Join),
    Sync(Sync),
    Heartbeat(Heartbeat),
    Leave(Leave),
    Commit(Commit),
    /// One answer per group, in the order asked.
    FetchOffsets(Vec<OffsetsWanted>),
    DeleteOffsets(OffsetsDoomed),
    /// One answer per group, in the order asked.
    Describe(Vec<String>),
    ConsumerHeartbeat(Box<ConsumerHeartbeat>),
    /// One answer per group, in the order asked.
    DescribeConsumer(Vec<String>),
    /// The groups that this core coordinates.
    List(Filter),
    /// One answer per group, in the order asked.
    Delete(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Joined(Joined),
    Synced(Synced),
    Heartbeat(ErrorCode),
    Left(Left),
    Committed(Vec<TopicCodes>),
    OffsetsFetched(Vec<OffsetsFound>),
    OffsetsDeleted(Result<Vec<TopicCodes>, ErrorCode>),
    Described(Vec<Described>),
    ConsumerHeartbeat(Result<ConsumerHeartbeatReply, Refusal>),
    ConsumerDescribed(Vec<(String, Result<DescribedConsumerGroup, Refusal>)>),
    Listed(List),
    Deleted(Vec<ErrorCode>),
}

impl Reply {
    /// The same answer, if what it tells of could not be stored.
    pub fn refused(self, error: ErrorCode) -> Reply {
        let all = |topics: Vec<TopicCodes>| topics.into_iter().map(|topic| topic.refused(error)).collect();
        match self {
            Reply::Joined(joined) => Reply::Joined(Joined::refused(joined.member, error)),
            Reply::Synced(_) => Reply::Synced(Synced::refused(error)),
            Reply::Heartbeat(_) => Reply::Heartbeat(error),
            Reply::Left(_) => Reply::Left(Left { error, members: Vec::new() }),
            Reply::Committed(topics) => Reply::Committed(all(topics)),
            Reply::OffsetsFetched(groups) => {
                let refused = |found: OffsetsFound| OffsetsFound { error, topics: Vec::new(), ..found };
                Reply::OffsetsFetched(groups.into_iter().map(refused).collect())
            }
            Reply::OffsetsDeleted(_) => Reply::OffsetsDeleted(Err(error)),
            Reply::Described(groups) => {
                let refused = |described: Described| Described::refused(described.group, error);
                Reply::Described(groups.into_iter().map(refused).collect())
            }
            Reply::ConsumerHeartbeat(_) => Reply::ConsumerHeartbeat(Err(Refusal::new(error, ""))),
            Reply::ConsumerDescribed(groups) => {
                let refused = |(group, _)| (group, Err(Refusal::new(error, "")));
                Reply::ConsumerDescribed(groups.into_iter().map(refused).collect())
            }
            Reply::Listed(_) => Reply::Listed(List { error, groups: Vec::new(), more: None }),
            Reply::Deleted(codes) => {
                let refused = |code| if code == ErrorCode::None { error } else { code };
                Reply::Deleted(codes.into_iter().map(refused).collect())
            }
        }
    }
}

/// Whether a new member must come back with the id that it was given (KIP-394).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberIds {
    /// Versions below 4: it is a member at once.
    Given,
    Required,
}

/// Whether the client knows that a leader may keep the assignment (KIP-814).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipAssignment {
    Unknown,
    Understood,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub name: Arc<str>,
    pub metadata: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub group: String,
    /// Empty: not a member yet.
    pub member: String,
    /// `group.instance.id` (KIP-345).
    pub instance: Option<String>,
    pub client: Client,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    pub protocol_type: String,
    /// The preferred first.
    pub protocols: Vec<Protocol>,
    /// What the client says (KIP-800).
    pub reason: Option<String>,
    pub ids: MemberIds,
    pub skip_assignment: SkipAssignment,
    /// Random: a new member's id ends in it.
    pub entropy: [u8; 16],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub id: Arc<str>,
    pub instance: Option<Arc<str>>,
    pub metadata: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub error: ErrorCode,
    /// -1 with an error.
    pub generation: i32,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    /// Empty: none.
    pub leader: Arc<str>,
    pub member: Arc<str>,
    /// The leader's assignment would be thrown away.
    pub skip_assignment: bool,
    /// For the leader only.
    pub members: Vec<JoinedMember>,
}

impl Joined {
    pub fn refused(member: impl Into<Arc<str>>, error: ErrorCode) -> Joined {
        Joined {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            member: member.into(),
            skip_assignment: false,
            members: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    pub group: String,
    pub generation: i32,
    pub member: String,
    pub instance: Option<String>,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    /// The leader's: what each member shall have.
    pub assignments: Vec<(String, Bytes)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub error: ErrorCode,
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    pub assignment: Bytes,
}

impl Synced {
    pub fn refused(error: ErrorCode) -> Synced {
        Synced { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub group: String,
    pub generation: i32,
    pub member: String,
    pub instance: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    pub group: String,
    pub members: Vec<Leaving>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Empty: whoever has this instance id.
    pub member: String,
    pub instance: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub error: ErrorCode,
    /// One per member asked, in that order; none with an error.
    pub members: Vec<ErrorCode>,
}

/// A member's commit, or a simple one (no member, generation -1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub group: String,
    pub generation: i32,
    pub member: String,
    pub instance: Option<String>,
    /// Versions 2–4; none later.
    pub retention_ms: Option<i64>,
    pub topics: Vec<CommitTopic>,
    /// From 9 on an unknown group is GROUP_ID_NOT_FOUND, before ILLEGAL_GENERATION; likewise STALE_MEMBER_EPOCH (KIP-848).
    pub version: i16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitTopic {
    pub name: String,
    /// Zero where the client named the topic and it is not known here.
    pub id: TopicId,
    pub partitions: Vec<CommitPartition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPartition {
    pub partition: PartitionIndex,
    pub offset: i64,
    /// -1: none.
    pub leader_epoch: i32,
    pub metadata: Option<String>,
}

/// Per topic, in the order asked, a code per partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCodes {
    pub name: String,
    pub partitions: Vec<(PartitionIndex, ErrorCode)>,
}

impl TopicCodes {
    /// What was right is refused with the rest.
    fn refused(mut self, error: ErrorCode) -> TopicCodes {
        for (_, code) in &mut self.partitions {
            if *code == ErrorCode::None {
                *code = error;
            }
        }
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsWanted {
    pub group: String,
    /// KIP-848; null where the client does not say.
    pub member: Option<String>,
    pub member_epoch: i32,
    /// None: all that are committed.
    pub topics: Option<Vec<TopicWanted>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicWanted {
    pub name: String,
    /// Zero: asked by name.
    pub id: TopicId,
    pub partitions: Vec<PartitionIndex>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsFound {
    pub group: String,
    pub error: ErrorCode,
    pub topics: Vec<TopicFound>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFound {
    pub name: String,
    pub id: TopicId,
    pub partitions: Vec<OffsetFound>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetFound {
    pub partition: PartitionIndex,
    /// -1: nothing is committed.
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: Box<str>,
    pub error: ErrorCode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsDoomed {
    pub group: String,
    pub topics: Vec<(String, Vec<PartitionIndex>)>,
}

/// Which groups are listed. An empty list of states or types leaves out none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub states: Vec<String>,
    pub types: Vec<String>,
    /// Where the last answer ended; none: from the first.
    pub after: Option<Arc<str>>,
}

/// A part of the list: no turn walks over all groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    pub error: ErrorCode,
    pub groups: Vec<Listed>,
    /// Ask again from here.
    pub more: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub group: Arc<str>,
    pub protocol_type: Arc<str>,
    pub state: &'static str,
    pub kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    pub group: String,
    pub error: ErrorCode,
    pub state: &'static str,
    pub protocol_type: Arc<str>,
    /// The protocol chosen; empty while there is none.
    pub protocol: Arc<str>,
    pub members: Vec<DescribedMember>,
    /// There is a group of this name, and it is no classic one.
    pub is_of_another_kind: bool,
}

impl Described {
    pub fn refused(group: String, error: ErrorCode) -> Described {
        Described {
            group,
            error,
            state: "",
            protocol_type: "".into(),
            protocol: "".into(),
            members: Vec::new(),
            is_of_another_kind: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    pub id: Arc<str>,
    pub instance: Option<Arc<str>>,
    pub client: Client,
    /// Only in a stable group.
    pub metadata: Bytes,
    pub assignment: Bytes,
}
