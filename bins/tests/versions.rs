//! Every version that the broker tells of is answered in that version, end to end.

mod broker;
#[path = "versions/consumer_groups.rs"]
mod consumer_groups;
#[path = "versions/groups.rs"]
mod groups;

use broker::{Broker, receive, send, start};
use engine::{
    base::TopicId,
    record::{BatchBuilder, Codec, RecordData},
};
use net::wire::{
    ApiKey, Records, Request,
    alter_configs::{AlterConfigsRequest, AlterConfigsResource},
    api_versions::ApiVersionsRequest,
    create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic},
    create_topics::{CreatableTopic, CreateTopicsRequest},
    delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic},
    delete_topics::{DeleteTopicState, DeleteTopicsRequest},
    describe_cluster::DescribeClusterRequest,
    describe_configs::{DescribeConfigsRequest, DescribeConfigsResource},
    describe_log_dirs::DescribeLogDirsRequest,
    describe_producers::{DescribeProducersRequest, TopicRequest},
    describe_topic_partitions::DescribeTopicPartitionsRequest,
    elect_leaders::{ElectLeadersRequest, TopicPartitions},
    fetch::{FetchPartition, FetchRequest, FetchTopic},
    incremental_alter_configs::{self, IncrementalAlterConfigsRequest},
    init_producer_id::InitProducerIdRequest,
    list_config_resources::ListConfigResourcesRequest,
    list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
    list_partition_reassignments::ListPartitionReassignmentsRequest,
    metadata::{MetadataRequest, MetadataRequestTopic},
    offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic},
    produce::{PartitionProduceData, ProduceRequest, TopicProduceData},
    update_features::{FeatureUpdateKey, UpdateFeaturesRequest},
};

const TOPIC: &str = "orders";

struct Asked {
    apis: Vec<ApiKey>,
}

impl Asked {
    /// Asks in each version, over one connection, and hands the answers over.
    fn each<R: Request>(
        &mut self,
        broker: &Broker,
        request: impl Fn(i16) -> R,
        check: impl Fn(i16, R::Response),
    ) {
        let mut stream = broker.connect();
        for version in R::API.versions() {
            send(&mut stream, &request(version), version, i32::from(version));
            check(version, receive(&mut stream, version, i32::from(version)));
        }
        self.apis.push(R::API);
    }
}

fn batch() -> Records {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    assert!(builder.push(RecordData { value: Some(b"value"), ..RecordData::default() }));
    builder.build().expect("a batch").into()
}

#[test]
fn every_version_that_is_told_of_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &["-o", "group.initial.rebalance.delay.ms=0"]);
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let created = broker.ask(&CreateTopicsRequest { topics: vec![topic.clone()], ..Default::default() }, 7);
    let id = created.topics[0].topic_id;
    let id_from = |version: i16, first: i16| if version >= first { id } else { TopicId::ZERO };
    let name_until = |version: i16, last: i16| if version <= last { TOPIC } else { "" }.into();
    let mut asked = Asked { apis: Vec::new() };

    let produce = |version| {
        let partition_data = vec![PartitionProduceData { index: 0, records: Some(batch()) }];
        let topic = TopicProduceData {
            name: name_until(version, 12),
            topic_id: id_from(version, 13),
            partition_data,
        };
        ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() }
    };
    asked.each(&broker, produce, |version, response| {
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, i64::from(version) - 3));
    });
    let fetch = |version| {
        let partition = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
        let (topic, topic_id) = (name_until(version, 12), id_from(version, 13));
        let topics = vec![FetchTopic { topic, topic_id, partitions: vec![partition] }];
        FetchRequest { min_bytes: 1, max_wait_ms: 1000, topics, ..Default::default() }
    };
    asked.each(&broker, fetch, |version, response| {
        let partition = &response.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, 11), "version {version}");
        assert!(!partition.records.clone().unwrap_or_default().is_empty());
    });
    let list_offsets = |_| {
        let partition = ListOffsetsPartition { timestamp: -1, ..Default::default() };
        let topic = ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] };
        ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }
    };
    asked.each(&broker, list_offsets, |version, response| {
        let partition = &response.topics[0].partitions[0];
        let offset = partition.old_style_offsets.first().copied().unwrap_or(partition.offset);
        assert_eq!((partition.error_code, offset), (0, 11), "version {version}");
    });
    let epoch_end = |_| {
        let partition = OffsetForLeaderPartition { leader_epoch: 0, ..Default::default() };
        let topic = OffsetForLeaderTopic { topic: TOPIC.into(), partitions: vec![partition] };
        OffsetForLeaderEpochRequest { topics: vec![topic], ..Default::default() }
    };
    asked.each(&broker, epoch_end, |version, response| {
        let partition = &response.topics[0].partitions[0];
        let epoch = if version >= 1 { 0 } else { -1 };
        assert_eq!((partition.error_code, partition.leader_epoch, partition.end_offset), (0, epoch, 11));
    });
    let metadata = |_| {
        let topic = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
        MetadataRequest { topics: Some(vec![topic]), ..Default::default() }
    };
    asked.each(&broker, metadata, |version, response| {
        assert_eq!((response.topics[0].error_code, response.topics[0].partitions.len()), (0, 1));
        assert_eq!(response.topics[0].topic_id, id_from(version, 10));
    });
    groups::ask_all(&mut asked, &broker, id);
    consumer_groups::ask_all(&mut asked, &broker);
    let software = |version| {
        let name = if version >= 3 { "test" } else { "" };
        ApiVersionsRequest { client_software_name: name.into(), client_software_version: name.into() }
    };
    asked.each(&broker, software, |_, response| assert_eq!(response.error_code, 0));
    let create = |version| {
        let name = format!("made-{version}").into();
        CreateTopicsRequest { topics: vec![CreatableTopic { name, ..topic.clone() }], ..Default::default() }
    };
    asked.each(&broker, create, |_, response| assert_eq!(response.topics[0].error_code, 0));
    let delete = |version| {
        let name = format!("made-{version}");
        let mut request = DeleteTopicsRequest { timeout_ms: 1000, ..Default::default() };
        if version < 6 {
            request.topic_names = vec![name.into()];
        } else {
            request.topics = vec![DeleteTopicState { name: Some(name.into()), topic_id: TopicId::ZERO }];
        }
        request
    };
    asked.each(&broker, delete, |_, response| assert_eq!(response.responses[0].error_code, 0));
    let delete_records = |version| {
        let partition = DeleteRecordsPartition { partition_index: 0, offset: i64::from(version) + 1 };
        let topic = DeleteRecordsTopic { name: TOPIC.into(), partitions: vec![partition] };
        DeleteRecordsRequest { topics: vec![topic], timeout_ms: 1000 }
    };
    asked.each(&broker, delete_records, |version, response| {
        let partition = &response.topics[0].partitions[0];
        assert_eq!((partition.error_code, partition.low_watermark), (0, i64::from(version) + 1));
    });
    let producer_id = |_| InitProducerIdRequest { transactional_id: None, ..Default::default() };
    asked.each(&broker, producer_id, |_, response| assert_eq!(response.error_code, 0));
    let configs = |_| {
        let of = |resource_type, name: &str| DescribeConfigsResource {
            resource_type,
            resource_name: name.into(),
            configuration_keys: None,
        };
        DescribeConfigsRequest { resources: vec![of(2, TOPIC), of(4, "1")], ..Default::default() }
    };
    asked.each(&broker, configs, |_, response| {
        assert!(response.results.iter().all(|result| result.error_code == 0 && result.configs.len() > 20));
    });
    let alter = |_| {
        let (resource_type, resource_name) = (2, TOPIC.into());
        let resource = AlterConfigsResource { resource_type, resource_name, configs: Vec::new() };
        AlterConfigsRequest { resources: vec![resource], ..Default::default() }
    };
    asked.each(&broker, alter, |_, response| assert_eq!(response.responses[0].error_code, 0));
    let alter_one = |_| {
        let (name, value) = ("retention.ms".into(), Some("1000".into()));
        let config = incremental_alter_configs::AlterableConfig { name, config_operation: 0, value };
        let resource = incremental_alter_configs::AlterConfigsResource {
            resource_type: 2,
            resource_name: TOPIC.into(),
            configs: vec![config],
        };
        IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }
    };
    asked.each(&broker, alter_one, |_, response| assert_eq!(response.responses[0].error_code, 0));
    let grow = |version| {
        let topic =
            CreatePartitionsTopic { name: TOPIC.into(), count: i32::from(version) + 2, assignments: None };
        CreatePartitionsRequest { topics: vec![topic], ..Default::default() }
    };
    asked.each(&broker, grow, |_, response| assert_eq!(response.results[0].error_code, 0));
    let log_dirs = |_| DescribeLogDirsRequest { topics: None };
    asked.each(&broker, log_dirs, |version, response| {
        let [directory] = &response.results[..] else { panic!("one directory: {response:?}") };
        let topic = directory.topics.iter().find(|topic| topic.name == TOPIC).expect("the topic");
        assert!(topic.partitions.iter().any(|partition| partition.partition_size > 500));
        assert_eq!(directory.total_bytes > 0, version >= 4);
    });
    let elect = |_| {
        let topic = TopicPartitions { topic: TOPIC.into(), partitions: vec![0] };
        ElectLeadersRequest { topic_partitions: Some(vec![topic]), ..Default::default() }
    };
    asked.each(&broker, elect, |_, response| {
        assert_eq!(response.replica_election_results[0].partition_result[0].error_code, 84);
    });
    let finalize = |_| {
        let update =
            FeatureUpdateKey { feature: "group.version".into(), max_version_level: 1, ..Default::default() };
        UpdateFeaturesRequest { feature_updates: vec![update], ..Default::default() }
    };
    asked.each(&broker, finalize, |version, response| {
        assert_eq!((response.error_code, response.results.len()), (0, usize::from(version < 2)));
    });
    let moving = |_| ListPartitionReassignmentsRequest::default();
    asked
        .each(&broker, moving, |_, response| assert_eq!((response.error_code, response.topics), (0, vec![])));
    let producers = |_| {
        let topic = TopicRequest { name: TOPIC.into(), partition_indexes: vec![0] };
        DescribeProducersRequest { topics: vec![topic] }
    };
    asked.each(&broker, producers, |_, response| assert_eq!(response.topics[0].partitions[0].error_code, 0));
    asked.each(
        &broker,
        |_| ListConfigResourcesRequest::default(),
        |version, response| {
            let resources = response.config_resources.len();
            assert_eq!((response.error_code, resources > 0), (0, version > 0));
        },
    );
    let describe_topics = |_| DescribeTopicPartitionsRequest::default();
    asked.each(&broker, describe_topics, |_, response| {
        assert!(response.topics.iter().any(|topic| topic.topic_id == id && topic.error_code == 0));
    });
    asked.each(
        &broker,
        |_| DescribeClusterRequest::default(),
        |_, response| {
            assert_eq!((response.error_code, response.brokers.len()), (0, 1));
        },
    );

    let told = broker.ask(&software(3), 3).api_keys;
    for range in &told {
        let api = asked.apis.iter().find(|api| api.code() == range.api_key);
        let api = api.unwrap_or_else(|| panic!("API {} is told of and not asked here", range.api_key));
        assert_eq!(
            (range.min_version, range.max_version),
            (*api.advertised().start(), *api.advertised().end())
        );
    }
    assert_eq!(told.len(), asked.apis.len());
}
