//! The APIs of consumer groups (KIP-848), in every version: a member joins, and an admin looks at its group.

use super::{Asked, TOPIC, broker::Broker};
use net::wire::{
    consumer_group_describe::ConsumerGroupDescribeRequest,
    consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
};

fn group(version: i16) -> String {
    format!("consumers-{version}")
}

pub fn ask_all(asked: &mut Asked, broker: &Broker) {
    let join = |version| ConsumerGroupHeartbeatRequest {
        group_id: group(version).into(),
        member_id: "member".into(),
        rebalance_timeout_ms: 10_000,
        // An expression is resolved after the first heartbeat; what is named is assigned with it.
        subscribed_topic_names: Some(vec![TOPIC.into()]),
        subscribed_topic_regex: (version > 0).then(|| format!("{TOPIC}.*").into()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    };
    asked.each(broker, join, |version, response| {
        assert_eq!(response.error_code, 0, "{:?}", response.error_message);
        assert!(response.member_epoch >= 2, "epoch {}", response.member_epoch);
        let assignment = response.assignment.expect("an assignment");
        assert_eq!(assignment.topic_partitions[0].partitions[0], 0, "version {version}");
    });
    let describe = |version| ConsumerGroupDescribeRequest {
        group_ids: vec![group(version).into(), "nothing".into()],
        include_authorized_operations: true,
    };
    asked.each(broker, describe, |version, response| {
        let described = &response.groups[0];
        // With an expression the group may be on its way to the assignment that follows from it.
        let states: &[&str] =
            if version == 0 { &["Stable"] } else { &["Stable", "Assigning", "Reconciling"] };
        assert_eq!(described.error_code, 0);
        assert!(states.contains(&&*described.group_state), "{}", described.group_state);
        assert_eq!(described.members[0].target_assignment.topic_partitions[0].topic_name, TOPIC);
        assert_eq!(described.members[0].member_type, if version == 0 { -1 } else { 1 });
        assert_eq!(response.groups[1].error_code, 69);
    });
}
