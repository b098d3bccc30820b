//! One member's next step from what it has to what it shall have: first it gives up, then it is given what others have
//! released. The rules are those of KIP-848; what a step yields is stored before the member hears of it.

use std::collections::BTreeMap;

use super::assignment::{Assignment, Owned, holds_any};
use super::epoch::Epoch;
use super::member::{Member, MemberState};
use crate::base::{PartitionIndex, TopicId};
use crate::error::{ErrorCode, Refusal};

/// Whether the member's subscription was changed by the same request: then it must give up at once what it no longer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subscription {
    Same,
    Changed,
}

pub struct Goal<'a> {
    pub epoch: Epoch,
    pub target: Option<&'a Assignment>,
    pub subscription: Subscription,
    /// What the client says it owns; none: it does not say.
    pub said: Option<&'a [(TopicId, Vec<PartitionIndex>)]>,
    pub subscribed: &'a dyn Fn(TopicId) -> bool,
    /// Nobody else has it.
    pub free: &'a dyn Fn(TopicId, PartitionIndex) -> bool,
}

impl Member {
    /// The member after its next step; none: it stays as it is.
    pub fn reconcile(&self, goal: &Goal<'_>) -> Result<Option<Member>, Refusal> {
        if goal.subscription == Subscription::Same && self.is_reconciled_to(goal.epoch) {
            return Ok(None);
        }
        let next = match self.state {
            MemberState::Stable if self.epoch != goal.epoch => self.advance(goal, self.epoch),
            MemberState::Stable => self.drop_unsubscribed(goal),
            MemberState::UnrevokedPartitions if goal.owns(&self.revoking) => match goal.subscription {
                Subscription::Changed => self.drop_unsubscribed(goal),
                Subscription::Same => None,
            },
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                self.advance(goal, self.epoch)
            }
            MemberState::Unknown if goal.said.is_none_or(|said| !said.is_empty()) => {
                let why = "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.";
                return Err(Refusal::new(ErrorCode::FencedMemberEpoch, why));
            }
            MemberState::Unknown => self.advance(goal, goal.epoch),
        };
        Ok(next.filter(|next| next != self))
    }

    /// Without a new target yet: partitions of topics that it left are given up.
    fn drop_unsubscribed(&self, goal: &Goal<'_>) -> Option<Member> {
        let (assigned, dropped): (Owned, Owned) = self
            .assigned
            .iter()
            .map(|(topic, partitions)| (*topic, partitions.clone()))
            .partition(|(topic, _)| (goal.subscribed)(*topic));
        if dropped.is_empty() {
            return None;
        }
        let mut revoking = self.revoking.clone();
        for (topic, partitions) in dropped {
            revoking.entry(topic).or_default().extend(partitions);
        }
        if goal.owns(&revoking) {
            let next = self.clone().enter(self.epoch, MemberState::UnrevokedPartitions);
            return Some(Member { assigned, revoking, ..next });
        }
        // It has stopped reading them already.
        let next = self.clone().enter(self.epoch, self.state);
        Some(Member { assigned, ..next })
    }

    fn advance(&self, goal: &Goal<'_>, epoch: Epoch) -> Option<Member> {
        let nothing = Assignment::new();
        let target = goal.target.unwrap_or(&nothing);
        let wanted = |topic: TopicId, partition: PartitionIndex| {
            target.get(&topic).is_some_and(|partitions| partitions.contains(&partition))
                && (goal.subscribed)(topic)
        };
        let (mut assigned, mut revoking) = (Owned::new(), Owned::new());
        for (topic, partitions) in &self.assigned {
            for (partition, since) in partitions {
                let side = if wanted(*topic, *partition) { &mut assigned } else { &mut revoking };
                side.entry(*topic).or_default().insert(*partition, *since);
            }
        }
        if goal.owns(&revoking) {
            let next = self.clone().enter(epoch, MemberState::UnrevokedPartitions);
            return Some(Member { assigned, revoking, ..next });
        }
        let mut unreleased = false;
        for (topic, partitions) in target.iter().filter(|(topic, _)| (goal.subscribed)(**topic)) {
            let has: &mut BTreeMap<_, _> = assigned.entry(*topic).or_default();
            for partition in partitions {
                if has.contains_key(partition) {
                    continue;
                }
                if (goal.free)(*topic, *partition) {
                    has.insert(*partition, goal.epoch);
                } else {
                    unreleased = true;
                }
            }
        }
        assigned.retain(|_, partitions| !partitions.is_empty());
        let state = if unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        let next = self.clone().enter(goal.epoch, state);
        Some(Member { assigned, revoking: Owned::new(), ..next })
    }
}

impl Goal<'_> {
    /// Whether the client still owns one of these, or does not say: then it is asked to give them up.
    fn owns(&self, revoking: &Owned) -> bool {
        !revoking.is_empty() && self.said.is_none_or(|said| holds_any(revoking, said))
    }
}
