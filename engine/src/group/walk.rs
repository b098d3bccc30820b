//! Walks over all groups, a few per turn: for offsets that are old, and for those of topics that are gone.

use std::collections::VecDeque;
use std::ops::Bound;

use super::effects::{Effects, Proposal, Then};
use super::groups::{Group, Groups};
use super::limits::{SWEEP_GROUPS_PER_TURN, SWEEP_RECORDS_PER_TURN};
use super::record::GroupRecord;
use super::timers::GroupId;
use crate::base::{Now, PartitionIndex, TopicId};

/// What a walk looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Old,
    /// Of these topics, by name and id.
    OfTopics(Vec<(String, TopicId)>),
}

#[derive(Debug)]
struct Walk {
    wanted: Wanted,
    /// The last group that was looked at.
    after: Option<GroupId>,
}

/// The first is under way, the others follow it.
#[derive(Debug, Default)]
pub struct Walks {
    queue: VecDeque<Walk>,
}

impl Groups {
    /// Begins a walk. One for what is old is enough at a time.
    pub fn walk(&mut self, wanted: Wanted) {
        if wanted != Wanted::Old || self.walks.queue.iter().all(|walk| walk.wanted != Wanted::Old) {
            self.walks.queue.push_back(Walk { wanted, after: None });
        }
    }

    pub fn is_walking(&self) -> bool {
        !self.walks.queue.is_empty()
    }

    /// The next step, if a walk is under way. Groups of partitions that are not loaded are passed over.
    pub fn walk_on(&mut self, now: Now, is_loaded: &dyn Fn(PartitionIndex) -> bool) -> Effects {
        let mut effects = Effects::default();
        let Some(walk) = self.walks.queue.front() else { return effects };
        let from = walk.after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let (mut after, mut is_over, mut records_left) = (walk.after.clone(), true, SWEEP_RECORDS_PER_TURN);
        let steps = self.groups.range((from, Bound::Unbounded)).take(SWEEP_GROUPS_PER_TURN);
        for (id, group) in steps {
            is_over = false;
            let mut records = if is_loaded(group.partition) {
                self.unwanted(now, &walk.wanted, id, group)
            } else {
                Vec::new()
            };
            if records.len() <= records_left {
                after = Some(id.clone());
            }
            // What does not fit is found when the walk goes on, at this group.
            records.truncate(records_left);
            records_left -= records.len();
            if !records.is_empty() {
                let partition = group.partition;
                let (replies, then) = (Vec::new(), Then::Nothing);
                effects.proposals.push(Proposal { partition, records, replies, then });
            }
            if records_left == 0 {
                break;
            }
        }
        match self.walks.queue.front_mut() {
            Some(walk) if !is_over => walk.after = after,
            _ => drop(self.walks.queue.pop_front()),
        }
        effects
    }

    /// Tombstones for what a walk wants gone of a group.
    fn unwanted(&self, now: Now, wanted: &Wanted, id: &GroupId, group: &Group) -> Vec<GroupRecord> {
        match wanted {
            Wanted::Old => {
                let is_read = |topic: &str| group.kind.is_subscribed(topic);
                let old = group.offsets.old(now, &self.config, id, group.kind.clock(), is_read);
                let mut records = old.records;
                if old.all && group.kind.is_trivial() {
                    records.extend(group.kind.tombstones(id));
                }
                records
            }
            Wanted::OfTopics(topics) => topics
                .iter()
                .flat_map(|(name, topic)| group.offsets.tombstones_of_topic(id, name, *topic))
                .collect(),
        }
    }
}
