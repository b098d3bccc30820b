//! Regular expressions of consumer groups, resolved a few comparisons per turn, one group after the other.

use std::collections::{BTreeSet, VecDeque};

use super::consumer::Matching;
use super::effects::Effects;
use super::groups::Groups;
use super::kind::Kind;
use super::limits::{COMPARISONS_PER_TURN, EXPRESSIONS_PER_RESOLUTION};
use super::timers::GroupId;
use crate::base::Now;

#[derive(Debug, Default)]
pub struct Resolutions {
    queue: VecDeque<GroupId>,
    /// What is in the queue.
    waiting: BTreeSet<GroupId>,
    current: Option<(GroupId, Matching)>,
}

impl Resolutions {
    fn ask(&mut self, id: &str) {
        if !self.waiting.contains(id) {
            let id = GroupId::from(id);
            self.waiting.insert(id.clone());
            self.queue.push_back(id);
        }
    }

    fn next(&mut self) -> Option<GroupId> {
        let id = self.queue.pop_front()?;
        self.waiting.remove(&id);
        Some(id)
    }
}

impl Groups {
    /// Some expression of this group is new or old.
    pub(super) fn ask_for_resolution(&mut self, id: &str) {
        self.resolutions.ask(id);
    }

    pub fn is_resolving(&self) -> bool {
        self.resolutions.current.is_some() || !self.resolutions.queue.is_empty()
    }

    /// The next comparisons, and what they lead to when they were the last of a group.
    pub fn resolve_on(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Some((id, mut matching)) = self.resolutions.current.take().or_else(|| self.begin(now)) else {
            return effects;
        };
        if !matching.go_on(COMPARISONS_PER_TURN) {
            self.resolutions.current = Some((id, matching));
            return effects;
        }
        // It may have gone meanwhile, or have become another.
        if let Some(group) = self.groups.get(&id)
            && let Kind::Consumer(live) = &group.kind
        {
            let decision = live.group.resolved(&self.context(now, &self.settings(&id)), matching);
            let partition = group.partition;
            self.propose(now, partition, &id, Vec::new(), decision, None, &mut effects);
        }
        effects
    }

    /// The next group of the queue, with those of its expressions that are due.
    fn begin(&mut self, now: Now) -> Option<(GroupId, Matching)> {
        let id = self.resolutions.next()?;
        let Kind::Consumer(live) = &self.groups.get(&id)?.kind else { return None };
        let due = live.group.regexes_due(&self.context(now, &self.settings(&id)), EXPRESSIONS_PER_RESOLUTION);
        (!due.is_empty()).then(|| (id, Matching::new(due, self.topics.clone())))
    }
}
