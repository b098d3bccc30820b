//! Every message, every version, both directions: against another implementation's codec (`oracle`), against vectors made by
//! Apache Kafka's own client library (`vectors`), and against bytes that nobody should send (`hostile`).

mod hostile;
mod oracle;
mod printed;
pub(super) mod sample;
mod vectors;

use std::{collections::BTreeSet, fmt};

use bytes::Bytes;
use sample::Sample;

use super::{ApiKey, Message, Reader, WireError, Writer, field::Field};

/// What a test can ask of a message of ours.
trait Subject: Message + Field + Sample + Default + PartialEq + fmt::Debug {}
impl<M: Message + Field + Sample + Default + PartialEq + fmt::Debug> Subject for M {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Request,
    Response,
}

/// What the tests have held against something made elsewhere.
type Coverage = BTreeSet<(ApiKey, i16, Direction)>;

/// The messages' one list: `$visit!(file, request, response)` for each API.
macro_rules! for_each_api {
    ($visit:ident) => {
        $visit!(alter_configs, AlterConfigsRequest, AlterConfigsResponse);
        $visit!(api_versions, ApiVersionsRequest, ApiVersionsResponse);
        $visit!(consumer_group_describe, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse);
        $visit!(consumer_group_heartbeat, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse);
        $visit!(create_partitions, CreatePartitionsRequest, CreatePartitionsResponse);
        $visit!(create_topics, CreateTopicsRequest, CreateTopicsResponse);
        $visit!(delete_groups, DeleteGroupsRequest, DeleteGroupsResponse);
        $visit!(delete_records, DeleteRecordsRequest, DeleteRecordsResponse);
        $visit!(delete_topics, DeleteTopicsRequest, DeleteTopicsResponse);
        $visit!(describe_cluster, DescribeClusterRequest, DescribeClusterResponse);
        $visit!(describe_configs, DescribeConfigsRequest, DescribeConfigsResponse);
        $visit!(describe_groups, DescribeGroupsRequest, DescribeGroupsResponse);
        $visit!(describe_log_dirs, DescribeLogDirsRequest, DescribeLogDirsResponse);
        $visit!(describe_producers, DescribeProducersRequest, DescribeProducersResponse);
        $visit!(describe_topic_partitions, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse);
        $visit!(elect_leaders, ElectLeadersRequest, ElectLeadersResponse);
        $visit!(fetch, FetchRequest, FetchResponse);
        $visit!(find_coordinator, FindCoordinatorRequest, FindCoordinatorResponse);
        $visit!(
            get_telemetry_subscriptions,
            GetTelemetrySubscriptionsRequest,
            GetTelemetrySubscriptionsResponse
        );
        $visit!(heartbeat, HeartbeatRequest, HeartbeatResponse);
        $visit!(incremental_alter_configs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse);
        $visit!(init_producer_id, InitProducerIdRequest, InitProducerIdResponse);
        $visit!(list_config_resources, ListConfigResourcesRequest, ListConfigResourcesResponse);
        $visit!(join_group, JoinGroupRequest, JoinGroupResponse);
        $visit!(leave_group, LeaveGroupRequest, LeaveGroupResponse);
        $visit!(list_groups, ListGroupsRequest, ListGroupsResponse);
        $visit!(list_offsets, ListOffsetsRequest, ListOffsetsResponse);
        $visit!(
            list_partition_reassignments,
            ListPartitionReassignmentsRequest,
            ListPartitionReassignmentsResponse
        );
        $visit!(metadata, MetadataRequest, MetadataResponse);
        $visit!(offset_commit, OffsetCommitRequest, OffsetCommitResponse);
        $visit!(offset_delete, OffsetDeleteRequest, OffsetDeleteResponse);
        $visit!(offset_fetch, OffsetFetchRequest, OffsetFetchResponse);
        $visit!(offset_for_leader_epoch, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse);
        $visit!(produce, ProduceRequest, ProduceResponse);
        $visit!(push_telemetry, PushTelemetryRequest, PushTelemetryResponse);
        $visit!(sync_group, SyncGroupRequest, SyncGroupResponse);
        $visit!(update_features, UpdateFeaturesRequest, UpdateFeaturesResponse);
    };
}
use for_each_api;

fn encode<M: Subject>(message: &M, version: i16) -> Result<Bytes, WireError> {
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    Ok(Bytes::from(writer.finish_in_memory()?.concat()))
}

fn decode<M: Subject>(bytes: Bytes, version: i16) -> Result<M, WireError> {
    M::decode(&mut Reader::new(bytes), version)
}

fn samples<M: Subject>(version: i16, count: u64) -> impl Iterator<Item = M> {
    let context = M::API.context(version).unwrap();
    (0..count).map(move |seed| M::sample(&mut fastrand::Rng::with_seed(seed), context))
}

#[test]
fn every_served_version_is_held_against_another_implementation() {
    let mut covered = oracle::covered();
    covered.extend(vectors::covered());
    let mut served = Coverage::new();
    for api in ApiKey::ALL {
        for version in api.versions() {
            served.extend([(*api, version, Direction::Request), (*api, version, Direction::Response)]);
        }
    }
    assert_eq!(served.difference(&covered).collect::<Vec<_>>(), [] as [&_; 0]);
}
