//! Topics are kept: one whose creation was answered exists after any stop, one whose deletion was answered does not, one that nobody
//! asked for never does; and each start raises the leader epoch of every partition.

use std::collections::BTreeSet;

use engine::{
    base::{PartitionIndex, TopicId, TopicPartition},
    controller::Image,
};

use super::{Promise, Verdict};
use crate::sim::model::{Existence, Model};

/// Right after a start.
pub fn after_start(model: &Model, image: &Image, cores: u16) -> Verdict {
    let present: BTreeSet<TopicId> = image.topics().map(|topic| topic.id).collect();
    for (id, topic) in &model.topics {
        let there = present.contains(id);
        let fits = match topic.existence {
            Existence::Live => there,
            Existence::Gone => !there,
            Existence::Wanted | Existence::Doomed => true,
        };
        Promise::MetadataKept.holds(fits, || {
            format!(
                "topic {} ({id}) is {:?}, and present after the start: {there}",
                topic.name, topic.existence
            )
        })?;
    }
    for topic in image.topics() {
        let known = model.topics.get(&topic.id);
        Promise::MetadataKept
            .holds(known.is_some(), || format!("nobody made topic {} ({})", topic.name, topic.id))?;
        let count = topic.partitions.len() as i32;
        let fits = known.is_some_and(|known| count == known.partitions || Some(count) == known.growing);
        Promise::MetadataKept.holds(fits, || {
            format!("topic {} has {count} partitions after the start, and was {known:?}", topic.name)
        })?;
        for (index, partition) in topic.partitions.iter().enumerate() {
            let id = TopicPartition { topic: topic.id, partition: PartitionIndex(index as i32) };
            Promise::MetadataKept.holds(partition.core.0 < cores, || {
                format!("{id:?} is on core {} of {cores}", partition.core)
            })?;
            let before = model.partitions.get(&id).map_or(-1, |partition| partition.leader_epoch);
            let now = partition.leader_epoch.0;
            Promise::MetadataKept.holds(now > before, || {
                format!("{id:?} was led in epoch {before} before this start, and is led in {now} now")
            })?;
        }
    }
    Ok(())
}
