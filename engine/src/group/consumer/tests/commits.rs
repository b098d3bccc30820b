//! Who may commit offsets and look at them.

use super::*;

fn code(world: &World, member: &str, epoch: i32, partition: i32) -> Result<(), ErrorCode> {
    let committer = world.group.committer(member, Epoch(epoch), 9)?;
    committer.check(topic_id(1), PartitionIndex(partition))
}

#[test]
fn a_commit_counts_with_the_members_epoch() {
    let mut world = World::new();
    assert_eq!(code(&world, "", -1, 0), Ok(()), "a group without members takes anybody's");
    world.beat(&join("a", &["foo"])).unwrap();
    assert_eq!(code(&world, "a", 2, 0), Ok(()));
    assert_eq!(code(&world, "a", 3, 0), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(code(&world, "b", 2, 0), Err(ErrorCode::UnknownMemberId));
    assert_eq!(code(&world, "", -1, 0), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_late_commit_counts_for_what_the_member_had_at_that_epoch() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    world.beat(&join("b", &["foo"])).unwrap();
    world.beat(&owning("a", 2, &[])).unwrap();
    world.beat(&plain("b", 3)).unwrap();
    assert_eq!(world.group.member("a").unwrap().epoch, Epoch(3));
    // It had 0 to 2 before and has them still; 3 to 5 it had and has not.
    assert_eq!(code(&world, "a", 2, 0), Ok(()));
    assert_eq!(code(&world, "a", 2, 3), Err(ErrorCode::StaleMemberEpoch));
    // The other got 3 to 5 at epoch 3.
    assert_eq!(code(&world, "b", 3, 3), Ok(()));
    assert_eq!(code(&world, "b", 2, 3), Err(ErrorCode::StaleMemberEpoch));
}

#[test]
fn an_old_commit_request_is_refused() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    assert_eq!(world.group.committer("a", Epoch(2), 8).err(), Some(ErrorCode::UnsupportedVersion));
}

#[test]
fn a_fetch_of_offsets_comes_from_nobody_or_from_a_member_with_its_epoch() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    assert_eq!(world.group.check_fetch(None, Epoch(-1)), Ok(()));
    assert_eq!(world.group.check_fetch(Some("a"), Epoch(2)), Ok(()));
    assert_eq!(world.group.check_fetch(Some("a"), Epoch(0)), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(world.group.check_fetch(Some("b"), Epoch(2)), Err(ErrorCode::UnknownMemberId));
}
