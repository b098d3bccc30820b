//! A group coordinator whose log takes everything at once: what the machine itself costs, with the records encoded as they would be
//! for the log, without a wire and a disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use engine::base::{Codec, CoreId, Now, PartitionIndex, Timestamp, TopicId};
use engine::error::ErrorCode;
use engine::group::consumer::{ConsumerHeartbeat, ConsumerHeartbeatReply, Epoch, Topics};
use engine::group::request::{
    Caller, Client, Commit, CommitPartition, CommitTopic, Heartbeat, Join, Joined, MemberIds, Protocol,
    Reply, Request, SkipAssignment, Sync,
};
use engine::group::{Groups, config::GroupConfig, effects::Effects};
use engine::record::{BatchBuilder, RecordData};

pub const TOPIC: TopicId = TopicId([7; 16]);
const PARTITION: PartitionIndex = PartitionIndex(0);
/// ConsumerProtocolSubscription 0 to the topic `t`.
const SUBSCRIPTION: &[u8] = b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff";

/// One topic of so many partitions.
#[derive(Debug)]
struct OneTopic(i32);

impl Topics for OneTopic {
    fn version(&self) -> i64 {
        1
    }

    fn by_name(&self, name: &str) -> Option<(TopicId, i32)> {
        (name == "t").then_some((TOPIC, self.0))
    }

    fn name(&self, id: TopicId) -> Option<Arc<str>> {
        (id == TOPIC).then(|| "t".into())
    }

    fn names_after(&self, name: Option<&str>, count_max: usize) -> Vec<Arc<str>> {
        let behind = name.is_none_or(|name| name < "t") && count_max > 0;
        behind.then(|| "t".into()).into_iter().collect()
    }
}

pub struct Coordinator {
    groups: Groups,
    pub now: Now,
    calls: u64,
    answers: BTreeMap<u64, Reply>,
    /// What went to the log.
    pub records: u64,
    pub log_bytes: u64,
}

impl Coordinator {
    /// `partitions` of the one topic there is.
    pub fn new(partitions: i32) -> Coordinator {
        let mut groups = Groups::new(GroupConfig { bytes_max: 1 << 30, ..GroupConfig::default() });
        groups.see(Arc::new(OneTopic(partitions)));
        let now = Now { mono_ns: 1, wall: Timestamp(1_700_000_000_000) };
        Coordinator { groups, now, calls: 0, answers: BTreeMap::new(), records: 0, log_bytes: 0 }
    }

    /// The number of the call; its answer may come later.
    pub fn send(&mut self, request: Request) -> u64 {
        self.calls += 1;
        let caller = Caller { core: CoreId(0), number: self.calls };
        let effects = self.groups.handle(self.now, caller, request, &|_| Ok(PARTITION));
        self.carry_out(effects);
        self.calls
    }

    pub fn ask(&mut self, request: Request) -> Reply {
        let call = self.send(request);
        self.answer(call)
    }

    pub fn answer(&mut self, call: u64) -> Reply {
        self.answers.remove(&call).expect("it has been answered")
    }

    fn carry_out(&mut self, effects: Effects) {
        self.answers.extend(effects.replies.into_iter().map(|(caller, reply)| (caller.number, reply)));
        for proposal in effects.proposals {
            self.append(&proposal.records);
            let (replies, effects) = self.groups.accept(self.now, proposal);
            self.answers.extend(replies.into_iter().map(|(caller, reply)| (caller.number, reply)));
            self.carry_out(effects);
        }
        self.answers.extend(effects.settled.into_iter().map(|(caller, reply, _)| (caller.number, reply)));
    }

    /// As the shard puts them into the partition.
    fn append(&mut self, records: &[engine::group::record::GroupRecord]) {
        if records.is_empty() {
            return;
        }
        let mut builder = BatchBuilder::new(Codec::None, 16 << 20);
        for record in records {
            let (key, value) = (record.encode_key(), record.encode_value());
            let data = RecordData {
                timestamp: self.now.wall,
                key: Some(&key),
                value: value.as_deref(),
                headers: &[],
            };
            assert!(builder.push(data), "a group fits a batch of 16 MiB");
        }
        self.records += records.len() as u64;
        self.log_bytes += builder.build().expect("it fits").len() as u64;
    }

    /// Time passes, and what is due by then rings.
    pub fn pass_ns(&mut self, ns: u64) {
        self.now.mono_ns += ns;
        self.now.wall = Timestamp(1_700_000_000_000 + (self.now.mono_ns / 1_000_000) as i64);
        while self.groups.next_deadline().is_some_and(|due| self.now.reached(due)) {
            if let Some(effects) = self.groups.ring(self.now) {
                self.carry_out(effects);
            }
        }
    }

    /// Members join each group, and share nothing: ids by group, and the generation.
    pub fn classic(&mut self, groups: &[String], members: usize) -> (Vec<Vec<String>>, i32) {
        let calls: Vec<Vec<u64>> = groups
            .iter()
            .map(|group| (0..members).map(|_| self.send(Request::Join(join(group)))).collect())
            .collect();
        // The initial delay begins again when somebody joined meanwhile: it is asked for second by second.
        (0..12).for_each(|_| self.pass_ns(1_000_000_000));
        let mut generation = 0;
        let mut all = Vec::new();
        for (group, calls) in groups.iter().zip(calls) {
            let joined: Vec<Joined> = calls.into_iter().map(|call| joined(self.answer(call))).collect();
            let ids: Vec<String> = joined.iter().map(|one| one.member.to_string()).collect();
            generation = joined[0].generation;
            let syncs: Vec<u64> = joined
                .iter()
                .map(|one| {
                    let leads = one.leader == one.member;
                    let led: &[String] = if leads { &ids } else { &[] };
                    let assignments = led.iter().map(|id| (id.clone(), Bytes::from_static(&[0; 12])));
                    self.send(Request::Sync(sync(group, &one.member, generation, assignments.collect())))
                })
                .collect();
            for call in syncs {
                match self.answer(call) {
                    Reply::Synced(synced) => assert_eq!(synced.error, ErrorCode::None),
                    other => panic!("{other:?}"),
                }
            }
            all.push(ids);
        }
        (all, generation)
    }

    pub fn consumer(&mut self, heartbeat: ConsumerHeartbeat) -> ConsumerHeartbeatReply {
        match self.ask(Request::ConsumerHeartbeat(Box::new(heartbeat))) {
            Reply::ConsumerHeartbeat(Ok(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }
}

fn joined(reply: Reply) -> Joined {
    match reply {
        Reply::Joined(joined) if joined.error == ErrorCode::None => joined,
        other => panic!("{other:?}"),
    }
}

fn join(group: &str) -> Join {
    Join {
        group: group.to_owned(),
        member: String::new(),
        instance: None,
        client: Client { id: "bench".into(), host: "/127.0.0.1".into() },
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::from_static(SUBSCRIPTION) }],
        reason: None,
        ids: MemberIds::Given,
        skip_assignment: SkipAssignment::Unknown,
        entropy: fresh(),
    }
}

fn sync(group: &str, member: &str, generation: i32, assignments: Vec<(String, Bytes)>) -> Sync {
    Sync {
        group: group.to_owned(),
        generation,
        member: member.to_owned(),
        instance: None,
        protocol_type: None,
        protocol: None,
        assignments,
    }
}

pub fn beat(group: &str, member: &str, generation: i32) -> Request {
    let (group, member) = (group.to_owned(), member.to_owned());
    Request::Heartbeat(Heartbeat { group, generation, member, instance: None })
}

pub fn commit(group: &str, member: &str, generation: i32, offset: i64) -> Request {
    let partition = CommitPartition {
        partition: PartitionIndex(0),
        offset,
        leader_epoch: -1,
        metadata: Some(String::new()),
    };
    Request::Commit(Commit {
        group: group.to_owned(),
        generation,
        member: member.to_owned(),
        instance: None,
        retention_ms: None,
        topics: vec![CommitTopic { name: "t".into(), id: TopicId::ZERO, partitions: vec![partition] }],
        version: 8,
    })
}

/// A member of a consumer group, as its client sees it.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    pub epoch: Epoch,
    pub owned: Vec<(TopicId, Vec<PartitionIndex>)>,
    /// Its last answer had an assignment that it has not confirmed.
    pub changed: bool,
}

impl Member {
    pub fn new(number: usize) -> Member {
        Member { id: format!("member-{number}"), epoch: Epoch::JOIN, owned: Vec::new(), changed: false }
    }

    pub fn heartbeat(&self, group: &str) -> ConsumerHeartbeat {
        let joins = self.epoch == Epoch::JOIN;
        ConsumerHeartbeat {
            group: group.to_owned(),
            member: self.id.clone(),
            epoch: self.epoch,
            instance: None,
            rack: None,
            rebalance_timeout_ms: if joins { 300_000 } else { -1 },
            topics: joins.then(|| vec!["t".to_owned()]),
            regex: None,
            assignor: None,
            owned: (joins || self.changed).then(|| self.owned.clone()),
            client_id: "bench".into(),
            client_host: "/127.0.0.1".into(),
            version: 1,
            entropy: fresh(),
        }
    }

    pub fn take(&mut self, reply: ConsumerHeartbeatReply) {
        self.epoch = reply.epoch;
        self.changed = reply.assignment.is_some();
        if let Some(assignment) = reply.assignment {
            self.owned = assignment;
        }
    }

    pub fn partitions(&self) -> usize {
        self.owned.iter().map(|(_, partitions)| partitions.len()).sum()
    }
}

/// Bytes that differ from all others: ids are made of them.
fn fresh() -> [u8; 16] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes
}
