//! What members subscribe to: topics that come, grow and go, and regular expressions.

use super::*;

fn regex(member: &str, pattern: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat { topics: None, regex: Some(pattern.to_string()), ..join(member, &[]) }
}

fn names(world: &World, member: &str) -> Vec<String> {
    let topics: BTreeSet<_> = world.assigned(member).into_iter().map(|(topic, _)| topic).collect();
    topics.into_iter().map(|topic| world.topics.name(topic).unwrap().to_string()).collect()
}

#[test]
fn partitions_that_are_added_are_assigned_with_the_next_heartbeat() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    world.topics.set("foo", 1, 8);
    let reply = world.beat(&plain("a", 2)).unwrap();
    assert_eq!((reply.epoch, reply.assignment.unwrap()[0].1.len()), (Epoch(3), 8));
}

#[test]
fn a_topic_that_is_created_later_is_assigned_and_one_that_is_deleted_is_taken_away() {
    let mut world = World::new();
    world.beat(&join("a", &["foo", "late"])).unwrap();
    world.topics.set("late", 2, 2);
    assert_eq!(world.beat(&plain("a", 2)).unwrap().epoch, Epoch(3));
    assert_eq!(names(&world, "a"), ["foo", "late"]);
    world.topics.remove("foo");
    // It must stop reading before it may go on.
    assert_eq!(world.beat(&plain("a", 3)).unwrap().epoch, Epoch(3));
    assert_eq!(world.beat(&owning("a", 3, &[(topic_id(2), &[0, 1])])).unwrap().epoch, Epoch(4));
    assert_eq!(names(&world, "a"), ["late"]);
}

#[test]
fn a_topic_that_is_deleted_and_created_again_is_another() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    world.topics.set("foo", 9, 6);
    world.beat(&owning("a", 2, &[])).unwrap();
    assert!(world.assigned("a").iter().all(|(topic, _)| *topic == topic_id(9)));
    assert_eq!(world.group.state(), State::Stable);
}

#[test]
fn a_topic_that_nobody_subscribed_to_moves_no_group() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    world.topics.set("other", 7, 3);
    assert_eq!(world.beat(&plain("a", 2)).unwrap().epoch, Epoch(2));
    assert_eq!(world.group.epoch(), Epoch(2));
}

#[test]
fn a_member_that_subscribes_to_something_else_gives_up_at_once_what_it_left() {
    let mut world = World::new();
    world.settings.assignment_interval_ms = 60_000;
    world.topics.set("bar", 2, 2);
    world.beat(&join("a", &["foo"])).unwrap();
    let changed = ConsumerHeartbeat { topics: Some(vec!["bar".to_string()]), ..plain("a", 2) };
    // The target is not due yet, but what it left is taken from it now.
    let reply = world.beat(&changed).unwrap();
    assert_eq!((reply.epoch, reply.assignment), (Epoch(2), Some(vec![])));
    assert_eq!(world.group.state(), State::Assigning);
    world.beat(&owning("a", 2, &[])).unwrap();
    world.pass(30_000);
    world.beat(&plain("a", 2)).unwrap();
    world.pass(30_000);
    world.beat(&plain("a", 2)).unwrap();
    assert_eq!(names(&world, "a"), ["bar"]);
}

#[test]
fn a_regular_expression_matches_the_topics_that_exist_and_those_that_come() {
    let mut world = World::new();
    world.topics.set("foobar", 2, 2);
    world.topics.set("bar", 3, 2);
    world.beat(&regex("a", "foo.*")).unwrap();
    world.resolve();
    world.beat(&plain("a", 1)).unwrap();
    assert_eq!(names(&world, "a"), ["foo", "foobar"]);
    world.topics.set("foo2", 4, 1);
    world.pass(10_001);
    world.beat(&plain("a", 2)).unwrap();
    world.resolve();
    world.beat(&plain("a", 2)).unwrap();
    assert_eq!(names(&world, "a"), ["foo", "foobar", "foo2"]);
}

/// As Kafka does it: the names are assigned with the answer to the join, what the expression matches with a later one.
#[test]
fn names_are_assigned_at_once_and_what_an_expression_matches_when_it_is_resolved() {
    let mut world = World::new();
    world.topics.set("bar", 2, 2);
    let both = ConsumerHeartbeat { regex: Some("b.*".to_string()), ..join("a", &["foo"]) };
    assert_eq!(world.beat(&both).unwrap().epoch, Epoch(2));
    assert_eq!(names(&world, "a"), ["foo"]);
    world.resolve();
    assert_eq!(world.group.epoch(), Epoch(3));
    assert_eq!(world.beat(&plain("a", 2)).unwrap().epoch, Epoch(3));
    assert_eq!(names(&world, "a"), ["foo", "bar"]);
}

/// As Kafka does it: there is nothing to assign before the expression is resolved, so the join leaves the group's epoch as it is.
#[test]
fn a_member_with_nothing_but_an_expression_moves_the_group_once() {
    let mut world = World::new();
    let joined = world.beat(&regex("a", "fo.*")).unwrap();
    assert_eq!((joined.epoch, joined.assignment), (Epoch(1), Some(vec![])));
    assert_eq!((world.group.epoch(), world.group.state()), (Epoch(1), State::Stable));
    world.resolve();
    assert_eq!(world.group.state(), State::Assigning);
    assert_eq!(world.beat(&plain("a", 1)).unwrap().epoch, Epoch(2));
    assert_eq!(names(&world, "a"), ["foo"]);
    let joined = world.beat(&regex("b", "bar.*")).unwrap();
    assert_eq!((joined.epoch, joined.assignment), (Epoch(2), Some(vec![])));
    world.resolve();
    assert_eq!(world.group.epoch(), Epoch(2), "it matches nothing");
}

#[test]
fn a_topic_that_has_grown_is_seen_when_an_expression_is_resolved() {
    let mut world = World::new();
    world.beat(&ConsumerHeartbeat { regex: Some("none.*".to_string()), ..join("a", &["foo"]) }).unwrap();
    world.topics.set("foo", 1, 8);
    world.resolve();
    assert_eq!(world.group.epoch(), Epoch(3));
    assert_eq!(world.beat(&plain("a", 2)).unwrap().assignment.unwrap()[0].1.len(), 8);
}

#[test]
fn an_expression_that_matches_nothing_new_moves_no_group() {
    let mut world = World::new();
    world.beat(&regex("a", "none.*")).unwrap();
    world.resolve();
    assert_eq!(world.group.epoch(), Epoch(1));
    world.topics.set("other", 7, 3);
    world.pass(10_001);
    world.beat(&plain("a", 1)).unwrap();
    assert!(world.resolves);
    world.resolve();
    assert_eq!(world.group.epoch(), Epoch(1));
    world.beat(&plain("a", 1)).unwrap();
    assert!(!world.resolves, "it was looked at with these topics");
}

#[test]
fn a_member_keeps_what_it_has_until_its_new_expression_is_resolved() {
    let mut world = World::new();
    world.topics.set("bar", 2, 2);
    world.beat(&regex("a", "fo.*")).unwrap();
    world.resolve();
    world.beat(&plain("a", 1)).unwrap();
    let reply = world.beat(&ConsumerHeartbeat { regex: Some("foo|bar".to_string()), ..plain("a", 2) });
    assert_eq!(reply.unwrap().epoch, Epoch(2));
    assert_eq!(names(&world, "a"), ["foo"]);
    world.resolve();
    world.beat(&plain("a", 2)).unwrap();
    assert_eq!(names(&world, "a"), ["foo", "bar"]);
}

#[test]
fn an_expression_that_is_dropped_while_it_is_matched_leaves_nothing() {
    let mut world = World::new();
    world.beat(&regex("a", "fo.*")).unwrap();
    let due = world.group.regexes_due(&world.cx(), usize::MAX);
    let mut matching = Matching::new(due, Arc::new(world.topics.clone()));
    world.beat(&ConsumerHeartbeat { regex: Some(String::new()), ..plain("a", 1) }).unwrap();
    while !matching.go_on(1) {}
    let decision = world.group.resolved(&world.cx(), matching);
    assert_eq!(decision, Decision::default());
}

#[test]
fn a_regular_expression_goes_with_its_last_member() {
    let mut world = World::new();
    world.beat(&regex("a", "foo.*")).unwrap();
    world.resolve();
    let epoch = world.beat(&regex("b", "foo.*")).unwrap().epoch;
    world.beat(&plain("a", -1)).unwrap();
    assert_eq!(world.group.regexes.len(), 1);
    let other = ConsumerHeartbeat { regex: Some("fo+".to_string()), ..plain("b", epoch.0) };
    let epoch = world.beat(&other).unwrap().epoch;
    assert!(world.group.regexes.is_empty());
    world.resolve();
    assert_eq!(world.group.regexes.keys().map(|regex| &**regex).collect::<Vec<_>>(), ["fo+"]);
    let none = ConsumerHeartbeat { regex: Some(String::new()), ..plain("b", epoch.0) };
    world.beat(&none).unwrap();
    assert!(world.group.regexes.is_empty());
}

#[test]
fn names_and_an_expression_count_together() {
    let mut world = World::new();
    world.topics.set("bar", 2, 2);
    world.beat(&ConsumerHeartbeat { regex: Some("b.*".to_string()), ..join("a", &["foo"]) }).unwrap();
    world.resolve();
    assert!(world.group.is_subscribed_to("foo") && world.group.is_subscribed_to("bar"));
    assert!(!world.group.is_subscribed_to("baz"));
}

#[test]
fn an_expression_that_is_none_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    let before = world.group.clone();
    let broken = ConsumerHeartbeat { regex: Some("(".to_string()), ..plain("a", 2) };
    assert_eq!(world.beat(&broken), Err(ErrorCode::InvalidRegularExpression));
    assert_eq!(world.group, before);
}

#[test]
fn the_subscription_metadata_of_an_older_kafka_is_removed_with_the_next_change() {
    let mut world = World::new();
    world.beat(&join("a", &["foo"])).unwrap();
    let old = GroupRecord::ConsumerGroupPartitionMetadata(GROUP.to_string(), Some(Default::default()));
    world.accept(&Decision { records: vec![old], ..Decision::default() });
    world.beat(&join("b", &["foo"])).unwrap();
    assert!(!world.group.has_partition_metadata);
}
