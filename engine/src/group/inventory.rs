//! Requests about groups as a whole: list, describe, delete.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::effects::{Effects, Proposal, Then};
use super::groups::{Groups, Home};
use super::limits::LIST_GROUPS_MAX;
use super::request::{Caller, Described, Filter, List, Reply};
use crate::error::ErrorCode;

impl Groups {
    pub(super) fn describe(&self, id: String, home: Home<'_>) -> Described {
        match self.find(&id, home) {
            Ok(group) => group.kind.describe(id),
            Err(error) => Described::refused(id, error),
        }
    }

    pub(super) fn list(&self, filter: &Filter) -> List {
        let lower = |texts: &[String]| -> Vec<String> {
            texts.iter().map(|text| text.trim().to_lowercase()).collect()
        };
        let (states, types) = (lower(&filter.states), lower(&filter.types));
        let from = filter.after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        let mut list = List { error: ErrorCode::None, groups: Vec::new(), more: None };
        for (looked_at, (id, group)) in self.groups.range((from, Bound::Unbounded)).enumerate() {
            let state = states.is_empty() || states.contains(&group.kind.state().to_lowercase());
            let kind = types.is_empty() || types.iter().any(|name| name == group.kind.name());
            if state && kind {
                list.groups.push(group.kind.listed(id));
            }
            if looked_at + 1 == LIST_GROUPS_MAX {
                list.more = Some(id.clone());
                break;
            }
        }
        list
    }

    pub(super) fn delete(
        &mut self,
        caller: Caller,
        groups: Vec<String>,
        home: Home<'_>,
        effects: &mut Effects,
    ) {
        let mut codes = Vec::with_capacity(groups.len());
        let mut partitions = BTreeSet::new();
        let mut doomed = BTreeSet::new();
        for id in groups {
            let checked = home(&id).and_then(|_| match self.groups.get(&*id) {
                Some(group) if !doomed.contains(&id) => group.kind.check_delete().map(|()| group),
                _ => Err(ErrorCode::GroupIdNotFound),
            });
            codes.push(checked.as_ref().err().copied().unwrap_or(ErrorCode::None));
            let Ok(group) = checked else { continue };
            let mut records = group.offsets.all_tombstones(&id);
            records.extend(group.kind.tombstones(&id));
            let partition = group.partition;
            partitions.insert(partition);
            let (replies, then) = (Vec::new(), Then::Nothing);
            effects.proposals.push(Proposal { partition, records, replies, then });
            doomed.insert(id);
        }
        effects.settled.push((caller, Reply::Deleted(codes), partitions.into_iter().collect()));
    }
}
