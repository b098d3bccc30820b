//! The APIs of groups, in every version: one consumer's life in a group, and an admin's questions about it.

use super::{Asked, TOPIC, broker::Broker};
use engine::base::TopicId;
use net::wire::{
    delete_groups::DeleteGroupsRequest,
    describe_groups::DescribeGroupsRequest,
    find_coordinator::FindCoordinatorRequest,
    heartbeat::HeartbeatRequest,
    join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
    leave_group::{LeaveGroupRequest, MemberIdentity},
    list_groups::ListGroupsRequest,
    offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_fetch::{
        OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    },
    sync_group::{SyncGroupRequest, SyncGroupRequestAssignment},
};

const GROUP: &str = "g";
const ASSIGNMENT: &[u8] = b"all of it";

fn join(group: String) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: (&b"m"[..]).into() };
    JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    }
}

pub fn ask_all(asked: &mut Asked, broker: &Broker, topic: TopicId) {
    let coordinator = |version| {
        let (key, keys) = if version < 4 { (GROUP, vec![]) } else { ("", vec![GROUP.into()]) };
        FindCoordinatorRequest { key: key.into(), coordinator_keys: keys, ..Default::default() }
    };
    asked.each(broker, coordinator, |_, response| {
        let of_key = response.coordinators.first().map(|found| (found.error_code, found.node_id));
        assert_eq!(of_key.unwrap_or((response.error_code, response.node_id)), (0, 1));
    });
    // Below 4 a new member is one at once, later it is given an id to come back with.
    let joins = |version: i16| join(format!("joins-{version}"));
    asked.each(broker, joins, |version, response| {
        assert_eq!(response.error_code, if version < 4 { 0 } else { 79 }, "version {version}");
        assert!(!response.member_id.is_empty());
    });
    let joined = broker.ask(&join(GROUP.to_owned()), 3);
    let (member, generation) = (joined.member_id, joined.generation_id);
    member_lives(asked, broker, &member, generation);
    commits(asked, broker, topic, &member, generation);
    admin_asks(asked, broker);
    let leave = |version| {
        let member_id = if version < 3 { "nobody" } else { "" };
        let nobody = MemberIdentity { member_id: "nobody".into(), ..Default::default() };
        let members = if version < 3 { Vec::new() } else { vec![nobody] };
        LeaveGroupRequest { group_id: GROUP.into(), member_id: member_id.into(), members }
    };
    asked.each(broker, leave, |_, response| {
        let of_member = response.members.first().map(|member| member.error_code);
        assert_eq!(of_member.unwrap_or(response.error_code), 25);
    });
}

fn member_lives(asked: &mut Asked, broker: &Broker, member: &str, generation: i32) {
    let sync = |version| {
        let assignment =
            SyncGroupRequestAssignment { member_id: member.into(), assignment: ASSIGNMENT.into() };
        SyncGroupRequest {
            group_id: GROUP.into(),
            generation_id: generation,
            member_id: member.into(),
            protocol_type: (version >= 5).then(|| "consumer".into()),
            protocol_name: (version >= 5).then(|| "range".into()),
            assignments: vec![assignment],
            ..Default::default()
        }
    };
    asked.each(broker, sync, |version, response| {
        assert_eq!((response.error_code, &*response.assignment), (0, ASSIGNMENT), "version {version}");
    });
    let heartbeat = |_| HeartbeatRequest {
        group_id: GROUP.into(),
        generation_id: generation,
        member_id: member.into(),
        ..Default::default()
    };
    asked.each(broker, heartbeat, |_, response| assert_eq!(response.error_code, 0));
}

fn commits(asked: &mut Asked, broker: &Broker, topic: TopicId, member: &str, generation: i32) {
    let commit = |group: &str, version: i16| {
        let is_member = group == GROUP;
        let partition = OffsetCommitRequestPartition {
            committed_offset: i64::from(version),
            committed_metadata: Some("said".into()),
            ..Default::default()
        };
        let name = if version < 10 { TOPIC } else { "" };
        let topic_id = if version < 10 { TopicId::ZERO } else { topic };
        OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: if is_member { generation } else { -1 },
            member_id: if is_member { member } else { "" }.into(),
            topics: vec![OffsetCommitRequestTopic {
                name: name.into(),
                topic_id,
                partitions: vec![partition],
            }],
            ..Default::default()
        }
    };
    asked.each(
        broker,
        |version| commit(GROUP, version),
        |version, response| assert_eq!(response.topics[0].partitions[0].error_code, 0, "version {version}"),
    );
    let fetch = |version: i16| {
        let mut request = OffsetFetchRequest::default();
        if version < 8 {
            request.group_id = GROUP.into();
            request.topics =
                Some(vec![OffsetFetchRequestTopic { name: TOPIC.into(), partition_indexes: vec![0] }]);
            return request;
        }
        let name = if version < 10 { TOPIC } else { "" };
        let topic_id = if version < 10 { TopicId::ZERO } else { topic };
        let topics =
            vec![OffsetFetchRequestTopics { name: name.into(), topic_id, partition_indexes: vec![0] }];
        let group =
            OffsetFetchRequestGroup { group_id: GROUP.into(), topics: Some(topics), ..Default::default() };
        request.topics = Some(Vec::new());
        request.groups = vec![group];
        request
    };
    asked.each(broker, fetch, |version, response| {
        let (offset, metadata) = if version < 8 {
            let partition = &response.topics[0].partitions[0];
            (partition.committed_offset, partition.metadata.clone())
        } else {
            let partition = &response.groups[0].topics[0].partitions[0];
            (partition.committed_offset, partition.metadata.clone())
        };
        assert_eq!((offset, metadata.as_deref()), (10, Some("said")), "version {version}");
    });
    // A group without members forgets; one that reads the topic does not.
    assert_eq!(broker.ask(&commit("simple", 9), 9).topics[0].partitions[0].error_code, 0);
    let forget = |group: &str| OffsetDeleteRequest {
        group_id: group.into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: TOPIC.into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    asked.each(
        broker,
        |_| forget("simple"),
        |_, response| assert_eq!((response.error_code, response.topics[0].partitions[0].error_code), (0, 0)),
    );
    assert_eq!(broker.ask(&forget(GROUP), 0).topics[0].partitions[0].error_code, 86);
}

fn admin_asks(asked: &mut Asked, broker: &Broker) {
    let describe =
        |_| DescribeGroupsRequest { groups: vec![GROUP.into(), "nobody's".into()], ..Default::default() };
    asked.each(broker, describe, |version, response| {
        let [group, none] = &response.groups[..] else { panic!("two groups") };
        assert_eq!((&*group.group_state, &*group.protocol_data, group.members.len()), ("Stable", "range", 1));
        assert_eq!(&*group.members[0].client_host, "/127.0.0.1");
        assert_eq!((&*none.group_state, none.error_code), ("Dead", if version < 6 { 0 } else { 69 }));
    });
    let list = |_| ListGroupsRequest::default();
    asked.each(broker, list, |_, response| {
        assert_eq!(response.error_code, 0);
        let group = response.groups.iter().find(|group| &*group.group_id == GROUP);
        assert_eq!(&*group.expect("the group is listed").protocol_type, "consumer");
    });
    let delete = |_| DeleteGroupsRequest { groups_names: vec!["nobody's".into(), GROUP.into()] };
    asked.each(broker, delete, |_, response| {
        let codes: Vec<i16> = response.results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [69, 68]);
    });
}
