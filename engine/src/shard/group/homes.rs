//! Which partitions of `__consumer_offsets` are this core's, and how far each is.

use std::{collections::BTreeSet, sync::Arc};

use super::{Coordinator, OFFSETS_TOPIC, Ticket, topics::ImageTopics};
use crate::{
    base::{Now, Offset, PartitionIndex, TopicId, TopicPartition},
    controller::Image,
    error::ErrorCode,
    group::{timers::GroupId, walk::Wanted},
    shard::{Shard, command::Changed},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// To be read, from the beginning, when it is its turn and nothing is on its way into the log.
    Waiting,
    Loading {
        next: Offset,
        end: Offset,
    },
    /// Read; its groups go to work, a few a turn.
    Starting,
    Loaded,
    /// The log cannot be read: its groups have no coordinator until a start.
    Unreadable,
}

impl Phase {
    /// Memory says what the log says, so that records can be added to both.
    pub fn is_read(self) -> bool {
        matches!(self, Phase::Starting | Phase::Loaded)
    }
}

#[derive(Debug)]
pub(super) struct Home {
    pub id: TopicPartition,
    pub phase: Phase,
    /// The last group that has gone to work; none: not one has.
    pub started: Option<GroupId>,
    /// Topics that groups have offsets of, and that are none any more.
    pub gone: BTreeSet<(String, TopicId)>,
    /// The last append, while it is in flight.
    pub last_append: Option<Ticket>,
    /// Appends in flight.
    pub appends: usize,
}

impl Home {
    fn new(id: TopicPartition) -> Home {
        let (started, gone) = (None, BTreeSet::new());
        Home { id, phase: Phase::Waiting, started, gone, last_append: None, appends: 0 }
    }
}

impl Coordinator {
    /// Topics that are gone, whose offsets shall go.
    pub(in crate::shard) fn topics_changed(&mut self, before: &Image, after: &Image, changed: &Changed) {
        let Changed::Topics(topics) = changed else { return };
        let gone = |id: &&TopicId| after.topic_by_id(**id).is_none();
        let name = |id: &TopicId| Some((before.topic_by_id(*id)?.name.to_string(), *id));
        let gone: Vec<(String, TopicId)> = topics.iter().filter(gone).filter_map(name).collect();
        if !gone.is_empty() && !self.groups.is_empty() {
            self.groups.walk(Wanted::OfTopics(gone));
        }
    }
}

impl Shard {
    /// Follows the image: partitions come and go.
    pub(super) fn find_homes(&mut self, now: Now) {
        if self.coordinator.has_resigned || self.coordinator.seen == Some(self.image.offset()) {
            return;
        }
        self.coordinator.seen = Some(self.image.offset());
        self.coordinator.groups.see(Arc::new(ImageTopics::new(self.image.clone())));
        let topic = self.image.topic(OFFSETS_TOPIC).cloned();
        let core = self.config.core;
        let mut here = Vec::new();
        if let Some(topic) = &topic {
            let owned = topic.partitions.iter().enumerate().filter(|(_, partition)| partition.core == core);
            here.extend(owned.map(|(index, _)| (PartitionIndex(index as i32), topic.id)));
        }
        let stays = |partition: &PartitionIndex, id: TopicId| here.contains(&(*partition, id));
        let gone = self.coordinator.homes.iter().filter(|(partition, home)| !stays(partition, home.id.topic));
        let gone: Vec<PartitionIndex> = gone.map(|(partition, _)| *partition).collect();
        for partition in gone {
            self.coordinator.homes.remove(&partition);
            let effects = self.coordinator.groups.unload(now, partition, ErrorCode::NotCoordinator);
            self.carry_out(now, effects);
        }
        for (partition, topic) in here {
            let id = TopicPartition { topic, partition };
            self.coordinator.homes.entry(partition).or_insert_with(|| Home::new(id));
        }
        self.coordinator.topic = topic.map(|topic| (topic.id, topic.partitions.len() as i32));
    }

    /// The broker stops. Whoever waits for a rebalance is told to look for another coordinator, rather than kept until the broker
    /// is gone; what is on its way into the log is still answered when it is there.
    pub fn resign_groups(&mut self, now: Now) {
        self.coordinator.has_resigned = true;
        let homes: Vec<PartitionIndex> = self.coordinator.homes.keys().copied().collect();
        for partition in homes {
            self.coordinator.homes.remove(&partition);
            let effects = self.coordinator.groups.unload(now, partition, ErrorCode::NotCoordinator);
            self.carry_out(now, effects);
        }
        self.wake = true;
    }

    /// What memory says of these groups is not what the log says: the log counts.
    pub(super) fn reload(&mut self, now: Now, partition: PartitionIndex) {
        let Some(home) = self.coordinator.homes.get_mut(&partition) else { return };
        if !home.phase.is_read() {
            return;
        }
        (home.phase, home.started) = (Phase::Waiting, None);
        home.gone.clear();
        self.wake = true;
        let effects = self.coordinator.groups.unload(now, partition, ErrorCode::NotCoordinator);
        self.carry_out(now, effects);
    }
}
