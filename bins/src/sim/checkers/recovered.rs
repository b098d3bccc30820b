//! What a start finds is what the last process left: after a clean stop, or a kill whose last writes all landed, exactly; after any
//! other stop nothing beyond what had been handed to the journal.

use engine::base::{Offset, TopicPartition};

use super::{Promise, Verdict};
use crate::sim::model::Model;

/// How the last process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Clean,
    /// Killed; every write that was under way has landed.
    KilledLanded,
    Killed,
    PowerLost,
}

pub fn end(model: &Model, id: TopicPartition, stop: Stop, end: Offset) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let built = partition.built;
    let exactly = matches!(stop, Stop::Clean | Stop::KilledLanded);
    Promise::RecoveredEqualsLive.holds(end <= built && (!exactly || end == built), || {
        format!("{id:?} ended at {built} before the stop ({stop:?}) and ends at {end} after the start")
    })?;
    let whole = end == Offset(0) || partition.batches.values().any(|placed| placed.next == end);
    Promise::RecoveredEqualsLive
        .holds(whole, || format!("{id:?} ends at {end} after the start, inside a batch"))
}
