//! How far groups have read: their committed offsets, looked up, set and removed at the group's coordinator.

use std::collections::BTreeMap;

use engine::error::ErrorCode;

use super::cluster::Client;
use super::error::ClientError;
use super::groups::{Partitions, missing};
use crate::wire::Text;
use crate::wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use crate::wire::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use crate::wire::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};

/// The last versions that name topics; later ones have their ids.
const COMMIT_BY_NAME: i16 = 9;
const FETCH_BY_NAME: i16 = 9;
/// The first version of OffsetFetch that asks for many groups.
const FETCH_OF_MANY: i16 = 8;

/// Offsets by topic and partition.
pub type Offsets = BTreeMap<(String, i32), i64>;

/// In whose name offsets are committed.
#[derive(Clone, Debug)]
pub struct Committer<'a> {
    pub member_id: &'a str,
    pub instance_id: Option<&'a str>,
    /// The generation of a classic group, the member's epoch in a consumer group.
    pub epoch: i32,
}

impl Committer<'static> {
    /// No member: the group must have none.
    pub const NOBODY: Committer<'static> = Committer { member_id: "", instance_id: None, epoch: -1 };
}

/// What became of one partition of a request.
pub type PerPartition = BTreeMap<(String, i32), Result<(), ClientError>>;

impl Client {
    /// A group's committed offsets, of these partitions or of all that it has any of. Where there is none, there is no entry.
    pub fn committed(&mut self, group: &str, of: Option<&Partitions>) -> Result<Offsets, ClientError> {
        self.retrying(|client| client.ask_committed(group, of))
    }

    fn ask_committed(&mut self, group: &str, of: Option<&Partitions>) -> Result<Offsets, ClientError> {
        let version = self.coordinator_version::<OffsetFetchRequest>(group, FETCH_BY_NAME)?;
        let what = || format!("asking for the offsets of group {group}");
        let mut offsets = Offsets::new();
        let mut note = |topic: &str, partition: i32, offset: i64, code: i16| {
            ClientError::check(code, None, || format!("{}, partition {partition} of {topic}", what()))?;
            if offset >= 0 {
                offsets.insert((topic.to_owned(), partition), offset);
            }
            Ok::<(), ClientError>(())
        };
        if version >= FETCH_OF_MANY {
            let topic = |(name, partitions): (&String, &Vec<i32>)| OffsetFetchRequestTopics {
                name: Text::from(name),
                partition_indexes: partitions.clone(),
                ..Default::default()
            };
            let asked = OffsetFetchRequestGroup {
                group_id: Text::from(group),
                topics: of.map(|of| of.iter().map(topic).collect()),
                ..Default::default()
            };
            let request = OffsetFetchRequest { groups: vec![asked], ..Default::default() };
            let answer = self.call_coordinator(group, &request, version)?;
            let found = answer.groups.first().ok_or_else(|| missing("OffsetFetch", group))?;
            ClientError::check(found.error_code, None, what)?;
            for topic in &found.topics {
                for part in &topic.partitions {
                    note(&topic.name, part.partition_index, part.committed_offset, part.error_code)?;
                }
            }
        } else {
            let topic = |(name, partitions): (&String, &Vec<i32>)| OffsetFetchRequestTopic {
                name: Text::from(name),
                partition_indexes: partitions.clone(),
            };
            let topics = of.map(|of| of.iter().map(topic).collect());
            let request = OffsetFetchRequest { group_id: Text::from(group), topics, ..Default::default() };
            let answer = self.call_coordinator(group, &request, version)?;
            ClientError::check(answer.error_code, None, what)?;
            for topic in &answer.topics {
                for part in &topic.partitions {
                    note(&topic.name, part.partition_index, part.committed_offset, part.error_code)?;
                }
            }
        }
        Ok(offsets)
    }

    /// Sets offsets of a group without members.
    pub fn set_committed(&mut self, group: &str, offsets: &Offsets) -> Result<PerPartition, ClientError> {
        self.retrying(|client| {
            let request = commit_request(group, &Committer::NOBODY, offsets);
            let answer = client.call_coordinator(group, &request, COMMIT_BY_NAME)?;
            outcomes_of_commit(group, answer)
        })
    }

    /// Lets a group forget how far it is in these partitions.
    pub fn delete_committed(&mut self, group: &str, of: &Partitions) -> Result<PerPartition, ClientError> {
        let part = |partition_index: &i32| OffsetDeleteRequestPartition { partition_index: *partition_index };
        let topics = of.iter().map(|(name, partitions)| OffsetDeleteRequestTopic {
            name: Text::from(name),
            partitions: partitions.iter().map(part).collect(),
        });
        let request = OffsetDeleteRequest { group_id: Text::from(group), topics: topics.collect() };
        self.retrying(|client| {
            let answer = client.call_coordinator(group, &request, i16::MAX)?;
            if answer.error_code == ErrorCode::GroupIdNotFound.code() {
                return Err(ClientError::NoGroup(group.to_owned()));
            }
            ClientError::check(answer.error_code, None, || format!("deleting offsets of group {group}"))?;
            let outcomes = answer.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|part| {
                    let partition = part.partition_index;
                    let outcome = ClientError::check(part.error_code, None, || {
                        format!("deleting the offset of partition {partition} of {}", topic.name)
                    });
                    ((topic.name.to_string(), partition), outcome)
                })
            });
            Ok(outcomes.collect())
        })
    }
}

pub(super) fn commit_request(
    group: &str,
    committer: &Committer<'_>,
    offsets: &Offsets,
) -> OffsetCommitRequest {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for ((name, partition), offset) in offsets {
        if topics.last().is_none_or(|topic| *topic.name != **name) {
            topics.push(OffsetCommitRequestTopic { name: Text::from(name), ..Default::default() });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(OffsetCommitRequestPartition {
                partition_index: *partition,
                committed_offset: *offset,
                ..Default::default()
            });
        }
    }
    OffsetCommitRequest {
        group_id: Text::from(group),
        generation_id_or_member_epoch: committer.epoch,
        member_id: Text::from(committer.member_id),
        group_instance_id: committer.instance_id.map(Text::from),
        topics,
        ..Default::default()
    }
}

/// By partition; an error that another attempt may mend is the whole's.
pub(super) fn outcomes_of_commit(
    group: &str,
    answer: OffsetCommitResponse,
) -> Result<PerPartition, ClientError> {
    let mut outcomes = PerPartition::new();
    for topic in &answer.topics {
        for part in &topic.partitions {
            let partition = part.partition_index;
            let outcome = ClientError::check(part.error_code, None, || {
                format!("committing an offset of group {group} for partition {partition} of {}", topic.name)
            });
            match outcome {
                Err(error) if error.is_coordinators_passing_trouble() => return Err(error),
                outcome => drop(outcomes.insert((topic.name.to_string(), partition), outcome)),
            }
        }
    }
    Ok(outcomes)
}

/// The version of a commit by a member.
pub(super) const COMMIT_VERSION_MAX: i16 = COMMIT_BY_NAME;
