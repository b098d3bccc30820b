//! The flow of a new image, on every core: partitions appear, change their options, or go, with their files; confirmed to the
//! controller when no deleted partition's directory stands in the way any more.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Purpose, Shard,
    command::{Changed, Message, Publication},
    partition::{Partition, Slot},
    settings::Settings,
};
use crate::{
    base::{CoreId, Now, Offset, PartitionIndex, TopicId, TopicPartition},
    controller::{PartitionImage, TopicImage},
    error::{ErrorCode, Refusal},
    log::{Log, names},
    op::{Done, FileName, Op},
    producer::Producers,
};

/// A publication whose deletions are under way.
#[derive(Debug, Default)]
pub struct Unconfirmed {
    offset: Option<Offset>,
    deleting: BTreeSet<Slot>,
    renames: Renames,
}

/// A renamed directory may come back under its old name until the root is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Renames {
    #[default]
    Durable,
    Volatile,
    Syncing,
}

impl Shard {
    pub(super) fn apply_publication(&mut self, now: Now, publication: Publication) {
        let offset = publication.image.offset();
        let before = std::mem::replace(&mut self.image, publication.image);
        self.coordinator.topics_changed(&before, &self.image, &publication.changed);
        match publication.changed {
            Changed::Topics(topics) => {
                for topic in topics.iter() {
                    self.apply_topic(*topic);
                }
            }
            Changed::Everything => {
                self.limit_connections();
                let ids: BTreeSet<TopicId> =
                    before.topics().chain(self.image.topics()).map(|topic| topic.id).collect();
                for topic in ids {
                    self.apply_topic(topic);
                }
            }
        }
        self.unconfirmed.offset = Some(offset);
        self.confirm_if_done(now);
    }

    fn apply_topic(&mut self, id: TopicId) {
        let Some(topic) = self.image.topic_by_id(id).cloned() else {
            for slot in self.table.of_topic(id) {
                self.delete_partition(slot);
            }
            return;
        };
        let settings = Settings::of(&topic.overrides, &self.image, &self.config.options);
        for (index, image) in topic.partitions.iter().enumerate() {
            if image.core != self.config.core {
                continue;
            }
            let partition = PartitionIndex(index as i32);
            match self.table.find(TopicPartition { topic: id, partition }) {
                Some(slot) => {
                    if let Some(partition) = self.table.get_mut(slot) {
                        partition.settings = settings;
                        partition.leader_epoch = image.leader_epoch;
                        partition.owner_epoch = image.owner_epoch;
                    }
                }
                None => self.open_partition(
                    &topic,
                    partition,
                    image,
                    settings,
                    Log::empty(Offset(0)),
                    Producers::default(),
                ),
            }
        }
    }

    pub(super) fn open_partition(
        &mut self,
        topic: &TopicImage,
        index: PartitionIndex,
        image: &PartitionImage,
        settings: Settings,
        log: Log,
        producers: Producers,
    ) {
        let id = TopicPartition { topic: topic.id, partition: index };
        let directory: Arc<str> = names::directory(&topic.name, index).into();
        self.table.insert(Partition::new(
            id,
            directory,
            settings,
            image.leader_epoch,
            image.owner_epoch,
            log,
            producers,
        ));
    }

    fn delete_partition(&mut self, slot: Slot) {
        self.drop_watchers(slot);
        self.forget_ahead(slot);
        let Some(partition) = self.table.get_mut(slot) else { return };
        partition.deleted = true;
        let first = partition.cache_index(partition.flushed.next());
        let unflushed: u64 = partition.cache.iter().skip(first).map(|batch| batch.bytes.len() as u64).sum();
        partition.cache = Default::default();
        let waiting = std::mem::take(&mut partition.waiting);
        self.unflushed_bytes -= unflushed;
        self.dirty.remove(&slot);
        self.table.hide(slot);
        self.unconfirmed.deleting.insert(slot);
        for one in waiting {
            let refusal = Refusal::new(ErrorCode::UnknownTopicOrPartition, "the topic was deleted");
            self.refuse_waiting(one, refusal);
        }
        self.remove_if_idle(slot);
    }

    /// A deleted partition's files go once nothing is under way on them.
    pub(super) fn remove_if_idle(&mut self, slot: Slot) {
        let Some(partition) = self.table.get(slot) else { return };
        if !partition.deleted || partition.ops_in_flight > 0 || !self.unconfirmed.deleting.contains(&slot) {
            return;
        }
        self.abandon_flush(slot);
        let Some(partition) = self.table.get(slot) else { return };
        let from = FileName::new(partition.directory.clone());
        let to = names::deleted_directory(&partition.directory, partition.id.topic);
        self.push_partition_op(slot, Purpose::Rename(slot), Op::Rename { from, to });
    }

    pub(super) fn renamed(&mut self, now: Now, slot: Slot, done: Done) {
        let Some(partition) = self.table.get(slot) else { return };
        let directory = names::deleted_directory(&partition.directory, partition.id.topic);
        match done {
            // A partition that was never written has no directory.
            Done::Failed(failure) if failure.is_not_found() => {}
            Done::Failed(failure) => {
                tracing::error!(%failure, "a deleted partition's files stay; the next start removes them");
            }
            _ => {}
        }
        self.unconfirmed.deleting.remove(&slot);
        self.unconfirmed.renames = Renames::Volatile;
        self.push_partition_op(slot, Purpose::RemoveTree(slot), Op::RemoveTree { directory });
        self.wake = true;
        self.confirm_if_done(now);
    }

    /// No deleted partition's directory can return: its name may be used again.
    pub(super) fn root_synced(&mut self, now: Now, done: Done) {
        if let Done::Failed(failure) = done {
            self.fail(format!(
                "the data directory cannot be synced: {failure}. Check the device, then start again."
            ));
            return;
        }
        if self.unconfirmed.renames == Renames::Syncing {
            self.unconfirmed.renames = Renames::Durable;
        }
        self.confirm_if_done(now);
    }

    pub(super) fn tree_removed(&mut self, slot: Slot, done: Done) {
        if let Done::Failed(failure) = done {
            tracing::error!(%failure, "a deleted partition's files stay; the next start removes them");
        }
        self.table.remove(slot);
    }

    fn confirm_if_done(&mut self, now: Now) {
        if !self.unconfirmed.deleting.is_empty() {
            return;
        }
        match self.unconfirmed.renames {
            Renames::Durable => {}
            Renames::Volatile => {
                self.unconfirmed.renames = Renames::Syncing;
                self.push_op(Purpose::SyncRoot, Op::SyncDir { directory: FileName::new(".") });
                return;
            }
            Renames::Syncing => return,
        }
        let Some(offset) = self.unconfirmed.offset.take() else { return };
        if self.config.core == CoreId(0) {
            self.publication_applied(now, self.config.core, offset);
        } else {
            self.messages.push((CoreId(0), Message::Applied(offset)));
        }
    }
}
