//! What operators are told of groups: kind, state, members and committed offsets, a bounded number at a time.

use std::ops::Bound;
use std::sync::Arc;

use super::groups::Groups;
use super::kind::Kind;
use super::timers::GroupId;
use crate::base::{Offset, PartitionIndex};

/// A part of the list: the groups behind `after`, in the order of their ids.
#[derive(Clone, Debug)]
pub struct GroupPage {
    /// The last one of the page before.
    pub after: Option<GroupId>,
    pub groups: usize,
    /// For all groups of the page together; what is beyond is counted.
    pub offsets: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFigures {
    pub group: GroupId,
    /// As ListGroups' filter spells it, in lower case.
    pub kind: &'static str,
    pub state: &'static str,
    pub members: usize,
    pub offsets: Vec<(Arc<str>, PartitionIndex, Offset)>,
    pub offsets_left_out: usize,
}

impl Groups {
    /// Fewer than asked for by number: there are no more.
    pub fn figures(&self, page: &GroupPage) -> Vec<GroupFigures> {
        let from = page.after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let mut left = page.offsets;
        let groups = self.groups.range((from, Bound::Unbounded)).take(page.groups);
        let figures = groups.map(|(id, group)| {
            let all: usize = group.offsets.topics().map(|(_, partitions)| partitions.len()).sum();
            let offsets = group.offsets.iter().take(left);
            let offsets: Vec<_> = offsets
                .map(|(topic, partition, committed)| (topic.clone(), partition, committed.offset))
                .collect();
            left -= offsets.len();
            GroupFigures {
                group: id.clone(),
                kind: group.kind.name(),
                state: group.kind.state(),
                members: match &group.kind {
                    Kind::Classic(group) => group.size(),
                    Kind::Consumer(live) => live.group.len(),
                },
                offsets_left_out: all - offsets.len(),
                offsets,
            }
        });
        figures.collect()
    }
}
