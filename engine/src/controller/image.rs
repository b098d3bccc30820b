//! The metadata as one value: an immutable snapshot that every core reads through `Arc<Image>`. Core 0 clones it
//! (persistent maps: the clone costs nothing, a change costs what it touches), applies the records of one decision, and publishes it.
//! `apply` is the only mutator, live and at replay; a record that does not fit is an error and changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::error::ApplyError;
use super::features::Feature;
use super::names;
use super::record::{ConfigResource, MetadataRecord, PartitionRecord};
use crate::base::{
    CoreId, Incarnation, LeaderEpoch, NodeId, Offset, OwnerEpoch, PartitionIndex, ProducerId, TopicId,
    TopicPartition,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    pub id: TopicId,
    pub name: Arc<str>,
    /// By index, dense from 0.
    pub partitions: Vec<PartitionImage>,
    /// The options that were set on this topic.
    pub overrides: BTreeMap<String, String>,
    /// One of Kafka's own topics (`__consumer_offsets`, …).
    pub internal: bool,
}

impl TopicImage {
    pub fn partition(&self, index: PartitionIndex) -> Option<&PartitionImage> {
        self.partitions.get(usize::try_from(index.0).ok()?)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// -1: no leader.
    pub leader: NodeId,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: i32,
    pub replicas: Vec<NodeId>,
    pub isr: Vec<NodeId>,
    pub core: CoreId,
    pub owner_epoch: OwnerEpoch,
}

/// A broker as of its last start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    pub incarnation: Incarnation,
    pub cores: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    offset: Offset,
    names: OrdMap<Arc<str>, TopicId>,
    topics: OrdMap<TopicId, Arc<TopicImage>>,
    /// Unified name → the topics that share it; only names with `.` or `_` are here.
    collisions: OrdMap<String, OrdSet<Arc<str>>>,
    /// Overrides of every resource but topics.
    configs: OrdMap<ConfigResource, BTreeMap<String, String>>,
    brokers: OrdMap<NodeId, BrokerImage>,
    features: OrdMap<String, i16>,
    next_producer_id: ProducerId,
    /// How many partitions each core owns: what placement looks at, without a walk over every topic.
    core_loads: OrdMap<CoreId, usize>,
}

impl Image {
    /// The offset after the last metadata record that this image contains.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Says up to where the metadata log was applied; the records themselves do not know their offsets.
    pub fn stand_at(&mut self, offset: Offset) {
        self.offset = offset;
    }

    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.names.get(name)?)
    }

    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<TopicImage>> {
        self.topics.get(&id)
    }

    /// In the order of their names.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.names.values().filter_map(|id| self.topics.get(id))
    }

    /// From this name on, in the order of names (it itself included): for answers in pages.
    pub fn topics_from<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Arc<TopicImage>> {
        let from: Arc<str> = name.into();
        self.names.range(from..).filter_map(|(_, id)| self.topics.get(id))
    }

    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    pub fn partition(&self, partition: TopicPartition) -> Option<&PartitionImage> {
        self.topics.get(&partition.topic)?.partition(partition.partition)
    }

    pub fn partition_count(&self) -> usize {
        self.core_loads.values().sum()
    }

    /// Partitions that a core owns.
    pub fn core_load(&self, core: CoreId) -> usize {
        self.core_loads.get(&core).copied().unwrap_or(0)
    }

    /// What was set on a resource; empty where nothing was, and for a topic that does not exist.
    pub fn overrides(&self, resource: &ConfigResource) -> &BTreeMap<String, String> {
        static NOTHING: BTreeMap<String, String> = BTreeMap::new();
        match resource {
            ConfigResource::Topic(name) => self.topic(name).map_or(&NOTHING, |topic| &topic.overrides),
            other => self.configs.get(other).unwrap_or(&NOTHING),
        }
    }

    /// The resources other than topics on which something is set.
    pub fn configured(&self) -> impl Iterator<Item = &ConfigResource> {
        self.configs.keys()
    }

    pub fn broker(&self, node: NodeId) -> Option<BrokerImage> {
        self.brokers.get(&node).copied()
    }

    /// In the order of their ids.
    pub fn brokers(&self) -> impl Iterator<Item = (NodeId, BrokerImage)> {
        self.brokers.iter().map(|(node, broker)| (*node, *broker))
    }

    /// The level at which it is finalized; 0: it is not.
    pub fn feature(&self, feature: &Feature) -> i16 {
        self.features.get(feature.name).copied().unwrap_or(feature.level_first)
    }

    /// The first producer id that no block has taken.
    pub fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }

    /// The topics whose names would collide with this one's in Kafka's metrics, itself included.
    pub(super) fn colliding(&self, unified: &str) -> Option<&Arc<str>> {
        self.collisions.get(unified)?.get_min()
    }

    pub fn apply(&mut self, record: &MetadataRecord) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::Topic { id, name } => self.add_topic(*id, name),
            MetadataRecord::Partition(partition) => self.set_partition(partition),
            MetadataRecord::PartitionMoved { topic, index, core, owner_epoch } => {
                self.move_partition(*topic, *index, *core, *owner_epoch)
            }
            MetadataRecord::Config { resource, key, value } => {
                self.configure(resource, key, value.as_deref())
            }
            MetadataRecord::TopicRemoved { id } => self.remove_topic(*id),
            MetadataRecord::BrokerStarted { node, incarnation, cores } => {
                self.start_broker(*node, BrokerImage { incarnation: *incarnation, cores: *cores })
            }
            MetadataRecord::ProducerIdBlock { next } => {
                if *next < self.next_producer_id {
                    return Err(ApplyError::ProducerIdsBack { current: self.next_producer_id, next: *next });
                }
                self.next_producer_id = *next;
                Ok(())
            }
            MetadataRecord::Feature { name, level } => {
                self.features.insert(name.clone(), *level);
                Ok(())
            }
        }
    }

    /// Records that rebuild an equal image from an empty one; its offset is not among them (`stand_at`).
    pub fn encode_snapshot(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        // Brokers come first: a start raises the epochs of partitions that exist, and none does yet.
        for (node, BrokerImage { incarnation, cores }) in self.brokers() {
            records.push(MetadataRecord::BrokerStarted { node, incarnation, cores });
        }
        records.push(MetadataRecord::ProducerIdBlock { next: self.next_producer_id });
        for (name, level) in &self.features {
            records.push(MetadataRecord::Feature { name: name.clone(), level: *level });
        }
        for (resource, overrides) in &self.configs {
            push_overrides(&mut records, resource, overrides);
        }
        for topic in self.topics() {
            records.push(MetadataRecord::Topic { id: topic.id, name: topic.name.to_string() });
            for (index, partition) in topic.partitions.iter().enumerate() {
                records.push(MetadataRecord::Partition(PartitionRecord {
                    topic: topic.id,
                    index: PartitionIndex(index as i32),
                    leader: partition.leader,
                    leader_epoch: partition.leader_epoch,
                    partition_epoch: partition.partition_epoch,
                    core: partition.core,
                    owner_epoch: partition.owner_epoch,
                    replicas: partition.replicas.clone(),
                    isr: partition.isr.clone(),
                }));
            }
            push_overrides(&mut records, &ConfigResource::Topic(topic.name.to_string()), &topic.overrides);
        }
        records
    }

    fn add_topic(&mut self, id: TopicId, name: &str) -> Result<(), ApplyError> {
        if self.names.contains_key(name) || self.topics.contains_key(&id) {
            return Err(ApplyError::TopicExists { name: name.to_owned(), id });
        }
        let name: Arc<str> = name.into();
        if let Some(unified) = names::unified(&name) {
            self.collisions.entry(unified).or_default().insert(name.clone());
        }
        self.names.insert(name.clone(), id);
        let internal = names::is_internal(&name);
        let topic = TopicImage { id, name, partitions: Vec::new(), overrides: BTreeMap::new(), internal };
        self.topics.insert(id, Arc::new(topic));
        Ok(())
    }

    fn remove_topic(&mut self, id: TopicId) -> Result<(), ApplyError> {
        let topic = self.topics.remove(&id).ok_or(ApplyError::UnknownTopic(id))?;
        self.names.remove(&topic.name);
        if let Some(unified) = names::unified(&topic.name)
            && let Some(sharing) = self.collisions.get_mut(&unified)
        {
            sharing.remove(&topic.name);
            if sharing.is_empty() {
                self.collisions.remove(&unified);
            }
        }
        for partition in &topic.partitions {
            self.unload(partition.core);
        }
        Ok(())
    }

    fn set_partition(&mut self, record: &PartitionRecord) -> Result<(), ApplyError> {
        let topic = self.topics.get_mut(&record.topic).ok_or(ApplyError::UnknownTopic(record.topic))?;
        let count = topic.partitions.len();
        let unknown = ApplyError::UnknownPartition { topic: record.topic, partition: record.index, count };
        let partition = PartitionImage {
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            core: record.core,
            owner_epoch: record.owner_epoch,
        };
        let Ok(index) = usize::try_from(record.index.0) else {
            return Err(unknown);
        };
        if index > count {
            return Err(unknown);
        }
        if index == count {
            Arc::make_mut(topic).partitions.push(partition);
            self.load(record.core);
            return Ok(());
        }
        let before = &topic.partitions[index];
        if record.leader_epoch < before.leader_epoch || record.owner_epoch < before.owner_epoch {
            return Err(ApplyError::OldEpoch { topic: record.topic, partition: record.index });
        }
        let core_before = before.core;
        Arc::make_mut(topic).partitions[index] = partition;
        self.unload(core_before);
        self.load(record.core);
        Ok(())
    }

    fn move_partition(
        &mut self,
        id: TopicId,
        index: PartitionIndex,
        core: CoreId,
        owner_epoch: OwnerEpoch,
    ) -> Result<(), ApplyError> {
        let topic = self.topics.get_mut(&id).ok_or(ApplyError::UnknownTopic(id))?;
        let count = topic.partitions.len();
        let before = topic.partition(index).ok_or(ApplyError::UnknownPartition {
            topic: id,
            partition: index,
            count,
        })?;
        if owner_epoch <= before.owner_epoch {
            return Err(ApplyError::OldEpoch { topic: id, partition: index });
        }
        let core_before = before.core;
        let partition = &mut Arc::make_mut(topic).partitions[index.0 as usize];
        partition.core = core;
        partition.owner_epoch = owner_epoch;
        self.unload(core_before);
        self.load(core);
        Ok(())
    }

    fn configure(
        &mut self,
        resource: &ConfigResource,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), ApplyError> {
        if let ConfigResource::Topic(name) = resource {
            let unknown = || ApplyError::UnknownTopicName(name.clone());
            let id = self.names.get(name.as_str()).ok_or_else(unknown)?;
            let topic = self.topics.get_mut(id).ok_or_else(unknown)?;
            set(&mut Arc::make_mut(topic).overrides, key, value);
            return Ok(());
        }
        let overrides = self.configs.entry(resource.clone()).or_default();
        set(overrides, key, value);
        if overrides.is_empty() {
            self.configs.remove(resource);
        }
        Ok(())
    }

    fn start_broker(&mut self, node: NodeId, broker: BrokerImage) -> Result<(), ApplyError> {
        if broker.cores == 0
            || self.brokers.get(&node).is_some_and(|last| broker.incarnation <= last.incarnation)
        {
            return Err(ApplyError::BrokerOutOfOrder { node });
        }
        self.brokers.insert(node, broker);
        let led: Vec<TopicId> = self
            .topics
            .iter()
            .filter(|(_, topic)| topic.partitions.iter().any(|partition| partition.leader == node))
            .map(|(id, _)| *id)
            .collect();
        for id in led {
            let Some(topic) = self.topics.get_mut(&id) else { continue };
            for partition in &mut Arc::make_mut(topic).partitions {
                if partition.leader == node {
                    // Saturating: a damaged epoch must not wrap to an older one. i32::MAX starts are out of reach.
                    partition.leader_epoch = LeaderEpoch(partition.leader_epoch.0.saturating_add(1));
                    partition.partition_epoch = partition.partition_epoch.saturating_add(1);
                }
            }
        }
        Ok(())
    }

    fn load(&mut self, core: CoreId) {
        *self.core_loads.entry(core).or_insert(0) += 1;
    }

    fn unload(&mut self, core: CoreId) {
        let left = self.core_load(core).saturating_sub(1);
        if left == 0 {
            self.core_loads.remove(&core);
        } else {
            self.core_loads.insert(core, left);
        }
    }
}

fn set(overrides: &mut BTreeMap<String, String>, key: &str, value: Option<&str>) {
    match value {
        None => _ = overrides.remove(key),
        Some(value) => _ = overrides.insert(key.to_owned(), value.to_owned()),
    }
}

fn push_overrides(
    records: &mut Vec<MetadataRecord>,
    resource: &ConfigResource,
    overrides: &BTreeMap<String, String>,
) {
    records.extend(overrides.iter().map(|(key, value)| MetadataRecord::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: Some(value.clone()),
    }));
}
