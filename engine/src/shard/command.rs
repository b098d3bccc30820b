//! What a core is asked (`Command`) and what it answers (`Reply`). A connection on any core sends a Command to the core
//! that owns the partitions it names, over the bus or directly; every Command gets exactly one Reply, except `Cancel`
//! and `Release`.
//! Plain data; crosses cores.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;

use super::inspect::{Inspect, Inspected};
use crate::{
    base::{CoreId, Deadline, LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition},
    controller::{Image, Instruction, Outcome},
    error::ErrorCode,
    group::{
        self,
        figures::{GroupFigures, GroupPage},
    },
    metrics::Figures,
    op::FileRange,
    quota::Admission,
    record::RecordFault,
    shard::measure::Traffic,
    telemetry,
};

/// Names one Command until its Reply: the core that asked, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    pub origin: CoreId,
    pub number: u64,
}

#[derive(Clone, Debug)]
pub enum Command {
    Produce(Produce),
    Fetch(Fetch),
    Watch(Watch),
    /// Ends the Watch of this call without a Reply to either.
    Cancel(CallId),
    ListOffsets(Vec<OffsetQuery>),
    Inspect(Inspect),
    DeleteRecords(Vec<RecordsDeletion>),
    /// For the controller (core 0): answered when its records are durable and every core has the new image.
    Control(Instruction),
    /// A place for one more connection from this address, of core 0.
    Admit(IpAddr),
    /// Gives the place back, without a Reply.
    Release(IpAddr),
    /// What this core has counted.
    Measure,
    MeasurePartitions(PartitionPage),
    MeasureGroups(GroupPage),
    /// For the core that the client's instance id falls on.
    Telemetry(telemetry::Request),
    /// For the coordinator of the groups that it names; a JoinGroup is answered when the members have come.
    Group(group::request::Request),
}

#[derive(Clone, Debug)]
pub enum Reply {
    /// One answer per partition, in the order asked.
    Produced(Vec<Produced>),
    /// One answer per partition, in the order asked.
    Fetched(Vec<Fetched>),
    /// Enough bytes are there, or the deadline has passed, or a watched partition changed hands.
    Watched,
    OffsetsListed(Vec<OffsetAnswer>),
    Inspected(Inspected),
    /// One answer per partition, in the order asked: the log starts are in stable storage.
    RecordsDeleted(Vec<RecordsDeleted>),
    Controlled(Outcome),
    Admitted(Admission),
    Measured(Box<Figures>),
    /// Fewer than asked for: there are no more.
    PartitionsMeasured(Vec<PartitionFigures>),
    /// Fewer than asked for: there are no more.
    GroupsMeasured(Vec<GroupFigures>),
    Telemetry(ErrorCode),
    Group(group::request::Reply),
}

/// When a produce request is answered (`acks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// 0: nobody waits; the Reply comes as soon as the batches are placed.
    None,
    /// 1: the leader's copy, durable by the topic's `durability`.
    Leader,
    /// -1: every in-sync replica's.
    All,
}

/// Appends batches. Commands of one connection reach a partition in the order sent.
#[derive(Clone, Debug)]
pub struct Produce {
    pub acks: Acks,
    /// By then it is answered: with REQUEST_TIMED_OUT where that which it waits for has not come. None: it waits.
    pub deadline: Option<Deadline>,
    pub partitions: Vec<ProducePartition>,
}

#[derive(Clone, Debug)]
pub struct ProducePartition {
    pub partition: TopicPartition,
    /// Unchecked bytes from the wire.
    pub records: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Produced {
    pub error: ErrorCode,
    /// A sentence for the person behind the producer; only with an error.
    pub message: Option<String>,
    /// The records that made the batch refused, the first `limits::RECORD_ERRORS_MAX` of them.
    pub record_errors: Vec<RecordFault>,
    /// First offset of the batch; -1 with an error.
    pub base_offset: Offset,
    /// Set where the topic stamps records itself (`message.timestamp.type=LogAppendTime`), otherwise none.
    pub append_time: Timestamp,
    pub log_start: Offset,
}

/// Reads at once what is there: never waits for more (see `Watch`), may wait for the disk.
#[derive(Clone, Debug)]
pub struct Fetch {
    pub partitions: Vec<FetchPartition>,
    /// For all partitions together; the first partition with data gets at least one whole batch even beyond it.
    pub bytes_max: u32,
    pub bearer: Bearer,
}

/// What may bring a Fetch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// Memory only: whoever asks looks into them.
    Memory,
    /// The segments' files too, where they are kept in the page cache.
    File,
}

#[derive(Clone, Debug)]
pub struct FetchPartition {
    pub partition: TopicPartition,
    pub offset: Offset,
    /// A soft limit: one whole batch is returned even if larger, when the response is otherwise empty.
    pub bytes_max: u32,
    /// The epoch the reader believes in; none: not checked.
    pub leader_epoch: Option<LeaderEpoch>,
}

#[derive(Clone, Debug)]
pub struct Fetched {
    pub error: ErrorCode,
    pub high_watermark: Offset,
    pub last_stable: Offset,
    pub log_start: Offset,
    /// Whole batches in offset order, starting with the one that contains the asked offset.
    pub records: Vec<Bytes>,
    /// Likewise, instead of `records`: what a segment's file holds.
    pub range: Option<RecordRange>,
}

/// Whole batches in a file. They were written there whole before it was answered, and stay as they are.
#[derive(Clone, Debug)]
pub struct RecordRange {
    pub bytes: FileRange,
    /// The offset behind the last of them.
    pub next: Offset,
}

impl Fetched {
    pub fn bytes(&self) -> usize {
        self.memory_bytes() + self.range.as_ref().map_or(0, |range| range.bytes.length as usize)
    }

    /// Of `bytes`, those that are in memory.
    pub fn memory_bytes(&self) -> usize {
        self.records.iter().map(Bytes::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.range.is_none()
    }
}

/// Long poll: answered when `bytes_min` more bytes than now are readable behind the named offsets, or at the deadline.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Where the reader stands: the offset after what the last Fetch returned.
    pub partitions: Vec<(TopicPartition, Offset)>,
    /// Counts all bytes readable from those offsets on, what is there already included. At least 1.
    pub bytes_min: u32,
    pub deadline: Deadline,
}

/// Which offset is asked for (ListOffsets' special timestamps).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// -2
    Earliest,
    /// -1: the high watermark
    Latest,
    /// -3 (KIP-734)
    MaxTimestamp,
    /// -4 (KIP-405): the same as Earliest here
    EarliestLocal,
    /// -5 (KIP-1005): nothing is tiered
    LatestTiered,
    /// The first record at or after this time
    At(Timestamp),
}

#[derive(Clone, Debug)]
pub struct OffsetQuery {
    pub partition: TopicPartition,
    pub spec: OffsetSpec,
    pub leader_epoch: Option<LeaderEpoch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAnswer {
    pub error: ErrorCode,
    /// -1 where there is none.
    pub offset: Offset,
    pub timestamp: Timestamp,
    pub leader_epoch: LeaderEpoch,
}

/// Asks for partitions' figures in the order of their ids, a bounded number at a time.
#[derive(Clone, Copy, Debug)]
pub struct PartitionPage {
    /// The last one of the page before.
    pub after: Option<TopicPartition>,
    pub count: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct PartitionFigures {
    pub partition: TopicPartition,
    pub traffic: Traffic,
    /// Of all segments, indexes not included.
    pub disk_bytes: u64,
    pub log_start: Offset,
    pub high_watermark: Offset,
    pub end: Offset,
}

/// Moves a partition's log start.
#[derive(Clone, Copy, Debug)]
pub struct RecordsDeletion {
    pub partition: TopicPartition,
    pub before: DeleteBefore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBefore {
    Offset(Offset),
    /// -1: everything that readers see now.
    HighWatermark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsDeleted {
    pub error: ErrorCode,
    /// The log start; -1 with an error.
    pub low_watermark: Offset,
}

/// What cores tell each other besides Commands and Replies.
#[derive(Clone, Debug)]
pub enum Message {
    Command(CallId, Command),
    Reply(CallId, Reply),
    /// The controller's new image: apply it, then confirm it.
    Publish(Publication),
    /// The sender has applied the image that stands at this offset.
    Applied(Offset),
}

/// A new image of the metadata.
#[derive(Clone, Debug)]
pub struct Publication {
    pub image: Arc<Image>,
    pub changed: Changed,
}

/// What the new image changes for partitions.
#[derive(Clone, Debug)]
pub enum Changed {
    Topics(Arc<[TopicId]>),
    /// A broker-wide option: any topic may follow it.
    Everything,
}
