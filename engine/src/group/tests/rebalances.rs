//! Rebalances: who waits for whom, for how long, and what everybody is told.

use super::super::config::GroupConfig;
use super::super::request::*;
use super::{Bench, join};
use crate::error::ErrorCode;

#[test]
fn a_first_rebalance_waits_the_delay_and_longer_while_members_come() {
    let mut bench = Bench::kafka();
    let (first, one) = bench.come("g");
    bench.pass_ms(2_000);
    let (_, two) = bench.come("g");
    bench.pass_ms(1_000);
    assert!(bench.answers.is_empty(), "a second member came: the delay begins anew");
    bench.pass_ms(3_000);
    let (one, two) = (bench.joined(one), bench.joined(two));
    assert_eq!((one.generation, two.generation), (1, 1));
    assert_eq!(&*one.leader, first);
    assert_eq!((one.members.len(), two.members.len()), (2, 0), "only the leader sees the members");
    assert_eq!(one.protocol.as_deref(), Some("range"));
}

#[test]
fn a_later_rebalance_ends_when_the_last_member_has_joined() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 2);
    let (_, newcomer) = bench.come("g");
    assert_eq!(bench.beat("g", &members[0], generation), ErrorCode::RebalanceInProgress);
    let first = bench.join("g", &members[0], &["range"]);
    assert_eq!(bench.answer(newcomer), None);
    let second = bench.join("g", &members[1], &["range"]);
    for call in [newcomer, first, second] {
        assert_eq!(bench.joined(call).generation, generation + 1);
    }
}

#[test]
fn members_that_do_not_join_in_time_are_left_behind() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 3);
    let again = bench.join("g", &members[0], &["range"]);
    for _ in 0..6 {
        bench.pass_ms(9_000);
        bench.beat("g", &members[1], generation);
        bench.beat("g", &members[2], generation);
    }
    assert_eq!(bench.answer(again), None, "the rebalance timeout is a minute");
    bench.pass_ms(6_000);
    let joined = bench.joined(again);
    assert_eq!((joined.generation, joined.members.len()), (generation + 1, 1));
    assert_eq!(bench.beat("g", &members[1], generation), ErrorCode::UnknownMemberId);
}

#[test]
fn a_leader_that_does_not_join_is_followed_by_one_that_did() {
    let mut bench = Bench::kafka();
    let (members, _) = bench.stable("g", 2);
    // The follower wants another protocol as well: a rebalance.
    let again = bench.join("g", &members[1], &["range", "sticky"]);
    bench.pass_ms(60_000);
    let joined = bench.joined(again);
    assert_eq!((&*joined.leader, joined.members.len()), (&*members[1], 1));
}

#[test]
fn syncs_wait_for_the_leader_and_bring_each_its_part() {
    let mut bench = Bench::kafka();
    let came = [bench.come("g"), bench.come("g")];
    bench.pass_ms(10_000);
    let joined: Vec<Joined> = came.iter().map(|(_, call)| bench.joined(*call)).collect();
    let (leader, follower) = if *joined[0].leader == came[0].0 { (0, 1) } else { (1, 0) };
    let (leader, follower) = (came[leader].0.clone(), came[follower].0.clone());
    let waiting = bench.sync("g", &follower, 1, &[]);
    assert_eq!(bench.answer(waiting), None);
    assert_eq!(bench.beat("g", &leader, 1), ErrorCode::None);
    let brings = bench.sync("g", &leader, 1, &[(&leader, "a"), (&follower, "b")]);
    assert_eq!(&*bench.synced(brings).assignment, b"a");
    assert_eq!(&*bench.synced(waiting).assignment, b"b");
    assert_eq!(bench.state("g"), "Stable");
    bench.check_replay();
}

#[test]
fn an_assignment_that_cannot_be_stored_reaches_nobody_and_all_join_again() {
    let mut bench = Bench::kafka();
    let (member, call) = bench.come("g");
    bench.pass_ms(3_000);
    assert_eq!(bench.joined(call).generation, 1);
    bench.refusal = Some(ErrorCode::NotCoordinator);
    let stored = bench.log.len();
    let sent = bench.sync("g", &member, 1, &[(&member, "a")]);
    assert_eq!(bench.synced(sent).error, ErrorCode::NotCoordinator);
    assert_eq!(bench.state("g"), "PreparingRebalance");
    assert_eq!(bench.log.len(), stored);
}

#[test]
fn members_that_joined_and_do_not_sync_are_removed() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 2);
    let calls = [bench.join("g", &members[0], &["range"]), bench.join("g", &members[1], &["range"])];
    for call in calls {
        assert_eq!(bench.joined(call).generation, generation + 1);
    }
    bench.sync("g", &members[0], generation + 1, &[(&members[0], "a"), (&members[1], "b")]);
    for _ in 0..7 {
        bench.pass_ms(9_000);
        bench.beat("g", &members[0], generation + 1);
        bench.beat("g", &members[1], generation + 1);
    }
    assert_eq!(bench.beat("g", &members[1], generation + 1), ErrorCode::UnknownMemberId);
    assert_eq!(bench.beat("g", &members[0], generation + 1), ErrorCode::RebalanceInProgress);
}

#[test]
fn a_silent_member_is_lost_after_its_session_and_not_before() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 2);
    bench.pass_ms(5_000);
    assert_eq!(bench.beat("g", &members[0], generation), ErrorCode::None);
    bench.pass_ms(4_999);
    assert_eq!(bench.beat("g", &members[0], generation), ErrorCode::None);
    bench.pass_ms(1);
    assert_eq!(bench.beat("g", &members[0], generation), ErrorCode::RebalanceInProgress);
    assert_eq!(bench.beat("g", &members[1], generation), ErrorCode::UnknownMemberId);
}

#[test]
fn the_last_member_leaves_an_empty_group_and_a_record() {
    let mut bench = Bench::kafka();
    let (members, _) = bench.stable("g", 1);
    let leaving = Leaving { member: members[0].clone(), instance: None, reason: None };
    let left = bench.ask(Request::Leave(Leave { group: "g".into(), members: vec![leaving] }));
    assert_eq!(left, Reply::Left(Left { error: ErrorCode::None, members: vec![ErrorCode::None] }));
    assert_eq!(bench.state("g"), "Empty");
    bench.check_replay();
}

#[test]
fn the_protocol_that_most_members_prefer_is_chosen_among_those_that_all_speak() {
    let mut bench = Bench::kafka();
    let mut calls = Vec::new();
    for protocols in [&["a", "b", "c"][..], &["c", "b"], &["c", "b", "d"]] {
        let request = Join { ids: MemberIds::Given, ..join("g", "", protocols) };
        calls.push(bench.send(Request::Join(request)));
    }
    bench.pass_ms(10_000);
    for call in calls {
        assert_eq!(bench.joined(call).protocol.as_deref(), Some("c"));
    }
}

#[test]
fn what_does_not_fit_the_group_is_refused_with_kafkas_codes() {
    let mut bench = Bench::new(GroupConfig { size_max: 1, ..GroupConfig::default() });
    let (members, generation) = bench.stable("g", 1);
    let mut refused = |request: Join| match bench.ask(Request::Join(request)) {
        Reply::Joined(joined) => joined.error,
        other => panic!("{other:?}"),
    };
    let member = &members[0];
    let other_type = Join { protocol_type: "connect".into(), ..join("g", member, &["range"]) };
    assert_eq!(refused(other_type), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(refused(join("g", member, &["sticky"])), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(refused(join("g", "", &["range"])), ErrorCode::GroupMaxSizeReached);
    assert_eq!(refused(join("other", "somebody", &["range"])), ErrorCode::UnknownMemberId);
    assert_eq!(refused(join("new", "", &[])), ErrorCode::InconsistentGroupProtocol);
    assert_eq!(refused(join("", "", &["range"])), ErrorCode::InvalidGroupId);
    let short = Join { session_timeout_ms: 5_999, ..join("new", "", &["range"]) };
    assert_eq!(refused(short), ErrorCode::InvalidSessionTimeout);
    assert_eq!(bench.beat("g", &members[0], generation + 1), ErrorCode::IllegalGeneration);
    assert_eq!(bench.beat("g", "somebody", generation), ErrorCode::UnknownMemberId);
    assert_eq!(bench.beat("nothing", "somebody", 1), ErrorCode::UnknownMemberId);
    let sent = bench.sync("g", &members[0], generation + 1, &[]);
    assert_eq!(bench.synced(sent).error, ErrorCode::IllegalGeneration);
}

#[test]
fn a_join_that_is_asked_again_answers_the_first_and_counts_once() {
    let mut bench = Bench::kafka();
    let (member, first) = bench.come("g");
    let second = bench.join("g", &member, &["range"]);
    assert_eq!(bench.joined(first).error, ErrorCode::RebalanceInProgress);
    bench.pass_ms(3_000);
    assert_eq!(bench.joined(second).members.len(), 1);
}
