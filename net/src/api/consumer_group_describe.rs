//! ConsumerGroupDescribe (69), versions 0–1 (KIP-848; what protocol a member speaks: KIP-1099, from 1).

use std::rc::Rc;

use engine::{
    error::{ErrorCode, Refusal},
    group::{
        consumer::{Described, DescribedConsumerGroup, DescribedConsumerMember},
        request::{Reply, Request},
    },
};

use super::{
    Api, OPERATIONS_UNASKED,
    groups::{GROUP_OPERATIONS, UNSUPPORTED, ask_each, speaks_consumer},
};
use crate::wire::{
    Text,
    consumer_group_describe::{
        Assignment, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribedGroup, Member,
        TopicPartitions,
    },
};

const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;

pub(super) async fn handle(
    api: Rc<Api>,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let operations =
        if request.include_authorized_operations { GROUP_OPERATIONS } else { OPERATIONS_UNASKED };
    if !speaks_consumer(&api) {
        let refused = |group| {
            let refusal = Refusal::new(ErrorCode::UnsupportedVersion, UNSUPPORTED);
            respond(group, Err(refusal), OPERATIONS_UNASKED)
        };
        let groups = request.group_ids.iter().map(refused).collect();
        return ConsumerGroupDescribeResponse { groups, ..Default::default() };
    }
    let of = |reply| match reply {
        Reply::ConsumerDescribed(groups) => Some(groups),
        _ => None,
    };
    let described = ask_each(&api, &request.group_ids, Request::DescribeConsumer, of).await;
    let described = request.group_ids.iter().zip(described).map(|(group, described)| {
        let missing = || Err(Refusal::new(ErrorCode::NotCoordinator, ""));
        respond(group, described.map_or_else(missing, |(_, described)| described), operations)
    });
    ConsumerGroupDescribeResponse { groups: described.collect(), ..Default::default() }
}

fn respond(
    group: &Text,
    described: Result<DescribedConsumerGroup, Refusal>,
    authorized_operations: i32,
) -> DescribedGroup {
    match described {
        Err(Refusal { code, message }) => DescribedGroup {
            error_code: code.code(),
            error_message: (!message.is_empty()).then(|| message.into()),
            group_id: group.clone(),
            ..Default::default()
        },
        Ok(described) => DescribedGroup {
            group_id: group.clone(),
            group_state: Text::from_static(described.state),
            group_epoch: described.epoch.0,
            assignment_epoch: described.assignment_epoch.0,
            assignor_name: Text::from(&*described.assignor),
            members: described.members.into_iter().map(member).collect(),
            authorized_operations,
            ..Default::default()
        },
    }
}

fn member(member: DescribedConsumerMember) -> Member {
    Member {
        member_id: Text::from(&*member.id),
        instance_id: member.instance.as_deref().map(Text::from),
        rack_id: member.rack.as_deref().map(Text::from),
        member_epoch: member.epoch.0,
        client_id: Text::from(&*member.client_id),
        client_host: Text::from(&*member.client_host),
        subscribed_topic_names: member.topics.iter().map(|topic| Text::from(&**topic)).collect(),
        subscribed_topic_regex: Some(Text::from(&*member.regex)),
        assignment: assignment(member.assigned),
        target_assignment: assignment(member.target),
        member_type: if member.is_classic { CLASSIC } else { CONSUMER },
    }
}

fn assignment(topics: Described) -> Assignment {
    let topic_partitions = topics.into_iter().map(|(topic_id, name, partitions)| TopicPartitions {
        topic_id,
        topic_name: Text::from(&*name),
        partitions: partitions.into_iter().map(|partition| partition.0).collect(),
    });
    Assignment { topic_partitions: topic_partitions.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_of_another_kind_is_refused_with_its_name() {
        let refusal = Refusal::new(ErrorCode::GroupIdNotFound, "Group g is not a consumer group.");
        let group = respond(&"g".into(), Err(refusal), OPERATIONS_UNASKED);
        assert_eq!((group.error_code, &*group.group_id), (69, "g"));
        assert_eq!(group.error_message.as_deref(), Some("Group g is not a consumer group."));
    }
}
