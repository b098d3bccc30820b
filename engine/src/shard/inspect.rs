//! Looking at partitions without changing them: where leader epochs end, how large logs are, who produces. Answered at once
//! from memory.

use super::{Shard, command::CallId, command::Reply, fetch::check_epoch};
use crate::{
    base::{LeaderEpoch, Offset, TopicPartition},
    error::ErrorCode,
    producer::ProducerState,
};

#[derive(Clone, Debug)]
pub enum Inspect {
    /// Answered one by one, in the order asked.
    EpochEnds(Vec<EpochQuery>),
    /// Of every partition of the core.
    Sizes,
    /// Answered one by one, in the order asked.
    Producers(Vec<TopicPartition>),
}

#[derive(Clone, Debug)]
pub enum Inspected {
    EpochEnds(Vec<Result<EpochEnd, ErrorCode>>),
    Sizes(Vec<(TopicPartition, u64)>),
    Producers(Vec<Result<Vec<ProducerState>, ErrorCode>>),
}

/// Where does this leader epoch end (OffsetForLeaderEpoch)?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochQuery {
    pub partition: TopicPartition,
    /// The epoch that the asker believes in; none: not checked.
    pub current: Option<LeaderEpoch>,
    pub wanted: LeaderEpoch,
}

/// The epoch asked for, or the nearest before it that has records, and the offset behind its last one; -1 and -1 where
/// neither is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    pub epoch: LeaderEpoch,
    pub end: Offset,
}

impl Shard {
    pub(super) fn inspect(&mut self, call: CallId, inspect: Inspect) {
        let inspected = match inspect {
            Inspect::EpochEnds(queries) => {
                Inspected::EpochEnds(queries.iter().map(|query| self.epoch_end(query)).collect())
            }
            Inspect::Sizes => Inspected::Sizes(self.sizes()),
            Inspect::Producers(partitions) => {
                Inspected::Producers(partitions.into_iter().map(|id| self.producers_of(id)).collect())
            }
        };
        self.reply(call, Reply::Inspected(inspected));
    }

    fn epoch_end(&self, query: &EpochQuery) -> Result<EpochEnd, ErrorCode> {
        let (_, partition) = self.table.lookup(query.partition).ok_or(ErrorCode::NotLeaderOrFollower)?;
        check_epoch(partition, query.current)?;
        if partition.failed {
            return Err(ErrorCode::KafkaStorageError);
        }
        let (epoch, end) = partition.live.end_of_epoch(query.wanted, partition.leader_epoch);
        Ok(EpochEnd { epoch, end })
    }

    fn sizes(&self) -> Vec<(TopicPartition, u64)> {
        let partitions = self.table.iter().filter(|partition| !partition.deleted);
        partitions.map(|partition| (partition.id, partition.live.bytes())).collect()
    }

    fn producers_of(&self, id: TopicPartition) -> Result<Vec<ProducerState>, ErrorCode> {
        let (_, partition) = self.table.lookup(id).ok_or(ErrorCode::NotLeaderOrFollower)?;
        Ok(partition.producers.states().collect())
    }
}
