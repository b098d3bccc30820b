//! Who is in the group: joining, epochs, giving up and taking up, timeouts.

use super::*;

fn partitions(reply: &ConsumerHeartbeatReply) -> Option<Vec<i32>> {
    let assignment = reply.assignment.as_ref()?;
    Some(assignment.iter().flat_map(|(_, set)| set.iter().map(|index| index.0)).collect())
}

#[test]
fn the_first_member_has_everything_with_its_first_answer() {
    let mut world = World::new();
    let reply = world.beat(&join("a", &["foo"])).unwrap();
    assert_eq!((reply.epoch, reply.heartbeat_interval_ms), (Epoch(2), 5_000));
    assert_eq!(partitions(&reply), Some(vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(world.group.state(), State::Stable);
}

#[test]
fn a_heartbeat_that_says_nothing_new_writes_nothing_and_tells_nothing() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    let (decision, reply) = world.group.heartbeat(&world.cx(), &plain("a", 2)).unwrap();
    assert_eq!((decision.records, reply.assignment), (vec![], None));
    assert_eq!(decision.alarms, [("a".into(), AlarmChange::Set(MemberAlarm::Session, 45_000))]);
}

#[test]
fn a_second_member_waits_until_the_first_has_given_up_its_part() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    let joined = world.beat(&join("b", &["foo"])).unwrap();
    assert_eq!((joined.epoch, partitions(&joined)), (Epoch(3), Some(vec![])));
    assert_eq!(world.group.state(), State::Reconciling);

    // The first is told what it may keep, and stays at its epoch.
    let told = world.beat(&owning("a", 2, &[(topic_id(1), &[0, 1, 2, 3, 4, 5])])).unwrap();
    assert_eq!((told.epoch, partitions(&told)), (Epoch(2), Some(vec![0, 1, 2])));
    assert_eq!(partitions(&world.beat(&plain("b", 3)).unwrap()), None);
    // It repeats itself as long as it still owns them.
    let still = world.beat(&owning("a", 2, &[(topic_id(1), &[0, 1, 2, 3])])).unwrap();
    assert_eq!((still.epoch, partitions(&still)), (Epoch(2), None));

    let done = world.beat(&owning("a", 2, &[(topic_id(1), &[0, 1, 2])])).unwrap();
    assert_eq!(done.epoch, Epoch(3));
    assert_eq!(partitions(&world.beat(&plain("b", 3)).unwrap()), Some(vec![3, 4, 5]));
    assert_eq!(world.group.state(), State::Stable);
}

#[test]
fn a_member_that_does_not_give_up_within_its_rebalance_timeout_is_fenced() {
    let mut world = World::new();
    world.beat(&ConsumerHeartbeat { rebalance_timeout_ms: 1_000, ..join("a", &["foo"]) }).unwrap();
    world.beat(&join("b", &["foo"])).unwrap();
    world.beat(&plain("a", 2)).unwrap();
    world.pass(999);
    assert!(world.group.member("a").is_some());
    world.pass(1);
    assert!(world.group.member("a").is_none());
    assert_eq!(partitions(&world.beat(&plain("b", 3)).unwrap()).unwrap().len(), 6);
    assert_eq!(world.beat(&plain("a", 2)), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_member_that_has_given_up_in_time_is_not_fenced() {
    let mut world = World::new();
    world.beat(&ConsumerHeartbeat { rebalance_timeout_ms: 1_000, ..join("a", &["foo"]) }).unwrap();
    world.beat(&join("b", &["foo"])).unwrap();
    world.beat(&plain("a", 2)).unwrap();
    world.beat(&owning("a", 2, &[])).unwrap();
    world.pass(2_000);
    assert!(world.group.member("a").is_some());
}

#[test]
fn a_silent_member_is_fenced_after_its_session_and_a_heard_one_is_not() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    world.beat(&join("b", &["foo"])).unwrap();
    world.pass(30_000);
    world.beat(&plain("a", 2)).unwrap();
    world.pass(15_000);
    assert!(world.group.member("a").is_some() && world.group.member("b").is_none());
    assert_eq!(world.group.epoch(), Epoch(4));
}

#[test]
fn a_member_that_leaves_frees_its_part_at_once() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    let left = world.beat(&plain("a", -1)).unwrap();
    assert_eq!((left.epoch, left.heartbeat_interval_ms), (Epoch::LEAVE, 0));
    assert_eq!(world.group.state(), State::Empty);
    assert_eq!(partitions(&world.beat(&join("b", &["foo"])).unwrap()).unwrap().len(), 6);
}

#[test]
fn an_epoch_that_is_not_the_members_is_fenced_but_for_a_lost_answer() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    assert_eq!(world.beat(&plain("a", 3)), Err(ErrorCode::FencedMemberEpoch));
    world.beat(&join("b", &["foo"])).unwrap();
    world.beat(&owning("a", 2, &[(topic_id(1), &[0, 1, 2])])).unwrap();
    let keeps: &[(TopicId, &[i32])] = &[(topic_id(1), &[0, 1, 2])];
    assert_eq!(world.group.member("a").unwrap().epoch, Epoch(3));
    // The answer with epoch 3 was lost: the client still says 2, and owns no more than it may.
    assert_eq!(world.beat(&owning("a", 2, keeps)).unwrap().epoch, Epoch(3));
    assert_eq!(world.beat(&plain("a", 2)), Err(ErrorCode::FencedMemberEpoch));
    let too_much: &[(TopicId, &[i32])] = &[(topic_id(1), &[0, 1, 2, 3])];
    assert_eq!(world.beat(&owning("a", 2, too_much)), Err(ErrorCode::FencedMemberEpoch));
}

#[test]
fn a_fenced_member_comes_back_with_epoch_zero_and_its_id() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    let again = world.beat(&join("a", &["foo"])).unwrap();
    assert_eq!((again.epoch, partitions(&again).unwrap().len()), (Epoch(2), 6));
    assert_eq!(world.group.len(), 1);
}

#[test]
fn unknown_members_and_a_full_group_are_refused() {
    let mut world = World::new();
    assert_eq!(world.beat(&plain("a", 2)), Err(ErrorCode::UnknownMemberId));
    assert_eq!(world.beat(&plain("a", -1)), Err(ErrorCode::UnknownMemberId));
    world.settings.size_max = 1;
    world.beat(&join("a", &["foo"])).unwrap();
    assert_eq!(world.beat(&join("b", &["foo"])), Err(ErrorCode::GroupMaxSizeReached));
    assert!(world.beat(&plain("a", 2)).is_ok());
}

#[test]
fn an_old_client_without_an_id_is_given_one() {
    let mut world = World::new();
    let reply = world.beat(&ConsumerHeartbeat { version: 0, ..join("", &["foo"]) }).unwrap();
    assert_eq!(&*reply.member, "BwcHBwcHBwcHBwcHBwcHBw");
    assert!(world.beat(&plain(&reply.member, 2)).is_ok());
    assert_eq!(world.beat(&join("", &["foo"])), Err(ErrorCode::InvalidRequest));
}

#[test]
fn what_no_group_can_mean_is_refused() {
    let mut world = World::new();
    let first = || join("a", &["foo"]);
    let cases = [
        ConsumerHeartbeat { group: " ".to_string(), ..first() },
        ConsumerHeartbeat { instance: Some(String::new()), ..first() },
        ConsumerHeartbeat { rack: Some(String::new()), ..first() },
        ConsumerHeartbeat { rebalance_timeout_ms: -1, ..first() },
        ConsumerHeartbeat { owned: None, ..first() },
        ConsumerHeartbeat { owned: Some(vec![(topic_id(1), vec![])]), ..first() },
        ConsumerHeartbeat { topics: None, ..first() },
        plain("a", -2),
        plain("a", -3),
    ];
    for request in cases {
        assert_eq!(world.beat(&request), Err(ErrorCode::InvalidRequest), "{request:?}");
    }
    let unknown = ConsumerHeartbeat { assignor: Some("best".to_string()), ..first() };
    assert_eq!(world.beat(&unknown), Err(ErrorCode::UnsupportedAssignor));
    assert!(world.log.is_empty());
}

#[test]
fn the_assignor_that_most_members_want_is_used() {
    let mut world = World::new();
    world.topics.set("bar", 2, 1);
    let wanting = |member, assignor: &str| ConsumerHeartbeat {
        assignor: Some(assignor.to_string()),
        ..join(member, &["foo", "bar"])
    };
    world.beat(&wanting("a", "range")).unwrap();
    world.beat(&wanting("b", "range")).unwrap();
    world.beat(&wanting("c", "uniform")).unwrap();
    assert_eq!(&*world.group.describe(&world.cx()).assignor, "range");
    // Ranges of 2 each; the first has the one of the other topic, too.
    assert_eq!(world.group.target("a").unwrap().len(), 2);
    assert_eq!(world.group.target("b").unwrap()[&topic_id(1)].len(), 2);
}

#[test]
fn assignments_of_one_group_are_an_interval_apart() {
    let mut world = World::new();
    world.settings.assignment_interval_ms = 1_000;
    world.beat(&join("a", &["foo"])).unwrap();
    let joined = world.beat(&join("b", &["foo"])).unwrap();
    assert_eq!((joined.epoch, world.group.state()), (Epoch(2), State::Assigning));
    world.beat(&join("c", &["foo"])).unwrap();
    assert_eq!((world.group.epoch(), world.group.assignment_epoch()), (Epoch(4), Epoch(2)));
    world.pass(1_000);
    world.beat(&plain("b", 2)).unwrap();
    assert_eq!(world.group.assignment_epoch(), Epoch(4));
    assert_eq!(world.group.target("c").unwrap()[&topic_id(1)].len(), 2);
}

#[test]
fn a_loaded_group_gives_everybody_a_whole_session() {
    let mut world = World::new();
    world.beat(&ConsumerHeartbeat { rebalance_timeout_ms: 1_000, ..join("a", &["foo"]) }).unwrap();
    world.beat(&join("b", &["foo"])).unwrap();
    world.beat(&plain("a", 2)).unwrap();
    let alarms = world.loaded().alarms_when_loaded(&world.cx());
    let expected: [(MemberId, AlarmChange); 3] = [
        ("a".into(), AlarmChange::Set(MemberAlarm::Session, 45_000)),
        ("a".into(), AlarmChange::Set(MemberAlarm::Rebalance, 1_000)),
        ("b".into(), AlarmChange::Set(MemberAlarm::Session, 45_000)),
    ];
    assert_eq!(alarms, expected);
}

#[test]
fn the_tombstones_of_a_group_leave_nothing_behind() {
    let mut world = World::new();
    world.beat(&ConsumerHeartbeat { regex: Some("fo.*".to_string()), ..join("a", &["foo"]) }).unwrap();
    world.beat(&join("b", &["foo"])).unwrap();
    let mut group = world.group.clone();
    let tombstones = group.tombstones();
    let (last, before) = tombstones.split_last().unwrap();
    assert!(before.iter().all(|record| group.apply(record) == Applied::Kept));
    assert_eq!(group.apply(last), Applied::Gone);
    assert_eq!(group.bytes(), ConsumerGroup::new(GROUP.into()).bytes());
    assert!(
        group.is_empty() && group.target.is_empty() && group.regexes.is_empty() && group.owners.is_empty()
    );
    let keys: BTreeSet<_> = tombstones.iter().map(GroupRecord::encode_key).collect();
    let written: BTreeSet<_> = world.log.iter().map(|(key, _)| key.clone()).collect();
    assert!(written.is_subset(&keys), "a key that was written has no tombstone");
}
