//! A fetch session, end to end: what stays out of requests and responses, and what a reader is told whose session is gone.

mod broker;

use broker::{Broker, receive, send, start};
use engine::record::{BatchBuilder, Codec, RecordData};
use net::wire::{
    create_topics::{CreatableTopic, CreateTopicsRequest},
    fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic},
    produce::{PartitionProduceData, ProduceRequest, TopicProduceData},
};

const TOPIC: &str = "orders";
const VERSION: i16 = 12;

fn produce(broker: &Broker, partition: i32) {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    assert!(builder.push(RecordData { value: Some(b"value"), ..RecordData::default() }));
    let records = Some(builder.build().expect("a batch").into());
    let partition_data = vec![PartitionProduceData { index: partition, records }];
    let topic = TopicProduceData { name: TOPIC.into(), partition_data, ..Default::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
    let response = broker.ask(&request, 12);
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

fn partitions_told(response: &FetchResponse) -> Vec<i32> {
    response.responses.iter().flat_map(|topic| &topic.partitions).map(|told| told.partition_index).collect()
}

#[test]
fn a_session_tells_only_what_is_new_until_it_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 3, replication_factor: 1, ..Default::default() };
    broker.ask(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
    let mut stream = broker.connect();
    let mut correlation = 0;
    let mut fetch = |session_id, session_epoch, partitions: &[(i32, i64)]| -> FetchResponse {
        let partition = |&(partition, fetch_offset)| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let partitions: Vec<_> = partitions.iter().map(partition).collect();
        let topic = FetchTopic { topic: TOPIC.into(), partitions, ..Default::default() };
        let topics = if topic.partitions.is_empty() { Vec::new() } else { vec![topic] };
        let request = FetchRequest { session_id, session_epoch, topics, ..Default::default() };
        correlation += 1;
        send(&mut stream, &request, VERSION, correlation);
        receive(&mut stream, VERSION, correlation)
    };
    let full = fetch(0, 0, &[(0, 0), (1, 0), (2, 0)]);
    assert_eq!((full.error_code, partitions_told(&full)), (0, vec![0, 1, 2]));
    let id = full.session_id;
    assert!(id > 0);
    assert_eq!(partitions_told(&fetch(id, 1, &[])), []);
    produce(&broker, 1);
    assert_eq!(partitions_told(&fetch(id, 2, &[])), [1]);
    // The reader has read it and says so: there is nothing new again.
    assert_eq!(partitions_told(&fetch(id, 3, &[(1, 1)])), []);
    assert_eq!(fetch(id, 3, &[]).error_code, 71, "an epoch twice");
    assert_eq!(fetch(id, -1, &[(0, 0)]).session_id, 0);
    assert_eq!(fetch(id, 4, &[]).error_code, 70, "closed");
}
