//! Ranges: per topic, its subscribers in order share the partitions in order, the first ones one more if it does not come
//! out even. Static members first, by instance id, so that a restart under a new member id changes nothing.

use std::collections::BTreeMap;

use super::{Subscriber, partitions};
use crate::base::TopicId;
use crate::group::consumer::assignment::Assignment;

pub(super) fn assign(members: &[Subscriber<'_>], sizes: &BTreeMap<TopicId, i32>) -> Vec<Assignment> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| {
        let member = &members[*at];
        (member.instance.is_none(), member.instance, member.id)
    });
    let mut subscribers: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
    for at in order {
        for topic in &members[at].topics {
            subscribers.entry(*topic).or_default().push(at);
        }
    }
    let mut assignments = vec![Assignment::new(); members.len()];
    for (topic, subscribers) in subscribers {
        let size = sizes.get(&topic).copied().unwrap_or(0);
        let count = subscribers.len() as i32;
        let mut next = partitions(topic, size);
        for (place, at) in subscribers.into_iter().enumerate() {
            let share = size / count + i32::from((place as i32) < size % count);
            let range: Vec<_> = next.by_ref().take(share as usize).map(|(_, index)| index).collect();
            if !range.is_empty() {
                assignments[at].insert(topic, range.into_iter().collect());
            }
        }
    }
    assignments
}
