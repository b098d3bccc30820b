//! A core's partitions, by slot and by id. Plain state.

use std::{collections::BTreeMap, ops::Bound};

use super::partition::{CACHE_ROOM_MIN, CachedBatch, Partition, Slot};
use crate::{
    base::{PartitionIndex, TopicId, TopicPartition},
    limits,
};

/// Itself, the room that its cache keeps, half of its last block on average, its files and its names.
const PARTITION_BYTES: usize =
    size_of::<Partition>() + CACHE_ROOM_MIN * size_of::<CachedBatch>() + limits::BLOCK_BYTES / 2 + 1024;

#[derive(Debug, Default)]
pub struct Table {
    /// By slot; empty where a partition was deleted.
    slots: Vec<Option<Box<Partition>>>,
    by_id: BTreeMap<TopicPartition, Slot>,
}

impl Table {
    pub fn insert(&mut self, partition: Partition) -> Slot {
        let slot = Slot(self.slots.len() as u32);
        self.by_id.insert(partition.id, slot);
        self.slots.push(Some(Box::new(partition)));
        slot
    }

    /// No one finds it by its id from now on.
    pub fn hide(&mut self, slot: Slot) {
        if let Some(partition) = self.get(slot) {
            let id = partition.id;
            self.by_id.remove(&id);
        }
    }

    pub fn remove(&mut self, slot: Slot) {
        self.hide(slot);
        if let Some(place) = self.slots.get_mut(slot.0 as usize) {
            *place = None;
        }
    }

    pub fn find(&self, id: TopicPartition) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    pub fn get(&self, slot: Slot) -> Option<&Partition> {
        self.slots.get(slot.0 as usize)?.as_deref()
    }

    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Partition> {
        self.slots.get_mut(slot.0 as usize)?.as_deref_mut()
    }

    pub fn lookup(&self, id: TopicPartition) -> Option<(Slot, &Partition)> {
        let slot = self.find(id)?;
        Some((slot, self.get(slot)?))
    }

    pub fn of_topic(&self, topic: TopicId) -> Vec<Slot> {
        let from = TopicPartition { topic, partition: PartitionIndex(i32::MIN) };
        let to = TopicPartition { topic, partition: PartitionIndex(i32::MAX) };
        self.by_id.range(from..=to).map(|(_, slot)| *slot).collect()
    }

    /// Those whose ids come after this one, in the order of their ids.
    pub fn behind(&self, id: TopicPartition) -> impl Iterator<Item = &Partition> {
        let behind = self.by_id.range((Bound::Excluded(id), Bound::Unbounded));
        behind.filter_map(|(_, slot)| self.get(*slot))
    }

    /// How many can be found.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// What they take beside their batches, as far as it is the same for each.
    pub fn bytes(&self) -> u64 {
        (self.len() * PARTITION_BYTES) as u64
    }

    /// Those that can be found, in the order of their ids.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.by_id.values().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Partition> {
        self.slots().filter_map(|slot| self.get(slot))
    }
}
