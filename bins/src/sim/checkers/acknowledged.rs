//! Acknowledged is kept: after any stop a partition reaches at least to where the disk held it, whatever its durability, and what was
//! answered to a producer stands at the offset that it was told.

use engine::{
    base::{Offset, TopicPartition},
    shard::command::Produced,
};

use super::{Promise, Verdict};
use crate::sim::model::{Fate, Model, SentNumber};

/// A producer is told where its batch is: there, if the batch was written already.
pub fn placed_as_told(model: &Model, number: SentNumber, produced: &Produced) -> Verdict {
    let sent = &model.sent[number];
    let Some(partition) = model.partitions.get(&sent.partition) else { return Ok(()) };
    let base = produced.base_offset;
    let Some(placed) = partition.batches.get(&base) else {
        // Staged only: checked when it is written.
        return Promise::AcknowledgedKept.holds(base >= partition.built, || {
            format!("{:?} acknowledged batch {number} at offset {base}, where none begins", sent.partition)
        });
    };
    Promise::AcknowledgedKept.holds(placed.sent == number, || {
        format!(
            "{:?} acknowledged batch {number} at offset {base}, where batch {} is",
            sent.partition, placed.sent
        )
    })
}

/// A start found this end.
pub fn nothing_durable_is_missing(model: &Model, id: TopicPartition, end: Offset) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    Promise::AcknowledgedKept.holds(end >= partition.durable, || {
        let lost = partition.batches.range(end..partition.durable);
        let told = lost.filter(|(_, placed)| matches!(model.sent[placed.sent].fate, Fate::Taken(_))).count();
        format!(
            "{id:?} ends at {end} after the start, but the disk held it up to {}: {told} acknowledged batches are lost",
            partition.durable
        )
    })
}
