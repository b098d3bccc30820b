//! The flow of a long poll: a Watch stands on its partitions until enough bytes are readable or its deadline passes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Shard,
    command::{CallId, Reply, Watch},
    partition::{Partition, Slot},
};
use crate::base::{Deadline, Now, Offset, TopicPartition};

#[derive(Debug)]
struct Watching {
    partitions: Vec<(TopicPartition, Offset)>,
    missing: u64,
    deadline: Deadline,
}

/// Every long poll of this core.
#[derive(Debug, Default)]
pub struct Watches {
    by_call: BTreeMap<CallId, Watching>,
    by_deadline: BTreeSet<(Deadline, CallId)>,
}

impl Watches {
    pub fn len(&self) -> usize {
        self.by_call.len()
    }

    pub fn next_deadline(&self) -> Option<Deadline> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }
}

impl Shard {
    pub(super) fn watch(&mut self, now: Now, call: CallId, watch: Watch) {
        let mut readable = 0u64;
        let bytes_min = u64::from(watch.bytes_min.max(1));
        let all_here = watch.partitions.iter().all(|(id, offset)| {
            let partition = self.table.find(*id).and_then(|slot| self.table.get(slot));
            let bytes = partition
                .filter(|partition| !partition.deleted)
                .map(|partition| readable_bytes(partition, *offset));
            readable = readable.saturating_add(bytes.unwrap_or(0));
            bytes.is_some()
        });
        if !all_here || readable >= bytes_min || now.reached(watch.deadline) {
            self.reply(call, Reply::Watched);
            return;
        }
        for (id, _) in &watch.partitions {
            if let Some(partition) = self.table.find(*id).and_then(|slot| self.table.get_mut(slot)) {
                partition.watchers.push(call);
            }
        }
        self.watches.by_deadline.insert((watch.deadline, call));
        let watching = Watching {
            partitions: watch.partitions,
            missing: bytes_min - readable,
            deadline: watch.deadline,
        };
        self.watches.by_call.insert(call, watching);
    }

    pub(super) fn cancel(&mut self, call: CallId) {
        let Some(watching) = self.watches.by_call.remove(&call) else { return };
        self.watches.by_deadline.remove(&(watching.deadline, call));
        for (id, _) in watching.partitions {
            if let Some(partition) = self.table.find(id).and_then(|slot| self.table.get_mut(slot)) {
                partition.watchers.retain(|watcher| *watcher != call);
            }
        }
    }

    /// `size` more bytes of this partition became readable.
    pub(super) fn wake_watchers(&mut self, slot: Slot, size: u32) {
        let Some(partition) = self.table.get(slot) else { return };
        let mut ready = Vec::new();
        for call in &partition.watchers {
            if let Some(watching) = self.watches.by_call.get_mut(call) {
                watching.missing = watching.missing.saturating_sub(u64::from(size));
                if watching.missing == 0 {
                    ready.push(*call);
                }
            }
        }
        self.end_watches(ready);
    }

    /// The partition is no longer here: its watchers must look elsewhere.
    pub(super) fn drop_watchers(&mut self, slot: Slot) {
        let watchers = self.table.get(slot).map(|partition| partition.watchers.clone()).unwrap_or_default();
        self.end_watches(watchers);
    }

    pub(super) fn expire_watches(&mut self, now: Now) {
        while let Some(&(deadline, call)) = self.watches.by_deadline.first()
            && now.reached(deadline)
        {
            self.end_watches(vec![call]);
        }
    }

    fn end_watches(&mut self, calls: Vec<CallId>) {
        for call in calls {
            if self.watches.by_call.contains_key(&call) {
                self.cancel(call);
                self.reply(call, Reply::Watched);
            }
        }
    }
}

/// Bytes that a reader at `offset` could have now; what is only on disk counts as plenty.
fn readable_bytes(partition: &Partition, offset: Offset) -> u64 {
    if offset >= partition.visible {
        return 0;
    }
    if offset < partition.cached_from() {
        return u64::MAX;
    }
    let first = partition.cache_index(offset);
    let batches = partition.cache.iter().skip(first).take_while(|batch| batch.next <= partition.visible);
    batches.map(|batch| batch.bytes.len() as u64).sum()
}
