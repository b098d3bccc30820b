//! Groups of both kinds at one coordinator: a classic group turns into a consumer group with its first member of the new protocol,
//! and back with the last that leaves; what is loaded from the log is what ran.

use bytes::Bytes;

use super::*;
use crate::base::CoreId;
use crate::config::GroupOptions;
use crate::group::Groups;
use crate::group::config::GroupConfig;
use crate::group::effects::Effects;
use crate::group::kind::Kind;
use crate::group::request::{
    Caller, Client, Commit, Filter, Heartbeat, Join, Leave as LeaveGroup, Leaving, MemberIds, Protocol,
    Reply, Request, SkipAssignment, Sync,
};

const PARTITION: PartitionIndex = PartitionIndex(0);

struct Coordinator {
    groups: Groups,
    log: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    now_ms: u64,
    next: u64,
    replies: BTreeMap<u64, Reply>,
}

impl Coordinator {
    fn new(migration: MigrationPolicy) -> Coordinator {
        let consumer = Settings { assignment_interval_ms: 0, migration, ..Settings::default() };
        let mut groups =
            Groups::new(GroupConfig { initial_rebalance_delay_ms: 0, consumer, ..GroupConfig::default() });
        groups.see(Arc::new(topics()));
        Coordinator { groups, log: Vec::new(), now_ms: 1_000, next: 0, replies: BTreeMap::new() }
    }

    fn now(&self) -> Now {
        Now { mono_ns: self.now_ms * 1_000_000, wall: Timestamp(self.now_ms as i64) }
    }

    fn carry_out(&mut self, effects: Effects) {
        self.replies.extend(effects.replies.into_iter().map(|(caller, reply)| (caller.number, reply)));
        for proposal in effects.proposals {
            let records = proposal.records.iter();
            self.log.extend(records.map(|record| (record.encode_key(), record.encode_value())));
            let (replies, effects) = self.groups.accept(self.now(), proposal);
            self.replies.extend(replies.into_iter().map(|(caller, reply)| (caller.number, reply)));
            self.carry_out(effects);
        }
        let settled = effects.settled.into_iter();
        self.replies.extend(settled.map(|(caller, reply, _)| (caller.number, reply)));
    }

    fn send(&mut self, request: Request) -> u64 {
        self.next += 1;
        let caller = Caller { core: CoreId(0), number: self.next };
        let effects = self.groups.handle(self.now(), caller, request, &|_| Ok(PARTITION));
        self.carry_out(effects);
        self.next
    }

    fn ask(&mut self, request: Request) -> Reply {
        let number = self.send(request);
        self.replies.remove(&number).expect("an answer")
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        while let Some(effects) = self.groups.ring(self.now()) {
            self.carry_out(effects);
        }
    }

    fn beat(&mut self, request: ConsumerHeartbeat) -> Result<ConsumerHeartbeatReply, ErrorCode> {
        match self.ask(Request::ConsumerHeartbeat(Box::new(request))) {
            Reply::ConsumerHeartbeat(answer) => answer.map_err(|refusal| refusal.code),
            other => panic!("{other:?}"),
        }
    }

    fn commit(&mut self, member: &str, generation: i32) -> ErrorCode {
        let commit = Commit {
            group: GROUP.to_string(),
            generation,
            member: member.to_string(),
            instance: None,
            retention_ms: None,
            topics: vec![crate::group::request::CommitTopic {
                name: "foo".to_string(),
                id: topic_id(1),
                partitions: vec![crate::group::request::CommitPartition {
                    partition: PartitionIndex(0),
                    offset: 5,
                    leader_epoch: -1,
                    metadata: None,
                }],
            }],
            version: 9,
        };
        match self.ask(Request::Commit(commit)) {
            Reply::Committed(topics) => topics[0].partitions[0].1,
            other => panic!("{other:?}"),
        }
    }

    fn kind(&self) -> &'static str {
        self.groups.group(GROUP).map_or("none", |group| group.kind.name())
    }

    /// A classic group of one member that reads everything.
    fn classic_group(&mut self) -> (String, i32) {
        let Reply::Joined(given) = self.ask(join_classic("")) else { panic!() };
        let number = self.send(join_classic(&given.member));
        self.pass(0);
        let Some(Reply::Joined(joined)) = self.replies.remove(&number) else { panic!() };
        let assignments = vec![(joined.member.to_string(), Bytes::from(assignment(0..6)))];
        let Reply::Synced(synced) = self.ask(sync(&joined.member, joined.generation, assignments)) else {
            panic!()
        };
        assert_eq!(synced.error, ErrorCode::None);
        (joined.member.to_string(), joined.generation)
    }

    fn loaded_is_the_same(&self) {
        let mut loaded = Groups::new(self.groups.config().clone());
        for (key, value) in &self.log {
            loaded.apply(PARTITION, &GroupRecord::decode(key, value.as_deref()).unwrap());
        }
        let here = self.groups.group(GROUP).map(|group| &group.kind);
        match (here, loaded.group(GROUP).map(|group| &group.kind)) {
            (Some(Kind::Consumer(here)), Some(Kind::Consumer(loaded))) => {
                let mut here = here.group.clone();
                here.seen = None;
                assert_eq!(here, loaded.group);
            }
            (Some(Kind::Classic(here)), Some(Kind::Classic(loaded))) => {
                assert_eq!(here.size(), loaded.size());
                assert_eq!(here.generation(), loaded.generation());
            }
            (here, loaded) => panic!("{here:?} {loaded:?}"),
        }
    }
}

fn topics() -> FakeTopics {
    let mut topics = FakeTopics::default();
    topics.set("foo", 1, 6);
    topics
}

/// Version 1 of a subscription to foo that owns these.
fn subscription(owned: &[i32]) -> Bytes {
    let mut out = b"\0\x01\0\0\0\x01\0\x03foo\xff\xff\xff\xff\0\0\0\x01\0\x03foo".to_vec();
    out.extend((owned.len() as i32).to_be_bytes());
    out.extend(owned.iter().flat_map(|partition| partition.to_be_bytes()));
    out.into()
}

fn assignment(partitions: std::ops::Range<i32>) -> Vec<u8> {
    let all: Vec<PartitionIndex> = partitions.map(PartitionIndex).collect();
    super::super::protocol::write_assignment(1, [(topic_id(1), all.iter().collect())].into_iter(), &topics())
}

fn assigned(bytes: &[u8]) -> Vec<i32> {
    let read = super::super::protocol::ClassicAssignment::read(bytes).unwrap();
    read.partitions.into_iter().flat_map(|(_, set)| set.into_iter().map(|partition| partition.0)).collect()
}

fn join_owning(member: &str, owned: &[i32]) -> Request {
    Request::Join(Join {
        group: GROUP.to_string(),
        member: member.to_string(),
        instance: None,
        client: Client { id: "client".into(), host: "/127.0.0.1".into() },
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".to_string(),
        protocols: vec![Protocol { name: "range".into(), metadata: subscription(owned) }],
        reason: None,
        ids: MemberIds::Required,
        skip_assignment: SkipAssignment::Unknown,
        entropy: [9; 16],
    })
}

fn join_classic(member: &str) -> Request {
    join_owning(member, &[])
}

fn sync(member: &str, generation: i32, assignments: Vec<(String, Bytes)>) -> Request {
    Request::Sync(Sync {
        group: GROUP.to_string(),
        generation,
        member: member.to_string(),
        instance: None,
        protocol_type: Some("consumer".to_string()),
        protocol: Some("range".to_string()),
        assignments,
    })
}

fn heartbeat(member: &str, generation: i32) -> Request {
    let (group, member) = (GROUP.to_string(), member.to_string());
    Request::Heartbeat(Heartbeat { group, generation, member, instance: None })
}

#[test]
fn a_classic_group_becomes_a_consumer_group_and_hands_over_without_a_gap() {
    let mut all = Coordinator::new(MigrationPolicy::Bidirectional);
    let (old, generation) = all.classic_group();
    let joined = all.beat(join("new", &["foo"])).unwrap();
    assert_eq!((all.kind(), joined.assignment), ("consumer", Some(vec![])));
    all.loaded_is_the_same();

    // The old member is told to join again, gives up half, joins again, and then the new one has the other half.
    let code = all.ask(heartbeat(&old, generation));
    assert!(matches!(code, Reply::Heartbeat(ErrorCode::RebalanceInProgress)), "{code:?}");
    let Reply::Joined(joined) = all.ask(join_owning(&old, &[0, 1, 2, 3, 4, 5])) else { panic!() };
    assert_eq!((joined.error, joined.generation), (ErrorCode::None, generation));
    let Reply::Synced(synced) = all.ask(sync(&old, generation, Vec::new())) else { panic!() };
    assert_eq!(assigned(&synced.assignment), [0, 1, 2]);
    let code = all.ask(heartbeat(&old, generation));
    assert!(matches!(code, Reply::Heartbeat(ErrorCode::RebalanceInProgress)), "it has to give up");
    let Reply::Joined(joined) = all.ask(join_owning(&old, &[0, 1, 2])) else { panic!() };
    let epoch = joined.generation;
    assert_eq!(epoch, generation + 1);
    let Reply::Synced(synced) = all.ask(sync(&old, epoch, Vec::new())) else { panic!() };
    assert_eq!(assigned(&synced.assignment), [0, 1, 2]);
    assert!(matches!(all.ask(heartbeat(&old, epoch)), Reply::Heartbeat(ErrorCode::None)));
    let reply = all.beat(plain("new", epoch)).unwrap();
    assert_eq!(reply.assignment.unwrap()[0].1, [3, 4, 5].map(PartitionIndex));
    all.loaded_is_the_same();
}

#[test]
fn a_consumer_group_becomes_a_classic_group_when_the_last_new_member_leaves() {
    let mut all = Coordinator::new(MigrationPolicy::Bidirectional);
    let (old, _) = all.classic_group();
    all.beat(join("new", &["foo"])).unwrap();
    all.beat(plain("new", -1)).unwrap();
    assert_eq!(all.kind(), "classic");
    all.loaded_is_the_same();
    // The one that is left is asked to join, and is a classic member as before.
    let Some(Kind::Classic(group)) = all.groups.group(GROUP).map(|group| &group.kind) else { panic!() };
    let generation = group.generation();
    let code = all.ask(heartbeat(&old, generation));
    assert!(matches!(code, Reply::Heartbeat(ErrorCode::RebalanceInProgress)), "{code:?}");
    let Reply::Joined(joined) = all.ask(join_classic(&old)) else { panic!() };
    assert_eq!((joined.error, &*joined.leader), (ErrorCode::None, &*old));
}

/// The old member shares with a new one, which then leaves. What the old one has is still its own: it can commit until it joins again.
#[test]
fn a_member_that_stays_behind_is_of_the_classic_groups_generation() {
    let mut all = Coordinator::new(MigrationPolicy::Bidirectional);
    let (old, generation) = all.classic_group();
    all.beat(join("new", &["foo"])).unwrap();
    all.ask(heartbeat(&old, generation));
    all.ask(join_owning(&old, &[0, 1, 2, 3, 4, 5]));
    all.ask(sync(&old, generation, Vec::new()));
    let Reply::Joined(joined) = all.ask(join_owning(&old, &[0, 1, 2])) else { panic!() };
    let epoch = joined.generation;
    all.ask(sync(&old, epoch, Vec::new()));
    all.beat(plain("new", -1)).unwrap();
    assert_eq!(all.kind(), "classic");
    let code = all.ask(heartbeat(&old, epoch));
    assert!(matches!(code, Reply::Heartbeat(ErrorCode::RebalanceInProgress)), "{code:?}");
    assert_eq!(all.commit(&old, epoch), ErrorCode::None);
    all.loaded_is_the_same();
}

#[test]
fn a_new_member_that_is_silent_makes_it_classic_again_too() {
    let mut all = Coordinator::new(MigrationPolicy::Bidirectional);
    let (old, generation) = all.classic_group();
    all.beat(join("new", &["foo"])).unwrap();
    for _ in 0..5 {
        all.pass(9_000);
        all.ask(heartbeat(&old, generation));
    }
    assert_eq!(all.kind(), "classic");
    all.loaded_is_the_same();
}

#[test]
fn a_groups_own_options_win_over_the_brokers() {
    #[derive(Debug)]
    struct WithOptions(FakeTopics);
    impl Topics for WithOptions {
        fn version(&self) -> i64 {
            self.0.version()
        }
        fn by_name(&self, name: &str) -> Option<(TopicId, i32)> {
            self.0.by_name(name)
        }
        fn name(&self, id: TopicId) -> Option<Arc<str>> {
            self.0.name(id)
        }
        fn names_after(&self, name: Option<&str>, count_max: usize) -> Vec<Arc<str>> {
            self.0.names_after(name, count_max)
        }
        fn options(&self, group: &str) -> GroupOptions {
            assert_eq!(group, GROUP);
            GroupOptions {
                session_timeout_ms: Some(7_000),
                heartbeat_interval_ms: Some(700),
                assignment_interval_ms: None,
            }
        }
    }
    let mut all = Coordinator::new(MigrationPolicy::Bidirectional);
    all.groups.see(Arc::new(WithOptions(topics())));
    assert_eq!(all.beat(join("new", &["foo"])).unwrap().heartbeat_interval_ms, 700);
    all.pass(6_999);
    assert_eq!(all.groups.group(GROUP).unwrap().kind.state(), "Stable");
    all.pass(1);
    assert_eq!(all.groups.group(GROUP).unwrap().kind.state(), "Empty");
}

#[test]
fn the_policy_forbids_either_way() {
    let mut all = Coordinator::new(MigrationPolicy::Downgrade);
    all.classic_group();
    assert_eq!(all.beat(join("new", &["foo"])), Err(ErrorCode::GroupIdNotFound));
    assert_eq!(all.kind(), "classic");

    let mut all = Coordinator::new(MigrationPolicy::Upgrade);
    all.classic_group();
    all.beat(join("new", &["foo"])).unwrap();
    all.beat(plain("new", -1)).unwrap();
    assert_eq!(all.kind(), "consumer");
}

#[test]
fn a_group_without_members_is_of_whatever_kind_comes_next() {
    let mut all = Coordinator::new(MigrationPolicy::Disabled);
    all.beat(join("new", &["foo"])).unwrap();
    all.beat(plain("new", -1)).unwrap();
    assert_eq!(all.kind(), "consumer");
    let Reply::Joined(stranger) = all.ask(join_classic("somebody")) else { panic!() };
    assert_eq!((stranger.error, all.kind()), (ErrorCode::UnknownMemberId, "consumer"));
    let Reply::Joined(given) = all.ask(join_classic("")) else { panic!() };
    assert_eq!((given.error, all.kind()), (ErrorCode::MemberIdRequired, "classic"));
    all.loaded_is_the_same();
    let (old, _) = all.classic_group();
    assert_eq!(all.kind(), "classic");
    all.loaded_is_the_same();
    let leaving = Leaving { member: old, instance: None, reason: None };
    all.ask(Request::Leave(LeaveGroup { group: GROUP.to_string(), members: vec![leaving] }));
    all.beat(join("new", &["foo"])).unwrap();
    assert_eq!(all.kind(), "consumer");
    all.loaded_is_the_same();
}

#[test]
fn a_classic_member_that_does_not_join_again_is_fenced() {
    let mut all = Coordinator::new(MigrationPolicy::Upgrade);
    let (old, generation) = all.classic_group();
    all.beat(join("new", &["foo"])).unwrap();
    let mut epoch = 0;
    for _ in 0..8 {
        all.pass(9_000);
        all.ask(heartbeat(&old, generation));
        epoch = all.beat(plain("new", generation + 1)).map_or(epoch, |reply| reply.epoch.0);
    }
    let Some(Kind::Consumer(live)) = all.groups.group(GROUP).map(|group| &group.kind) else { panic!() };
    assert!(live.group.member(&old).is_none(), "it kept heartbeating and never joined");
    all.loaded_is_the_same();
}

#[test]
fn members_without_an_answer_are_told_to_join_the_new_kind() {
    let mut all = Coordinator::new(MigrationPolicy::Bidirectional);
    let (old, _) = all.classic_group();
    // A second classic member waits for the first to join again.
    let Request::Join(second) = join_classic("") else { panic!() };
    let second = Request::Join(Join { entropy: [8; 16], ..second });
    let Reply::Joined(given) = all.ask(second) else { panic!() };
    let waiting = all.send(join_classic(&given.member));
    assert!(!all.replies.contains_key(&waiting));
    all.beat(join("new", &["foo"])).unwrap();
    let Some(Reply::Joined(joined)) = all.replies.remove(&waiting) else { panic!("no answer") };
    assert_eq!(joined.error, ErrorCode::RebalanceInProgress);
    assert!(all.groups.group(GROUP).is_some_and(|group| match &group.kind {
        Kind::Consumer(live) => live.group.member(&old).is_some(),
        Kind::Classic(_) => false,
    }));
    all.loaded_is_the_same();
}

#[test]
fn a_consumer_group_is_listed_deleted_and_committed_to() {
    let mut all = Coordinator::new(MigrationPolicy::Bidirectional);
    all.beat(join("new", &["foo"])).unwrap();
    let Reply::Listed(list) = all.ask(Request::List(Filter::default())) else { panic!() };
    assert_eq!((list.groups[0].kind, list.groups[0].state), ("consumer", "Stable"));
    let mut code = |generation| all.commit("new", generation);
    assert_eq!(
        (code(2), code(0), code(3)),
        (ErrorCode::None, ErrorCode::StaleMemberEpoch, ErrorCode::StaleMemberEpoch)
    );
    let delete = || Request::Delete(vec![GROUP.to_string()]);
    assert!(matches!(&all.ask(delete()), Reply::Deleted(codes) if codes[..] == [ErrorCode::NonEmptyGroup]));
    all.beat(plain("new", -1)).unwrap();
    assert!(matches!(&all.ask(delete()), Reply::Deleted(codes) if codes[..] == [ErrorCode::None]));
    assert!(all.groups.group(GROUP).is_none());
}

#[test]
fn memory_is_counted_back_when_a_group_goes() {
    let mut all = Coordinator::new(MigrationPolicy::Bidirectional);
    let before = all.groups.bytes();
    all.classic_group();
    all.beat(join("new", &["foo"])).unwrap();
    all.beat(plain("new", -1)).unwrap();
    all.pass(600_000);
    all.ask(Request::Delete(vec![GROUP.to_string()]));
    assert_eq!((all.groups.bytes(), all.groups.next_deadline()), (before, None));
}
