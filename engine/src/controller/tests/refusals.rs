//! What Kafka refuses is refused with Kafka's code and in its words.

use super::*;

type Change = Box<dyn Fn(&mut NewTopic)>;

#[test]
fn creation_is_refused_with_kafkas_codes_and_words() {
    let mut metadata = Metadata::started(1);
    metadata.named("a.b", 1).unwrap();
    let cases: Vec<(Change, ErrorCode, &str)> = vec![
        (Box::new(|t| t.name = "a.b".into()), ErrorCode::TopicAlreadyExists, "Topic 'a.b' already exists."),
        (
            Box::new(|t| t.name = "a_b".into()),
            ErrorCode::InvalidTopicException,
            "Topic 'a_b' collides with existing topic: a.b",
        ),
        (
            Box::new(|t| t.name = "".into()),
            ErrorCode::InvalidTopicException,
            "Topic name is invalid: the empty string is not allowed",
        ),
        (
            Box::new(|t| t.name = "__cluster_metadata".into()),
            ErrorCode::InvalidRequest,
            "Creation of internal topic __cluster_metadata is prohibited.",
        ),
        (
            Box::new(|t| t.partitions = 0),
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            Box::new(|t| t.partitions = -2),
            ErrorCode::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        ),
        (
            Box::new(|t| t.replication_factor = 0),
            ErrorCode::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        ),
        (
            Box::new(|t| t.replication_factor = 3),
            ErrorCode::InvalidReplicationFactor,
            "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because \
             only 1 broker(s) are registered or some brokers have all their log directories cordoned.",
        ),
        (
            Box::new(|t| t.partitions = i32::MAX),
            ErrorCode::PolicyViolation,
            "Excessively large number of partitions per request.",
        ),
        (
            Box::new(|t| t.configs = vec![("x".into(), None), ("y".into(), None)]),
            ErrorCode::InvalidConfig,
            "Null value not supported for topic configs: x,y",
        ),
        (
            Box::new(|t| t.configs = vec![("x".into(), Some("1".into()))]),
            ErrorCode::InvalidConfig,
            "Unknown topic config name: x",
        ),
        (
            Box::new(|t| t.configs = vec![("a".into(), Some("x".repeat(32_768)))]),
            ErrorCode::InvalidConfig,
            "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
        ),
    ];
    for (change, code, message) in cases {
        let mut topic = metadata.new_topic("fine", 1);
        change(&mut topic);
        assert_eq!(refused(metadata.create_one(topic)), (code, message.to_owned()));
    }
    assert_eq!(metadata.image.topic_count(), 1);
}

#[test]
fn an_assignment_by_hand_is_checked_as_kafka_checks_it() {
    let mut metadata = Metadata::started(1);
    let mut assigned = |partitions: i32, factor: i16, assignments: &[(i32, &[i32])]| {
        let mut topic = metadata.new_topic("fine", partitions);
        topic.replication_factor = factor;
        topic.assignments = assignments
            .iter()
            .map(|(index, nodes)| (PartitionIndex(*index), nodes.iter().copied().map(NodeId).collect()))
            .collect();
        metadata.create_one(topic)
    };
    let refusals = [
        (
            assigned(-1, 1, &[(0, &[1])]),
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        ),
        (
            assigned(1, -1, &[(0, &[1])]),
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        ),
        (
            assigned(-1, -1, &[(0, &[1]), (0, &[1])]),
            "Found multiple manual partition assignments for partition 0",
        ),
        (
            assigned(-1, -1, &[(0, &[1]), (2, &[1])]),
            "partitions should be a consecutive 0-based integer sequence",
        ),
        (assigned(-1, -1, &[(0, &[])]), "The manual partition assignment includes an empty replica list."),
        (
            assigned(-1, -1, &[(0, &[2])]),
            "The manual partition assignment includes broker 2, but no such broker is registered.",
        ),
        (
            assigned(-1, -1, &[(0, &[1, 1])]),
            "The manual partition assignment includes the broker 1 more than once.",
        ),
    ];
    for (result, message) in refusals {
        assert_eq!(refused(result).1, message);
    }
    let created = assigned(-1, -1, &[(1, &[1]), (0, &[1])]).unwrap();
    assert_eq!((created.partitions, created.replication_factor), (2, 1));
}

#[test]
fn a_name_twice_in_one_request_is_refused_and_the_rest_created() {
    let mut metadata = Metadata::started(1);
    let topics = ["twice", "once", "twice"].map(|name| metadata.new_topic(name, 1)).to_vec();
    let created = metadata.create(topics);
    assert_eq!(created.len(), 2);
    assert_eq!(created[0].name, "once");
    assert!(created[0].result.is_ok());
    assert_eq!(created[1].name, "twice");
    assert_eq!(
        refused(created[1].result.clone()),
        (ErrorCode::InvalidRequest, "Duplicate topic name.".to_owned())
    );
    assert!(metadata.image.topic("twice").is_none());
}

#[test]
fn alterations_are_refused_with_kafkas_codes_and_words() {
    let mut metadata = Metadata::started(1);
    metadata.named("orders", 1).unwrap();
    let set = || step("a", ConfigOperation::Set, Some("1"));
    let topic = |name: &str| ConfigResource::Topic(name.into());
    let broker = |name: &str| ConfigResource::Broker(name.into());
    let twice = ConfigEdit::Replace(vec![("a".into(), Some("1".into())), ("a".into(), Some("2".into()))]);
    let cases = [
        (
            orders(),
            step("a", ConfigOperation::Set, None),
            ErrorCode::InvalidRequest,
            "Null value not supported for : a",
        ),
        (orders(), twice, ErrorCode::InvalidRequest, "Error due to duplicate config keys"),
        (
            orders(),
            step("a", ConfigOperation::Append, Some("x")),
            ErrorCode::InvalidConfig,
            "Can't APPEND to key a because its type is not LIST.",
        ),
        (
            orders(),
            step("x", ConfigOperation::Set, Some("1")),
            ErrorCode::InvalidConfig,
            "Unknown topic config name: x",
        ),
        (topic(""), set(), ErrorCode::InvalidRequest, "Default topic resources are not allowed."),
        (topic("none"), set(), ErrorCode::UnknownTopicOrPartition, "The topic 'none' does not exist."),
        (
            broker("1"),
            step("log.retention.ms", ConfigOperation::Append, Some("1")),
            ErrorCode::InvalidConfig,
            "Config value append is not allowed for config key: log.retention.ms",
        ),
        (
            broker("1"),
            step("foo", ConfigOperation::Subtract, Some("1")),
            ErrorCode::InvalidConfig,
            "Unknown config name: foo",
        ),
        (
            ConfigResource::ClientMetrics("".into()),
            set(),
            ErrorCode::InvalidRequest,
            "Subscription name can't be empty",
        ),
        (broker("2"), set(), ErrorCode::InvalidRequest, "Unexpected broker id, expected 1, but received 2"),
        (broker("x"), set(), ErrorCode::InvalidRequest, "Node id must be an integer, but it is: x"),
    ];
    for (resource, edit, code, message) in cases {
        assert_eq!(refused(metadata.alter(resource, edit)), (code, message.to_owned()));
    }
    let change = ConfigChange { resource: orders(), edit: set() };
    let resources = vec![change.clone(), change];
    let Outcome::ConfigsAltered(altered) =
        metadata.carry_out(Instruction::AlterConfigs { resources, mode: Mode::Apply })
    else {
        panic!()
    };
    assert_eq!(refused(altered[1].result.clone()).1, "Each resource must appear at most once.");
}
