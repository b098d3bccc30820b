//! Whether a commit or a look at the offsets comes from who may do so.

use super::ConsumerGroup;
use super::assignment::epoch_of;
use super::epoch::Epoch;
use super::member::Member;
use crate::base::{PartitionIndex, TopicId};
use crate::error::ErrorCode;

/// OffsetCommit of a member of the consumer protocol: earlier versions do not know its errors.
const COMMIT_VERSION_MIN: i16 = 9;

/// Which partitions of a commit count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committer<'a> {
    /// All: it comes with the member's epoch, or the group has no members.
    Current,
    /// It was sent before the member's last epoch: those that the member has had since then.
    Behind(&'a Member, Epoch),
}

impl ConsumerGroup {
    pub fn committer(&self, member: &str, epoch: Epoch, version: i16) -> Result<Committer<'_>, ErrorCode> {
        if epoch.0 < 0 && self.members.is_empty() {
            return Ok(Committer::Current);
        }
        let member = self.members.get(member).ok_or(ErrorCode::UnknownMemberId)?;
        if member.classic.is_none() && version < COMMIT_VERSION_MIN {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if epoch == member.epoch {
            Ok(Committer::Current)
        } else if epoch > member.epoch {
            Err(stale(member))
        } else {
            Ok(Committer::Behind(member, epoch))
        }
    }

    /// OffsetFetch from version 9 on names its member; none and a negative epoch is anybody.
    pub fn check_fetch(&self, member: Option<&str>, epoch: Epoch) -> Result<(), ErrorCode> {
        let Some(member) = member else {
            return if epoch.0 < 0 { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        };
        let member = self.members.get(member).ok_or(ErrorCode::UnknownMemberId)?;
        if epoch == member.epoch { Ok(()) } else { Err(stale(member)) }
    }

    /// Whether anybody subscribes to the topic: its offsets may not be deleted.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.members.values().any(|member| {
            let resolved = member.regex.as_ref().and_then(|regex| self.regexes.get(regex));
            member.topics.contains(topic) || resolved.is_some_and(|resolved| resolved.topics.contains(topic))
        })
    }
}

impl Committer<'_> {
    pub fn check(&self, topic: TopicId, partition: PartitionIndex) -> Result<(), ErrorCode> {
        let Committer::Behind(member, epoch) = self else { return Ok(()) };
        let since = epoch_of(&member.assigned, topic, partition)
            .or_else(|| epoch_of(&member.revoking, topic, partition));
        if since.is_some_and(|since| *epoch >= since) { Ok(()) } else { Err(stale(member)) }
    }
}

fn stale(member: &Member) -> ErrorCode {
    if member.classic.is_some() { ErrorCode::IllegalGeneration } else { ErrorCode::StaleMemberEpoch }
}
