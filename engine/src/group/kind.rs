//! The kinds of groups, and what the coordinator asks of each: the place where another kind plugs in.

use super::classic::{CONSUMER, ClassicGroup, Phase};
use super::consumer::{Committer, Epoch, Live};
use super::offsets::Clock;
use super::record::GroupRecord;
use super::request::{Commit, Described, Listed};
use super::timers::GroupId;
use crate::error::ErrorCode;

#[derive(Clone, Debug)]
pub enum Kind {
    Classic(Box<ClassicGroup>),
    /// KIP-848
    Consumer(Box<Live>),
}

impl Kind {
    /// As Kafka's ListGroups spells it; the filter knows any case.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Classic(_) => "classic",
            Kind::Consumer(_) => "consumer",
        }
    }

    pub fn state(&self) -> &'static str {
        match self {
            Kind::Classic(group) => group.phase().name(),
            Kind::Consumer(live) => live.group.state().name(),
        }
    }

    /// It has no members.
    pub fn is_empty(&self) -> bool {
        match self {
            Kind::Classic(group) => group.is_empty(),
            Kind::Consumer(live) => live.group.is_empty(),
        }
    }

    /// Without offsets there is nothing to keep of it.
    pub fn is_trivial(&self) -> bool {
        match self {
            Kind::Classic(group) => group.is_trivial(),
            Kind::Consumer(live) => live.group.is_empty(),
        }
    }

    /// Memory that it holds, roughly.
    pub fn bytes(&self) -> usize {
        match self {
            Kind::Classic(group) => group.bytes(),
            Kind::Consumer(live) => live.bytes(),
        }
    }

    pub fn listed(&self, id: &GroupId) -> Listed {
        match self {
            Kind::Classic(group) => group.listed(id),
            Kind::Consumer(live) => Listed {
                group: id.clone(),
                protocol_type: CONSUMER.into(),
                state: live.group.state().name(),
                kind: self.name(),
            },
        }
    }

    /// For DescribeGroups, which knows classic groups.
    pub fn describe(&self, id: String) -> Described {
        match self {
            Kind::Classic(group) => group.describe(id),
            Kind::Consumer(_) => {
                Described { is_of_another_kind: true, ..Described::refused(id, ErrorCode::GroupIdNotFound) }
            }
        }
    }

    /// Who a commit is from, and so which of its partitions count.
    pub fn check_commit(&self, commit: &Commit) -> Result<Committer<'_>, ErrorCode> {
        match self {
            Kind::Classic(group) => {
                group.check_commit(&commit.member, commit.instance.as_deref(), commit.generation)?;
                Ok(Committer::Current)
            }
            Kind::Consumer(live) => {
                live.group.committer(&commit.member, Epoch(commit.generation), commit.version)
            }
        }
    }

    /// Whether a member of a KIP-848 group may see the offsets; everybody else may.
    pub fn check_fetch(&self, member: Option<&str>, member_epoch: i32) -> Result<(), ErrorCode> {
        match self {
            Kind::Classic(_) => Ok(()),
            Kind::Consumer(live) => live.group.check_fetch(member, Epoch(member_epoch)),
        }
    }

    pub fn check_delete_offsets(&self) -> Result<(), ErrorCode> {
        match self {
            Kind::Classic(group) if group.is_empty() || group.speaks_consumer() => Ok(()),
            Kind::Classic(_) => Err(ErrorCode::NonEmptyGroup),
            Kind::Consumer(_) => Ok(()),
        }
    }

    pub fn check_delete(&self) -> Result<(), ErrorCode> {
        if self.is_empty() { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    /// A member reads this topic, as far as is known.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        match self {
            Kind::Classic(group) => group.is_subscribed(topic),
            Kind::Consumer(live) => live.group.is_subscribed_to(topic),
        }
    }

    /// How its offsets age.
    pub fn clock(&self) -> Clock {
        match self {
            Kind::Classic(group) => match (group.protocol_type(), group.phase()) {
                (None, _) => Clock::SinceCommit,
                (Some(_), Phase::Empty) if group.since().0 >= 0 => Clock::Since(group.since()),
                (Some(_), Phase::Empty) => Clock::SinceCommit,
                (Some(_), Phase::Stable) if group.speaks_consumer() && group.has_subscription() => {
                    Clock::SinceCommit
                }
                (Some(_), _) => Clock::Stopped,
            },
            Kind::Consumer(_) => Clock::SinceCommit,
        }
    }

    /// What removes it from the log; its offsets go before it.
    pub fn tombstones(&self, id: &str) -> Vec<GroupRecord> {
        match self {
            Kind::Classic(_) => vec![GroupRecord::GroupMetadata(id.to_owned(), None)],
            Kind::Consumer(live) => live.group.tombstones(),
        }
    }

    /// This core coordinates it no more.
    pub fn abandon(&mut self, turn: &mut super::classic::Turn<'_>, error: ErrorCode) {
        match self {
            Kind::Classic(group) => group.abandon(turn, error),
            Kind::Consumer(live) => live.abandon(&mut turn.effects.timers),
        }
    }
}
