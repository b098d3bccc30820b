//! Canaries: each breaks one rule of the storage design from outside, between shard and disk or between shard and client, so that a
//! checker must sing. Never part of an honest run. Each names the promise whose checker it is for. Rule by rule:
//!
//! 1 prefix      `acknowledged-before-the-sync`, `dsync-removed`, `commits-out-of-order`
//! 2 recycle     `extent-recycled-before-the-checkpoint`, `segment-sync-dropped`, `buffered-sync-dropped`, `segment-write-reported-early`
//! 3 redo        `torn-group-accepted`, `stale-incarnation-accepted`
//! 4 log start   `log-start-told-early`, `log-start-lost`, `segment-gone-before-the-log-start`; truncation: no code yet
//! 5 tail block  `tail-image-dropped`, `block-in-flight-twice`
//! 6 below the recovery point: `segment-gone-above-the-recovery-point`, `cleaner-ahead-of-the-checkpoint`; no code yet: no live moves
//! 7 start       `one-journal-not-read`, `late-writes-after-the-lock`, `start-acts-on-unsynced-journals`
//! 8 failure     `failed-journal-write-hidden`, `failed-sync-hidden`, `failed-segment-write-hidden`, `damage-cut-silently`
//! 9 space       `allocation-skipped`
//!
//! And of deletion: `deletion-leaves-files`; of a start: `whole-tail-cut`, `start-raises-no-epoch`; of order: `batch-left-out-of-a-fetch`,
//! `bus-reorders-messages`, `range-beyond-the-flush`; of compaction: `cleaner-drops-latest`, `cleaner-overlooks-a-batch`, `cleaner-changes-a-record`,
//! `tombstone-dropped-early`, `swap-forgets-sync`; of groups: `part-given-twice`, `offsets-of-yesterday`, `generation-goes-back`,
//! `fenced-commit-taken`, `group-records-overlooked`; of answers: `answer-dropped`, `answer-given-twice`; of panics: `panic-in-a-turn`.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    base::TopicId,
    error::IoFailure,
    io::{
        buffer::AlignedBuf,
        journal::format::{FRAME_HEADER_BYTES, FrameKind, GROUP_HEADER_BYTES},
    },
    limits::BLOCK_BYTES,
    op::{Done, Op, OpId, Sync},
    shard::command::Reply,
};
use fastrand::Rng;

use super::{
    checkers::Promise,
    deceit::{self, Deceit},
    disk::Disk,
    forge,
    journal::Group,
    plan::Fault,
};

macro_rules! canaries {
    ($($name:ident $text:literal breaks $promise:ident,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Canary { $($name,)* }

        impl Canary {
            pub const ALL: &[Canary] = &[$(Canary::$name,)*];

            pub fn name(self) -> &'static str {
                match self { $(Canary::$name => $text,)* }
            }

            /// Whose checker must sing.
            pub fn promise(self) -> Promise {
                match self { $(Canary::$name => Promise::$promise,)* }
            }
        }
    };
}

canaries! {
    AcknowledgedBeforeTheSync "acknowledged-before-the-sync" breaks AcknowledgedDurable,
    CommitsOutOfOrder "commits-out-of-order" breaks AcknowledgedDurable,
    DsyncRemoved "dsync-removed" breaks AcknowledgedDurable,
    RecycledBeforeTheCheckpoint "extent-recycled-before-the-checkpoint" breaks FailureContained,
    SegmentSyncDropped "segment-sync-dropped" breaks SegmentsWellFormed,
    BufferedSyncDropped "buffered-sync-dropped" breaks SegmentsWellFormed,
    SegmentWriteReportedEarly "segment-write-reported-early" breaks DeviceRules,
    TornGroupAccepted "torn-group-accepted" breaks NoStaleContent,
    StaleIncarnationAccepted "stale-incarnation-accepted" breaks FailureContained,
    TailImageDropped "tail-image-dropped" breaks NoStaleContent,
    BlockInFlightTwice "block-in-flight-twice" breaks DeviceRules,
    OneJournalNotRead "one-journal-not-read" breaks AcknowledgedKept,
    LateWritesAfterTheLock "late-writes-after-the-lock" breaks FailureContained,
    StartActsOnUnsyncedJournals "start-acts-on-unsynced-journals" breaks SegmentsWellFormed,
    DamageCutSilently "damage-cut-silently" breaks MetadataKept,
    FailedJournalWriteHidden "failed-journal-write-hidden" breaks AcknowledgedDurable,
    FailedSyncHidden "failed-sync-hidden" breaks SegmentsWellFormed,
    FailedSegmentWriteHidden "failed-segment-write-hidden" breaks SegmentsWellFormed,
    AllocationSkipped "allocation-skipped" breaks DeviceRules,
    DeletionLeavesFiles "deletion-leaves-files" breaks SegmentsWellFormed,
    LogStartToldEarly "log-start-told-early" breaks LogStartKept,
    LogStartLost "log-start-lost" breaks LogStartKept,
    SegmentGoneBeforeTheLogStart "segment-gone-before-the-log-start" breaks SegmentsGoInTime,
    SegmentGoneAboveTheRecoveryPoint "segment-gone-above-the-recovery-point" breaks SegmentsGoInTime,
    CleanerDropsLatest "cleaner-drops-latest" breaks LatestKept,
    CleanerOverlooksABatch "cleaner-overlooks-a-batch" breaks DeletedStaysDeleted,
    CleanerChangesARecord "cleaner-changes-a-record" breaks RecordsUntouched,
    CleanerAheadOfTheCheckpoint "cleaner-ahead-of-the-checkpoint" breaks ActiveUntouched,
    TombstoneDroppedEarly "tombstone-dropped-early" breaks TombstonesStay,
    SwapForgetsSync "swap-forgets-sync" breaks SwapsWhole,
    PartGivenTwice "part-given-twice" breaks OneOwner,
    OffsetsOfYesterday "offsets-of-yesterday" breaks CommitsKept,
    GenerationGoesBack "generation-goes-back" breaks GenerationsRise,
    FencedCommitTaken "fenced-commit-taken" breaks FencedRefused,
    GroupRecordsOverlooked "group-records-overlooked" breaks GroupsReplayed,
    WholeTailCut "whole-tail-cut" breaks RecoveredEqualsLive,
    StartRaisesNoEpoch "start-raises-no-epoch" breaks MetadataKept,
    BatchLeftOutOfAFetch "batch-left-out-of-a-fetch" breaks OffsetsDense,
    RangeBeyondTheFlush "range-beyond-the-flush" breaks RangesWhole,
    BusReordersMessages "bus-reorders-messages" breaks OffsetsDense,
    AnswerDropped "answer-dropped" breaks Answers,
    AnswerGivenTwice "answer-given-twice" breaks Answers,
    PanicInATurn "panic-in-a-turn" breaks NoPanic,
}

impl Canary {
    pub fn named(name: &str) -> Option<Canary> {
        Canary::ALL.iter().copied().find(|canary| canary.name() == name)
    }

    /// The image of a tail block is of use only where a device tears within its own block.
    pub fn needs_shorn_sectors(self) -> bool {
        self == Canary::TailImageDropped
    }

    /// Only where topics are compacted it breaks anything.
    pub fn is_of_compaction(self) -> bool {
        use Promise::{
            ActiveUntouched, DeletedStaysDeleted, LatestKept, RecordsUntouched, SwapsWhole, TombstonesStay,
        };
        let promises =
            [LatestKept, DeletedStaysDeleted, RecordsUntouched, ActiveUntouched, TombstonesStay, SwapsWhole];
        promises.contains(&self.promise())
    }

    /// Only where segments go through the page cache it breaks anything.
    pub fn is_of_buffered_segments(self) -> bool {
        matches!(self, Canary::BufferedSyncDropped | Canary::RangeBeyondTheFlush)
    }

    /// Only where there are groups it breaks anything.
    pub fn is_of_groups(self) -> bool {
        use Promise::{CommitsKept, FencedRefused, GenerationsRise, GroupsReplayed, OneOwner};
        let promises = [OneOwner, CommitsKept, GenerationsRise, FencedRefused, GroupsReplayed];
        promises.contains(&self.promise())
    }

    /// The failure that it hides.
    pub fn fault(self) -> Option<Fault> {
        match self {
            Canary::FailedJournalWriteHidden => Some(Fault::JournalWrite),
            Canary::FailedSyncHidden => Some(Fault::Sync),
            Canary::FailedSegmentWriteHidden => Some(Fault::SegmentWrite),
            _ => None,
        }
    }
}

/// What becomes of an Op.
pub enum Treatment {
    Perform(Op),
    /// The shard hears that it is done; nothing happens.
    Pretend,
    /// The shard hears that it is done before it happens.
    Early(Op),
    Twice(Op),
}

/// Stands between shards and disk; without a canary it changes nothing.
#[derive(Debug)]
pub struct Mutator {
    canary: Option<Canary>,
    /// Ops whose failure is hidden.
    hidden: BTreeSet<(u16, OpId)>,
    deceit: Deceit,
}

impl Mutator {
    pub fn new(canary: Option<Canary>) -> Mutator {
        Mutator { canary, hidden: BTreeSet::new(), deceit: Deceit::default() }
    }

    pub fn is(&self, canary: Canary) -> bool {
        self.canary == Some(canary)
    }

    pub fn fault(&self) -> Option<Fault> {
        self.canary.and_then(Canary::fault)
    }

    /// A canary looks at an Op before it is treated.
    pub fn watch(&mut self, core: u16, id: OpId, op: &Op, sealed: bool) {
        if self.canary.is_some() {
            self.deceit.watch(core, id, op, sealed);
        }
    }

    pub fn treat(&mut self, core: u16, id: OpId, op: Op, group: Option<&Group>) -> Treatment {
        let Some(canary) = self.canary else { return Treatment::Perform(op) };
        if canary.fault().is_some_and(|fault| fault.meets(&op)) {
            self.hidden.insert((core, id));
        }
        let file = match &op {
            Op::Write { file, .. } => file.as_str(),
            _ => "",
        };
        let is_journal = group.is_some();
        let moves_start = group
            .is_some_and(|group| group.frames.iter().any(|(frame, _)| frame.kind == FrameKind::LogStart));
        let is_segment = file.ends_with(".log");
        let is_checkpoint = file.contains("/checkpoint-");
        match (canary, op) {
            (Canary::AcknowledgedBeforeTheSync, op) if is_journal => Treatment::Early(op),
            (Canary::SegmentWriteReportedEarly, op) if is_segment => Treatment::Early(op),
            (Canary::DsyncRemoved, Op::Write { file, position, data, path, class, .. }) if is_journal => {
                Treatment::Perform(Op::Write { file, position, data, path, sync: Sync::Later, class })
            }
            (Canary::LogStartToldEarly | Canary::SegmentGoneBeforeTheLogStart, op) if moves_start => {
                Treatment::Early(op)
            }
            (
                Canary::RecycledBeforeTheCheckpoint
                | Canary::SegmentGoneAboveTheRecoveryPoint
                | Canary::CleanerAheadOfTheCheckpoint,
                _,
            ) if is_checkpoint => Treatment::Pretend,
            (Canary::SwapForgetsSync, Op::SyncFilesystem) if self.deceit.copies(core) => Treatment::Pretend,
            (Canary::CleanerChangesARecord, Op::Write { file, position, data, path, sync, class })
                if file.as_str().ends_with(".log.cleaned") =>
            {
                let data = deceit::younger(&data);
                Treatment::Perform(Op::Write { file, position, data, path, sync, class })
            }
            (Canary::LogStartLost, Op::Write { file, position, data, path, sync, class }) if moves_start => {
                let data = without(FrameKind::LogStart, &data, group);
                Treatment::Perform(Op::Write { file, position, data, path, sync, class })
            }
            (Canary::SegmentSyncDropped | Canary::BufferedSyncDropped, Op::SyncFilesystem) => {
                Treatment::Pretend
            }
            (Canary::TailImageDropped, Op::Write { file, position, data, path, sync, class })
                if is_journal =>
            {
                let data = without(FrameKind::TailImage, &data, group);
                Treatment::Perform(Op::Write { file, position, data, path, sync, class })
            }
            (Canary::BlockInFlightTwice, op) if is_segment => Treatment::Twice(op),
            (Canary::AllocationSkipped, Op::Create { file, .. }) => {
                Treatment::Perform(Op::Create { file, allocate: 0 })
            }
            (Canary::AllocationSkipped, Op::Allocate { .. }) => Treatment::Pretend,
            (Canary::DeletionLeavesFiles, Op::Rename { .. } | Op::RemoveTree { .. }) => Treatment::Pretend,
            (_, op) => Treatment::Perform(op),
        }
    }

    /// What the client hears: the reply, once.
    pub fn replies(&mut self, reply: Reply, random: &mut Rng) -> Vec<Reply> {
        let strikes = self.canary.is_some() && random.u8(0..20) == 0;
        match (self.canary, reply) {
            (Some(Canary::AnswerDropped), _) if strikes => Vec::new(),
            (Some(Canary::AnswerGivenTwice), reply) if strikes => vec![reply.clone(), reply],
            (Some(Canary::BatchLeftOutOfAFetch), Reply::Fetched(mut answers)) => {
                for answer in answers.iter_mut().filter(|answer| answer.records.len() > 2) {
                    answer.records.remove(1);
                }
                vec![Reply::Fetched(answers)]
            }
            (Some(Canary::RangeBeyondTheFlush), Reply::Fetched(mut answers)) => {
                for range in answers.iter_mut().filter_map(|answer| answer.range.as_mut()) {
                    range.bytes.length += BLOCK_BYTES as u32;
                }
                vec![Reply::Fetched(answers)]
            }
            (Some(canary), Reply::Group(reply)) => vec![Reply::Group(self.deceit.of_groups(canary, reply))],
            (_, reply) => vec![reply],
        }
    }

    /// What the shard hears.
    pub fn done(&mut self, core: u16, id: OpId, done: Done) -> Done {
        let hidden = self.hidden.remove(&(core, id));
        match done {
            Done::Failed(IoFailure { errno: libc::EIO, .. }) if hidden => Done::Completed,
            Done::Read(bytes)
                if self.deceit.loads(core, id) && self.canary == Some(Canary::GroupRecordsOverlooked) =>
            {
                Done::Read(deceit::hidden(&bytes))
            }
            Done::Read(bytes) if self.deceit.learns(core, id) => match self.canary {
                Some(Canary::CleanerDropsLatest) => Done::Read(deceit::further(&bytes)),
                Some(Canary::CleanerOverlooksABatch) => Done::Read(deceit::hidden(&bytes)),
                _ => Done::Read(bytes),
            },
            done => done,
        }
    }

    /// An Op of a start: none is left out but by a canary.
    pub fn at_start(&self, op: &Op, done: Done) -> Done {
        match (self.canary, op, done) {
            (Some(Canary::OneJournalNotRead), Op::List { directory }, Done::Listed(mut entries))
                if directory.as_str().starts_with("journal/core-")
                    && directory.as_str() != "journal/core-0" =>
            {
                entries.retain(|entry| !entry.name.starts_with("extent-"));
                Done::Listed(entries)
            }
            (_, _, done) => done,
        }
    }

    /// Whether a start only pretends to perform this; `count` Ops of it came before.
    pub fn pretends_at_start(&self, op: &Op, count: u64) -> bool {
        match (self.canary, op) {
            (Some(Canary::DeletionLeavesFiles), Op::RemoveTree { .. }) => true,
            (Some(Canary::StartActsOnUnsyncedJournals), Op::SyncFilesystem) => count == 0,
            _ => false,
        }
    }

    /// Changes what the disk keeps, as if the next start judged it by weaker rules.
    pub fn before_start(&mut self, disk: &mut Disk) {
        self.deceit = Deceit::default();
        match self.canary {
            Some(Canary::TornGroupAccepted) => forge::seal_torn_groups(disk),
            Some(Canary::StaleIncarnationAccepted) => forge::renew_stale_extents(disk),
            Some(Canary::WholeTailCut) => forge::cut_last_groups(disk),
            _ => {}
        }
    }
}

/// The same group, its frames of one kind addressed to a topic that does not exist.
fn without(kind: FrameKind, data: &Bytes, group: Option<&Group>) -> Bytes {
    let Some(group) = group else { return data.clone() };
    let mut copy = AlignedBuf::padded_copy(data);
    let bytes = &mut copy.as_mut_slice()[group.offset..];
    for (number, (frame, _)) in group.frames.iter().enumerate() {
        if frame.kind == kind {
            let mut frame = *frame;
            frame.partition.topic = TopicId([0xee; 16]);
            frame
                .encode(&mut bytes[GROUP_HEADER_BYTES + number * FRAME_HEADER_BYTES..][..FRAME_HEADER_BYTES]);
        }
    }
    group.header.encode(&group.extent, group.position, bytes);
    debug_assert!(copy.len().is_multiple_of(BLOCK_BYTES));
    copy.freeze()
}
