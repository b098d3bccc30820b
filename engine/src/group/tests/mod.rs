//! What groups promise, driven by hand: time moves when a test says so, and every record that is accepted is kept, so that a
//! replay can be held against what lives.

mod expressions;
mod lives;
mod offsets;
mod rebalances;
mod statics;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::config::GroupConfig;
use super::effects::Effects;
use super::groups::Groups;
use super::record::GroupRecord;
use super::request::*;
use crate::base::{CoreId, Now, PartitionIndex, Timestamp};
use crate::error::ErrorCode;

pub const PARTITION: PartitionIndex = PartitionIndex(3);

/// A coordinator whose log is a list.
pub struct Bench {
    pub groups: Groups,
    pub now: Now,
    pub log: Vec<GroupRecord>,
    pub answers: BTreeMap<u64, Reply>,
    calls: u64,
    /// Appends are refused with this.
    pub refusal: Option<ErrorCode>,
}

impl Bench {
    pub fn new(config: GroupConfig) -> Bench {
        Bench {
            groups: Groups::new(config),
            now: Now { mono_ns: 1, wall: Timestamp(1_700_000_000_000) },
            log: Vec::new(),
            answers: BTreeMap::new(),
            calls: 0,
            refusal: None,
        }
    }

    pub fn kafka() -> Bench {
        Bench::new(GroupConfig::default())
    }

    /// Sends a request; its number.
    pub fn send(&mut self, request: Request) -> u64 {
        self.calls += 1;
        let caller = Caller { core: CoreId(0), number: self.calls };
        let effects = self.groups.handle(self.now, caller, request, &|_| Ok(PARTITION));
        self.carry_out(effects);
        self.calls
    }

    /// Sends a request that is answered at once.
    pub fn ask(&mut self, request: Request) -> Reply {
        let call = self.send(request);
        self.answers.remove(&call).expect("an answer at once")
    }

    pub fn answer(&mut self, call: u64) -> Option<Reply> {
        self.answers.remove(&call)
    }

    pub fn carry_out(&mut self, effects: Effects) {
        for (caller, reply) in effects.replies {
            self.tell(caller, reply);
        }
        for proposal in effects.proposals {
            if let Some(refusal) = self.refusal {
                let effects = self.groups.reject(self.now, proposal, refusal);
                self.carry_out(effects);
                continue;
            }
            self.log.extend(proposal.records.iter().cloned());
            let (replies, effects) = self.groups.accept(self.now, proposal);
            for (caller, reply) in replies {
                self.tell(caller, reply);
            }
            self.carry_out(effects);
        }
        for (caller, reply, _) in effects.settled {
            self.tell(caller, reply);
        }
    }

    fn tell(&mut self, caller: Caller, reply: Reply) {
        assert!(self.answers.insert(caller.number, reply).is_none(), "two answers to one request");
    }

    /// Time passes; whatever is due rings, in order.
    pub fn pass_ms(&mut self, ms: u64) {
        let end =
            Now { mono_ns: self.now.mono_ns + ms * 1_000_000, wall: Timestamp(self.now.wall.0 + ms as i64) };
        while let Some(due) = self.groups.next_deadline().filter(|due| end.reached(*due)) {
            let step = due.0.max(self.now.mono_ns) - self.now.mono_ns;
            self.now.wall.0 += (step / 1_000_000) as i64;
            self.now.mono_ns += step;
            if let Some(effects) = self.groups.ring(self.now) {
                self.carry_out(effects);
            }
        }
        self.now = end;
    }

    /// What a start would make of the log.
    pub fn replayed(&self) -> Groups {
        let mut groups = Groups::new(self.groups.config().clone());
        for record in &self.log {
            let decoded = GroupRecord::decode(&record.encode_key(), record.encode_value().as_deref());
            groups.apply(PARTITION, &decoded.expect("what was written is read"));
        }
        groups
    }

    /// All groups and offsets are the same after a replay; for moments when no group is on its way from one state to the next.
    pub fn check_replay(&self) {
        let stored = |groups: &Groups| -> Vec<(Arc<str>, Described, super::offsets::Offsets)> {
            groups
                .iter()
                .map(|(id, group)| (id.clone(), group.kind.describe(id.to_string()), group.offsets.clone()))
                .collect()
        };
        let (live, replayed) = (stored(&self.groups), stored(&self.replayed()));
        assert_eq!(live, replayed);
    }

    /// A member's first request and, if it is told to come back, its second.
    pub fn join(&mut self, group: &str, member: &str, protocols: &[&str]) -> u64 {
        self.send(Request::Join(join(group, member, protocols)))
    }

    /// A new dynamic member up to where its JoinGroup waits: its id and the number of the request.
    pub fn come(&mut self, group: &str) -> (String, u64) {
        let first = self.join(group, "", &["range"]);
        let Some(Reply::Joined(joined)) = self.answer(first) else { panic!("no id") };
        assert_eq!(joined.error, ErrorCode::MemberIdRequired);
        let member = joined.member.to_string();
        let second = self.join(group, &member, &["range"]);
        (member, second)
    }

    pub fn joined(&mut self, call: u64) -> Joined {
        match self.answer(call) {
            Some(Reply::Joined(joined)) => joined,
            other => panic!("{other:?}"),
        }
    }

    pub fn synced(&mut self, call: u64) -> Synced {
        match self.answer(call) {
            Some(Reply::Synced(synced)) => synced,
            other => panic!("{other:?}"),
        }
    }

    pub fn sync(&mut self, group: &str, member: &str, generation: i32, parts: &[(&str, &str)]) -> u64 {
        let assignments =
            parts.iter().map(|(member, part)| (member.to_string(), Bytes::copy_from_slice(part.as_bytes())));
        self.send(Request::Sync(Sync {
            group: group.into(),
            generation,
            member: member.into(),
            instance: None,
            protocol_type: None,
            protocol: None,
            assignments: assignments.collect(),
        }))
    }

    pub fn beat(&mut self, group: &str, member: &str, generation: i32) -> ErrorCode {
        let (group, member, instance) = (group.into(), member.into(), None);
        match self.ask(Request::Heartbeat(Heartbeat { group, generation, member, instance })) {
            Reply::Heartbeat(code) => code,
            other => panic!("{other:?}"),
        }
    }

    /// Members in a stable group, the leader first: their ids and the generation.
    pub fn stable(&mut self, group: &str, count: usize) -> (Vec<String>, i32) {
        let came: Vec<(String, u64)> = (0..count).map(|_| self.come(group)).collect();
        self.pass_ms(10_000);
        let joined: Vec<Joined> = came.iter().map(|(_, call)| self.joined(*call)).collect();
        let (leader, generation) = (joined[0].leader.to_string(), joined[0].generation);
        let mut members: Vec<String> = came.into_iter().map(|(member, _)| member).collect();
        members.sort_by_key(|member| *member != leader);
        let parts: Vec<(&str, &str)> = members.iter().map(|member| (&**member, &**member)).collect();
        for member in members[1..].iter().chain(&members[..1]) {
            let sent = self.sync(group, member, generation, if *member == leader { &parts } else { &[] });
            if *member == leader {
                assert_eq!(self.synced(sent).error, ErrorCode::None);
            }
        }
        self.answers.clear();
        (members, generation)
    }

    pub fn state(&self, group: &str) -> &'static str {
        self.groups.group(group).map_or("Dead", |group| group.kind.state())
    }
}

pub fn join(group: &str, member: &str, protocols: &[&str]) -> Join {
    let protocol = |name: &&str| Protocol { name: (*name).into(), metadata: subscription("t") };
    Join {
        group: group.into(),
        member: member.into(),
        instance: None,
        client: Client { id: "app".into(), host: "/10.0.0.1".into() },
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: protocols.iter().map(protocol).collect(),
        reason: None,
        ids: MemberIds::Required,
        skip_assignment: SkipAssignment::Understood,
        entropy: fresh(),
    }
}

/// Of the consumer protocol, to one topic.
pub fn subscription(topic: &str) -> Bytes {
    let mut bytes = vec![0, 1, 0, 0, 0, 1, 0, topic.len() as u8];
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.into()
}

/// Another one each time: ids must differ, nothing else.
fn fresh() -> [u8; 16] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}
