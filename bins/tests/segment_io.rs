//! `--segment-io buffered` end to end, over real sockets: what readers get from the files is what they get from memory, and where a
//! file cannot give it they get nothing else in its place.

mod broker;
mod operator;

use std::{
    fs,
    io::Read,
    net::TcpStream,
    path::{Path, PathBuf},
};

use broker::{Broker, produce, receive, send, start};
use engine::record::headers;
use net::wire::{
    create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest},
    fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic},
};
use operator::{figure, free};

const TOPIC: &str = "orders";
const VERSION: i16 = 12;
const BUFFERED: &[&str] = &["--segment-io", "buffered"];
const DIRECT: &[&str] = &["--segment-io", "direct"];

/// Batches of all sizes, one of them larger than what a Fetch asks for, in segments of 3 MB.
fn fill(broker: &Broker) {
    let configs = [("segment.bytes", "3000000"), ("max.message.bytes", "2000000")]
        .map(|(name, value)| CreatableTopicConfig { name: name.into(), value: Some(value.into()) });
    let topic = CreatableTopic {
        name: TOPIC.into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: configs.into(),
        ..Default::default()
    };
    let response = broker.ask(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
    assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    let mut stream = broker.connect();
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..400 {
        let mut value = vec![0; [10, 300, 4_000, 20_000, 150_000][random.usize(0..5)]];
        if number == 200 {
            value.resize(1_500_000, 0);
        }
        random.fill(&mut value);
        produce(&mut stream, TOPIC, &value, number);
    }
}

fn request(offset: i64) -> FetchRequest {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { min_bytes: 1, max_bytes: 50 << 20, topics: vec![topic], ..Default::default() }
}

/// All that is there, read from `offset` on.
fn read_from(broker: &Broker, mut offset: i64, version: i16) -> Vec<u8> {
    let (mut stream, mut all) = (broker.connect(), Vec::new());
    for correlation in 0.. {
        send(&mut stream, &request(offset), version, correlation);
        let response: FetchResponse = receive(&mut stream, version, correlation);
        let partition =
            response.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
        let partition = partition.expect("the partition");
        assert_eq!(partition.error_code, 0);
        let records = partition.records.map(|records| records.into_bytes()).unwrap_or_default();
        if records.is_empty() {
            return all;
        }
        let whole: Vec<_> = headers(&records).collect();
        let first = whole[0].1;
        assert!(first.base_offset.0 <= offset && offset < first.next_offset().0);
        let (at, last) = whole[whole.len() - 1];
        assert_eq!(at + last.size(), records.len(), "whole batches");
        offset = last.next_offset().0;
        all.extend_from_slice(&records);
    }
    all
}

#[test]
fn cold_records_go_from_the_file_to_the_socket_and_are_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), BUFFERED);
    fill(&broker);
    let warm = read_from(&broker, 0, VERSION);
    broker.stop();

    let admin = free();
    let broker = start(directory.path(), &[BUFFERED, &["--admin-listen", &admin.to_string()]].concat());
    assert!(read_from(&broker, 0, VERSION) == warm, "from the files");
    let out = figure(admin, "corelog_cold_bytes_out_total", &[]);
    let read = figure(admin, "corelog_disk_bytes_total", &["purpose=\"fetch\"", "kind=\"read\""]);
    assert_eq!(out as usize, warm.len());
    // The large batch, and what comes right behind it, is read: no index tells its end within the limit.
    assert!(read < out / 3.0, "{read} of {out} bytes were read into memory");
    for offset in (1..400).step_by(17) {
        let rest = read_from(&broker, offset, VERSION);
        assert!(warm.ends_with(&rest) && !rest.is_empty(), "from offset {offset}");
    }
    assert!(read_from(&broker, 0, 4) == warm, "a reader that may not get zstd");
    broker.stop();

    let broker = start(directory.path(), DIRECT);
    assert!(read_from(&broker, 0, VERSION) == warm, "past the page cache");
}

fn first_segment(directory: &Path) -> PathBuf {
    directory.join(format!("{TOPIC}-0/00000000000000000000.log"))
}

/// A peer asks for the same range again and again and does not read; while the answers wait for it, the file is cut. What was
/// announced cannot be sent any more.
#[test]
fn a_file_that_lost_its_end_closes_the_connection_and_nobody_gets_anything_in_its_place() {
    const REQUESTS: i32 = 64;
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), BUFFERED);
    fill(&broker);
    broker.stop();
    let broker = start(directory.path(), BUFFERED);
    let mut stream = broker.connect();
    send(&mut stream, &request(0), VERSION, 0);
    let answer = raw_answer(&mut stream);
    assert!(answer.len() > 300_000);

    (0..REQUESTS).for_each(|_| send(&mut stream, &request(0), VERSION, 0));
    broker.wait_until_stuck(&stream);
    let file = fs::OpenOptions::new().write(true).open(first_segment(directory.path())).expect("the segment");
    // All of it: of a page that is cut inside, the kernel would send zeros, as it sends pages and not copies of them.
    file.set_len(0).expect("cut");
    let mut received = Vec::new();
    // It may end with a reset.
    let _ = stream.read_to_end(&mut received);
    let mut whole = received.chunks_exact(answer.len());
    assert!(whole.all(|one| one == answer), "an answer that is whole is right");
    let rest = &received[received.len() / answer.len() * answer.len()..];
    assert!(received.len() < REQUESTS as usize * answer.len(), "not all of it was to be had");
    assert!(answer.starts_with(rest), "and of the last nothing is made up");
    assert!(!broker.served_apis().is_empty(), "others go on");
}

/// An answer with its length.
fn raw_answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = vec![0; 4];
    stream.read_exact(&mut answer).expect("a length");
    let length = u32::from_be_bytes([answer[0], answer[1], answer[2], answer[3]]);
    answer.resize(4 + length as usize, 0);
    stream.read_exact(&mut answer[4..]).expect("the answer");
    answer
}
