//! A consumer group with its log, its topics and its clients, all in memory; time is a number. Whatever is decided is written,
//! read back and applied, and a second group that is loaded from the log alone must be the same.

mod clients;
mod commits;
mod members;
mod migration;
mod random;
mod statics;
mod subscriptions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::apply::Applied;
use super::fence::Leave;
use super::*;
use crate::error::{ErrorCode, Refusal};

pub(super) const GROUP: &str = "g";

pub(super) fn topic_id(number: u8) -> TopicId {
    TopicId([number; 16])
}

#[derive(Clone, Debug, Default)]
pub(super) struct FakeTopics {
    pub version: i64,
    pub topics: BTreeMap<Arc<str>, (TopicId, i32)>,
}

impl FakeTopics {
    pub fn set(&mut self, name: &str, id: u8, partitions: i32) {
        self.version += 1;
        self.topics.insert(name.into(), (topic_id(id), partitions));
    }

    pub fn remove(&mut self, name: &str) {
        self.version += 1;
        self.topics.remove(name);
    }
}

impl Topics for FakeTopics {
    fn version(&self) -> i64 {
        self.version
    }

    fn by_name(&self, name: &str) -> Option<(TopicId, i32)> {
        self.topics.get(name).copied()
    }

    fn name(&self, id: TopicId) -> Option<Arc<str>> {
        self.topics.iter().find(|(_, (known, _))| *known == id).map(|(name, _)| name.clone())
    }

    fn names_after(&self, name: Option<&str>, count_max: usize) -> Vec<Arc<str>> {
        let behind = self.topics.keys().filter(|known| name.is_none_or(|name| &***known > name));
        behind.take(count_max).cloned().collect()
    }
}

pub(super) struct World {
    pub group: ConsumerGroup,
    pub topics: FakeTopics,
    pub settings: Settings,
    pub now_ms: i64,
    pub log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// What rings for whom, and when.
    pub alarms: BTreeMap<(MemberId, MemberAlarm), i64>,
    /// Expressions shall be resolved.
    pub resolves: bool,
}

impl World {
    pub fn new() -> World {
        let mut topics = FakeTopics::default();
        topics.set("foo", 1, 6);
        World {
            group: ConsumerGroup::new(GROUP.into()),
            topics,
            // Most tests want the assignment at once.
            settings: Settings { assignment_interval_ms: 0, ..Settings::default() },
            now_ms: 1_000_000,
            log: Vec::new(),
            alarms: BTreeMap::new(),
            resolves: false,
        }
    }

    pub fn cx(&self) -> Context<'_> {
        let now = Now { mono_ns: self.now_ms as u64 * 1_000_000, wall: Timestamp(self.now_ms) };
        Context { now, settings: &self.settings, topics: &self.topics }
    }

    /// Writes and applies; the group as loaded from the whole log must be the same but for what is not stored.
    pub fn accept(&mut self, decision: &Decision) {
        for record in &decision.records {
            self.log.push((record.encode_key(), record.encode_value()));
            assert_eq!(self.group.apply(record), Applied::Kept);
        }
        self.group.settle(decision);
        self.resolves |= decision.resolves;
        for (member, change) in &decision.alarms {
            let at = |ms: &u64| self.now_ms + *ms as i64;
            match change {
                AlarmChange::Set(alarm, ms) => {
                    self.alarms.insert((member.clone(), *alarm), at(ms));
                }
                AlarmChange::SetIfIdle(alarm, ms) => {
                    let at = at(ms);
                    self.alarms.entry((member.clone(), *alarm)).or_insert(at);
                }
                AlarmChange::Cancel(alarm) => {
                    self.alarms.remove(&(member.clone(), *alarm));
                }
            }
        }
        let mut loaded = self.loaded();
        loaded.seen = self.group.seen;
        assert_eq!(loaded, self.group);
        self.check_owners();
    }

    pub fn loaded(&self) -> ConsumerGroup {
        let mut loaded = ConsumerGroup::new(GROUP.into());
        for (key, value) in &self.log {
            loaded.apply(&GroupRecord::decode(key, value.as_deref()).unwrap());
        }
        loaded
    }

    fn check_owners(&self) {
        let by_members = self.group.owners_by_members();
        assert_eq!(by_members.len(), self.group.owners.len());
        for (partition, owners) in by_members {
            assert_eq!(owners.len(), 1, "{partition:?} has {owners:?}");
            assert_eq!(self.group.owners.get(&partition), owners.first());
        }
    }

    pub fn beat(&mut self, request: &ConsumerHeartbeat) -> Result<ConsumerHeartbeatReply, ErrorCode> {
        self.try_beat(request).map_err(|refusal| refusal.code)
    }

    pub fn try_beat(&mut self, request: &ConsumerHeartbeat) -> Result<ConsumerHeartbeatReply, Refusal> {
        request.check(&self.settings.assignors)?;
        if request.leaves() {
            let decision = match self.group.leave(request)? {
                Leave::Gone(member) => self.group.fence(&self.cx(), &[member]),
                Leave::Away(decision) => decision,
            };
            self.accept(&decision);
            return Ok(ConsumerHeartbeatReply {
                member: request.member.as_str().into(),
                epoch: request.epoch,
                heartbeat_interval_ms: 0,
                assignment: None,
            });
        }
        let (decision, reply) = self.group.heartbeat(&self.cx(), request)?;
        self.accept(&decision);
        Ok(reply)
    }

    /// Time passes; who is overdue is fenced.
    pub fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
        while let Some(((member, alarm), _)) =
            self.alarms.iter().find(|(_, at)| **at <= self.now_ms).map(|(key, at)| (key.clone(), *at))
        {
            self.alarms.remove(&(member.clone(), alarm));
            if self.group.is_overdue(&member, alarm) {
                let decision = self.group.fence(&self.cx(), &[member]);
                self.accept(&decision);
            }
        }
    }

    /// Resolves what is to be resolved, as the coordinator does after a heartbeat.
    pub fn resolve(&mut self) {
        if !std::mem::take(&mut self.resolves) {
            return;
        }
        let due = self.group.regexes_due(&self.cx(), usize::MAX);
        let mut matching = Matching::new(due, Arc::new(self.topics.clone()));
        while !matching.go_on(2) {}
        let decision = self.group.resolved(&self.cx(), matching);
        self.accept(&decision);
    }

    pub fn assigned(&self, member: &str) -> BTreeSet<(TopicId, i32)> {
        let member = self.group.member(member).expect("a member");
        let all = member.assigned.iter();
        all.flat_map(|(topic, set)| set.keys().map(|index| (*topic, index.0))).collect()
    }
}

/// A heartbeat that says nothing but who it is from.
pub(super) fn plain(member: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: GROUP.to_string(),
        member: member.to_string(),
        epoch: Epoch(epoch),
        instance: None,
        rack: None,
        rebalance_timeout_ms: -1,
        topics: None,
        regex: None,
        assignor: None,
        owned: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        version: 1,
        entropy: [7; 16],
    }
}

pub(super) fn join(member: &str, topics: &[&str]) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        rebalance_timeout_ms: 300_000,
        topics: Some(topics.iter().map(|topic| topic.to_string()).collect()),
        owned: Some(Vec::new()),
        ..plain(member, 0)
    }
}

pub(super) fn owning(member: &str, epoch: i32, owned: &[(TopicId, &[i32])]) -> ConsumerHeartbeat {
    let owned = owned.iter().map(|(topic, set)| (*topic, set.iter().copied().map(PartitionIndex).collect()));
    ConsumerHeartbeat { owned: Some(owned.collect()), ..plain(member, epoch) }
}
