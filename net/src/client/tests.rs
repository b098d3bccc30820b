use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use engine::base::{LeaderEpoch, Offset, Timestamp};
use engine::error::ErrorCode;
use engine::record::{BatchBuilder, Codec, RecordData, RecordError, place};

use super::*;
use crate::wire::api_versions::{ApiVersion, ApiVersionsResponse};
use crate::wire::init_producer_id::InitProducerIdResponse;
use crate::wire::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use crate::wire::produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse};
use crate::wire::{ApiKey, Message, Reader, RequestHeader, response_frame};

/// What the broker of a test does with a produce request.
#[derive(Clone, Copy)]
enum Answer {
    Code(ErrorCode),
    HangUp,
}

/// A broker of one topic `t` with two partitions, that answers produce requests as its script says, then with success.
struct Broker {
    address: String,
    /// Partition and records of every produce request that was answered with success.
    written: Receiver<(i32, Bytes)>,
}

impl Broker {
    fn start(script: Vec<Answer>) -> Broker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let port = i32::from(listener.local_addr().unwrap().port());
        let (sender, written) = channel();
        thread::spawn(move || {
            let mut script = script.into_iter();
            // One client, which has one connection for metadata and one to the leader: each is served by its own thread,
            // except that the script belongs to whoever produces; so produce requests come back through a channel.
            let (produced, requests) = channel::<(Sender<Answer>, ())>();
            thread::spawn(move || {
                for (reply, ()) in requests {
                    let _ = reply.send(script.next().unwrap_or(Answer::Code(ErrorCode::None)));
                }
            });
            for stream in listener.incoming() {
                let (sender, produced) = (sender.clone(), produced.clone());
                thread::spawn(move || serve(stream.unwrap(), port, &sender, &produced));
            }
        });
        Broker { address, written }
    }

    fn client(&self) -> Client {
        self.client_that_retries(Duration::from_secs(10))
    }

    fn client_that_retries(&self, retry_for: Duration) -> Client {
        let options = Options { timeout: Duration::from_secs(10), retry_for, ..Options::default() };
        Client::connect(&self.address, options).unwrap()
    }

    fn written(&self) -> Vec<(i32, Vec<String>)> {
        let values = |records: &Bytes| {
            let fetched = Fetched { partition: 0, high_watermark: 0, log_start: 0, records: records.clone() };
            let mut values = Vec::new();
            let each = |record: &engine::record::Record<'_>| {
                values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
                Ok::<(), RecordError>(())
            };
            fetched.read(0, each).unwrap();
            values
        };
        self.written.try_iter().map(|(partition, records)| (partition, values(&records))).collect()
    }
}

fn read_frame(stream: &mut TcpStream) -> Option<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).ok()?;
    Some(Bytes::from(frame))
}

fn versions() -> ApiVersionsResponse {
    let api_keys = ApiKey::ALL.iter().map(|api| ApiVersion {
        api_key: api.code(),
        min_version: *api.versions().start(),
        max_version: *api.versions().end(),
    });
    ApiVersionsResponse { api_keys: api_keys.collect(), ..Default::default() }
}

fn metadata(port: i32) -> MetadataResponse {
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 7,
        replica_nodes: vec![7],
        isr_nodes: vec![7],
        ..Default::default()
    };
    MetadataResponse {
        brokers: vec![MetadataResponseBroker { node_id: 7, host: "127.0.0.1".into(), port, rack: None }],
        topics: vec![MetadataResponseTopic {
            name: Some("t".into()),
            topic_id: engine::base::TopicId([9; 16]),
            partitions: vec![partition(1), partition(0)],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn serve(
    mut stream: TcpStream,
    port: i32,
    written: &Sender<(i32, Bytes)>,
    script: &Sender<(Sender<Answer>, ())>,
) {
    while let Some(frame) = read_frame(&mut stream) {
        let mut reader = Reader::new(frame);
        let header = RequestHeader::decode(&mut reader).unwrap();
        let (version, id) = (header.api_version, header.correlation_id);
        let answer = match header.api().unwrap() {
            ApiKey::ApiVersions => response_frame(&versions(), version, id),
            ApiKey::Metadata => {
                MetadataRequest::decode(&mut reader, version).unwrap();
                response_frame(&metadata(port), version, id)
            }
            ApiKey::InitProducerId => {
                let answer = InitProducerIdResponse { producer_id: 5, ..Default::default() };
                response_frame(&answer, version, id)
            }
            ApiKey::Produce => {
                let request = ProduceRequest::decode(&mut reader, version).unwrap();
                let topic = &request.topic_data[0];
                let data = &topic.partition_data[0];
                let (sender, answer) = channel();
                script.send((sender, ())).unwrap();
                let Answer::Code(code) = answer.recv().unwrap() else { return };
                if code == ErrorCode::None {
                    let records = data.records.clone().unwrap().into_bytes();
                    written.send((data.index, records)).unwrap();
                }
                let partition = PartitionProduceResponse {
                    index: data.index,
                    error_code: code.code(),
                    base_offset: 40,
                    ..Default::default()
                };
                let topic = TopicProduceResponse {
                    topic_id: topic.topic_id,
                    partition_responses: vec![partition],
                    ..Default::default()
                };
                response_frame(&ProduceResponse { responses: vec![topic], ..Default::default() }, version, id)
            }
            other => panic!("no answer to {other:?} here"),
        };
        stream.write_all(&answer.unwrap().concat()).unwrap();
    }
}

/// A listener whose one connection is played by `play`.
fn play(play: impl FnOnce(TcpStream) + Send + 'static) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    thread::spawn(move || play(listener.accept().unwrap().0));
    address
}

fn header_of(stream: &mut TcpStream) -> RequestHeader {
    RequestHeader::decode(&mut Reader::new(read_frame(stream).unwrap())).unwrap()
}

fn welcome(stream: &mut TcpStream) {
    let header = header_of(stream);
    let answer = response_frame(&versions(), header.api_version, header.correlation_id).unwrap();
    stream.write_all(&answer.concat()).unwrap();
}

fn open(address: &Address) -> Result<Connection, ClientError> {
    Connection::open(address, "test", Duration::from_secs(10))
}

fn value(text: &str) -> RecordData<'_> {
    RecordData { timestamp: Timestamp(1), value: Some(text.as_bytes()), ..RecordData::default() }
}

/// Each record is a batch of its own.
fn small_batches() -> ProducerOptions {
    ProducerOptions { batch_bytes: 1, ..ProducerOptions::default() }
}

#[test]
fn an_old_broker_is_asked_again_in_version_0() {
    let (sender, asked) = channel();
    let address = play(move |mut stream| {
        loop {
            let Some(frame) = read_frame(&mut stream) else { return };
            let header = RequestHeader::decode(&mut Reader::new(frame)).unwrap();
            sender.send(header.api_version).unwrap();
            let code = if header.api_version > 0 { ErrorCode::UnsupportedVersion } else { ErrorCode::None };
            let answer = ApiVersionsResponse { error_code: code.code(), ..versions() };
            let answer = response_frame(&answer, 0, header.correlation_id).unwrap();
            stream.write_all(&answer.concat()).unwrap();
        }
    });
    let connection = open(&address).unwrap();
    assert_eq!(connection.version::<ProduceRequest>().unwrap(), *ApiKey::Produce.versions().end());
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), [*ApiKey::ApiVersions.versions().end(), 0]);
}

#[test]
fn requests_go_out_before_answers_come_in() {
    let address = play(|mut stream| {
        welcome(&mut stream);
        let headers = [header_of(&mut stream), header_of(&mut stream)];
        for header in headers {
            let answer = response_frame(&metadata(1), header.api_version, header.correlation_id).unwrap();
            stream.write_all(&answer.concat()).unwrap();
        }
    });
    let mut connection = open(&address).unwrap();
    let first = connection.send(&MetadataRequest::default()).unwrap();
    let second = connection.send(&MetadataRequest::default()).unwrap();
    assert_eq!(connection.receive(first).unwrap().brokers.len(), 1);
    assert_eq!(connection.receive(second).unwrap().brokers.len(), 1);
}

#[test]
fn an_answer_to_another_request_ends_the_connection() {
    let address = play(|mut stream| {
        welcome(&mut stream);
        let header = header_of(&mut stream);
        let answer = response_frame(&metadata(1), header.api_version, header.correlation_id + 1).unwrap();
        stream.write_all(&answer.concat()).unwrap();
    });
    let error = open(&address).unwrap().call(&MetadataRequest::default()).unwrap_err();
    assert!(matches!(error, ClientError::OutOfOrder { .. }) && error.ends_connection(), "{error}");
}

#[test]
fn a_silent_broker_is_given_up() {
    let (sender, done) = channel::<()>();
    let address = play(move |stream| {
        // Holds the connection until the test is over.
        let _ = done.recv();
        drop(stream);
    });
    let error = Connection::open(&address, "test", Duration::from_millis(50)).err().unwrap();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
    drop(sender);
}

#[test]
fn a_hostile_length_is_refused_before_memory_is_taken() {
    let address = play(|mut stream| {
        header_of(&mut stream);
        stream.write_all(&i32::MAX.to_be_bytes()).unwrap();
    });
    let error = open(&address).err().unwrap();
    assert!(matches!(error, ClientError::Garbled { .. }), "{error}");
}

#[test]
fn a_retry_keeps_the_order_of_a_partition() {
    let broker = Broker::start(vec![
        Answer::Code(ErrorCode::None),
        Answer::Code(ErrorCode::NotLeaderOrFollower),
        Answer::HangUp,
        Answer::Code(ErrorCode::NotEnoughReplicas),
    ]);
    let mut client = broker.client();
    let mut producer = Producer::new(&mut client, "t", small_batches()).unwrap();
    for text in ["a", "b", "c", "d"] {
        producer.push(Some(1), value(text)).unwrap();
    }
    producer.flush().unwrap();
    let delivered: Vec<Delivered> = producer.drain_delivered().collect();
    assert_eq!(delivered.len(), 4);
    assert_eq!(delivered[0], Delivered { partition: 1, base_offset: 40, record_count: 1 });
    let expected = ["a", "b", "c", "d"].map(|text| (1, vec![text.to_owned()]));
    assert_eq!(broker.written(), expected);
}

#[test]
fn batches_are_numbered_so_that_a_repeated_one_is_known() {
    let broker = Broker::start(vec![Answer::HangUp, Answer::Code(ErrorCode::DuplicateSequenceNumber)]);
    let mut client = broker.client();
    let mut producer = Producer::new(&mut client, "t", small_batches()).unwrap();
    for text in ["a", "b", "c"] {
        producer.push(Some(0), value(text)).unwrap();
    }
    producer.flush().unwrap();
    producer.push(Some(1), value("d")).unwrap();
    producer.flush().unwrap();
    assert_eq!(producer.drain_delivered().count(), 4);
    let headers = broker.written.try_iter().map(|(partition, records)| {
        let header = engine::record::BatchHeader::parse(&records).unwrap();
        (partition, header.producer_id.0, header.base_sequence.0)
    });
    // The first was written by an attempt whose answer was lost.
    assert_eq!(headers.collect::<Vec<_>>(), [(0, 5, 1), (0, 5, 2), (1, 5, 0)]);
}

#[test]
fn partitions_do_not_wait_for_each_other_and_keys_decide() {
    let broker = Broker::start(vec![Answer::HangUp]);
    let mut client = broker.client();
    let mut producer = Producer::new(&mut client, "t", small_batches()).unwrap();
    for key in ["1", "2", "3", "4", "5", "6"] {
        let record = RecordData { key: Some(key.as_bytes()), ..value(key) };
        producer.push(None, record).unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(producer.drain_delivered().count(), 6);
    let mut all = Vec::new();
    for (partition, values) in broker.written() {
        for text in values {
            assert_eq!(partitioner::partition_of_key(text.as_bytes(), 2), partition);
            all.push(text);
        }
    }
    all.sort();
    assert_eq!(all, ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn what_will_not_pass_is_told_at_once() {
    let broker = Broker::start(vec![Answer::Code(ErrorCode::MessageTooLarge)]);
    let mut client = broker.client();
    let mut producer = Producer::new(&mut client, "t", small_batches()).unwrap();
    producer.push(Some(0), value("a")).unwrap();
    let error = producer.flush().unwrap_err();
    assert_eq!(error.to_string(), "writing to partition 0 of t: MessageTooLarge (10)");
    let missing = producer.push(Some(9), value("a")).unwrap_err();
    assert_eq!(missing.to_string(), "t has no partition 9; it has 2, numbered from 0");
}

#[test]
fn retries_end() {
    let broker = Broker::start(vec![Answer::Code(ErrorCode::NotLeaderOrFollower); 100]);
    let mut client = broker.client_that_retries(Duration::from_millis(200));
    let mut producer = Producer::new(&mut client, "t", small_batches()).unwrap();
    producer.push(Some(0), value("a")).unwrap();
    assert!(producer.flush().is_err());
}

#[test]
fn a_fetch_begins_inside_a_batch_and_may_end_in_one() {
    let batch = |base: i64, values: &[&str]| {
        let mut builder = BatchBuilder::new(Codec::Lz4, 1 << 20);
        values.iter().for_each(|text| assert!(builder.push(value(text))));
        let mut bytes = builder.build().unwrap().to_vec();
        place(&mut bytes, Offset(base), LeaderEpoch(0));
        bytes
    };
    let (first, second) = (batch(10, &["a", "b", "c"]), batch(13, &["d"]));
    let read = |records: &[u8], from: i64| {
        let records = Bytes::copy_from_slice(records);
        let fetched = Fetched { partition: 0, high_watermark: 14, log_start: 0, records };
        let mut seen = Vec::new();
        let next = fetched.read(from, |record| {
            seen.push(record.offset.0);
            Ok::<(), RecordError>(())
        });
        next.map(|next| (seen, next))
    };
    let whole = [&first[..], &second].concat();
    assert_eq!(read(&whole, 11), Ok((vec![11, 12, 13], 14)));
    assert_eq!(read(&whole[..whole.len() - 1], 11), Ok((vec![11, 12], 13)));
    assert_eq!(read(&whole, 14), Ok((vec![], 14)));
    assert!(read(&first[..first.len() - 1], 10).is_err(), "a first batch that is cut would never end");
    let mut damaged = whole.clone();
    damaged[70] ^= 1;
    assert!(matches!(read(&damaged, 10), Err(RecordError::CrcMismatch { .. })));
}
