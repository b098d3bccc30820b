//! Offsets: commits, what is told of them, and when they go.

use super::super::config::GroupConfig;
use super::super::request::*;
use super::super::walk::Wanted;
use super::{Bench, PARTITION};
use crate::base::{PartitionIndex, TopicId};
use crate::error::ErrorCode;

fn commit(group: &str, member: &str, generation: i32, topic: &str, offset: i64) -> Commit {
    let part =
        CommitPartition { partition: PartitionIndex(0), offset, leader_epoch: 5, metadata: Some("m".into()) };
    Commit {
        group: group.into(),
        generation,
        member: member.into(),
        instance: None,
        retention_ms: None,
        topics: vec![CommitTopic { name: topic.into(), id: TopicId([1; 16]), partitions: vec![part] }],
        version: 9,
    }
}

fn simple(group: &str, offset: i64) -> Commit {
    commit(group, "", -1, "t", offset)
}

fn code(bench: &mut Bench, commit: Commit) -> ErrorCode {
    match bench.ask(Request::Commit(commit)) {
        Reply::Committed(topics) => topics[0].partitions[0].1,
        other => panic!("{other:?}"),
    }
}

fn committed(bench: &mut Bench, group: &str, id: TopicId) -> i64 {
    let topics = Some(vec![TopicWanted { name: "t".into(), id, partitions: vec![PartitionIndex(0)] }]);
    let wanted = OffsetsWanted { group: group.into(), member: None, member_epoch: -1, topics };
    match bench.ask(Request::FetchOffsets(vec![wanted])) {
        Reply::OffsetsFetched(found) => found[0].topics[0].partitions[0].offset,
        other => panic!("{other:?}"),
    }
}

pub fn walk(bench: &mut Bench, wanted: Wanted) {
    bench.groups.walk(wanted);
    while bench.groups.is_walking() {
        let effects = bench.groups.walk_on(bench.now, &|partition| partition == PARTITION);
        bench.carry_out(effects);
    }
}

#[test]
fn a_simple_commit_makes_a_group_and_the_last_one_counts() {
    let mut bench = Bench::kafka();
    assert_eq!(code(&mut bench, simple("g", 7)), ErrorCode::None);
    assert_eq!(code(&mut bench, simple("g", 8)), ErrorCode::None);
    assert_eq!(committed(&mut bench, "g", TopicId::ZERO), 8);
    assert_eq!(committed(&mut bench, "other", TopicId::ZERO), -1);
    assert_eq!(bench.state("g"), "Empty");
    bench.check_replay();
}

#[test]
fn a_member_commits_in_its_generation_only() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 1);
    let member = &members[0];
    assert_eq!(code(&mut bench, commit("g", member, generation, "t", 1)), ErrorCode::None);
    assert_eq!(code(&mut bench, commit("g", member, generation - 1, "t", 2)), ErrorCode::IllegalGeneration);
    assert_eq!(code(&mut bench, commit("g", "nobody", generation, "t", 2)), ErrorCode::UnknownMemberId);
    assert_eq!(code(&mut bench, simple("g", 2)), ErrorCode::UnknownMemberId);
    assert_eq!(code(&mut bench, commit("none", "m", 1, "t", 2)), ErrorCode::GroupIdNotFound);
    let older = Commit { version: 8, ..commit("none", "m", 1, "t", 2) };
    assert_eq!(code(&mut bench, older), ErrorCode::IllegalGeneration);
    assert_eq!(committed(&mut bench, "g", TopicId::ZERO), 1);
    let again = bench.join("g", member, &["range"]);
    assert_eq!(bench.joined(again).generation, generation + 1);
    assert_eq!(
        code(&mut bench, commit("g", member, generation + 1, "t", 2)),
        ErrorCode::RebalanceInProgress,
        "nobody knows yet whose the partition is"
    );
}

#[test]
fn metadata_that_is_too_long_is_refused_alone() {
    let mut bench = Bench::kafka();
    let mut request = simple("g", 1);
    let long = CommitPartition {
        partition: PartitionIndex(1),
        metadata: Some("x".repeat(4097)),
        ..request.topics[0].partitions[0].clone()
    };
    request.topics[0].partitions.push(long);
    let Reply::Committed(topics) = bench.ask(Request::Commit(request)) else { panic!("no codes") };
    let codes: Vec<ErrorCode> = topics[0].partitions.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::OffsetMetadataTooLarge]);
}

#[test]
fn an_offset_of_a_topic_that_came_again_is_nothing_to_the_new_one() {
    let mut bench = Bench::kafka();
    code(&mut bench, simple("g", 7));
    assert_eq!(committed(&mut bench, "g", TopicId([1; 16])), 7);
    assert_eq!(committed(&mut bench, "g", TopicId([2; 16])), -1);
}

#[test]
fn offsets_of_an_empty_group_go_after_the_retention_and_the_group_with_them() {
    let mut bench = Bench::kafka();
    let retention_ms = GroupConfig::default().retention_ms as u64;
    let (members, generation) = bench.stable("g", 1);
    code(&mut bench, commit("g", &members[0], generation, "t", 1));
    code(&mut bench, simple("s", 1));
    let leaving = Leaving { member: members[0].clone(), instance: None, reason: None };
    bench.pass_ms(5_000);
    bench.ask(Request::Leave(Leave { group: "g".into(), members: vec![leaving] }));
    bench.pass_ms(retention_ms - 1);
    walk(&mut bench, Wanted::Old);
    assert_eq!(
        (bench.state("g"), bench.state("s")),
        ("Empty", "Dead"),
        "the simple one was committed before"
    );
    bench.pass_ms(1);
    walk(&mut bench, Wanted::Old);
    assert_eq!(bench.state("g"), "Dead");
    assert_eq!(bench.groups.bytes(), 0, "memory is counted back");
    bench.check_replay();
}

#[test]
fn a_working_group_keeps_what_it_reads_and_forgets_what_it_does_not() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 1);
    code(&mut bench, commit("g", &members[0], generation, "t", 1));
    code(&mut bench, commit("g", &members[0], generation, "old", 1));
    let retention_ms = GroupConfig::default().retention_ms as u64;
    for _ in 0..retention_ms / 9_000 + 1 {
        bench.now.mono_ns += 9_000 * 1_000_000;
        bench.now.wall.0 += 9_000;
        bench.beat("g", &members[0], generation);
    }
    walk(&mut bench, Wanted::Old);
    let offsets = &bench.groups.group("g").unwrap().offsets;
    assert!(offsets.get("t", PartitionIndex(0)).is_some());
    assert!(offsets.get("old", PartitionIndex(0)).is_none());
    bench.check_replay();
}

#[test]
fn offsets_of_a_deleted_topic_go() {
    let mut bench = Bench::kafka();
    code(&mut bench, simple("g", 7));
    walk(&mut bench, Wanted::OfTopics(vec![("t".into(), TopicId([2; 16]))]));
    assert_eq!(committed(&mut bench, "g", TopicId::ZERO), 7, "it was another topic of that name");
    walk(&mut bench, Wanted::OfTopics(vec![("t".into(), TopicId([1; 16]))]));
    assert_eq!(committed(&mut bench, "g", TopicId::ZERO), -1);
    bench.check_replay();
}

#[test]
fn offsets_are_deleted_unless_somebody_reads_the_topic() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 1);
    code(&mut bench, commit("g", &members[0], generation, "t", 1));
    code(&mut bench, commit("g", &members[0], generation, "old", 1));
    let topics = ["t", "old"].map(|topic| (topic.to_owned(), vec![PartitionIndex(0)]));
    let doomed = OffsetsDoomed { group: "g".into(), topics: topics.into() };
    let Reply::OffsetsDeleted(Ok(topics)) = bench.ask(Request::DeleteOffsets(doomed)) else {
        panic!("refused")
    };
    let codes: Vec<ErrorCode> = topics.iter().map(|topic| topic.partitions[0].1).collect();
    assert_eq!(codes, [ErrorCode::GroupSubscribedToTopic, ErrorCode::None]);
    bench.check_replay();
}

#[test]
fn a_group_is_deleted_when_it_is_empty_with_all_it_had() {
    let mut bench = Bench::kafka();
    bench.stable("g", 1);
    code(&mut bench, simple("s", 1));
    let names = ["g", "s", "s", "none"].map(str::to_owned);
    let Reply::Deleted(codes) = bench.ask(Request::Delete(names.into())) else { panic!("no codes") };
    let expected =
        [ErrorCode::NonEmptyGroup, ErrorCode::None, ErrorCode::GroupIdNotFound, ErrorCode::GroupIdNotFound];
    assert_eq!(codes, expected);
    assert_eq!((bench.state("g"), bench.state("s")), ("Stable", "Dead"));
    bench.check_replay();
}

#[test]
fn a_commit_that_cannot_be_stored_changes_nothing() {
    let mut bench = Bench::kafka();
    bench.refusal = Some(ErrorCode::NotCoordinator);
    assert_eq!(code(&mut bench, simple("g", 7)), ErrorCode::NotCoordinator);
    assert!(bench.groups.is_empty());
}
