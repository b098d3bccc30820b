//! Static members: a restart is no rebalance, and one instance is one member.

use super::*;

fn join_as(member: &str, instance: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat { instance: Some(instance.to_string()), ..join(member, &["foo"]) }
}

fn plain_as(member: &str, instance: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat { instance: Some(instance.to_string()), ..plain(member, epoch) }
}

#[test]
fn a_static_member_that_went_for_a_while_takes_its_part_up_again() {
    let mut world = World::new();
    world.beat(&join_as("a", "i")).unwrap();
    let away = world.beat(&plain_as("a", "i", -2)).unwrap();
    assert_eq!(away.epoch, Epoch::LEAVE_STATIC);
    // Nobody else is given its part meanwhile.
    let other = world.beat(&join("b", &["foo"])).unwrap();
    assert_eq!(other.assignment, Some(vec![]));

    let epoch = world.group.epoch();
    let back = world.beat(&join_as("z", "i")).unwrap();
    assert_eq!(world.group.epoch(), epoch, "a restart is no rebalance");
    assert_eq!(back.assignment.unwrap()[0].1.len(), 3);
    assert!(world.group.member("a").is_none());
    assert_eq!(world.group.static_member("i").map(|member| &*member.id), Some("z"));
}

#[test]
fn a_static_member_comes_back_under_its_old_id_too() {
    let mut world = World::new();
    world.beat(&join_as("a", "i")).unwrap();
    world.beat(&plain_as("a", "i", -2)).unwrap();
    let back = world.beat(&join_as("a", "i")).unwrap();
    assert_eq!((back.epoch, back.assignment.unwrap()[0].1.len()), (Epoch(2), 6));
    assert_eq!(world.group.len(), 1);
}

#[test]
fn an_instance_that_has_not_left_keeps_its_place() {
    let mut world = World::new();
    world.beat(&join_as("a", "i")).unwrap();
    assert_eq!(world.beat(&join_as("b", "i")), Err(ErrorCode::UnreleasedInstanceId));
    assert_eq!(world.beat(&plain_as("b", "i", 2)), Err(ErrorCode::FencedInstanceId));
    assert_eq!(world.beat(&plain_as("b", "i", -1)), Err(ErrorCode::FencedInstanceId));
    assert_eq!(world.beat(&plain_as("a", "j", 2)), Err(ErrorCode::UnknownMemberId));
    assert!(world.beat(&plain_as("a", "i", 2)).is_ok());
}

#[test]
fn a_static_member_that_does_not_come_back_is_fenced_after_its_session() {
    let mut world = World::new();
    world.beat(&join_as("a", "i")).unwrap();
    world.beat(&plain_as("a", "i", -2)).unwrap();
    world.pass(45_000);
    assert_eq!(world.group.state(), State::Empty);
}

#[test]
fn a_static_member_that_leaves_for_good_is_gone_at_once() {
    let mut world = World::new();
    world.beat(&join_as("a", "i")).unwrap();
    world.beat(&plain_as("a", "i", -1)).unwrap();
    assert_eq!(world.group.state(), State::Empty);
    assert!(world.group.static_member("i").is_none());
}

#[test]
fn what_a_static_member_sends_after_its_goodbye_does_not_count() {
    let mut world = World::new();
    world.beat(&join_as("a", "i")).unwrap();
    world.beat(&plain_as("a", "i", -2)).unwrap();
    assert_eq!(world.beat(&plain_as("a", "i", 2)), Err(ErrorCode::FencedMemberEpoch));
    assert_eq!(world.group.committer("a", Epoch(2), 9).err(), Some(ErrorCode::StaleMemberEpoch));
}
