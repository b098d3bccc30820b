//! What is remembered of one producer: its epoch and its last five batches in that epoch. Lives on the core that owns
//! the partition.

use super::limits::BATCHES_PER_PRODUCER;
use super::sequence;
use crate::base::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// What a batch's header says of its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    /// Negative: the batch has no producer, nothing is checked and nothing remembered.
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    pub base_sequence: Sequence,
    /// The batch's last offset minus its first, at least 0.
    pub last_offset_delta: i32,
}

impl BatchFacts {
    pub(super) fn last_sequence(&self) -> Sequence {
        sequence::after(self.base_sequence, self.last_offset_delta)
    }
}

/// One batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub last_offset: Offset,
    pub timestamp: Timestamp,
    pub last_sequence: Sequence,
    pub offset_delta: i32,
}

impl Batch {
    pub(super) fn base_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }

    pub(super) fn base_sequence(&self) -> Sequence {
        sequence::before(self.last_sequence, self.offset_delta)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub epoch: ProducerEpoch,
    /// Of the last batch: its largest record timestamp.
    pub last_timestamp: Timestamp,
    /// Oldest first, at most five, all of `epoch`. Empty only where Kafka wrote the entry after a transaction's end.
    batches: Vec<Batch>,
}

/// One producer, for DescribeProducers and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerState {
    pub producer: ProducerId,
    pub epoch: ProducerEpoch,
    /// -1: no batch is remembered.
    pub last_sequence: Sequence,
    pub last_timestamp: Timestamp,
}

impl Entry {
    pub(super) fn empty(epoch: ProducerEpoch, last_timestamp: Timestamp) -> Entry {
        Entry { epoch, last_timestamp, batches: Vec::new() }
    }

    pub(super) fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// -1 where no batch is remembered.
    pub(super) fn last_sequence(&self) -> Sequence {
        self.batches.last().map_or(Sequence(-1), |batch| batch.last_sequence)
    }

    /// -1 where no batch is remembered.
    pub(super) fn last_offset(&self) -> Offset {
        self.batches.last().map_or(Offset(-1), |batch| batch.last_offset)
    }

    pub(super) fn push(&mut self, epoch: ProducerEpoch, batch: Batch) {
        if epoch != self.epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
        if self.batches.len() == BATCHES_PER_PRODUCER {
            self.batches.remove(0);
        }
        // Most producers of a crowd send one batch and go: no room is kept for four more.
        self.batches.reserve_exact(1);
        self.batches.push(batch);
        self.last_timestamp = batch.timestamp;
    }

    pub(super) fn state(&self, producer: ProducerId) -> ProducerState {
        ProducerState {
            producer,
            epoch: self.epoch,
            last_sequence: self.last_sequence(),
            last_timestamp: self.last_timestamp,
        }
    }
}
