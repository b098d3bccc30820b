//! Uniform, when members subscribe to different topics. Kept partitions stay, free ones go to the subscriber with the least,
//! and then partitions move as long as one has two more than another who could take one of them. Topics with few
//! subscribers are dealt first: the others can make up for them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Partition, Subscriber, assignment, kept, partitions};
use crate::base::{PartitionIndex, TopicId};
use crate::group::consumer::assignment::Assignment;

/// Each pass makes the loads more even, so it ends by itself; this bounds the time of a group that is made to be slow.
const PASSES_MAX: usize = 64;

pub(super) fn assign(members: &[Subscriber<'_>], sizes: &BTreeMap<TopicId, i32>) -> Vec<Assignment> {
    let mut subscribers: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        for topic in member.topics.iter().filter(|topic| sizes.contains_key(topic)) {
            subscribers.entry(*topic).or_default().push(at);
        }
    }
    let mut topics: Vec<(TopicId, Vec<usize>)> = subscribers.into_iter().collect();
    topics.sort_by_key(|(topic, subscribers)| (subscribers.len(), *topic));

    let mut shares = kept(members, sizes);
    let taken: BTreeSet<Partition> = shares.iter().flatten().copied().collect();
    for (topic, subscribers) in &topics {
        let mut loads = loads(subscribers, &shares);
        for partition in partitions(*topic, sizes[topic]).filter(|partition| !taken.contains(partition)) {
            let Some((load, at)) = loads.pop_first() else { break };
            shares[at].insert(partition);
            loads.insert((load + 1, at));
        }
    }
    for _ in 0..PASSES_MAX {
        let mut moved = false;
        for (topic, subscribers) in &topics {
            moved |= even_out(*topic, subscribers, &mut shares);
        }
        if !moved {
            break;
        }
    }
    shares.into_iter().map(assignment).collect()
}

fn loads(subscribers: &[usize], shares: &[BTreeSet<Partition>]) -> BTreeSet<(usize, usize)> {
    subscribers.iter().map(|at| (shares[*at].len(), *at)).collect()
}

/// Moves this topic's partitions from the most to the least loaded of its subscribers; says whether any moved.
fn even_out(topic: TopicId, subscribers: &[usize], shares: &mut [BTreeSet<Partition>]) -> bool {
    let range = (topic, PartitionIndex(i32::MIN))..=(topic, PartitionIndex(i32::MAX));
    let mut least = loads(subscribers, shares);
    let mut most: BTreeSet<(usize, usize)> =
        least.iter().copied().filter(|(_, at)| shares[*at].range(range.clone()).next().is_some()).collect();
    let mut moved = false;
    while let (Some(&(high, from)), Some(&(low, to))) = (most.last(), least.first()) {
        if high < low + 2 {
            break;
        }
        let Some(partition) = shares[from].range(range.clone()).next_back().copied() else {
            most.remove(&(high, from));
            continue;
        };
        shares[from].remove(&partition);
        shares[to].insert(partition);
        for order in [&mut most, &mut least] {
            order.remove(&(high, from));
            order.remove(&(low, to));
            order.insert((high - 1, from));
            order.insert((low + 1, to));
        }
        moved = true;
    }
    moved
}
