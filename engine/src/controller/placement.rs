//! Which core owns a partition. Runs on core 0, inside `decide`. A new partition goes to the core that has fewest of
//! its topic, and among those to the least loaded: a busy topic is spread even when cores are unevenly filled. Never
//! moves a partition without need: a move costs a flush and a new owner epoch.

use std::sync::Arc;

use super::image::{Image, TopicImage};
use super::record::MetadataRecord;
use crate::base::{CoreId, OwnerEpoch, PartitionIndex};

/// Partitions per core, as if everything decided so far had been applied.
pub(super) struct CoreLoads {
    partitions: Vec<usize>,
}

/// Partitions of one topic per core.
pub(super) struct TopicSpread(Vec<usize>);

impl CoreLoads {
    /// Of the cores `0..cores`; at least one.
    pub(super) fn of(image: &Image, cores: u16) -> CoreLoads {
        CoreLoads { partitions: (0..cores.max(1)).map(|core| image.core_load(CoreId(core))).collect() }
    }

    pub(super) fn spread(&self, topic: Option<&TopicImage>) -> TopicSpread {
        let mut spread = vec![0; self.partitions.len()];
        for partition in topic.iter().flat_map(|topic| &topic.partitions) {
            if let Some(count) = spread.get_mut(usize::from(partition.core.0)) {
                *count += 1;
            }
        }
        TopicSpread(spread)
    }

    /// Takes a place for one more partition of the topic.
    pub(super) fn place(&mut self, spread: &mut TopicSpread) -> CoreId {
        let best = (0..self.partitions.len())
            .min_by_key(|&core| (spread.0[core], self.partitions[core]))
            .expect("there is at least one core");
        self.partitions[best] += 1;
        spread.0[best] += 1;
        CoreId(best as u16)
    }

    fn leave(&mut self, core: CoreId, spread: &mut TopicSpread) {
        self.partitions[usize::from(core.0)] -= 1;
        spread.0[usize::from(core.0)] -= 1;
    }
}

/// The moves for a start with `cores` cores: partitions of cores that no longer exist go to the least loaded. Only when
/// the count has grown is load taken from cores that stay, so that new cores do not stand idle.
pub(super) fn reassign(image: &Image, cores_before: u16, cores: u16) -> Vec<MetadataRecord> {
    let mut loads = CoreLoads::of(image, cores);
    let mut moves = Vec::new();
    for topic in image.topics() {
        let mut spread = loads.spread(Some(topic));
        for (index, partition) in topic.partitions.iter().enumerate() {
            if partition.core.0 >= cores {
                let core = loads.place(&mut spread);
                moves.push(moved(topic, index, core));
            }
        }
    }
    if cores > cores_before {
        level(image, &mut loads, &mut moves);
    }
    moves
}

fn level(image: &Image, loads: &mut CoreLoads, moves: &mut Vec<MetadataRecord>) {
    let cores = loads.partitions.len();
    let fair = image.partition_count().div_ceil(cores);
    for topic in image.topics() {
        let mut spread = loads.spread(Some(topic));
        // No topic keeps more than this on a crowded core; summed up over all topics it is not more than `fair`.
        let fair_of_topic = topic.partitions.len() / cores;
        for (index, partition) in topic.partitions.iter().enumerate() {
            let core = usize::from(partition.core.0);
            // A core that is gone was dealt with already.
            let Some(&load) = loads.partitions.get(core) else { continue };
            if load > fair && spread.0[core] > fair_of_topic {
                loads.leave(partition.core, &mut spread);
                let core = loads.place(&mut spread);
                if core != partition.core {
                    moves.push(moved(topic, index, core));
                }
            }
        }
    }
}

fn moved(topic: &Arc<TopicImage>, index: usize, core: CoreId) -> MetadataRecord {
    let owner_epoch = OwnerEpoch(topic.partitions[index].owner_epoch.0.saturating_add(1));
    MetadataRecord::PartitionMoved { topic: topic.id, index: PartitionIndex(index as i32), core, owner_epoch }
}
