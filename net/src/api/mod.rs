//! The APIs, one file each: versions, behaviour and KIPs on top, then the handler. This file finds the handler for a frame.
//! Lives on the connection's core; whatever belongs to another core is asked of it through the node.

mod alter_configs;
mod api_versions;
mod clients;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod elect_leaders;
mod fetch;
mod fetch_lease;
mod fetch_parts;
mod fetch_sessions;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod known;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod loggers;
pub mod measure;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod options;
mod produce;
mod push_telemetry;
mod resources;
mod split;
mod sync_group;
mod update_features;

use std::{
    any::Any, cell::RefCell, future::Future, io, net::SocketAddr, os::fd::AsRawFd, rc::Rc, sync::Arc,
    task::Waker,
};

use bytes::Bytes;
use engine::{
    base::{CoreId, NodeId, TopicId},
    config::Overrides,
    controller::{Instruction, Outcome, topic_id_from_random},
    error::{ErrorCode, Refusal},
    op::FileRange,
    shard::command::{Command, Reply},
};

use crate::{
    conn::{Answer, Extent, Kind, Memory, Passed, Peer, SendRange, SendSlices, Serve, Started, Told},
    node::Node,
    wire::{
        ApiKey, Message, Reader, RequestHeader, Text, WireError,
        list_partition_reassignments::ListPartitionReassignmentsRequest, told_frame,
    },
};
use clients::Clients;
use fetch_sessions::FetchSessions;
pub use fetch_sessions::{PARTITION_BYTES as FETCH_SESSION_PARTITION_BYTES, SessionLimits};
pub use find_coordinator::OffsetsTopic;
use init_producer_id::ProducerIds;
pub use loggers::{LogLevel, Loggers, ROOT as ROOT_LOGGER};
use measure::Measures;

/// What is served, and so what ApiVersions tells. The codec knows more.
const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::ListPartitionReassignments,
    ApiKey::DeleteGroups,
    ApiKey::OffsetDelete,
    ApiKey::UpdateFeatures,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::ListConfigResources,
    ApiKey::DescribeTopicPartitions,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ConsumerGroupDescribe,
];

/// Served and told of with `--client-telemetry`.
const TELEMETRY: [ApiKey; 2] = [ApiKey::GetTelemetrySubscriptions, ApiKey::PushTelemetry];

/// Whether clients may push their metrics (KIP-714).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telemetry {
    Off,
    On,
}

/// Read, write, create, delete, alter, describe, describe and alter configs: all that a topic has (KIP-430), one bit each by its
/// number. Without an authorizer everybody may do everything.
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// Create, alter, describe, cluster action, describe and alter configs, idempotent write.
const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;
/// What is answered when nobody asked.
const OPERATIONS_UNASKED: i32 = i32::MIN;

/// Metadata is decided on this core.
const CONTROLLER: CoreId = CoreId(0);

/// What this broker tells about itself, and the options that bind handlers. Fixed at start.
#[derive(Clone, Debug)]
pub struct Broker {
    /// From meta.properties.
    pub cluster_id: Text,
    pub node: NodeId,
    /// Where clients shall connect (`advertised.listeners`).
    pub host: Text,
    pub port: u16,
    /// `broker.rack`
    pub rack: Option<Text>,
    /// `auto.create.topics.enable`
    pub auto_create_topics: bool,
    /// `delete.topic.enable`
    pub delete_topics: bool,
    /// `fetch.max.bytes`
    pub fetch_bytes_max: u32,
    /// One core's and listener's share of `max.incremental.fetch.session.cache.slots`, and of memory.
    pub fetch_sessions: SessionLimits,
    /// `max.request.partition.size.limit`
    pub described_partitions_max: usize,
    /// `telemetry.max.bytes`; none: clients push no metrics here.
    pub telemetry_bytes_max: Option<usize>,
    /// Where all is stored, as an absolute path.
    pub data_dir: Text,
    pub offsets_topic: OffsetsTopic,
    /// What the broker was started with, for those who ask for its options.
    pub options: Arc<Overrides>,
    pub loggers: Arc<dyn Loggers>,
}

/// The handlers of one core.
pub struct Api {
    node: Rc<Node>,
    broker: Broker,
    producer_ids: RefCell<ProducerIds>,
    sessions: RefCell<FetchSessions>,
    clients: Clients,
    measures: RefCell<Measures>,
    memory: Memory,
}

impl Api {
    /// `memory`: the core's, for all its listeners.
    pub fn new(node: Rc<Node>, broker: Broker, memory: Memory) -> Rc<Api> {
        let sessions = RefCell::new(FetchSessions::new(node.core(), broker.fetch_sessions));
        let (producer_ids, measures, clients) = Default::default();
        Rc::new(Api { node, broker, producer_ids, sessions, clients, measures, memory })
    }

    pub fn node(&self) -> &Rc<Node> {
        &self.node
    }

    /// Reads the clock, for `mono_ns`.
    pub fn look_at_clock(&self) -> u64 {
        self.node.now().mono_ns
    }

    async fn control(&self, instruction: Instruction) -> Outcome {
        match self.node.call(CONTROLLER, Command::Control(instruction)).await {
            Reply::Controlled(outcome) => outcome,
            _ => Outcome::Refused(Refusal::new(
                ErrorCode::UnknownServerError,
                "The controller gave no outcome.",
            )),
        }
    }

    fn telemetry(&self) -> Telemetry {
        if self.broker.telemetry_bytes_max.is_some() { Telemetry::On } else { Telemetry::Off }
    }

    fn random_topic_id(&self) -> TopicId {
        topic_id_from_random(self.node.random())
    }

    fn dispatch(self: &Rc<Self>, peer: Peer, reader: &mut Reader) -> Result<Started, String> {
        let header =
            RequestHeader::decode(reader).map_err(|error| format!("a malformed request header: {error}"))?;
        let RequestHeader { api_version: version, correlation_id: correlation, .. } = header;
        let Some(key) = header.api() else {
            return Err(format!("API key {} is not served here", header.api_key));
        };
        if !key.serves(version) {
            if key == ApiKey::ApiVersions {
                let response = api_versions::unsupported(self.telemetry());
                return Ok(Started::Ready(reply(&response, 0, correlation)));
            }
            return Err(format!("version {version} of {} is not served here", key.name()));
        }
        let started = match key {
            ApiKey::ApiVersions => read(reader, version).map(|request| {
                let telemetry = self.telemetry();
                if telemetry == Telemetry::On {
                    self.clients.met(peer.address, &request);
                }
                let answer = |image: &_| api_versions::answer(image, &request, version, telemetry);
                ready(&self.node.with_image(answer), version, correlation)
            }),
            ApiKey::GetTelemetrySubscriptions | ApiKey::PushTelemetry
                if self.telemetry() == Telemetry::Off =>
            {
                return Err(format!("{} is served with --client-telemetry only", key.name()));
            }
            ApiKey::GetTelemetrySubscriptions => read(reader, version).map(|request| {
                let asking = self.clients.asking(peer.address, header.client_id.as_ref());
                let response = get_telemetry_subscriptions::handle(self.clone(), request, asking);
                later(response, version, correlation)
            }),
            ApiKey::PushTelemetry => read(reader, version).map(|request| {
                let asking = self.clients.asking(peer.address, header.client_id.as_ref());
                later(push_telemetry::handle(self.clone(), request, asking), version, correlation)
            }),
            ApiKey::FindCoordinator => read(reader, version).map(|request| {
                later(find_coordinator::handle(self.clone(), request, version), version, correlation)
            }),
            ApiKey::JoinGroup => read(reader, version).map(|request| {
                let client = groups::client(header.client_id.as_ref(), peer.address.ip());
                later(join_group::handle(self.clone(), request, version, client), version, correlation)
            }),
            ApiKey::ConsumerGroupHeartbeat => read(reader, version).map(|request| {
                let client = groups::client(header.client_id.as_ref(), peer.address.ip());
                let response = consumer_group_heartbeat::handle(self.clone(), request, version, client);
                later(response, version, correlation)
            }),
            ApiKey::ConsumerGroupDescribe => read(reader, version).map(|request| {
                later(consumer_group_describe::handle(self.clone(), request), version, correlation)
            }),
            ApiKey::SyncGroup => read(reader, version).map(|request| {
                later(sync_group::handle(self.clone(), request, version), version, correlation)
            }),
            ApiKey::Heartbeat => read(reader, version)
                .map(|request| later(heartbeat::handle(self.clone(), request), version, correlation)),
            ApiKey::LeaveGroup => read(reader, version).map(|request| {
                later(leave_group::handle(self.clone(), request, version), version, correlation)
            }),
            ApiKey::OffsetCommit => read(reader, version).map(|request| {
                later(offset_commit::handle(self.clone(), request, version), version, correlation)
            }),
            ApiKey::OffsetFetch => read(reader, version).map(|request| {
                later(offset_fetch::handle(self.clone(), request, version), version, correlation)
            }),
            ApiKey::OffsetDelete => read(reader, version)
                .map(|request| later(offset_delete::handle(self.clone(), request), version, correlation)),
            ApiKey::DescribeGroups => read(reader, version).map(|request| {
                later(describe_groups::handle(self.clone(), request, version), version, correlation)
            }),
            ApiKey::ListGroups => read(reader, version)
                .map(|request| later(list_groups::handle(self.clone(), request), version, correlation)),
            ApiKey::DeleteGroups => read(reader, version)
                .map(|request| later(delete_groups::handle(self.clone(), request), version, correlation)),
            ApiKey::Produce => read(reader, version)
                .map(|request| running(produce::handle(self.clone(), request, version, correlation))),
            ApiKey::Fetch => read(reader, version)
                .map(|request| running(fetch::handle(self.clone(), request, version, correlation, peer))),
            ApiKey::ListOffsets => read(reader, version)
                .map(|request| running(list_offsets::handle(self.clone(), request, version, correlation))),
            ApiKey::Metadata => read(reader, version)
                .map(|request| later(metadata::handle(self.clone(), request, version), version, correlation)),
            ApiKey::CreateTopics => read(reader, version)
                .map(|request| later(create_topics::handle(self.clone(), request), version, correlation)),
            ApiKey::DeleteTopics => read(reader, version).map(|request| {
                later(delete_topics::handle(self.clone(), request, version), version, correlation)
            }),
            ApiKey::DeleteRecords => read(reader, version)
                .map(|request| later(delete_records::handle(self.clone(), request), version, correlation)),
            ApiKey::InitProducerId => read(reader, version)
                .map(|request| later(init_producer_id::handle(self.clone(), request), version, correlation)),
            ApiKey::OffsetForLeaderEpoch => read(reader, version).map(|request| {
                later(offset_for_leader_epoch::handle(self.clone(), request), version, correlation)
            }),
            ApiKey::DescribeConfigs => read(reader, version).map(|request| {
                ready(&describe_configs::answer(self, &request, version), version, correlation)
            }),
            ApiKey::AlterConfigs => read(reader, version)
                .map(|request| later(alter_configs::handle(self.clone(), request), version, correlation)),
            ApiKey::CreatePartitions => read(reader, version)
                .map(|request| later(create_partitions::handle(self.clone(), request), version, correlation)),
            ApiKey::IncrementalAlterConfigs => read(reader, version).map(|request| {
                later(incremental_alter_configs::handle(self.clone(), request), version, correlation)
            }),
            ApiKey::DescribeLogDirs => read(reader, version)
                .map(|request| later(describe_log_dirs::handle(self.clone(), request), version, correlation)),
            ApiKey::DescribeProducers => read(reader, version).map(|request| {
                later(describe_producers::handle(self.clone(), request), version, correlation)
            }),
            ApiKey::ElectLeaders => read(reader, version).map(|request| {
                let response = self.node.with_image(|image| elect_leaders::answer(image, request));
                ready(&response, version, correlation)
            }),
            ApiKey::ListPartitionReassignments => read::<ListPartitionReassignmentsRequest>(reader, version)
                .map(|_| ready(&list_partition_reassignments::answer(), version, correlation)),
            ApiKey::ListConfigResources => read(reader, version).map(|request| {
                let answer =
                    |image: &_| list_config_resources::answer(image, &self.broker, &request, version);
                ready(&self.node.with_image(answer), version, correlation)
            }),
            ApiKey::DescribeTopicPartitions => read(reader, version).map(|request| {
                let answer = |image: &_| describe_topic_partitions::answer(image, &self.broker, &request);
                ready(&self.node.with_image(answer), version, correlation)
            }),
            ApiKey::UpdateFeatures => read(reader, version).map(|request| {
                later(update_features::handle(self.clone(), request, version), version, correlation)
            }),
            ApiKey::DescribeCluster => read(reader, version).map(|request| {
                ready(&describe_cluster::answer(&self.broker, &request), version, correlation)
            }),
        };
        started.map_err(|error| format!("a malformed {} request of version {version}: {error}", key.name()))
    }
}

impl Serve for Api {
    fn start(self: &Rc<Self>, peer: Peer, request: Bytes) -> (Started, usize) {
        let mut reader = Reader::bounded(request, self.memory.decoded_bytes_max);
        let started = self.dispatch(peer, &mut reader);
        let started = started.unwrap_or_else(|reason| Started::Ready(Answer::Close(reason)));
        (started, reader.decoded_bytes())
    }

    fn ended(&self, peer: SocketAddr) {
        self.clients.gone(peer);
    }

    fn core(&self) -> CoreId {
        self.node.core()
    }

    fn parted(&self, peer: SocketAddr) -> Box<dyn Any + Send> {
        self.take_known(peer)
    }

    fn met(&self, peer: SocketAddr, known: Box<dyn Any + Send>) {
        self.put_known(peer, known);
    }

    fn admits(&self, waker: &Waker) -> bool {
        self.node.admits(waker)
    }

    fn mono_ns(&self) -> u64 {
        self.node.seen_ns()
    }

    fn clock_ns(&self) -> u64 {
        self.node.clock_ns()
    }

    fn kind(&self, request: &Bytes) -> Kind {
        measure::kind(request)
    }

    fn extent(&self, kind: Kind) -> Extent {
        measure::extent(kind)
    }

    fn send_range(&self, range: &FileRange, socket: &dyn AsRawFd) -> io::Result<Box<dyn SendRange>> {
        self.node.send_range(range, socket)
    }

    fn send_slices(&self, socket: &dyn AsRawFd) -> io::Result<Box<dyn SendSlices>> {
        self.node.send_slices(socket)
    }

    fn passed(&self, kind: Kind, passed: Passed<'_>) {
        self.measures.borrow_mut().passed(kind, passed);
    }
}

/// Bytes behind the last field are ignored, as Apache Kafka does: librdkafka 2.16 asks for all topics in a Metadata request of
/// version 13 that is three bytes too long.
fn read<M: Message>(reader: &mut Reader, version: i16) -> Result<M, WireError> {
    M::decode_first(reader, version)
}

fn reply<M: Message>(response: &M, version: i16, correlation: i32) -> Answer {
    match told_frame(response, version, correlation) {
        Ok((chunks, errors)) => Answer::Reply(chunks, Told { errors, ..Told::default() }),
        Err(error) => Answer::Close(format!("the answer to {} cannot be written: {error}", M::API.name())),
    }
}

fn ready<M: Message>(response: &M, version: i16, correlation: i32) -> Started {
    Started::Ready(reply(response, version, correlation))
}

fn running(answer: impl Future<Output = Answer> + 'static) -> Started {
    Started::Running(Box::pin(answer))
}

fn later<M: Message>(response: impl Future<Output = M> + 'static, version: i16, correlation: i32) -> Started {
    running(async move { reply(&response.await, version, correlation) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{
        base::{LeaderEpoch, OwnerEpoch, PartitionIndex},
        controller::{Image, MetadataRecord, PartitionRecord},
    };

    /// Topics by name, with so many partitions.
    pub(super) fn image_of(topics: &[(&str, i32)]) -> Image {
        let mut image = Image::default();
        for (number, (name, partitions)) in (1u8..).zip(topics) {
            let id = TopicId([number; 16]);
            image.apply(&MetadataRecord::Topic { id, name: (*name).to_owned() }).expect("a new topic");
            for index in (0..*partitions).map(PartitionIndex) {
                let record = PartitionRecord {
                    topic: id,
                    index,
                    leader: NodeId(1),
                    leader_epoch: LeaderEpoch(0),
                    partition_epoch: 0,
                    core: CoreId(0),
                    owner_epoch: OwnerEpoch(0),
                    replicas: vec![NodeId(1)],
                    isr: vec![NodeId(1)],
                };
                image.apply(&MetadataRecord::Partition(record)).expect("the next partition");
            }
        }
        image
    }

    pub(super) fn broker() -> Broker {
        Broker {
            cluster_id: "c".into(),
            node: NodeId(1),
            host: "localhost".into(),
            port: 9092,
            rack: None,
            auto_create_topics: true,
            delete_topics: true,
            fetch_bytes_max: 1 << 20,
            fetch_sessions: SessionLimits::default(),
            described_partitions_max: 2000,
            telemetry_bytes_max: None,
            data_dir: "/data".into(),
            offsets_topic: OffsetsTopic {
                partitions: 50,
                replication_factor: None,
                segment_bytes: 100 << 20,
            },
            options: Arc::default(),
            loggers: Arc::<loggers::tests::Remembered>::default(),
        }
    }
}
