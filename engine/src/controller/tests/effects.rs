//! What a decision changes, and what it must leave as it was.

use super::*;

#[test]
fn a_topic_is_created_with_partitions_spread_over_the_cores() {
    let mut metadata = Metadata::started(3);
    let created = metadata.named("orders", 7).unwrap();
    assert_eq!((created.partitions, created.replication_factor), (7, 1));
    let topic = metadata.image.topic("orders").unwrap();
    assert_eq!(metadata.image.topic_by_id(created.id), Some(topic));
    assert_eq!(topic.partitions.len(), 7);
    let partition = topic.partition(PartitionIndex(6)).unwrap();
    assert_eq!(partition.leader, NodeId(1));
    assert_eq!((partition.leader_epoch, partition.owner_epoch), (LeaderEpoch(0), OwnerEpoch(0)));
    assert_eq!(partition.isr, [NodeId(1)]);
    assert_eq!(metadata.loads(), [3, 2, 2]);
    assert_eq!(metadata.named("defaults", -1).unwrap().partitions, 1);
    assert_eq!(metadata.loads(), [3, 3, 2]);
}

#[test]
fn validation_answers_like_creation_and_leaves_no_record() {
    let mut metadata = Metadata::started(2);
    let mut topic = metadata.new_topic("orders", 3);
    topic.configs.push(("a".into(), Some("1".into())));
    let instruction = |mode| Instruction::CreateTopics { topics: vec![topic.clone()], mode };
    let validated = decide(&metadata.image, instruction(Mode::ValidateOnly), &context(2));
    let applied = decide(&metadata.image, instruction(Mode::Apply), &context(2));
    assert_eq!(validated.outcome, applied.outcome);
    assert!(validated.records.is_empty());
    assert_eq!(applied.records.len(), 1 + 3 + 1);
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    let mut metadata = Metadata::started(1);
    let ids = ["a", "b", "c"].map(|name| metadata.named(name, 2).unwrap().id);
    let by_id = |id| DoomedTopic { name: None, id };
    let deleted = metadata.delete(vec![by_name("a"), by_id(ids[1])]);
    assert_eq!(deleted[0], TopicDeleted { name: Some("a".into()), id: ids[0], result: Ok(()) });
    assert_eq!(deleted[1], TopicDeleted { name: Some("b".into()), id: ids[1], result: Ok(()) });
    assert_eq!(metadata.image.topic_count(), 1);
    assert_eq!(metadata.loads(), [2]);
    let both = DoomedTopic { name: Some("c".into()), id: ids[2] };
    let neither = DoomedTopic { name: None, id: TopicId::ZERO };
    let cases = [
        (
            vec![by_name("a")],
            ErrorCode::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        ),
        (vec![by_id(ids[0])], ErrorCode::UnknownTopicId, "This server does not host this topic ID."),
        (vec![both], ErrorCode::InvalidRequest, "You may not specify both topic name and topic id."),
        (vec![neither], ErrorCode::InvalidRequest, "Neither topic name nor id were specified."),
        (vec![by_name("c"), by_name("c")], ErrorCode::InvalidRequest, "Duplicate topic name."),
        (vec![by_id(ids[2]), by_id(ids[2])], ErrorCode::InvalidRequest, "Duplicate topic id."),
        (
            vec![by_name("c"), by_id(ids[2])],
            ErrorCode::InvalidRequest,
            "The provided topic name maps to an ID that was already supplied.",
        ),
    ];
    for (topics, code, message) in cases {
        assert_eq!(refused(metadata.delete(topics).remove(0).result), (code, message.to_owned()));
    }
    // The last case names one topic in two ways: the id still counts.
    assert_eq!(metadata.image.topic_count(), 0);
}

#[test]
fn a_deleted_name_can_return_and_collides_no_more() {
    let mut metadata = Metadata::started(1);
    let first = metadata.named("a.b", 1).unwrap().id;
    metadata.delete(vec![by_name("a.b")]);
    metadata.named("a_b", 1).unwrap();
    metadata.delete(vec![by_name("a_b")]);
    assert_ne!(metadata.named("a.b", 1).unwrap().id, first);
}

#[test]
fn a_topic_grows_and_never_shrinks() {
    let mut metadata = Metadata::started(2);
    metadata.named("orders", 2).unwrap();
    metadata.grow("orders", 5, None).unwrap();
    assert_eq!(metadata.image.topic("orders").unwrap().partitions.len(), 5);
    assert_eq!(metadata.loads(), [3, 2]);
    metadata.grow("orders", 6, Some(vec![vec![NodeId(1)]])).unwrap();
    let cases = [
        (metadata.grow("orders", 6, None), ErrorCode::InvalidPartitions, "Topic already has 6 partition(s)."),
        (
            metadata.grow("orders", 3, None),
            ErrorCode::InvalidPartitions,
            "The topic orders currently has 6 partition(s); 3 would not be an increase.",
        ),
        (
            metadata.grow("orders", 8, Some(vec![vec![NodeId(1)]])),
            ErrorCode::InvalidReplicaAssignment,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            metadata.grow("none", 8, None),
            ErrorCode::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        ),
        (
            metadata.grow("orders", i32::MAX, None),
            ErrorCode::PolicyViolation,
            "Excessively large number of partitions per request.",
        ),
    ];
    for (result, code, message) in cases {
        assert_eq!(refused(result), (code, message.to_owned()));
    }
}

#[test]
fn options_are_set_step_by_step_and_replaced_at_once() {
    let mut metadata = Metadata::started(1);
    metadata.named("orders", 1).unwrap();
    metadata.alter(orders(), step("a", ConfigOperation::Set, Some("1"))).unwrap();
    metadata.alter(orders(), step("list", ConfigOperation::Append, Some("compact,delete"))).unwrap();
    let set =
        |metadata: &Metadata| metadata.image.overrides(&orders()).clone().into_iter().collect::<Vec<_>>();
    assert_eq!(set(&metadata), [("a".into(), "1".into()), ("list".into(), "delete,compact".to_string())]);
    metadata.alter(orders(), step("list", ConfigOperation::Subtract, Some("delete"))).unwrap();
    assert_eq!(set(&metadata)[1].1, "compact");
    metadata.alter(orders(), step("a", ConfigOperation::Delete, None)).unwrap();
    assert_eq!(set(&metadata).len(), 1);
    metadata.alter(orders(), ConfigEdit::Replace(vec![("b".into(), Some("2".into()))])).unwrap();
    assert_eq!(set(&metadata), [("b".to_string(), "2".to_string())]);
    let records_before = metadata.records.len();
    metadata.alter(orders(), step("b", ConfigOperation::Set, Some("2"))).unwrap();
    assert_eq!(metadata.records.len(), records_before, "what is set already needs no record");
}

#[test]
fn a_start_raises_the_leader_epochs_and_ids_are_never_given_twice() {
    let mut metadata = Metadata::started(2);
    let id = metadata.named("orders", 3).unwrap().id;
    let first = metadata.carry_out(Instruction::AllocateProducerIds);
    assert_eq!(first, Outcome::ProducerIds(ProducerIdBlock { first: ProducerId(0), count: 1000 }));
    metadata.start(2);
    let topic = metadata.image.topic_by_id(id).unwrap();
    assert!(topic.partitions.iter().all(|partition| partition.leader_epoch == LeaderEpoch(1)));
    assert!(topic.partitions.iter().all(|partition| partition.owner_epoch == OwnerEpoch(0)));
    let second = metadata.carry_out(Instruction::AllocateProducerIds);
    assert_eq!(second, Outcome::ProducerIds(ProducerIdBlock { first: ProducerId(1000), count: 1000 }));
    let again =
        decide(&metadata.image, Instruction::StartBroker { incarnation: Incarnation(2) }, &context(2));
    assert!(matches!(again.outcome, Outcome::Refused(_)));
}

#[test]
fn partitions_follow_the_cores_when_their_number_changes() {
    let mut metadata = Metadata::started(4);
    metadata.named("wide", 8).unwrap();
    metadata.named("narrow", 2).unwrap();
    let stayed: Vec<CoreId> =
        metadata.image.topic("wide").unwrap().partitions.iter().map(|p| p.core).collect();
    metadata.start(2);
    assert_eq!(metadata.loads(), [5, 5]);
    for (partition, before) in metadata.image.topic("wide").unwrap().partitions.iter().zip(stayed) {
        let moved = before.0 >= 2;
        assert_eq!(partition.owner_epoch, OwnerEpoch(moved.into()));
        assert_eq!(partition.core == before, !moved);
    }
    metadata.start(3);
    assert_eq!(
        metadata.loads(),
        [4, 4, 2],
        "wide is thinned to a fair part; narrow gains nothing from a third core"
    );
    metadata.start(1);
    assert_eq!(metadata.loads(), [10]);
    metadata.start(5);
    assert_eq!(metadata.loads(), [2, 2, 2, 2, 2]);
}

#[test]
fn a_record_that_does_not_fit_changes_nothing() {
    let mut metadata = Metadata::started(1);
    let id = metadata.named("orders", 2).unwrap().id;
    let partition = metadata
        .records
        .iter()
        .find_map(|record| match record {
            MetadataRecord::Partition(partition) => Some(partition.clone()),
            _ => None,
        })
        .unwrap();
    metadata.start(1);
    let gap = PartitionRecord { index: PartitionIndex(3), ..partition.clone() };
    let strays = [
        MetadataRecord::Topic { id, name: "other".into() },
        MetadataRecord::Topic { id: TopicId([9; 16]), name: "orders".into() },
        MetadataRecord::Partition(gap),
        // Of before the second start: its epoch is older.
        MetadataRecord::Partition(partition),
        MetadataRecord::PartitionMoved {
            topic: id,
            index: PartitionIndex(0),
            core: CoreId(1),
            owner_epoch: OwnerEpoch(0),
        },
        MetadataRecord::TopicRemoved { id: TopicId([9; 16]) },
        MetadataRecord::BrokerStarted { node: NodeId(1), incarnation: Incarnation(2), cores: 1 },
        MetadataRecord::ProducerIdBlock { next: ProducerId(-1) },
        MetadataRecord::Config {
            resource: ConfigResource::Topic("none".into()),
            key: "a".into(),
            value: Some("1".into()),
        },
    ];
    let before = metadata.image.clone();
    for record in strays {
        assert!(metadata.image.apply(&record).is_err(), "{record:?}");
        assert_eq!(metadata.image, before, "{record:?}");
    }
}

#[test]
fn a_clone_keeps_what_it_saw() {
    let mut metadata = Metadata::started(1);
    metadata.named("orders", 1).unwrap();
    let seen = metadata.image.clone();
    metadata.grow("orders", 3, None).unwrap();
    metadata.alter(orders(), step("a", ConfigOperation::Set, Some("1"))).unwrap();
    metadata.start(1);
    assert_eq!(seen.topic("orders").unwrap().partitions.len(), 1);
    assert!(seen.overrides(&orders()).is_empty());
    assert_eq!(seen.topic("orders").unwrap().partitions[0].leader_epoch, LeaderEpoch(0));
}
