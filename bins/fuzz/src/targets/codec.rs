//! Every message in every version, both directions: what is read can be written, and is read again as the same.
//!
//! ```text
//! API u8 (index) · version u8 (from the first) · direction u8 · body
//! ```

use std::fmt::Debug;

use bytes::Bytes;
use net::wire::{self, ApiKey, Message, Reader, Writer};

use crate::{Reached, input::Input};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Request,
    Response,
}

struct Api {
    key: ApiKey,
    request: fn(Bytes, i16) -> Reached,
    response: fn(Bytes, i16) -> Reached,
    /// The broker's way: what follows the last field is nobody's.
    is_request: fn(Reader, i16) -> bool,
}

macro_rules! apis {
    ($($file:ident $request:ident $response:ident;)*) => {
        const APIS: &[Api] = &[$(Api {
            key: <wire::$file::$request as Message>::API,
            request: survives::<wire::$file::$request>,
            response: survives::<wire::$file::$response>,
            is_request: |mut reader, version| wire::$file::$request::decode_first(&mut reader, version).is_ok(),
        },)*];
    };
}

apis! {
    alter_configs AlterConfigsRequest AlterConfigsResponse;
    api_versions ApiVersionsRequest ApiVersionsResponse;
    consumer_group_describe ConsumerGroupDescribeRequest ConsumerGroupDescribeResponse;
    consumer_group_heartbeat ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeatResponse;
    create_partitions CreatePartitionsRequest CreatePartitionsResponse;
    create_topics CreateTopicsRequest CreateTopicsResponse;
    delete_groups DeleteGroupsRequest DeleteGroupsResponse;
    delete_records DeleteRecordsRequest DeleteRecordsResponse;
    delete_topics DeleteTopicsRequest DeleteTopicsResponse;
    describe_cluster DescribeClusterRequest DescribeClusterResponse;
    describe_configs DescribeConfigsRequest DescribeConfigsResponse;
    describe_groups DescribeGroupsRequest DescribeGroupsResponse;
    describe_log_dirs DescribeLogDirsRequest DescribeLogDirsResponse;
    describe_producers DescribeProducersRequest DescribeProducersResponse;
    describe_topic_partitions DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse;
    elect_leaders ElectLeadersRequest ElectLeadersResponse;
    fetch FetchRequest FetchResponse;
    find_coordinator FindCoordinatorRequest FindCoordinatorResponse;
    get_telemetry_subscriptions GetTelemetrySubscriptionsRequest GetTelemetrySubscriptionsResponse;
    heartbeat HeartbeatRequest HeartbeatResponse;
    incremental_alter_configs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse;
    init_producer_id InitProducerIdRequest InitProducerIdResponse;
    join_group JoinGroupRequest JoinGroupResponse;
    leave_group LeaveGroupRequest LeaveGroupResponse;
    list_config_resources ListConfigResourcesRequest ListConfigResourcesResponse;
    list_groups ListGroupsRequest ListGroupsResponse;
    list_offsets ListOffsetsRequest ListOffsetsResponse;
    list_partition_reassignments ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse;
    metadata MetadataRequest MetadataResponse;
    offset_commit OffsetCommitRequest OffsetCommitResponse;
    offset_delete OffsetDeleteRequest OffsetDeleteResponse;
    offset_fetch OffsetFetchRequest OffsetFetchResponse;
    offset_for_leader_epoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse;
    produce ProduceRequest ProduceResponse;
    push_telemetry PushTelemetryRequest PushTelemetryResponse;
    sync_group SyncGroupRequest SyncGroupResponse;
    update_features UpdateFeaturesRequest UpdateFeaturesResponse;
}

pub fn run(bytes: &[u8]) -> Reached {
    let mut input = Input::new(bytes);
    let api = &APIS[usize::from(input.u8()) % APIS.len()];
    let versions = api.key.versions();
    let count = versions.end() - versions.start() + 1;
    let version = versions.start() + i16::from(input.u8()) % count;
    let check = if input.u8().is_multiple_of(2) { api.request } else { api.response };
    check(Bytes::copy_from_slice(input.rest()), version)
}

/// The input that stands for these bytes of a message; none for an API that is not known.
pub fn input(name: &str, version: i16, direction: Direction, body: &[u8]) -> Option<Vec<u8>> {
    let index = APIS.iter().position(|api| api.key.name() == name)?;
    let first = *APIS[index].key.versions().start();
    Some([&[index as u8, (version - first) as u8, direction as u8], body].concat())
}

pub fn is_request_body(key: ApiKey, version: i16, reader: Reader) -> bool {
    APIS.iter().find(|api| api.key == key).is_some_and(|api| (api.is_request)(reader, version))
}

fn survives<M: Message + PartialEq + Debug>(body: Bytes, version: i16) -> Reached {
    let Ok(message) = M::decode(&mut Reader::new(body), version) else { return Reached::Refused };
    let again = encode(&message, version);
    let read = M::decode(&mut Reader::new(again.clone()), version).expect("what was written can be read");
    assert_eq!(read, message, "version {version}");
    assert_eq!(encode(&read, version), again, "version {version}: {message:?}");
    Reached::Taken
}

fn encode<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect("what was read in a version can be written in it");
    Bytes::from(writer.finish_in_memory().expect("within the frame's limit").concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_of_the_codec_is_fuzzed() {
        let fuzzed = |key: &ApiKey| APIS.iter().any(|api| api.key == *key);
        assert_eq!(ApiKey::ALL.iter().filter(|key| !fuzzed(key)).collect::<Vec<_>>(), [] as [&ApiKey; 0]);
    }
}
