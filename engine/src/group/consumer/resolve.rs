//! What regular expressions match, as the group knows it. They are resolved between heartbeats, as in Kafka: a heartbeat asks for
//! it, and what was found changes the group's epoch, which the members hear of with their next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::Draft;
use super::member::Member;
use super::regex::{self, Matching};
use super::{ConsumerGroup, Context, Decision, Resolved, topics};
use crate::error::Refusal;
use crate::group::record::{ConsumerGroupRegularExpressionValue, GroupRecord, RegexKey};

impl ConsumerGroup {
    /// A member has another expression than before. Whether it is known what that one matches.
    pub(super) fn change_regex(
        &self,
        before: &Member,
        draft: &mut Draft<'_>,
        decision: &mut Decision,
    ) -> Result<bool, Refusal> {
        if let Some(old) = &before.regex
            && draft.regexes.contains_key(old)
            && !draft.regexes_in_use().contains(old)
        {
            draft.regexes.to_mut().remove(old);
            decision.records.push(self.regex_record(old, None));
        }
        match &draft.member.regex {
            Some(new) if !self.regexes.contains_key(new) => regex::check(new).map(|()| false),
            _ => Ok(true),
        }
    }

    /// The member's expression was never resolved, or some expression may match other topics by now.
    pub(super) fn wants_resolution(&self, cx: &Context<'_>, draft: &Draft<'_>) -> bool {
        draft.member.regex.as_ref().is_some_and(|regex| !draft.regexes.contains_key(regex))
            || draft.regexes.values().any(|resolved| is_stale(cx, resolved))
    }

    /// The expressions that are to be resolved, at most so many; the others are asked for by the heartbeats that follow.
    pub fn regexes_due(&self, cx: &Context<'_>, count_max: usize) -> Vec<Arc<str>> {
        let in_use: BTreeSet<&Arc<str>> =
            self.members.values().filter_map(|member| member.regex.as_ref()).collect();
        let is_due = |regex: &&Arc<str>| self.regexes.get(*regex).is_none_or(|known| is_stale(cx, known));
        in_use.into_iter().filter(is_due).take(count_max).cloned().collect()
    }

    /// What was found. Expressions that nobody has any more are passed over.
    pub fn resolved(&self, cx: &Context<'_>, matching: Matching) -> Decision {
        let mut decision = Decision::default();
        let mut found: BTreeMap<Arc<str>, Resolved> = BTreeMap::new();
        let version = matching.version();
        let is_in_use =
            |regex: &str| self.members.values().any(|member| member.regex.as_deref() == Some(regex));
        let nothing = BTreeSet::new();
        let mut changed = false;
        for (regex, topics) in matching.found().filter(|(regex, _)| is_in_use(regex)) {
            let before = self.regexes.get(&regex).map_or(&nothing, |resolved| &resolved.topics);
            changed |= *before != topics;
            let resolved = Resolved { topics, version, at: cx.now.wall };
            decision.records.push(self.regex_record(&regex, Some(&resolved)));
            found.insert(regex, resolved);
        }
        let hash = topics::hash(&self.names_with(&found), cx.topics);
        if changed || hash != self.metadata_hash {
            decision.seen = Some(cx.topics.version());
            self.record_epoch(self.epoch.next(), hash, &mut decision);
        }
        decision
    }

    /// All names that members subscribe to, with these expressions' in place of those that are stored.
    fn names_with(&self, found: &BTreeMap<Arc<str>, Resolved>) -> BTreeSet<Arc<str>> {
        let mut names = BTreeSet::new();
        for member in self.members.values() {
            names.extend(member.topics.iter().cloned());
            if let Some(regex) = &member.regex
                && let Some(resolved) = found.get(regex).or_else(|| self.regexes.get(regex))
            {
                names.extend(resolved.topics.iter().cloned());
            }
        }
        names
    }

    pub(super) fn regex_record(&self, regex: &str, resolved: Option<&Resolved>) -> GroupRecord {
        let value = resolved.map(|resolved| ConsumerGroupRegularExpressionValue {
            topics: resolved.topics.iter().map(|topic| topic.to_string()).collect(),
            version: resolved.version,
            timestamp: resolved.at,
        });
        let key = RegexKey { group: self.id.to_string(), regex: regex.to_owned() };
        GroupRecord::ConsumerGroupRegularExpression(key, value)
    }
}

/// There are other topics than it was matched against, or it was long ago.
fn is_stale(cx: &Context<'_>, resolved: &Resolved) -> bool {
    let age_ms = cx.now.wall.0.saturating_sub(resolved.at.0);
    resolved.version != cx.topics.version() && age_ms > regex::REFRESH_INTERVAL_MIN_MS
        || age_ms > cx.settings.regex_refresh_interval_ms
}
