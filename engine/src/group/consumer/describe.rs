//! What is shown of a consumer group.

use std::collections::BTreeMap;

use super::assignment::{Assignment, Owned};
use super::member::Member;
use super::request::{Described, DescribedConsumerGroup, DescribedConsumerMember};
use super::{Assignor, ConsumerGroup, Context, Topics};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Empty,
    /// A new target is due.
    Assigning,
    /// Somebody is on the way to the target.
    Reconciling,
    Stable,
}

impl State {
    /// As Kafka spells it.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Assigning => "Assigning",
            State::Reconciling => "Reconciling",
            State::Stable => "Stable",
        }
    }
}

impl ConsumerGroup {
    pub fn state(&self) -> State {
        if self.members.is_empty() {
            State::Empty
        } else if self.epoch > self.assignment_epoch {
            State::Assigning
        } else if self.members.values().all(|member| member.is_reconciled_to(self.assignment_epoch)) {
            State::Stable
        } else {
            State::Reconciling
        }
    }

    pub fn describe(&self, cx: &Context<'_>) -> DescribedConsumerGroup {
        let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.members.values().filter_map(|member| member.assignor.as_deref()) {
            *wanted.entry(name).or_default() += 1;
        }
        let fallback = cx.settings.assignors.first().map_or("uniform", |assignor: &Assignor| assignor.name());
        let assignor = wanted.into_iter().max_by_key(|(_, count)| *count).map_or(fallback, |(name, _)| name);
        DescribedConsumerGroup {
            group: self.id.clone(),
            state: self.state().name(),
            epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: assignor.into(),
            members: self.members.values().map(|member| self.describe_member(member, cx.topics)).collect(),
        }
    }

    fn describe_member(&self, member: &Member, topics: &dyn Topics) -> DescribedConsumerMember {
        let nothing = Assignment::new();
        let target = self.target.get(&member.id).unwrap_or(&nothing);
        DescribedConsumerMember {
            id: member.id.clone(),
            instance: member.instance.clone(),
            rack: member.rack.clone(),
            epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            topics: member.topics.iter().cloned().collect(),
            regex: member.regex.clone().unwrap_or_else(|| "".into()),
            assigned: named(&member.assigned, &member.revoking, topics),
            target: target
                .iter()
                .filter_map(|(id, set)| Some((*id, topics.name(*id)?, set.iter().copied().collect())))
                .collect(),
            is_classic: member.classic.is_some(),
        }
    }
}

/// A member answers for what it must give up until it has.
fn named(assigned: &Owned, revoking: &Owned, topics: &dyn Topics) -> Described {
    let mut both = Assignment::new();
    for (topic, partitions) in assigned.iter().chain(revoking) {
        both.entry(*topic).or_default().extend(partitions.keys());
    }
    let named =
        both.into_iter().filter_map(|(id, set)| Some((id, topics.name(id)?, set.into_iter().collect())));
    named.collect()
}
