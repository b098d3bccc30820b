//! The flow of a DeleteRecords, and every other move of a log start: a control frame in the journal; when it is durable, and not before,
//! readers see the new start, whoever asked is answered, and segments below it may go (rule 4).

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    Shard,
    command::{CallId, DeleteBefore, RecordsDeleted, RecordsDeletion, Reply},
    partition::Slot,
    produce::FrameNumber,
};
use crate::{
    base::{FilePosition, Offset},
    error::ErrorCode,
    io::journal::{format::FrameKind, writer::Frame},
};

#[derive(Debug)]
struct Pending {
    call: CallId,
    /// One per partition asked.
    parts: Vec<Result<Slot, ErrorCode>>,
}

/// DeleteRecords that wait for their last frame, in its order.
#[derive(Debug, Default)]
pub struct Deletions {
    waiting: VecDeque<(FrameNumber, Pending)>,
}

impl Shard {
    pub(super) fn delete_records(&mut self, call: CallId, asked: Vec<RecordsDeletion>) {
        let mut last = FrameNumber::default();
        let mut parts = Vec::with_capacity(asked.len());
        for part in asked {
            let staged = self.stage_deletion(part);
            last = staged.map_or(last, |(_, frame)| last.max(frame));
            parts.push(staged.map(|(slot, _)| slot));
        }
        let pending = Pending { call, parts };
        // A partition may wait for a frame that was staged for somebody else.
        let after = self.deletions.waiting.partition_point(|(frame, _)| *frame <= last);
        self.deletions.waiting.insert(after, (last, pending));
        self.answer_deletions();
    }

    fn stage_deletion(&mut self, part: RecordsDeletion) -> Result<(Slot, FrameNumber), ErrorCode> {
        let (slot, partition) = self.table.lookup(part.partition).ok_or(ErrorCode::NotLeaderOrFollower)?;
        if self.checkpoint.is_stopping() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if partition.failed {
            return Err(ErrorCode::KafkaStorageError);
        }
        let cleanup = partition.settings.cleanup;
        if cleanup.compact && !cleanup.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let start = match part.before {
            DeleteBefore::HighWatermark => partition.visible,
            DeleteBefore::Offset(offset) => offset,
        };
        if start < Offset(0) || start > partition.visible {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        Ok((slot, self.move_log_start(slot, start)))
    }

    /// Stages the move; answers the frame that makes it durable, none if it is so already.
    pub(super) fn move_log_start(&mut self, slot: Slot, start: Offset) -> FrameNumber {
        let Some(partition) = self.table.get_mut(slot) else { return FrameNumber::default() };
        if start <= partition.live.start() {
            return FrameNumber::default();
        }
        if let Some((_, frame)) = partition.moving_start.filter(|(moving, _)| *moving >= start) {
            return frame;
        }
        let frame = Frame {
            kind: FrameKind::LogStart,
            partition: partition.id,
            owner_epoch: partition.owner_epoch,
            segment: Offset(0),
            position: FilePosition(0),
            base: start,
            next: start,
            leader_epoch: partition.leader_epoch,
            payload: Bytes::new(),
        };
        let frame = self.commit.stage(slot, frame);
        partition.moving_start = Some((start, frame));
        self.wake = true;
        frame
    }

    /// A move of the log start is in stable storage.
    pub(super) fn log_start_durable(&mut self, slot: Slot, start: Offset) {
        let Some(partition) = self.table.get_mut(slot).filter(|partition| !partition.deleted) else { return };
        partition.live.advance_start(start);
        partition.flushed.advance_start(start);
        partition.moving_start = partition.moving_start.filter(|(moving, _)| *moving > start);
        self.forget_ahead(slot);
        self.retire_breached(slot);
    }

    pub(super) fn answer_deletions(&mut self) {
        while let Some((_, pending)) =
            self.deletions.waiting.pop_front_if(|(frame, _)| *frame <= self.commit.committed)
        {
            let answers = pending.parts.into_iter().map(|part| self.deleted(part)).collect();
            self.reply(pending.call, Reply::RecordsDeleted(answers));
        }
    }

    fn deleted(&self, part: Result<Slot, ErrorCode>) -> RecordsDeleted {
        let failed = |error| RecordsDeleted { error, low_watermark: Offset(-1) };
        match part.map(|slot| self.table.get(slot).filter(|partition| !partition.deleted)) {
            Ok(Some(partition)) => {
                RecordsDeleted { error: ErrorCode::None, low_watermark: partition.live.start() }
            }
            Ok(None) => failed(ErrorCode::UnknownTopicOrPartition),
            Err(error) => failed(error),
        }
    }
}
