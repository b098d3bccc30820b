//! What the simulator knows to be true: every batch that a client sent, every batch that a shard put into its journal, and how much of
//! that the disk really holds. Checkers compare the broker with it. Lives in the simulator; never looks into a shard.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use bytes::Bytes;
use engine::{
    base::{Offset, PartitionIndex, Timestamp, TopicId, TopicPartition},
    config::Durability,
    log::{Log, names},
    record::BatchHeader,
};

use super::{
    compacted::{Compacted, Compaction, Keyed},
    coordinated::Coordinated,
};

/// A batch that a client sent, by its number.
pub type SentNumber = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// No answer yet, or none ever: the process died.
    Unknown,
    Refused,
    /// Answered with this base offset.
    Taken(Offset),
}

#[derive(Clone, Debug)]
pub struct Sent {
    pub partition: TopicPartition,
    pub bytes: Bytes,
    pub records: i64,
    /// Of each record, in a compacted topic.
    pub keys: Vec<Keyed>,
    /// Of the first record; each next one is a millisecond younger.
    pub time: i64,
    pub fate: Fate,
    /// It was sent to an earlier process too, which may have written it.
    pub repeated: bool,
    /// The client and how many batches it had sent to this partition before.
    pub order: (usize, u64),
}

/// A batch in a partition's log.
#[derive(Clone, Debug)]
pub struct Placed {
    pub next: Offset,
    /// With base offset and leader epoch.
    pub bytes: Bytes,
    pub sent: SentNumber,
}

/// One partition of one topic, by id.
#[derive(Clone, Debug)]
pub struct PartitionModel {
    pub durability: Durability,
    pub batches: BTreeMap<Offset, Placed>,
    /// End of what was handed to the journal.
    pub built: Offset,
    /// End of what is in stable storage, as the disk says.
    pub durable: Offset,
    /// Of the last start.
    pub leader_epoch: i32,
    pub starts: Starts,
    /// Segments that the newest durable checkpoint has sealed: where each begins and ends.
    pub sealed: BTreeMap<Offset, Offset>,
    /// In a compacted topic.
    pub compacted: Option<Compacted>,
}

/// A partition's log start, as far as it has come, and who may move it.
#[derive(Clone, Debug, Default)]
pub struct Starts {
    /// Handed to the journal.
    pub built: Offset,
    /// In stable storage, as the disk says.
    pub durable: Offset,
    /// Told to a client.
    pub told: Offset,
    /// Asked for by DeleteRecords.
    pub asked: BTreeSet<Offset>,
    /// Likewise: whatever is readable when the request arrives.
    pub asked_all: bool,
}

/// What makes a topic forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgets {
    Nothing,
    AfterMs(i64),
    BeyondBytes(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// Asked for, not answered.
    Wanted,
    Live,
    /// Its deletion was asked for, not answered.
    Doomed,
    Gone,
}

#[derive(Clone, Debug)]
pub struct TopicModel {
    pub name: String,
    pub partitions: i32,
    /// So many partitions were asked for, and not answered.
    pub growing: Option<i32>,
    pub durability: Durability,
    pub forgets: Forgets,
    pub compaction: Option<Compaction>,
    pub existence: Existence,
}

impl TopicModel {
    /// It keeps the newest record of each key for ever.
    pub fn is_only_compacted(&self) -> bool {
        self.compaction.is_some() && self.forgets == Forgets::Nothing
    }
}

#[derive(Debug, Default)]
pub struct Model {
    pub topics: BTreeMap<TopicId, TopicModel>,
    pub partitions: BTreeMap<TopicPartition, PartitionModel>,
    pub sent: Vec<Sent>,
    pub groups: Coordinated,
    by_content: BTreeMap<(u32, usize), SentNumber>,
}

/// A batch's identity: no offset and no epoch in it.
fn content(bytes: &[u8]) -> Option<(u32, usize)> {
    Some((BatchHeader::parse(bytes).ok()?.crc, bytes.len()))
}

impl Model {
    pub fn want_topic(
        &mut self,
        id: TopicId,
        name: &str,
        partitions: i32,
        durability: Durability,
        forgets: Forgets,
        compaction: Option<Compaction>,
    ) {
        let (name, existence) = (name.into(), Existence::Wanted);
        let topic =
            TopicModel { name, partitions, growing: None, durability, forgets, compaction, existence };
        self.topics.insert(id, topic);
        self.want_partitions(id, 0..partitions);
    }

    pub fn want_growth(&mut self, id: TopicId, count: i32) {
        let Some(topic) = self.topics.get_mut(&id) else { return };
        topic.growing = Some(count);
        let from = topic.partitions;
        self.want_partitions(id, from..count);
    }

    /// The topic has so many partitions, and no more.
    pub fn has_partitions(&mut self, id: TopicId, count: i32) {
        if let Some(topic) = self.topics.get_mut(&id) {
            (topic.partitions, topic.growing) = (count, None);
        }
        self.partitions.retain(|partition, _| partition.topic != id || partition.partition.0 < count);
    }

    fn want_partitions(&mut self, topic: TopicId, indexes: Range<i32>) {
        let Some(options) = self.topics.get(&topic) else { return };
        let (durability, compaction) = (options.durability, options.compaction);
        for partition in indexes.map(PartitionIndex) {
            let model = PartitionModel {
                durability,
                batches: BTreeMap::new(),
                built: Offset(0),
                durable: Offset(0),
                leader_epoch: -1,
                starts: Starts::default(),
                sealed: BTreeMap::new(),
                compacted: compaction.map(Compacted::new),
            };
            self.partitions.insert(TopicPartition { topic, partition }, model);
        }
    }

    pub fn set_existence(&mut self, id: TopicId, existence: Existence) {
        if let Some(topic) = self.topics.get_mut(&id) {
            topic.existence = existence;
        }
        if existence == Existence::Gone {
            self.partitions.retain(|partition, _| partition.topic != id);
        }
    }

    pub fn send(&mut self, sent: Sent) -> SentNumber {
        let number = self.sent.len();
        if let Some(content) = content(&sent.bytes) {
            self.by_content.insert(content, number);
        }
        self.sent.push(sent);
        number
    }

    /// Which sent batch these bytes are, wherever they were placed.
    pub fn recognise(&self, bytes: &[u8]) -> Option<SentNumber> {
        let number = *self.by_content.get(&content(bytes)?)?;
        let sent = &self.sent[number].bytes;
        // Base offset and leader epoch are the broker's.
        let same = sent.len() == bytes.len() && sent[8..12] == bytes[8..12] && sent[16..] == bytes[16..];
        same.then_some(number)
    }

    /// The disk holds the partition up to here.
    pub fn hold(&mut self, partition: TopicPartition, next: Offset) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.durable = partition.durable.max(next);
        }
    }

    /// The disk holds this move of the log start.
    pub fn hold_start(&mut self, partition: TopicPartition, start: Offset) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.starts.durable = partition.starts.durable.max(start);
        }
    }

    /// The disk holds a checkpoint with this log.
    pub fn checkpointed(&mut self, partition: TopicPartition, log: &Log, now: Timestamp) {
        if let Some(partition) = self.partitions.get_mut(&partition) {
            let sealed = log.segment_ends().filter(|(segment, _)| segment.base < log.active().base);
            partition.sealed = sealed.map(|(segment, end)| (segment.base, end)).collect();
            if let Some(compacted) = &mut partition.compacted {
                compacted.checkpointed(log, now);
            }
        }
    }

    /// A start found this log: what lay behind it never was.
    pub fn recovered(&mut self, id: TopicPartition, log: &Log, now: Timestamp) {
        if let Some(partition) = self.partitions.get_mut(&id) {
            partition.batches.split_off(&log.next());
            (partition.built, partition.durable) = (log.next(), log.next());
            (partition.starts.built, partition.starts.durable) = (log.start(), log.start());
            partition.starts.told = partition.starts.told.max(log.start());
            if let Some(compacted) = &mut partition.compacted {
                compacted.restarted(log.next());
            }
            if self.groups.is_its_topic(id) {
                let batches = partition.batches.values().map(|placed| &placed.bytes);
                self.groups.recovered(id, log.next(), batches);
            }
        }
        self.checkpointed(id, log, now);
    }

    /// The partition that lives in this directory.
    pub fn in_directory(&self, directory: &str) -> Option<TopicPartition> {
        let lives = |id: &&TopicPartition| {
            let topic = self.topics.get(&id.topic).filter(|topic| topic.existence != Existence::Gone);
            topic.is_some_and(|topic| names::directory(&topic.name, id.partition) == directory)
        };
        self.partitions.keys().find(lives).copied()
    }

    /// Names of topics that nothing was asked for yet.
    pub fn free_names<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let taken: BTreeSet<&str> = self
            .topics
            .values()
            .filter(|topic| topic.existence != Existence::Gone)
            .map(|topic| topic.name.as_str())
            .collect();
        names.iter().copied().filter(|name| !taken.contains(name)).collect()
    }

    /// Clients' topics.
    pub fn live_topics(&self) -> Vec<TopicId> {
        let live = self.topics.iter().filter(|(_, topic)| topic.existence == Existence::Live);
        live.map(|(id, _)| *id).filter(|id| Some(*id) != self.groups.topic).collect()
    }
}

impl PartitionModel {
    /// The batch that contains `offset`.
    pub fn batch_at(&self, offset: Offset) -> Option<(Offset, &Placed)> {
        let (base, placed) = self.batches.range(..=offset).next_back()?;
        (offset < placed.next).then_some((*base, placed))
    }

    /// Offsets of the records that are left of a batch.
    pub fn offsets(&self, base: Offset, records: i64) -> Vec<Offset> {
        match &self.compacted {
            Some(compacted) => compacted.offsets(base, records),
            None => (0..records).map(|record| base.plus(record)).collect(),
        }
    }
}
