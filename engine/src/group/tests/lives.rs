//! Groups over time and in numbers: limits, loading, and a long random life held against its replay.

use super::super::config::GroupConfig;
use super::super::groups::partition_of;
use super::super::request::*;
use super::super::walk::Wanted;
use super::offsets::walk;
use super::{Bench, PARTITION, join};
use crate::base::{CoreId, PartitionIndex, TopicId};
use crate::error::ErrorCode;

#[test]
fn a_partition_that_goes_takes_its_groups_along_and_no_others() {
    let mut bench = Bench::kafka();
    let elsewhere = PartitionIndex(PARTITION.0 + 1);
    let home = |group: &str| Ok(if group.starts_with("far") { elsewhere } else { PARTITION });
    for (number, group) in ["a", "far-b", "c", "far-d"].into_iter().enumerate() {
        let caller = Caller { core: CoreId(0), number: 100 + number as u64 };
        let request = Request::Join(join(group, "", &["range"]));
        let effects = bench.groups.handle(bench.now, caller, request, &home);
        bench.carry_out(effects);
    }
    let of = |bench: &Bench, partition| -> Vec<String> {
        bench.groups.of_partition(partition).map(|(id, _)| id.to_string()).collect()
    };
    assert_eq!(of(&bench, PARTITION), ["a", "c"]);
    let effects = bench.groups.unload(bench.now, PARTITION, ErrorCode::NotCoordinator);
    bench.carry_out(effects);
    assert!(of(&bench, PARTITION).is_empty());
    assert_eq!(of(&bench, elsewhere), ["far-b", "far-d"]);
    let effects = bench.groups.unload(bench.now, elsewhere, ErrorCode::NotCoordinator);
    bench.carry_out(effects);
    assert_eq!((bench.groups.len(), bench.groups.bytes()), (0, 0));
}

#[test]
fn a_group_is_kept_where_kafka_keeps_it() {
    // java: Utils.abs(id.hashCode()) % 50
    for (group, partition) in
        [("", 0), ("g", 3), ("console-consumer-1", 24), ("größe", 7), ("polygenelubricants", 0)]
    {
        assert_eq!(partition_of(group, 50), PartitionIndex(partition), "{group}");
    }
}

#[test]
fn beyond_its_memory_a_core_takes_no_new_group_and_serves_the_others() {
    let mut bench = Bench::new(GroupConfig { bytes_max: 200_000, ..GroupConfig::default() });
    let (members, generation) = bench.stable("first", 1);
    let mut refused = 0;
    for number in 0..1_000 {
        let call = bench.send(Request::Join(join(&format!("g{number}"), "", &["range"])));
        refused += usize::from(bench.joined(call).error == ErrorCode::CoordinatorNotAvailable);
    }
    assert!(refused > 100, "{refused}");
    assert!(bench.groups.bytes() < 210_000);
    assert_eq!(bench.beat("first", &members[0], generation), ErrorCode::None);
    // Who was given an id and does not come back leaves an empty group, which goes when somebody looks.
    bench.pass_ms(9_000);
    bench.beat("first", &members[0], generation);
    bench.pass_ms(1_001);
    walk(&mut bench, Wanted::Old);
    assert_eq!(bench.groups.len(), 1);
}

/// As Kafka does it: a group is in the log before anybody is in it, and stays there when the one who was given an id never comes.
#[test]
fn a_group_is_stored_empty_when_its_first_member_is_given_an_id() {
    let mut bench = Bench::kafka();
    let call = bench.join("g", "", &["range"]);
    let member = bench.joined(call).member;
    assert_eq!((bench.state("g"), bench.log.len()), ("Empty", 1));
    bench.check_replay();
    walk(&mut bench, Wanted::Old);
    assert_eq!(bench.state("g"), "Empty", "somebody is expected");
    bench.pass_ms(10_001);
    assert_eq!(bench.state("g"), "Empty");
    let late = bench.join("g", &member, &["range"]);
    assert_eq!(bench.joined(late).error, ErrorCode::UnknownMemberId);
    walk(&mut bench, Wanted::Old);
    assert_eq!((bench.state("g"), bench.groups.bytes()), ("Dead", 0));
    bench.check_replay();
}

#[test]
fn a_group_that_cannot_be_stored_is_none() {
    let mut bench = Bench::kafka();
    bench.refusal = Some(ErrorCode::CoordinatorNotAvailable);
    let call = bench.join("g", "", &["range"]);
    assert_eq!(bench.joined(call).error, ErrorCode::CoordinatorNotAvailable);
    assert_eq!((bench.groups.len(), bench.groups.bytes(), bench.groups.next_deadline()), (0, 0, None));
}

#[test]
fn a_loaded_group_goes_on_where_it_was_and_loses_who_stays_silent() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 2);
    bench.groups = bench.replayed();
    let (_, effects) = bench.groups.start(bench.now, PARTITION, None, usize::MAX);
    bench.carry_out(effects);
    bench.pass_ms(9_000);
    assert_eq!(bench.beat("g", &members[1], generation), ErrorCode::None);
    bench.pass_ms(1_000);
    assert_eq!(bench.beat("g", &members[1], generation), ErrorCode::RebalanceInProgress);
    assert_eq!(bench.beat("g", &members[0], generation), ErrorCode::UnknownMemberId);
}

#[test]
fn whoever_waits_is_told_when_a_partition_goes() {
    let mut bench = Bench::kafka();
    let (_, call) = bench.come("g");
    let effects = bench.groups.unload(bench.now, PARTITION, ErrorCode::NotCoordinator);
    bench.carry_out(effects);
    assert_eq!(bench.joined(call).error, ErrorCode::NotCoordinator);
    assert_eq!((bench.groups.len(), bench.groups.bytes(), bench.groups.next_deadline()), (0, 0, None));
}

#[test]
fn heartbeats_of_many_groups_leave_the_order_of_time_alone() {
    let mut bench = Bench::kafka();
    let (members, generation) = bench.stable("g", 3);
    let due = bench.groups.next_deadline();
    for _ in 0..100 {
        bench.now.mono_ns += 1_000_000;
        for member in &members {
            assert_eq!(bench.beat("g", member, generation), ErrorCode::None);
        }
    }
    assert_eq!(bench.groups.next_deadline(), due);
}

#[test]
fn groups_are_listed_in_parts_by_state_and_kind() {
    let mut bench = Bench::kafka();
    bench.stable("stable", 1);
    for number in 0..1_500 {
        let part =
            CommitPartition { partition: PartitionIndex(0), offset: 1, leader_epoch: -1, metadata: None };
        let commit = Commit {
            group: format!("g{number}"),
            generation: -1,
            member: String::new(),
            instance: None,
            retention_ms: None,
            topics: vec![CommitTopic { name: "t".into(), id: TopicId::ZERO, partitions: vec![part] }],
            version: 9,
        };
        bench.ask(Request::Commit(commit));
    }
    let mut list = |states: &[&str], types: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let mut filter = Filter { states: texts(states), types: texts(types), after: None };
        let mut found = Vec::new();
        loop {
            let Reply::Listed(list) = bench.ask(Request::List(filter.clone())) else { panic!("no list") };
            assert!(list.groups.iter().all(|listed| listed.kind == "classic"), "as Kafka spells it");
            found.extend(list.groups.into_iter().map(|listed| (listed.group.to_string(), listed.state)));
            match list.more {
                Some(after) => filter.after = Some(after),
                None => return found,
            }
        }
    };
    assert_eq!(list(&[], &[]).len(), 1_501);
    assert_eq!(list(&["STABLE"], &["Classic"]), [("stable".to_owned(), "Stable")]);
    assert_eq!(list(&["empty"], &[]).len(), 1_500);
    assert_eq!(list(&[], &["consumer"]), []);
}

/// Members come, sync, commit, leave, fall silent and come back, in any order, for a long time. After each step the log, replayed,
/// gives the groups that live; and no partition is given to two members of one generation.
#[test]
fn any_life_of_a_group_is_replayed_to_what_lives() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::kafka();
        let mut known: Vec<(String, i32)> = Vec::new();
        let mut waiting: Vec<u64> = Vec::new();
        for _ in 0..400 {
            let instance = (random.u8(0..3) == 0).then(|| format!("i{}", random.u8(0..3)));
            let pick = (!known.is_empty()).then(|| known[random.usize(0..known.len())].clone());
            match (random.u8(0..8), pick) {
                (0 | 1, _) => {
                    let given = MemberIds::Given;
                    let request = Join { instance, ids: given, ..join("g", "", &["range"]) };
                    waiting.push(bench.send(Request::Join(request)));
                }
                (2, Some((member, _))) => waiting.push(bench.join("g", &member, &["range"])),
                (3, Some((member, generation))) => {
                    let parts: Vec<(&str, &str)> =
                        known.iter().map(|(member, _)| (&**member, &**member)).collect();
                    bench.sync("g", &member, generation, &parts);
                }
                (4, Some((member, generation))) => drop(bench.beat("g", &member, generation)),
                (5, Some((member, _))) => {
                    let members = vec![Leaving { member, instance: None, reason: None }];
                    bench.ask(Request::Leave(Leave { group: "g".into(), members }));
                }
                _ => bench.pass_ms(random.u64(0..4_000)),
            }
            waiting.retain(|call| match bench.answers.remove(call) {
                Some(Reply::Joined(joined)) => {
                    if joined.error == ErrorCode::None {
                        known.retain(|(member, _)| **member != *joined.member);
                        known.push((joined.member.to_string(), joined.generation));
                    }
                    false
                }
                _ => true,
            });
            let live = bench.groups.group("g").map(|group| group.kind.describe("g".into()));
            if let Some(live) = live.filter(|live| live.state == "Stable") {
                let replayed = bench.replayed();
                let replayed = replayed.group("g").expect("stored").kind.describe("g".into());
                assert_eq!(live, replayed, "seed {seed}");
                let parts: Vec<_> = live.members.iter().map(|member| &member.assignment).collect();
                let own = live.members.iter().all(|member| {
                    member.assignment.is_empty()
                        || parts.iter().filter(|part| ***part == member.assignment).count() == 1
                });
                assert!(own, "seed {seed}: one part, two members");
            }
        }
    }
}
