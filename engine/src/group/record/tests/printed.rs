//! Records as Kafka prints them, to compare field by field.

use std::fmt::Display;

use super::super::*;

fn list<T>(items: &[T], item: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", "))
}

fn numbers<T: Display>(items: &[T]) -> String {
    list(items, T::to_string)
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

fn nullable(text: &Option<String>) -> String {
    text.as_deref().map_or("null".to_string(), quoted)
}

fn signed(bytes: &[u8]) -> String {
    list(bytes, |byte| (*byte as i8).to_string())
}

/// Key and value; `-` is no value.
pub fn record(record: &GroupRecord) -> (String, String) {
    let of_group = |name: &str, group: &str| format!("{name}(groupId='{group}')");
    let of_member =
        |name: &str, key: &MemberKey| format!("{name}(groupId='{}', memberId='{}')", key.group, key.member);
    let (key, value) = match record {
        GroupRecord::OffsetCommit(key, value) => {
            let OffsetCommitKey { group, topic, partition } = key;
            let key = format!("OffsetCommitKey(group='{group}', topic='{topic}', partition={partition})");
            (key, value.as_ref().map(offset_commit))
        }
        GroupRecord::GroupMetadata(group, value) => {
            (format!("GroupMetadataKey(group='{group}')"), value.as_ref().map(group_metadata))
        }
        GroupRecord::ConsumerGroupMetadata(group, value) => {
            let value = value.map(|value| {
                let ConsumerGroupMetadataValue { epoch, metadata_hash } = value;
                format!("ConsumerGroupMetadataValue(epoch={epoch}, metadataHash={metadata_hash})")
            });
            (of_group("ConsumerGroupMetadataKey", group), value)
        }
        GroupRecord::ConsumerGroupPartitionMetadata(group, value) => {
            let value = value.as_ref().map(|value| {
                let topics = list(&value.topics, topic_metadata);
                format!("ConsumerGroupPartitionMetadataValue(topics={topics})")
            });
            (of_group("ConsumerGroupPartitionMetadataKey", group), value)
        }
        GroupRecord::ConsumerGroupMemberMetadata(key, value) => {
            (of_member("ConsumerGroupMemberMetadataKey", key), value.as_ref().map(member_metadata))
        }
        GroupRecord::ConsumerGroupTargetAssignmentMetadata(group, value) => {
            let value = value.map(|value| {
                format!(
                    "ConsumerGroupTargetAssignmentMetadataValue(assignmentEpoch={}, assignmentTimestamp={})",
                    value.assignment_epoch, value.assignment_timestamp
                )
            });
            (of_group("ConsumerGroupTargetAssignmentMetadataKey", group), value)
        }
        GroupRecord::ConsumerGroupTargetAssignmentMember(key, value) => {
            let value = value.as_ref().map(|value| {
                let topics = list(&value.topic_partitions, |topic| {
                    let partitions = numbers(&topic.partitions);
                    format!("TopicPartition(topicId={}, partitions={partitions})", topic.topic_id)
                });
                format!("ConsumerGroupTargetAssignmentMemberValue(topicPartitions={topics})")
            });
            (of_member("ConsumerGroupTargetAssignmentMemberKey", key), value)
        }
        GroupRecord::ConsumerGroupCurrentMemberAssignment(key, value) => (
            of_member("ConsumerGroupCurrentMemberAssignmentKey", key),
            value.as_ref().map(current_assignment),
        ),
        GroupRecord::ConsumerGroupRegularExpression(key, value) => {
            let RegexKey { group, regex } = key;
            let key =
                format!("ConsumerGroupRegularExpressionKey(groupId='{group}', regularExpression='{regex}')");
            let value = value.as_ref().map(|value| {
                format!(
                    "ConsumerGroupRegularExpressionValue(topics={}, version={}, timestamp={})",
                    list(&value.topics, String::clone),
                    value.version,
                    value.timestamp
                )
            });
            (key, value)
        }
    };
    (key, value.unwrap_or("-".to_string()))
}

fn offset_commit(value: &OffsetCommitValue) -> String {
    let expiry = value.expire_timestamp.map_or("-1".to_string(), |expiry| expiry.to_string());
    format!(
        "OffsetCommitValue(offset={}, leaderEpoch={}, metadata='{}', commitTimestamp={}, \
         expireTimestamp={expiry}, topicId={})",
        value.offset, value.leader_epoch, value.metadata, value.commit_timestamp, value.topic_id
    )
}

fn group_metadata(value: &GroupMetadataValue) -> String {
    let members = list(&value.members, |member| {
        format!(
            "MemberMetadata(memberId='{}', groupInstanceId={}, clientId='{}', clientHost='{}', \
             rebalanceTimeout={}, sessionTimeout={}, subscription={}, assignment={})",
            member.member_id,
            nullable(&member.group_instance_id),
            member.client_id,
            member.client_host,
            member.rebalance_timeout_ms,
            member.session_timeout_ms,
            signed(&member.subscription),
            signed(&member.assignment)
        )
    });
    format!(
        "GroupMetadataValue(protocolType='{}', generation={}, protocol={}, leader={}, \
         currentStateTimestamp={}, members={members})",
        value.protocol_type,
        value.generation,
        nullable(&value.protocol),
        nullable(&value.leader),
        value.current_state_timestamp
    )
}

fn topic_metadata(topic: &TopicMetadata) -> String {
    let partitions = list(&topic.partition_metadata, |partition| {
        let racks = list(&partition.racks, String::clone);
        format!("PartitionMetadata(partition={}, racks={racks})", partition.partition)
    });
    format!(
        "TopicMetadata(topicId={}, topicName='{}', numPartitions={}, partitionMetadata={partitions})",
        topic.topic_id, topic.topic_name, topic.num_partitions
    )
}

fn member_metadata(value: &ConsumerGroupMemberMetadataValue) -> String {
    let classic = value.classic_member_metadata.as_ref().map_or("null".to_string(), |classic| {
        let protocols = list(&classic.supported_protocols, |protocol| {
            let metadata = signed(&protocol.metadata);
            format!("ClassicProtocol(name='{}', metadata={metadata})", protocol.name)
        });
        format!(
            "ClassicMemberMetadata(sessionTimeoutMs={}, supportedProtocols={protocols})",
            classic.session_timeout_ms
        )
    });
    format!(
        "ConsumerGroupMemberMetadataValue(instanceId={}, rackId={}, clientId='{}', clientHost='{}', \
         subscribedTopicNames={}, subscribedTopicRegex={}, rebalanceTimeoutMs={}, serverAssignor={}, \
         classicMemberMetadata={classic})",
        nullable(&value.instance_id),
        nullable(&value.rack_id),
        value.client_id,
        value.client_host,
        list(&value.subscribed_topic_names, String::clone),
        nullable(&value.subscribed_topic_regex),
        value.rebalance_timeout_ms,
        nullable(&value.server_assignor)
    )
}

fn current_assignment(value: &ConsumerGroupCurrentMemberAssignmentValue) -> String {
    let owned = |owned: &OwnedPartitions| {
        format!(
            "TopicPartitions(topicId={}, partitions={}, assignmentEpochs={})",
            owned.topic_id,
            numbers(&owned.partitions),
            owned.assignment_epochs.as_deref().map_or("null".to_string(), numbers)
        )
    };
    format!(
        "ConsumerGroupCurrentMemberAssignmentValue(memberEpoch={}, previousMemberEpoch={}, state={}, \
         assignedPartitions={}, partitionsPendingRevocation={})",
        value.member_epoch,
        value.previous_member_epoch,
        value.state,
        list(&value.assigned_partitions, owned),
        list(&value.partitions_pending_revocation, owned)
    )
}
