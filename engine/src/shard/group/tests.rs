//! Groups on a shard's own log: how long an answer waits for the disk, and how a start comes to its groups.

use super::{Groups, OFFSETS_TOPIC, Phase, load::GROUPS_STARTED_PER_TURN};
use crate::{
    base::{CoreId, PartitionIndex, TopicId},
    error::ErrorCode,
    group::request::{
        Commit, CommitPartition, CommitTopic, OffsetsWanted, Reply as GroupReply, Request, TopicWanted,
    },
    shard::{
        command::{CallId, Command, Message, Reply},
        tests::Broker,
    },
};

const FIRST: PartitionIndex = PartitionIndex(0);

fn started(directory: &tempfile::TempDir) -> Broker {
    let mut broker = Broker::start(directory.path(), 1);
    broker.create_named(OFFSETS_TOPIC, 1, Vec::new());
    broker.settle();
    broker
}

fn commit(group: &str) -> Command {
    let part = CommitPartition { partition: FIRST, offset: 7, leader_epoch: -1, metadata: None };
    Command::Group(Request::Commit(Commit {
        group: group.to_owned(),
        generation: -1,
        member: String::new(),
        instance: None,
        retention_ms: None,
        topics: vec![CommitTopic { name: "t".to_owned(), id: TopicId::ZERO, partitions: vec![part] }],
        version: 9,
    }))
}

/// Sends it and waits for nothing.
fn send(broker: &mut Broker, number: u64, command: Command) -> CallId {
    let call = CallId { origin: CoreId(0), number };
    broker.shards[0].receive(broker.now, CoreId(0), Message::Command(call, command));
    call
}

fn code(reply: &Reply) -> ErrorCode {
    match reply {
        Reply::Group(GroupReply::Committed(topics)) => topics[0].partitions[0].1,
        other => panic!("{other:?}"),
    }
}

fn committed(broker: &mut Broker, group: &str) -> i64 {
    let topic = TopicWanted { name: "t".to_owned(), id: TopicId::ZERO, partitions: vec![FIRST] };
    let wanted =
        OffsetsWanted { group: group.to_owned(), member: None, member_epoch: -1, topics: Some(vec![topic]) };
    match broker.call(CoreId(0), Command::Group(Request::FetchOffsets(vec![wanted]))) {
        Reply::Group(GroupReply::OffsetsFetched(found)) => found[0].topics[0].partitions[0].offset,
        other => panic!("{other:?}"),
    }
}

/// `offsets.commit.timeout.ms`: the client hears that its commit may not have counted, once; that it does in the end is no lie.
#[test]
fn a_commit_that_is_not_stored_in_time_is_answered_without_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = started(&directory);
    let call = send(&mut broker, 1 << 40, commit("g"));
    let (mut held, mut replies) = (Vec::new(), Vec::new());
    let due = broker.now.after_ms(5_000);
    for (ms, answered) in [(0, 0), (4_999, 0), (1, 1), (1_000, 1)] {
        broker.now.mono_ns += ms * 1_000_000;
        let shard = &mut broker.shards[0];
        shard.turn(broker.now);
        shard.drain_ops(&mut held);
        shard.drain_replies(&mut replies);
        assert_eq!(replies.len(), answered, "after {ms} ms more");
        if answered == 0 {
            assert_eq!(shard.coordinator.next_deadline(), Some(due), "it is woken for it");
        }
    }
    assert_eq!((replies[0].0, code(&replies[0].1)), (call, ErrorCode::CoordinatorNotAvailable));
    broker.perform(held);
    assert!(broker.settle().iter().all(|(answered, _)| *answered != call), "it is answered once");
    assert_eq!(committed(&mut broker, "g"), 7);
}

#[test]
fn what_was_answered_too_late_holds_up_nobody_who_came_after() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = started(&directory);
    for number in 0..=Groups::ALARMS_PER_TURN as u64 {
        send(&mut broker, (1 << 40) + number, commit("g"));
    }
    let (mut held, mut replies) = (Vec::new(), Vec::new());
    let mut turn = |broker: &mut Broker, ms: u64| {
        broker.now.mono_ns += ms * 1_000_000;
        broker.shards[0].turn(broker.now);
        broker.shards[0].drain_ops(&mut held);
        broker.shards[0].drain_replies(&mut replies);
        replies.len()
    };
    turn(&mut broker, 0);
    assert_eq!(turn(&mut broker, 5_000), Groups::ALARMS_PER_TURN, "so many a turn");
    assert_eq!(turn(&mut broker, 0), Groups::ALARMS_PER_TURN + 1);
}

#[test]
fn groups_of_a_start_go_to_work_a_few_a_turn() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = started(&directory);
    let count = GROUPS_STARTED_PER_TURN + 10;
    for number in 0..count {
        send(&mut broker, (1 << 40) + number as u64, commit(&format!("g{number}")));
    }
    assert!(broker.settle().iter().all(|(_, reply)| code(reply) == ErrorCode::None));
    drop(broker);

    let mut broker = Broker::start(directory.path(), 1);
    let mut turns = 0;
    let mut replies = Vec::new();
    loop {
        let shard = &mut broker.shards[0];
        shard.turn(broker.now);
        let mut ops = Vec::new();
        shard.drain_ops(&mut ops);
        shard.drain_replies(&mut replies);
        match shard.coordinator.homes[&FIRST].phase {
            Phase::Loaded => break,
            Phase::Starting => {
                assert!(shard.wants_turn());
                turns += 1;
                send(&mut broker, turns, commit("g0"));
            }
            Phase::Waiting | Phase::Loading { .. } => {}
            Phase::Unreadable => panic!("it can be read"),
        }
        broker.perform(ops);
    }
    assert_eq!(turns, 1, "{count} groups, {GROUPS_STARTED_PER_TURN} a turn");
    assert_eq!(code(&replies[0].1), ErrorCode::CoordinatorLoadInProgress);
    for group in ["g0", &format!("g{}", count - 1)] {
        assert_eq!(committed(&mut broker, group), 7);
    }
}
