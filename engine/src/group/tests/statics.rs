//! Static members (KIP-345, KIP-814): a restart without a rebalance, and one instance at a time.

use super::super::{record::GroupRecord, request::*};
use super::{Bench, PARTITION, join};
use crate::error::ErrorCode;

fn static_join(group: &str, member: &str, instance: &str, protocols: &[&str]) -> Request {
    Request::Join(Join { instance: Some(instance.into()), ..join(group, member, protocols) })
}

/// Two static members, `a` the leader: their ids.
fn two(bench: &mut Bench) -> [String; 2] {
    let calls = ["a", "b"].map(|instance| bench.send(static_join("g", "", instance, &["range"])));
    bench.pass_ms(10_000);
    let [a, b] = calls.map(|call| bench.joined(call));
    assert_eq!(a.leader, a.member);
    let (a, b) = (a.member.to_string(), b.member.to_string());
    bench.sync("g", &b, 1, &[]);
    bench.sync("g", &a, 1, &[(&a, "pa"), (&b, "pb")]);
    bench.answers.clear();
    [a, b]
}

#[test]
fn a_static_member_that_restarts_keeps_its_part_and_nobody_rebalances() {
    let mut bench = Bench::kafka();
    let [a, b] = two(&mut bench);
    let call = bench.send(static_join("g", "", "b", &["range"]));
    let back = bench.joined(call);
    assert_eq!((back.error, back.generation, back.skip_assignment), (ErrorCode::None, 1, false));
    assert_ne!(&*back.member, b);
    assert_eq!(bench.beat("g", &a, 1), ErrorCode::None);
    let call = bench.sync("g", &back.member, 1, &[]);
    assert_eq!(&*bench.synced(call).assignment, b"pb");
    assert_eq!(bench.beat("g", &b, 1), ErrorCode::UnknownMemberId);
    bench.check_replay();
}

#[test]
fn a_leader_that_restarts_is_told_not_to_assign() {
    let mut bench = Bench::kafka();
    two(&mut bench);
    let call = bench.send(static_join("g", "", "a", &["range"]));
    let back = bench.joined(call);
    assert!(back.skip_assignment);
    assert_eq!((back.members.len(), back.leader == back.member), (2, true));
    let old = Join { skip_assignment: SkipAssignment::Unknown, ..join("g", "", &["range"]) };
    let call = bench.send(Request::Join(Join { instance: Some("a".into()), ..old }));
    let older = bench.joined(call);
    assert!(!older.skip_assignment && older.members.is_empty() && older.leader != older.member);
    bench.check_replay();
}

#[test]
fn the_second_of_two_with_one_instance_id_fences_the_first() {
    let mut bench = Bench::kafka();
    let [a, b] = two(&mut bench);
    let call = bench.send(static_join("g", "", "b", &["range"]));
    let back = bench.joined(call);
    let beat = Heartbeat { group: "g".into(), generation: 1, member: b.clone(), instance: Some("b".into()) };
    assert_eq!(bench.ask(Request::Heartbeat(beat)), Reply::Heartbeat(ErrorCode::FencedInstanceId));
    let call = bench.send(static_join("g", &b, "b", &["range"]));
    assert_eq!(bench.joined(call).error, ErrorCode::FencedInstanceId);
    let topics = Vec::new();
    let commit = Commit {
        group: "g".into(),
        generation: 1,
        member: a,
        instance: Some("b".into()),
        retention_ms: None,
        topics,
        version: 9,
    };
    assert_eq!(bench.groups.group("g").unwrap().kind.check_commit(&commit), Err(ErrorCode::FencedInstanceId));
    assert_eq!(bench.beat("g", &back.member, 1), ErrorCode::None);
}

#[test]
fn whoever_waits_under_the_old_id_is_fenced() {
    let mut bench = Bench::kafka();
    let first = bench.send(static_join("g", "", "a", &["range"]));
    let second = bench.send(static_join("g", "", "a", &["range"]));
    assert_eq!(bench.joined(first).error, ErrorCode::FencedInstanceId);
    bench.pass_ms(10_000);
    assert_eq!(bench.joined(second).members.len(), 1);
}

#[test]
fn another_protocol_of_a_static_member_is_a_rebalance() {
    let mut bench = Bench::kafka();
    let calls = ["a", "b"].map(|instance| bench.send(static_join("g", "", instance, &["range", "sticky"])));
    bench.pass_ms(10_000);
    let [a, b] = calls.map(|call| bench.joined(call));
    bench.sync("g", &b.member, 1, &[]);
    bench.sync("g", &a.member, 1, &[(&a.member, "pa"), (&b.member, "pb")]);
    let call = bench.send(static_join("g", "", "b", &["sticky"]));
    assert_eq!(bench.answer(call), None);
    assert_eq!(bench.beat("g", &a.member, 1), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_static_member_keeps_its_place_in_a_rebalance_that_it_misses() {
    let mut bench = Bench::kafka();
    let [a, _] = two(&mut bench);
    let call = bench.send(static_join("g", &a, "a", &["range", "sticky"]));
    for _ in 0..6 {
        bench.pass_ms(9_500);
        // `b` is alive and does not join.
        let b = bench.groups.group("g").unwrap().kind.describe("g".into()).members;
        let b =
            b.iter().find(|member| member.instance.as_deref() == Some("b")).expect("its place").id.clone();
        bench.beat("g", &b, 1);
    }
    bench.pass_ms(3_001);
    assert_eq!(bench.joined(call).members.len(), 2);
}

/// `a` goes silent, and `b` has not heard of the rebalance yet, for which neither of them has any time.
#[test]
fn static_members_that_are_not_back_are_waited_for_some_time_whatever_they_ask_for() {
    let mut bench = Bench::kafka();
    two(&mut bench);
    for record in &mut bench.log {
        let GroupRecord::GroupMetadata(_, Some(group)) = record else { continue };
        for member in &mut group.members {
            member.rebalance_timeout_ms = 0;
            member.session_timeout_ms =
                if member.group_instance_id.as_deref() == Some("a") { 5_000 } else { 9_000 };
        }
    }
    bench.groups = bench.replayed();
    let (_, effects) = bench.groups.start(bench.now, PARTITION, None, usize::MAX);
    bench.carry_out(effects);
    bench.now.mono_ns += 5_000 * 1_000_000;
    for _ in 0..10 {
        if let Some(effects) = bench.groups.ring(bench.now) {
            bench.carry_out(effects);
        }
    }
    assert_eq!(bench.state("g"), "PreparingRebalance");
    assert!(bench.groups.next_deadline() >= Some(bench.now.after_ms(1_000)));
    bench.pass_ms(3_000);
    let back = bench.send(static_join("g", "", "b", &["range"]));
    assert_eq!(bench.joined(back).generation, 2);
}

#[test]
fn instances_leave_together_by_their_names() {
    let mut bench = Bench::kafka();
    two(&mut bench);
    let leaving =
        |instance: &str| Leaving { member: String::new(), instance: Some(instance.into()), reason: None };
    let members = vec![leaving("a"), leaving("c"), leaving("b")];
    let left = bench.ask(Request::Leave(Leave { group: "g".into(), members }));
    let codes = vec![ErrorCode::None, ErrorCode::UnknownMemberId, ErrorCode::None];
    assert_eq!(left, Reply::Left(Left { error: ErrorCode::None, members: codes }));
    assert_eq!(bench.state("g"), "Empty");
    bench.check_replay();
}
