//! What is known of groups: every record that their coordinators put into a journal, in order, what members were told, and who has which
//! partition. Lives in the simulator; `checkers::groups` judges.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use engine::{
    base::{Offset, PartitionIndex, TopicId, TopicPartition},
    group::{Groups, config::GroupConfig, kind::Kind, record::GroupRecord},
    record::UncheckedBatch,
};

/// Session timeout of every member, in the node's time.
pub const SESSION_MS: u64 = 12;
pub const REBALANCE_MS: u64 = 20;

/// Group, topic, partition.
pub type Position = (String, String, PartitionIndex);

/// A partition as members have it: a topic's, or, where the members' leader assigns, a number.
pub type Part = (TopicId, i32);

/// What one member of a consumer group has, as it knows.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    pub instance: Option<String>,
    pub parts: BTreeSet<Part>,
    /// When it asked what was answered last: it is not overdue before a session timeout has passed since.
    pub heard: u64,
}

#[derive(Debug, Default)]
pub struct Coordinated {
    pub topic: Option<TopicId>,
    pub partitions: i32,
    /// What each partition's records make, if nothing is ever compacted away.
    pub replicas: BTreeMap<PartitionIndex, Groups>,
    /// Every value in the order written, and where; none: deleted.
    commits: BTreeMap<Position, Vec<(Offset, Option<i64>)>>,
    /// Generations and epochs of groups, likewise.
    generations: BTreeMap<String, Vec<(Offset, Option<i32>)>>,
    /// The newest generation of which a member was told its part.
    pub told: BTreeMap<String, i32>,
    /// Members that left, or were told that they are none.
    pub departed: BTreeSet<(String, String)>,
    /// Who was told to have a part in a generation.
    pub parts: BTreeMap<(String, i32, i32), String>,
    pub holdings: BTreeMap<(String, String), Holding>,
}

fn is_member(groups: &Groups, group: &str, member: &str) -> bool {
    match groups.group(group).map(|group| &group.kind) {
        Some(Kind::Classic(classic)) => {
            classic.describe(group.to_owned()).members.iter().any(|known| &*known.id == member)
        }
        Some(Kind::Consumer(live)) => live.group.member(member).is_some(),
        None => false,
    }
}

/// The records of a batch that a coordinator wrote, with their offsets.
pub fn records(bytes: &[u8]) -> Result<Vec<(Offset, GroupRecord)>, String> {
    let (batch, _) = UncheckedBatch::split_first(bytes).map_err(|error| error.to_string())?;
    let batch = batch.check().map_err(|error| error.to_string())?;
    let all = batch.records(1 << 20).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for record in all.iter() {
        let record = record.map_err(|error| error.to_string())?;
        let decoded = GroupRecord::decode(record.key.unwrap_or_default(), record.value);
        found.push((record.offset, decoded.map_err(|error| error.to_string())?));
    }
    Ok(found)
}

impl Coordinated {
    pub fn is_its_topic(&self, id: TopicPartition) -> bool {
        self.topic == Some(id.topic)
    }

    pub fn partition_of(&self, group: &str) -> Option<TopicPartition> {
        let partition = engine::group::partition_of(group, self.partitions);
        self.topic.map(|topic| TopicPartition { topic, partition })
    }

    /// A record goes into a journal.
    pub fn write(&mut self, partition: PartitionIndex, offset: Offset, record: &GroupRecord) {
        let new = || Groups::new(GroupConfig::default());
        self.replicas.entry(partition).or_insert_with(new).apply(partition, record);
        match record {
            GroupRecord::OffsetCommit(key, value) => {
                let position = (key.group.clone(), key.topic.clone(), key.partition);
                let value = value.as_ref().map(|value| value.offset.0);
                self.commits.entry(position).or_default().push((offset, value));
            }
            GroupRecord::GroupMetadata(group, value) => {
                let generation = value.as_ref().map(|value| value.generation);
                self.generations.entry(group.clone()).or_default().push((offset, generation));
            }
            GroupRecord::ConsumerGroupMetadata(group, value) => {
                let epoch = value.as_ref().map(|value| value.epoch);
                self.generations.entry(group.clone()).or_default().push((offset, epoch));
            }
            _ => {}
        }
    }

    /// It left, or was told that it is none. Where a device failed, the coordinator may have read its groups again meanwhile: then it
    /// is a member as long as the log says so.
    pub fn is_departed(&self, group: &str, member: &str, faults: u64) -> bool {
        let replica = self.partition_of(group).and_then(|id| self.replicas.get(&id.partition));
        let is_back = faults > 0 && replica.is_some_and(|replica| is_member(replica, group, member));
        !is_back && self.departed.contains(&(group.to_owned(), member.to_owned()))
    }

    /// The newest generation that was written, of a group that has not ended since.
    pub fn generation(&self, group: &str) -> Option<i32> {
        self.generations.get(group)?.last()?.1
    }

    /// How many values of a position lie below an offset of the log.
    pub fn values_below(&self, position: &Position, end: Offset) -> usize {
        let values = self.commits.get(position).map_or(&[][..], Vec::as_slice);
        values.partition_point(|(offset, _)| *offset < end)
    }

    /// The value that `count` writes leave.
    pub fn value_after(&self, position: &Position, count: usize) -> Option<i64> {
        self.commits.get(position)?.get(count.checked_sub(1)?)?.1
    }

    /// Where this value was written last.
    pub fn written_at(&self, position: &Position, value: i64) -> Option<Offset> {
        let values = self.commits.get(position)?;
        values.iter().rev().find(|(_, written)| *written == Some(value)).map(|(offset, _)| *offset)
    }

    pub fn positions(&self, group: &str) -> impl Iterator<Item = &Position> {
        self.commits.keys().filter(move |position| position.0 == group)
    }

    /// A start found a partition that ends here: what lay behind it never was.
    pub fn recovered<'a>(
        &mut self,
        id: TopicPartition,
        end: Offset,
        batches: impl Iterator<Item = &'a Bytes>,
    ) {
        let partition = id.partition;
        let here = |group: &str, partitions| engine::group::partition_of(group, partitions) == partition;
        for (position, values) in &mut self.commits {
            if here(&position.0, self.partitions) {
                values.retain(|(offset, _)| *offset < end);
            }
        }
        for (group, values) in &mut self.generations {
            if here(group, self.partitions) {
                values.retain(|(offset, _)| *offset < end);
            }
        }
        let mut groups = Groups::new(GroupConfig::default());
        for (_, record) in batches.filter_map(|bytes| records(bytes).ok()).flatten() {
            groups.apply(partition, &record);
        }
        // A member that left a classic group is in the log until the next generation is: who starts before that has it again.
        self.departed.retain(|(group, member)| !is_member(&groups, group, member));
        self.replicas.insert(partition, groups);
    }
}
