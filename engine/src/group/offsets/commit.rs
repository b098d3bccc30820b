//! OffsetCommit: the records of a commit, and a code for every partition. Who may commit was checked before.

use super::Offsets;
use crate::base::{LeaderEpoch, Now, Offset, Timestamp};
use crate::error::ErrorCode;
use crate::group::config::GroupConfig;
use crate::group::consumer::Committer;
use crate::group::limits::STRING_BYTES_MAX;
use crate::group::record::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use crate::group::request::{Commit, CommitPartition, CommitTopic, TopicCodes};

/// Whether there is memory for offsets of partitions that none were committed for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Free,
    Full,
}

impl Offsets {
    pub fn commit(
        &self,
        now: Now,
        config: &GroupConfig,
        commit: &Commit,
        committer: Committer<'_>,
        room: Room,
    ) -> (Vec<GroupRecord>, Vec<TopicCodes>) {
        let expire_timestamp = commit.retention_ms.map(|ms| Timestamp(now.wall.0.saturating_add(ms.max(0))));
        let mut records = Vec::new();
        let mut codes = Vec::with_capacity(commit.topics.len());
        for topic in &commit.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for part in &topic.partitions {
                let code = match committer.check(topic.id, part.partition) {
                    Ok(()) => self.check(config, topic, part, room),
                    Err(code) => code,
                };
                if code == ErrorCode::None {
                    let key = OffsetCommitKey {
                        group: commit.group.clone(),
                        topic: topic.name.clone(),
                        partition: part.partition,
                    };
                    let value = OffsetCommitValue {
                        offset: Offset(part.offset),
                        leader_epoch: LeaderEpoch(part.leader_epoch.max(-1)),
                        metadata: part.metadata.clone().unwrap_or_default(),
                        commit_timestamp: now.wall,
                        expire_timestamp,
                        topic_id: topic.id,
                    };
                    records.push(GroupRecord::OffsetCommit(key, Some(value)));
                }
                partitions.push((part.partition, code));
            }
            codes.push(TopicCodes { name: topic.name.clone(), partitions });
        }
        (records, codes)
    }

    fn check(
        &self,
        config: &GroupConfig,
        topic: &CommitTopic,
        part: &CommitPartition,
        room: Room,
    ) -> ErrorCode {
        let metadata_bytes = part.metadata.as_ref().map_or(0, String::len);
        if metadata_bytes > config.metadata_bytes_max.min(STRING_BYTES_MAX) {
            return ErrorCode::OffsetMetadataTooLarge;
        }
        if room == Room::Full && self.get(&topic.name, part.partition).is_none() {
            return ErrorCode::CoordinatorNotAvailable;
        }
        ErrorCode::None
    }
}
