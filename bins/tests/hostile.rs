//! What a hostile, broken or slow peer can do to the broker over a real socket: get its own connection closed, and nothing else.

mod broker;

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use broker::{Broker, PATIENCE, frame, is_closed, receive, send, start, start_with_descriptors};
use engine::record::{BatchBuilder, Codec, RecordData};
use net::wire::{
    ApiKey, Records, RequestHeader, Writer,
    api_versions::{ApiVersionsRequest, ApiVersionsResponse},
    create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse},
    fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic},
    incremental_alter_configs::{
        AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse,
    },
    list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic},
    metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
    produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData},
};

const TOPIC: &str = "orders";

fn software() -> ApiVersionsRequest {
    ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() }
}

/// The broker answers others as if nothing had happened.
fn is_well(broker: &Broker) {
    assert_eq!(broker.ask(&software(), 3).error_code, 0);
}

fn make_topic(broker: &Broker) {
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let response = broker.ask(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
    assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
}

fn batch(value: &[u8]) -> Records {
    let mut builder = BatchBuilder::new(Codec::None, 2 << 20);
    let record = RecordData { value: Some(value), ..RecordData::default() };
    assert!(builder.push(record));
    builder.build().expect("a batch").into()
}

fn produce(value: &[u8], acks: i16) -> ProduceRequest {
    let partition = PartitionProduceData { index: 0, records: Some(batch(value)) };
    let topic =
        TopicProduceData { name: TOPIC.into(), partition_data: vec![partition], ..Default::default() };
    ProduceRequest { acks, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() }
}

fn fetch(offset: i64, wait_ms: i32) -> FetchRequest {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_wait_ms: wait_ms, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

fn metadata() -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
    MetadataRequest { topics: Some(vec![topic]), ..Default::default() }
}

fn list_offsets() -> ListOffsetsRequest {
    let partition = ListOffsetsPartition { timestamp: -1, ..Default::default() };
    let topic = ListOffsetsTopic { name: TOPIC.into(), partitions: vec![partition] };
    ListOffsetsRequest { topics: vec![topic], ..Default::default() }
}

#[test]
fn answers_come_in_request_order_and_records_are_appended_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    make_topic(&broker);
    let mut stream = broker.connect();
    // All at once, and the first is the slowest: a long poll for a record that comes after it on the same connection.
    let mut bytes = frame(&fetch(0, 1000), 11, 0);
    for round in 0..100 {
        bytes.extend(frame(&produce(&[round as u8; 100], -1), 9, 1 + 3 * round));
        bytes.extend(frame(&software(), 3, 2 + 3 * round));
        bytes.extend(frame(&metadata(), 12, 3 + 3 * round));
    }
    stream.write_all(&bytes).unwrap();
    let first: FetchResponse = receive(&mut stream, 11, 0);
    assert_eq!(first.responses[0].partitions[0].error_code, 0);
    for round in 0..100 {
        let produced: ProduceResponse = receive(&mut stream, 9, 1 + 3 * round);
        let partition = &produced.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, i64::from(round)));
        receive::<ApiVersionsResponse>(&mut stream, 3, 2 + 3 * round);
        receive::<MetadataResponse>(&mut stream, 12, 3 + 3 * round);
    }
}

#[test]
fn acks_0_is_not_answered_and_its_failure_closes_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    make_topic(&broker);
    let mut stream = broker.connect();
    send(&mut stream, &produce(b"silent", 0), 9, 1);
    send(&mut stream, &software(), 3, 2);
    receive::<ApiVersionsResponse>(&mut stream, 3, 2);
    let mut unknown = produce(b"lost", 0);
    unknown.topic_data[0].name = "nowhere".into();
    send(&mut stream, &unknown, 9, 3);
    assert!(is_closed(&mut stream));
    is_well(&broker);
}

#[test]
fn a_version_or_an_api_that_is_not_served_is_refused_as_kafka_does() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    let mut stream = broker.connect();
    let unserved = |api_key: i16, api_version: i16| {
        let mut writer = Writer::framed();
        let header = RequestHeader { api_key, api_version, correlation_id: 9, client_id: None };
        header.encode(&mut writer).unwrap();
        writer.slice(&[0; 20]);
        writer.finish_in_memory().unwrap().concat()
    };
    stream.write_all(&unserved(ApiKey::ApiVersions.code(), 99)).unwrap();
    let response: ApiVersionsResponse = receive(&mut stream, 0, 9);
    assert_eq!(response.error_code, 35);
    assert!(response.api_keys.iter().any(|range| range.api_key == ApiKey::ApiVersions.code()));
    // The connection is still good: the client comes down.
    send(&mut stream, &software(), 3, 10);
    receive::<ApiVersionsResponse>(&mut stream, 3, 10);

    for (key, version) in [(0, 2), (0, 99), (3, 99), (1, -1), (4, 0), (999, 0), (-1, 0), (i16::MAX, i16::MAX)]
    {
        let mut stream = broker.connect();
        stream.write_all(&unserved(key, version)).unwrap();
        assert!(is_closed(&mut stream), "{key} {version}");
    }
    is_well(&broker);
}

#[test]
fn a_length_out_of_bounds_closes_the_connection_and_takes_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    for length in [-1, i32::MIN, 0, 7, 100 * 1024 * 1024 + 1, i32::MAX] {
        let mut stream = broker.connect();
        stream.write_all(&length.to_be_bytes()).unwrap();
        assert!(is_closed(&mut stream), "{length}");
    }
    let before = broker.resident_bytes();
    let mut announced = Vec::new();
    for _ in 0..50 {
        let mut stream = broker.connect();
        // As large as allowed, and then nothing.
        stream.write_all(&(100 * 1024 * 1024i32).to_be_bytes()).unwrap();
        stream.write_all(&[0; 100]).unwrap();
        announced.push(stream);
    }
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for requests that never came");
}

#[test]
fn random_bytes_and_cut_off_requests_hurt_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    make_topic(&broker);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..100 {
        let mut stream = broker.connect();
        let bytes: Vec<u8> = (0..random.usize(1..5000)).map(|_| random.u8(..)).collect();
        // The broker may be done with it before all is written.
        let _ = stream.write_all(&bytes);
    }
    let whole = frame(&produce(b"whole", -1), 9, 1);
    for length in 0..whole.len() {
        broker.connect().write_all(&whole[..length]).unwrap();
    }
    is_well(&broker);
}

#[test]
fn requests_with_any_byte_changed_are_answered_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    make_topic(&broker);
    let requests = [
        frame(&produce(b"value", -1), 9, 1),
        frame(&fetch(0, 0), 12, 1),
        frame(&metadata(), 12, 1),
        frame(&list_offsets(), 6, 1),
        frame(&software(), 3, 1),
    ];
    let mut random = fastrand::Rng::with_seed(11);
    for whole in &requests {
        // Not the length: that only makes the broker wait for more.
        for position in 4..whole.len() {
            let mut changed = whole.clone();
            changed[position] ^= 1 << random.u8(..8);
            if random.bool() {
                changed[position] = random.u8(..);
            }
            let mut stream = broker.connect();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(&changed).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
        }
    }
    is_well(&broker);
}

#[test]
fn a_reader_that_does_not_read_stops_only_itself_and_its_answers_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    make_topic(&broker);
    let value = vec![7; 900 << 10];
    for _ in 0..8 {
        let produced = broker.ask(&produce(&value, -1), 9);
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    }
    let before = broker.resident_bytes();
    let mut slow = broker.connect();
    let mut bytes = Vec::new();
    for correlation in 0..500 {
        bytes.extend(frame(&fetch(correlation as i64 % 8, 0), 11, correlation));
    }
    slow.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    // 450 MB of answers are asked for, and none is read.
    let _ = slow.write_all(&bytes);
    let began = Instant::now();
    for _ in 0..20 {
        is_well(&broker);
        broker.ask(&produce(b"small", -1), 9);
    }
    assert!(began.elapsed() < PATIENCE / 2, "others waited {:?}", began.elapsed());
    let grown = broker.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes of answers are held for one reader");
    // It is served as soon as it reads.
    let response: FetchResponse = receive(&mut slow, 11, 0);
    assert!(!response.responses[0].partitions[0].records.clone().unwrap().is_empty());
}

#[test]
fn more_connections_than_allowed_wait_until_a_place_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &["-o", "max.connections=3"]);
    let mut streams: Vec<_> = (0..3).map(|_| broker.connect()).collect();
    for stream in &mut streams {
        send(stream, &software(), 3, 1);
        receive::<ApiVersionsResponse>(stream, 3, 1);
    }
    let mut waiting = broker.connect();
    send(&mut waiting, &software(), 3, 1);
    waiting.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(waiting.read(&mut [0; 1]).is_err(), "no place, and yet an answer or an end");
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(streams);
    receive::<ApiVersionsResponse>(&mut waiting, 3, 1);
}

#[test]
fn an_address_with_too_many_connections_loses_the_next_one_and_others_do_not() {
    let directory = tempfile::tempdir().unwrap();
    // Over IPv4 the peer is ::ffff:127.0.0.1 there.
    let flags = ["--listen", "[::]:0", "-o", "max.connections.per.ip.overrides=127.0.0.1:2"];
    let mut broker = start(directory.path(), &flags);
    broker.address.set_ip([127, 0, 0, 1].into());
    let mut streams: Vec<_> = (0..2).map(|_| broker.connect()).collect();
    for stream in &mut streams {
        send(stream, &software(), 3, 1);
        receive::<ApiVersionsResponse>(stream, 3, 1);
    }
    assert!(is_closed(&mut broker.connect()));
    broker.address.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
    is_well(&broker);
}

#[test]
fn new_connections_come_at_the_given_rate_and_wait_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &["-o", "max.connection.creation.rate=10"]);
    let began = Instant::now();
    for _ in 0..15 {
        is_well(&broker);
    }
    assert!(began.elapsed() >= Duration::from_millis(400), "15 took {:?}", began.elapsed());
}

#[test]
fn a_limit_of_connections_changes_while_the_broker_runs() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &["-o", "max.connections.per.ip=2"]);
    let mut first = broker.connect();
    let config = AlterableConfig {
        name: "max.connections.per.ip".into(),
        value: Some("3".into()),
        ..Default::default()
    };
    let resource = AlterConfigsResource { resource_type: 4, resource_name: "".into(), configs: vec![config] };
    let alter = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    send(&mut first, &alter, 1, 1);
    let altered: IncrementalAlterConfigsResponse = receive(&mut first, 1, 1);
    assert_eq!(altered.responses[0].error_code, 0, "{:?}", altered.responses[0].error_message);
    let mut more: Vec<_> = (0..2).map(|_| broker.connect()).collect();
    for stream in &mut more {
        send(stream, &software(), 3, 1);
        receive::<ApiVersionsResponse>(stream, 3, 1);
    }
    assert!(is_closed(&mut broker.connect()));
}

/// With every descriptor that connections may have in use: one more is closed, the others go on, files can be opened.
#[test]
fn connections_leave_descriptors_for_files() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start_with_descriptors(directory.path(), 512);
    let mut crowd = Vec::new();
    let refused = loop {
        let mut stream = broker.connect();
        stream.write_all(&frame(&software(), 3, 1)).unwrap();
        let mut length = [0; 4];
        match stream.read_exact(&mut length) {
            Ok(()) => crowd.push(stream),
            Err(_) => break true,
        }
        if crowd.len() >= 512 {
            break false;
        }
    };
    assert!(refused && crowd.len() >= 32, "{} connections", crowd.len());
    let mut stream = crowd.pop().unwrap();
    let mut rest = vec![0; 4096];
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let _ = stream.read(&mut rest);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let topic = CreatableTopic {
        name: TOPIC.into(),
        num_partitions: 100,
        replication_factor: 1,
        ..Default::default()
    };
    send(
        &mut stream,
        &CreateTopicsRequest { topics: vec![topic], timeout_ms: 5000, ..Default::default() },
        7,
        2,
    );
    let created: CreateTopicsResponse = receive(&mut stream, 7, 2);
    assert_eq!(created.topics[0].error_code, 0);
    let records = batch(b"a file for each");
    let partition = |index| PartitionProduceData { index, records: Some(records.clone()) };
    let topic = TopicProduceData {
        name: TOPIC.into(),
        partition_data: (0..100).map(partition).collect(),
        ..Default::default()
    };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
    send(&mut stream, &request, 9, 3);
    let produced: ProduceResponse = receive(&mut stream, 9, 3);
    let failed = produced.responses[0].partition_responses.iter().find(|partition| partition.error_code != 0);
    assert_eq!(failed, None);
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &["-o", "connections.max.idle.ms=100"]);
    let began = Instant::now();
    let mut stream = broker.connect();
    assert!(is_closed(&mut stream));
    assert!(began.elapsed() >= Duration::from_millis(100));
    is_well(&broker);
}

#[test]
fn readers_that_take_nothing_are_ended_when_their_answers_fill_the_memory_and_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    make_topic(&broker);
    let value = vec![7; 900 << 10];
    for _ in 0..8 {
        let produced = broker.ask(&produce(&value, -1), 9);
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    }
    let mut pipelined = Vec::new();
    for correlation in 0..200 {
        pipelined.extend(frame(&fetch(correlation as i64 % 8, 0), 11, correlation));
    }
    // So many that on one core at least they take all there is.
    let stalled: Vec<_> = (0..16)
        .map(|_| {
            let mut stream = broker.connect();
            stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            let _ = stream.write_all(&pipelined);
            stream
        })
        .collect();
    // Long before a stalled frame would be reason enough.
    let deadline = Instant::now() + PATIENCE / 2;
    // The end shows when more is written than the broker's side takes: a reset. Nothing is read, which would count as taking.
    let is_cut = |mut stream: &std::net::TcpStream| {
        let sent = stream.write(&[0; 1]);
        sent.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
    };
    while !stalled.iter().any(is_cut) {
        assert!(Instant::now() < deadline, "nobody was ended");
        let mut stream = broker.connect();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        // A pause: nothing was asked, so nothing comes.
        let _ = stream.read(&mut [0; 1]);
        is_well(&broker);
    }
}
