//! The server's assignors: which member shall read what. Pure functions of members, subscriptions, partition counts and the
//! assignment before; every partition that anybody subscribes to goes to exactly one of its subscribers. Members' racks
//! are known to the group and not looked at, as in Kafka's.

mod mixed;
mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};

use super::assignment::Assignment;
use crate::base::{PartitionIndex, TopicId};

/// `group.consumer.assignors`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Everybody has the same number of partitions, give or take one, and keeps what it has.
    Uniform,
    /// Everybody has a range of each topic, the same range of topics of one size.
    Range,
}

impl Assignor {
    pub const ALL: [Assignor; 2] = [Assignor::Uniform, Assignor::Range];

    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// By name, or by the class that Kafka's option may name.
    pub fn named(name: &str) -> Option<Assignor> {
        Assignor::ALL.into_iter().find(|assignor| {
            let class = match assignor {
                Assignor::Uniform => "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
                Assignor::Range => "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
            };
            name == assignor.name() || name == class
        })
    }

    /// One assignment per member, in their order. Topics that do not exist are in no member's set.
    pub fn assign(self, members: &[Subscriber<'_>], sizes: &BTreeMap<TopicId, i32>) -> Vec<Assignment> {
        match self {
            Assignor::Range => range::assign(members, sizes),
            Assignor::Uniform => {
                let alike = members.windows(2).all(|pair| pair[0].topics == pair[1].topics);
                if alike { uniform::assign(members, sizes) } else { mixed::assign(members, sizes) }
            }
        }
    }
}

/// A member as an assignor sees it.
#[derive(Clone, Debug)]
pub struct Subscriber<'a> {
    pub id: &'a str,
    pub instance: Option<&'a str>,
    pub topics: BTreeSet<TopicId>,
    /// Its target so far.
    pub before: Option<&'a Assignment>,
}

type Partition = (TopicId, PartitionIndex);

fn partitions(topic: TopicId, size: i32) -> impl Iterator<Item = Partition> {
    (0..size).map(move |index| (topic, PartitionIndex(index)))
}

/// What each member may keep: its target so far as far as it exists, is subscribed to, and nobody before it keeps it.
fn kept(members: &[Subscriber<'_>], sizes: &BTreeMap<TopicId, i32>) -> Vec<BTreeSet<Partition>> {
    let mut taken = BTreeSet::new();
    let keeps = members.iter().map(|member| {
        let topics = member.before.into_iter().flatten();
        let topics = topics.filter(|(topic, _)| member.topics.contains(topic));
        let all = topics.flat_map(|(topic, partitions)| partitions.iter().map(|index| (*topic, *index)));
        let exists = |(topic, index): &Partition| sizes.get(topic).is_some_and(|size| index.0 < *size);
        all.filter(exists).filter(|partition| taken.insert(*partition)).collect()
    });
    keeps.collect()
}

fn assignment(partitions: impl IntoIterator<Item = Partition>) -> Assignment {
    let mut assignment = Assignment::new();
    for (topic, index) in partitions {
        assignment.entry(topic).or_default().insert(index);
    }
    assignment
}

#[cfg(test)]
mod tests;
