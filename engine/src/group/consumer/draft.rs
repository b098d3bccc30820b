//! A group as it will be when the decision that is being made is applied: the stored one, with one member in its new form.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assignment::{Assignment, to_target_record};
use super::assignor::{Assignor, Subscriber};
use super::epoch::Epoch;
use super::member::{Member, MemberId};
use super::{ConsumerGroup, Context, Resolved};
use crate::base::TopicId;
use crate::group::record::{
    ConsumerGroupTargetAssignmentMemberValue, ConsumerGroupTargetAssignmentMetadataValue, GroupRecord,
    MemberKey,
};

pub(super) struct Draft<'a> {
    pub group: &'a ConsumerGroup,
    pub member: &'a Member,
    /// Whose place the member takes: a static member's old id.
    pub replaced: Option<&'a MemberId>,
    pub regexes: Cow<'a, BTreeMap<Arc<str>, Resolved>>,
}

impl<'a> Draft<'a> {
    /// In the order of their ids.
    fn members(&self) -> Vec<&Member> {
        let others = self.group.members.values();
        let others = others.filter(|other| other.id != self.member.id && Some(&other.id) != self.replaced);
        let mut members: Vec<&Member> = others.chain([self.member]).collect();
        members.sort_by(|one, other| one.id.cmp(&other.id));
        members
    }

    /// The regular expressions that members subscribe with.
    pub fn regexes_in_use(&self) -> BTreeSet<Arc<str>> {
        self.members().into_iter().filter_map(|member| member.regex.clone()).collect()
    }

    /// Names that anybody subscribes to.
    pub fn topics(&self) -> BTreeSet<Arc<str>> {
        let mut names = BTreeSet::new();
        for member in self.members() {
            names.extend(member.topics.iter().cloned());
        }
        for resolved in self.regexes_in_use().iter().filter_map(|regex| self.regexes.get(regex)) {
            names.extend(resolved.topics.iter().cloned());
        }
        names
    }

    /// Topics that exist and that this member subscribes to, with their sizes.
    pub fn topics_of(&self, member: &Member, cx: &Context<'_>) -> BTreeMap<TopicId, i32> {
        let resolved = member.regex.as_ref().and_then(|regex| self.regexes.get(regex));
        let names = member.topics.iter().chain(resolved.iter().flat_map(|resolved| &resolved.topics));
        names.filter_map(|name| cx.topics.by_name(name)).collect()
    }

    /// What the member should have had so far.
    pub fn target_before(&self) -> Option<&'a Assignment> {
        self.group.target.get(self.replaced.unwrap_or(&self.member.id))
    }

    /// The assignor that most members want; the first of the option where nobody says.
    fn assignor(&self, cx: &Context<'_>) -> Assignor {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members() {
            if let Some(name) = &member.assignor {
                *counts.entry(name).or_default() += 1;
            }
        }
        let preferred = counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name);
        let fallback = cx.settings.assignors.first().copied().unwrap_or(Assignor::Uniform);
        preferred.and_then(Assignor::named).unwrap_or(fallback)
    }

    /// Assigns anew, for this epoch of the group; records what changes and says what the member shall have.
    pub fn assign(&self, cx: &Context<'_>, epoch: Epoch, records: &mut Vec<GroupRecord>) -> Assignment {
        let members = self.members();
        let mut sizes = BTreeMap::new();
        let subscribers: Vec<Subscriber<'_>> = members
            .iter()
            .map(|member| {
                let topics = self.topics_of(member, cx);
                let subscribed = topics.keys().copied().collect();
                sizes.extend(topics);
                let before = if member.id == self.member.id {
                    self.target_before()
                } else {
                    self.group.target.get(&member.id)
                };
                Subscriber {
                    id: &member.id,
                    instance: member.instance.as_deref(),
                    topics: subscribed,
                    before,
                }
            })
            .collect();
        let assignments = self.assignor(cx).assign(&subscribers, &sizes);
        let mut own = Assignment::new();
        for (member, assignment) in members.iter().zip(assignments) {
            if self.group.target.get(&member.id) != Some(&assignment) {
                records.push(target_record(&self.group.id, &member.id, &assignment));
            }
            if member.id == self.member.id {
                own = assignment;
            }
        }
        let value = ConsumerGroupTargetAssignmentMetadataValue {
            assignment_epoch: epoch.0,
            assignment_timestamp: cx.now.wall,
        };
        records
            .push(GroupRecord::ConsumerGroupTargetAssignmentMetadata(self.group.id.to_string(), Some(value)));
        own
    }
}

pub(super) fn target_record(group: &str, member: &str, assignment: &Assignment) -> GroupRecord {
    let value = ConsumerGroupTargetAssignmentMemberValue { topic_partitions: to_target_record(assignment) };
    let key = MemberKey { group: group.to_owned(), member: member.to_owned() };
    GroupRecord::ConsumerGroupTargetAssignmentMember(key, Some(value))
}
