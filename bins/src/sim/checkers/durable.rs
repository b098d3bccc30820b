//! Nothing is told before the disk holds it: an answer to a producer of a topic with durability `sync`, and what a reader sees of it,
//! lie below what synced writes have made stable. Judged by the disk, not by what the shard was told.

use engine::{
    base::{Offset, TopicPartition},
    config::Durability,
};

use super::{Promise, Verdict};
use crate::sim::model::Model;

/// A batch that ends at `next` was acknowledged.
pub fn acknowledged(model: &Model, id: TopicPartition, next: Offset) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let (reached, what) = match partition.durability {
        Durability::Sync => (partition.durable, "holds"),
        Durability::Async => (partition.built, "was handed"),
    };
    Promise::AcknowledgedDurable.holds(next <= reached, || {
        format!("{id:?} acknowledged up to {next}, and the disk {what} it up to {reached}")
    })
}

/// Readers see the partition up to `visible`.
pub fn visible(model: &Model, id: TopicPartition, visible: Offset) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let reached = match partition.durability {
        Durability::Sync => partition.durable,
        Durability::Async => partition.built,
    };
    Promise::AcknowledgedDurable.holds(visible <= reached, || {
        format!("{id:?} shows records up to {visible}, and the disk holds it up to {reached}")
    })
}
