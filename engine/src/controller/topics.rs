//! Topics and partitions come into being, grow and go, by Kafka's rules and in its words
//! (org.apache.kafka.controller.ReplicationControlManager, kafka.server.ControllerApis). Runs on core 0.

use std::collections::{BTreeMap, BTreeSet};

use super::configs;
use super::decide::{
    Context, CreatedTopic, DoomedTopic, GrownTopic, NewTopic, TopicCreated, TopicDeleted, TopicGrown,
};
use super::image::Image;
use super::limits::{PARTITIONS_PER_REQUEST_MAX, PARTITIONS_PER_TOPIC_MAX, REPLICAS_PER_PARTITION_MAX};
use super::names;
use super::placement::CoreLoads;
use super::record::{ConfigResource, MetadataRecord, PartitionRecord};
use crate::base::{CoreId, LeaderEpoch, NodeId, OwnerEpoch, PartitionIndex, TopicId};
use crate::error::{ErrorCode, Refusal};

const UNKNOWN_TOPIC: &str = "This server does not host this topic-partition.";
const UNKNOWN_TOPIC_ID: &str = "This server does not host this topic ID.";
const DUPLICATE_NAME: &str = "Duplicate topic name.";
const TOO_MANY_PARTITIONS: &str = "Excessively large number of partitions per request.";

fn invalid_request(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

fn invalid_assignment(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidReplicaAssignment, message)
}

fn too_many_partitions() -> Refusal {
    Refusal::new(ErrorCode::PolicyViolation, TOO_MANY_PARTITIONS)
}

pub(super) fn create(
    image: &Image,
    asked: Vec<NewTopic>,
    context: &Context,
) -> (Vec<MetadataRecord>, Vec<TopicCreated>) {
    let (topics, duplicates) = without_duplicates(asked, |topic| &topic.name);
    let total =
        topics.iter().fold(0usize, |total, topic| total.saturating_add(partitions_asked(topic, context)));
    let mut loads = CoreLoads::of(image, context.cores);
    let mut records = Vec::new();
    let mut ids = BTreeSet::new();
    let mut created = Vec::with_capacity(topics.len() + duplicates.len());
    for topic in topics {
        let result = if total > PARTITIONS_PER_REQUEST_MAX {
            Err(too_many_partitions())
        } else if topic.id.is_zero() || image.topic_by_id(topic.id).is_some() || !ids.insert(topic.id) {
            // 122 random bits said the same twice: the client may try again.
            Err(Refusal::new(ErrorCode::UnknownServerError, format!("topic id {} is taken", topic.id)))
        } else {
            create_one(image, &topic, context, &mut loads, &mut records)
        };
        created.push(TopicCreated { name: topic.name, result });
    }
    let refused = |name| TopicCreated { name, result: Err(invalid_request(DUPLICATE_NAME)) };
    created.extend(duplicates.into_iter().map(refused));
    (records, created)
}

fn partitions_asked(topic: &NewTopic, context: &Context) -> usize {
    match (topic.assignments.len(), topic.partitions) {
        (0, -1) => usize::try_from(context.partitions_default).unwrap_or(0),
        (0, partitions) => usize::try_from(partitions).unwrap_or(0),
        (assigned, _) => assigned,
    }
}

/// Appends the topic's records only if all of it is right.
fn create_one(
    image: &Image,
    topic: &NewTopic,
    context: &Context,
    loads: &mut CoreLoads,
    records: &mut Vec<MetadataRecord>,
) -> Result<CreatedTopic, Refusal> {
    if topic.name == names::METADATA_TOPIC {
        return Err(invalid_request(format!(
            "Creation of internal topic {} is prohibited.",
            names::METADATA_TOPIC
        )));
    }
    names::check(&topic.name)?;
    if image.topic(&topic.name).is_some() {
        let message = format!("Topic '{}' already exists.", topic.name);
        return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
    }
    if let Some(other) = names::unified(&topic.name).and_then(|unified| image.colliding(&unified)) {
        let message = format!("Topic '{}' collides with existing topic: {other}", topic.name);
        return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
    }
    let overrides = configs::of_new_topic(&topic.name, &topic.configs, context)?;
    let brokers = registered(image, context);
    let assignments = if topic.assignments.is_empty() {
        assign(topic.partitions, topic.replication_factor, &brokers, context)?
    } else {
        assigned_by_hand(topic, &brokers)?
    };

    records.push(MetadataRecord::Topic { id: topic.id, name: topic.name.clone() });
    let mut spread = loads.spread(None);
    let replication_factor = assignments.first().map_or(0, Vec::len) as i16;
    let partitions = assignments.len() as i32;
    for (index, replicas) in assignments.into_iter().enumerate() {
        let core = loads.place(&mut spread);
        records.push(new_partition(topic.id, index, replicas, core, &brokers));
    }
    let resource = ConfigResource::Topic(topic.name.clone());
    records.extend(overrides.iter().map(|(key, value)| MetadataRecord::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: Some(value.clone()),
    }));
    Ok(CreatedTopic { id: topic.id, partitions, replication_factor, overrides })
}

fn new_partition(
    topic: TopicId,
    index: usize,
    replicas: Vec<NodeId>,
    core: CoreId,
    brokers: &BTreeSet<NodeId>,
) -> MetadataRecord {
    let isr: Vec<NodeId> = replicas.iter().copied().filter(|node| brokers.contains(node)).collect();
    MetadataRecord::Partition(PartitionRecord {
        topic,
        index: PartitionIndex(index as i32),
        leader: isr.first().copied().unwrap_or(NodeId(-1)),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        core,
        owner_epoch: OwnerEpoch(0),
        replicas,
        isr,
    })
}

/// The brokers that replicas can be placed on. This one is, whether or not its start was recorded yet.
fn registered(image: &Image, context: &Context) -> BTreeSet<NodeId> {
    image.brokers().map(|(node, _)| node).chain([context.node]).collect()
}

fn assign(
    partitions: i32,
    replication_factor: i16,
    brokers: &BTreeSet<NodeId>,
    context: &Context,
) -> Result<Vec<Vec<NodeId>>, Refusal> {
    if replication_factor < -1 || replication_factor == 0 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
    }
    if partitions < -1 || partitions == 0 {
        let message = "Number of partitions was set to an invalid non-positive value.";
        return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    }
    let partitions = if partitions == -1 { context.partitions_default.max(1) } else { partitions };
    let factor =
        if replication_factor == -1 { context.replication_factor_default } else { replication_factor };
    spread_replicas(0, partitions as usize, factor, brokers)
}

/// Replicas for the partitions `first..first + count`, in turn over the brokers, each partition's leader on the next.
fn spread_replicas(
    first: usize,
    count: usize,
    factor: i16,
    brokers: &BTreeSet<NodeId>,
) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let wanted = usize::try_from(factor).unwrap_or(0).max(1);
    if wanted > brokers.len() {
        let message = format!(
            "Unable to replicate the partition {wanted} time(s): The target replication factor of {wanted} cannot be \
             reached because only {} broker(s) are registered or some brokers have all their log directories cordoned.",
            brokers.len()
        );
        return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
    }
    let replicas = |index| brokers.iter().cycle().skip(index % brokers.len()).take(wanted).copied().collect();
    Ok((first..first + count).map(replicas).collect())
}

fn assigned_by_hand(topic: &NewTopic, brokers: &BTreeSet<NodeId>) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let unset = |what| format!("A manual partition assignment was specified, but {what} was not set to -1.");
    if topic.replication_factor != -1 {
        return Err(invalid_request(unset("replication factor")));
    }
    if topic.partitions != -1 {
        return Err(invalid_request(unset("numPartitions")));
    }
    let mut by_index = BTreeMap::new();
    let mut factor = None;
    for (index, replicas) in &topic.assignments {
        if by_index.contains_key(index) {
            let message = format!("Found multiple manual partition assignments for partition {index}");
            return Err(invalid_assignment(message));
        }
        check_replicas(replicas, factor, brokers)?;
        factor = Some(replicas.len());
        by_index.insert(*index, replicas.clone());
    }
    if !by_index.keys().copied().eq((0..by_index.len() as i32).map(PartitionIndex)) {
        return Err(invalid_assignment("partitions should be a consecutive 0-based integer sequence"));
    }
    Ok(by_index.into_values().collect())
}

fn check_replicas(
    replicas: &[NodeId],
    factor: Option<usize>,
    brokers: &BTreeSet<NodeId>,
) -> Result<(), Refusal> {
    if replicas.is_empty() {
        return Err(invalid_assignment("The manual partition assignment includes an empty replica list."));
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut before = None;
    for node in sorted {
        if !brokers.contains(&node) {
            return Err(invalid_assignment(format!(
                "The manual partition assignment includes broker {node}, but no such broker is registered."
            )));
        }
        if before == Some(node) {
            return Err(invalid_assignment(format!(
                "The manual partition assignment includes the broker {node} more than once."
            )));
        }
        before = Some(node);
    }
    match factor {
        Some(factor) if factor != replicas.len() => Err(invalid_assignment(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with \
             previous partitions, which have {factor} replica(s).",
            replicas.len()
        ))),
        _ if replicas.len() > REPLICAS_PER_PARTITION_MAX => Err(invalid_assignment(format!(
            "A partition has at most {REPLICAS_PER_PARTITION_MAX} replicas, not {}.",
            replicas.len()
        ))),
        _ => Ok(()),
    }
}

pub(super) fn delete(image: &Image, asked: Vec<DoomedTopic>) -> (Vec<MetadataRecord>, Vec<TopicDeleted>) {
    let mut times_named: BTreeMap<&str, usize> = BTreeMap::new();
    let mut times_numbered: BTreeMap<TopicId, usize> = BTreeMap::new();
    for topic in &asked {
        match &topic.name {
            Some(name) => *times_named.entry(name).or_default() += 1,
            None => *times_numbered.entry(topic.id).or_default() += 1,
        }
    }
    let resolve = |topic: &DoomedTopic| match &topic.name {
        Some(_) if !topic.id.is_zero() => {
            Err(invalid_request("You may not specify both topic name and topic id."))
        }
        None if topic.id.is_zero() => Err(invalid_request("Neither topic name nor id were specified.")),
        Some(name) if times_named[name.as_str()] > 1 => Err(invalid_request(DUPLICATE_NAME)),
        None if times_numbered[&topic.id] > 1 => Err(invalid_request("Duplicate topic id.")),
        Some(name) => match image.topic(name) {
            None => Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, UNKNOWN_TOPIC)),
            Some(found) if times_numbered.contains_key(&found.id) => {
                Err(invalid_request("The provided topic name maps to an ID that was already supplied."))
            }
            Some(found) => Ok(found),
        },
        None => {
            let unknown = || Refusal::new(ErrorCode::UnknownTopicId, UNKNOWN_TOPIC_ID);
            image.topic_by_id(topic.id).ok_or_else(unknown)
        }
    };
    let results: Vec<_> = asked.iter().map(resolve).collect();
    let mut records = Vec::new();
    let mut deleted = Vec::with_capacity(asked.len());
    for (topic, result) in asked.iter().zip(results) {
        deleted.push(match result {
            Err(refusal) => TopicDeleted { name: topic.name.clone(), id: topic.id, result: Err(refusal) },
            Ok(found) => {
                records.push(MetadataRecord::TopicRemoved { id: found.id });
                TopicDeleted { name: Some(found.name.to_string()), id: found.id, result: Ok(()) }
            }
        });
    }
    (records, deleted)
}

pub(super) fn grow(
    image: &Image,
    asked: Vec<GrownTopic>,
    context: &Context,
) -> (Vec<MetadataRecord>, Vec<TopicGrown>) {
    let (topics, duplicates) = without_duplicates(asked, |topic| &topic.name);
    let mut loads = CoreLoads::of(image, context.cores);
    let mut records = Vec::new();
    let mut grown = Vec::with_capacity(topics.len() + duplicates.len());
    for topic in topics {
        let result = grow_one(image, &topic, context, &mut loads, &mut records);
        grown.push(TopicGrown { name: topic.name, result });
    }
    let refused = |name| TopicGrown { name, result: Err(invalid_request(DUPLICATE_NAME)) };
    grown.extend(duplicates.into_iter().map(refused));
    (records, grown)
}

fn grow_one(
    image: &Image,
    asked: &GrownTopic,
    context: &Context,
    loads: &mut CoreLoads,
    records: &mut Vec<MetadataRecord>,
) -> Result<(), Refusal> {
    let unknown = || Refusal::new(ErrorCode::UnknownTopicOrPartition, UNKNOWN_TOPIC);
    let topic = image.topic(&asked.name).ok_or_else(unknown)?;
    let count = topic.partitions.len();
    let wanted = usize::try_from(asked.count).unwrap_or(0);
    let invalid = |message: String| Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    if wanted == count {
        return invalid(format!("Topic already has {count} partition(s)."));
    }
    if wanted < count {
        return invalid(format!(
            "The topic {} currently has {count} partition(s); {} would not be an increase.",
            asked.name, asked.count
        ));
    }
    let additional = wanted - count;
    if wanted > PARTITIONS_PER_TOPIC_MAX || records.len() + additional > PARTITIONS_PER_REQUEST_MAX {
        return Err(too_many_partitions());
    }
    let brokers = registered(image, context);
    let factor = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
    let assignments = match &asked.assignments {
        None => spread_replicas(count, additional, factor as i16, &brokers)?,
        Some(assignments) if assignments.len() != additional => {
            return Err(invalid_assignment(format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            )));
        }
        Some(assignments) => {
            for replicas in assignments {
                check_replicas(replicas, Some(factor), &brokers)?;
            }
            assignments.clone()
        }
    };
    let mut spread = loads.spread(Some(topic));
    for (index, replicas) in (count..).zip(assignments) {
        let core = loads.place(&mut spread);
        records.push(new_partition(topic.id, index, replicas, core, &brokers));
    }
    Ok(())
}

/// Splits off the names that occur more than once; each is named once, in order.
fn without_duplicates<T>(asked: Vec<T>, name: impl Fn(&T) -> &String) -> (Vec<T>, Vec<String>) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for item in &asked {
        *times.entry(name(item).clone()).or_default() += 1;
    }
    let single = asked.into_iter().filter(|item| times[name(item)] == 1).collect();
    (single, times.into_iter().filter(|(_, times)| *times > 1).map(|(name, _)| name).collect())
}
