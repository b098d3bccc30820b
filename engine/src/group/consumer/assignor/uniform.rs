//! Uniform, when all members subscribe to the same topics: each has the same number of partitions, give or take one, and
//! nobody gives a partition away that it may keep.

use std::collections::{BTreeMap, BTreeSet};

use super::{Partition, Subscriber, assignment, kept, partitions};
use crate::base::TopicId;
use crate::group::consumer::assignment::Assignment;

pub(super) fn assign(members: &[Subscriber<'_>], sizes: &BTreeMap<TopicId, i32>) -> Vec<Assignment> {
    let Some(first) = members.first() else { return Vec::new() };
    let exist = first.topics.iter().filter_map(|topic| Some((*topic, *sizes.get(topic)?)));
    let all: Vec<Partition> = exist.flat_map(|(topic, size)| partitions(topic, size)).collect();
    let (share, mut extra) = (all.len() / members.len(), all.len() % members.len());
    let mut keeps = kept(members, sizes);

    // The one more goes first to those who have it already, then to whoever comes first.
    let mut quotas = vec![share; members.len()];
    for wants_it in [true, false] {
        for (quota, keeps) in quotas.iter_mut().zip(&keeps) {
            if extra > 0 && *quota == share && (keeps.len() > share) == wants_it {
                *quota += 1;
                extra -= 1;
            }
        }
    }
    let mut free: BTreeSet<Partition> = all.into_iter().collect();
    for (quota, keeps) in quotas.iter().zip(&mut keeps) {
        while keeps.len() > *quota {
            keeps.pop_last();
        }
        for partition in keeps.iter() {
            free.remove(partition);
        }
    }
    for (quota, keeps) in quotas.iter().zip(&mut keeps) {
        while keeps.len() < *quota {
            let Some(partition) = free.pop_first() else { break };
            keeps.insert(partition);
        }
    }
    keeps.into_iter().map(assignment).collect()
}
