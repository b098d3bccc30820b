//! Requests about committed offsets.

use std::collections::BTreeSet;

use super::consumer::Committer;
use super::effects::{Effects, Proposal, Then};
use super::groups::{Groups, Home};
use super::kind::Kind;
use super::offsets::{Offsets, Room};
use super::request::{
    Caller, Commit, CommitTopic, OffsetsDoomed, OffsetsFound, OffsetsWanted, Reply, TopicCodes, TopicFound,
    TopicWanted,
};
use crate::base::{Now, PartitionIndex};
use crate::error::ErrorCode;

impl Groups {
    pub(super) fn commit(
        &mut self,
        now: Now,
        caller: Caller,
        commit: Commit,
        home: Home<'_>,
        effects: &mut Effects,
    ) {
        let checked = self.check_commit(&commit, home);
        let (partition, committer) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                let code = |topic: &CommitTopic| TopicCodes {
                    name: topic.name.clone(),
                    partitions: topic.partitions.iter().map(|part| (part.partition, error)).collect(),
                };
                let codes = commit.topics.iter().map(code).collect();
                effects.reply(caller, Reply::Committed(codes));
                return;
            }
        };
        let nothing = Offsets::default();
        let offsets = self.groups.get(&*commit.group).map_or(&nothing, |group| &group.offsets);
        let (records, codes) = offsets.commit(now, &self.config, &commit, committer, self.room());
        self.with_group(now, &commit.group, effects, |group, turn| match &mut group.kind {
            Kind::Classic(group) => group.has_committed(turn, &commit.member),
            Kind::Consumer(_) => {}
        });
        let reply = (caller, Reply::Committed(codes));
        if records.is_empty() {
            effects.replies.push(reply);
        } else {
            let (replies, then) = (vec![reply], Then::Nothing);
            effects.proposals.push(Proposal { partition, records, replies, then });
        }
    }

    fn check_commit(
        &self,
        commit: &Commit,
        home: Home<'_>,
    ) -> Result<(PartitionIndex, Committer<'_>), ErrorCode> {
        let partition = home(&commit.group)?;
        match self.groups.get(&*commit.group) {
            Some(group) => return Ok((partition, group.kind.check_commit(commit)?)),
            None if commit.generation >= 0 => {
                let unknown = if commit.version >= 9 {
                    ErrorCode::GroupIdNotFound
                } else {
                    ErrorCode::IllegalGeneration
                };
                return Err(unknown);
            }
            // A simple group comes into being with its first offset.
            None if self.room() == Room::Full => return Err(ErrorCode::CoordinatorNotAvailable),
            None => {}
        }
        Ok((partition, Committer::Current))
    }

    pub(super) fn fetch_offsets(
        &mut self,
        caller: Caller,
        wanted: Vec<OffsetsWanted>,
        home: Home<'_>,
        effects: &mut Effects,
    ) {
        let mut partitions = BTreeSet::new();
        let mut found = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let (error, topics) = match home(&wanted.group) {
                Err(error) => (error, Vec::new()),
                Ok(partition) => {
                    partitions.insert(partition);
                    self.find_offsets(
                        wanted.topics,
                        wanted.member.as_deref(),
                        wanted.member_epoch,
                        &wanted.group,
                    )
                }
            };
            found.push(OffsetsFound { group: wanted.group, error, topics });
        }
        // What is on its way into the log is told only when it is there.
        effects.settled.push((caller, Reply::OffsetsFetched(found), partitions.into_iter().collect()));
    }

    fn find_offsets(
        &self,
        topics: Option<Vec<TopicWanted>>,
        member: Option<&str>,
        member_epoch: i32,
        group: &str,
    ) -> (ErrorCode, Vec<TopicFound>) {
        let nothing = Offsets::default();
        let offsets = match self.groups.get(group) {
            Some(group) => match group.kind.check_fetch(member, member_epoch) {
                Ok(()) => &group.offsets,
                Err(error) => return (error, Vec::new()),
            },
            None => &nothing,
        };
        let found = match topics {
            None => offsets.find_all(),
            Some(topics) => topics.into_iter().map(|topic| offsets.find(topic)).collect(),
        };
        (ErrorCode::None, found)
    }

    pub(super) fn delete_offsets(
        &mut self,
        caller: Caller,
        doomed: OffsetsDoomed,
        home: Home<'_>,
        effects: &mut Effects,
    ) {
        let checked = self.find(&doomed.group, home);
        let group = match checked.and_then(|group| group.kind.check_delete_offsets().map(|()| group)) {
            Ok(group) => group,
            Err(error) => return effects.reply(caller, Reply::OffsetsDeleted(Err(error))),
        };
        let mut records = Vec::new();
        let mut codes = Vec::with_capacity(doomed.topics.len());
        for (name, partitions) in doomed.topics {
            let code = if group.kind.is_subscribed(&name) {
                ErrorCode::GroupSubscribedToTopic
            } else {
                records.extend(group.offsets.tombstones(&doomed.group, &name, &partitions));
                ErrorCode::None
            };
            let partitions = partitions.into_iter().map(|partition| (partition, code)).collect();
            codes.push(TopicCodes { name, partitions });
        }
        let reply = (caller, Reply::OffsetsDeleted(Ok(codes)));
        if records.is_empty() {
            effects.replies.push(reply);
        } else {
            let partition = group.partition;
            let (replies, then) = (vec![reply], Then::Nothing);
            effects.proposals.push(Proposal { partition, records, replies, then });
        }
    }
}
