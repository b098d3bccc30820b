//! `--zero-copy-send` end to end, over real sockets: readers get the same bytes, slow ones too; and those who do not read at all end as ever.

mod broker;
mod operator;

use broker::{Broker, produce, receive, send, start, try_start};
use engine::record::headers;
use net::wire::{
    create_topics::{CreatableTopic, CreateTopicsRequest},
    fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic},
};
use operator::{figure, free};

const TOPIC: &str = "orders";
const VERSION: i16 = 12;
const FLAG: &[&str] = &["--zero-copy-send=12K"];

/// Some 12 MB in batches of all sizes; what a reader shall get.
fn fill(broker: &Broker) -> Vec<u8> {
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    let response = broker.ask(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
    assert_eq!(response.topics[0].error_code, 0);
    let mut stream = broker.connect();
    let mut random = fastrand::Rng::with_seed(1);
    let mut values = Vec::new();
    for number in 0..400 {
        let mut value = vec![0; [10, 300, 4_000, 20_000, 130_000][random.usize(0..5)]];
        random.fill(&mut value);
        produce(&mut stream, TOPIC, &value, number);
        values.extend_from_slice(&value);
    }
    values
}

fn request(offset: i64) -> FetchRequest {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 2 << 20, ..Default::default() };
    let topic = FetchTopic { topic: TOPIC.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { min_bytes: 1, max_bytes: 50 << 20, topics: vec![topic], ..Default::default() }
}

fn records(response: FetchResponse) -> Vec<u8> {
    let partition =
        response.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let partition = partition.expect("the partition");
    assert_eq!(partition.error_code, 0);
    partition.records.map(|records| records.into_bytes().to_vec()).unwrap_or_default()
}

/// All that is there. The checksum of every batch is looked at.
fn read_all(broker: &Broker) -> Vec<u8> {
    let (mut stream, mut all, mut offset) = (broker.connect(), Vec::new(), 0);
    for correlation in 0.. {
        send(&mut stream, &request(offset), VERSION, correlation);
        let records = records(receive(&mut stream, VERSION, correlation));
        let Some((_, last)) = headers(&records).last() else { return all };
        offset = last.next_offset().0;
        all.extend_from_slice(&records);
    }
    all
}

fn contains_in_order(all: &[u8], values: &[u8]) -> bool {
    // Random values stand whole in their batches, between headers.
    let (mut at, mut found) = (0, 0);
    for (position, header) in headers(all) {
        assert_eq!(position, at);
        at += header.size();
        let batch = &all[position..at];
        let next = &values[found..];
        // The value ends one byte (the count of its headers) before the batch does.
        let length = (1..=batch.len() - 1).rev().find(|length| {
            let value = &batch[batch.len() - 1 - length..batch.len() - 1];
            [10, 300, 4_000, 20_000, 130_000].contains(length) && next.starts_with(value)
        });
        let Some(length) = length else { return false };
        found += length;
    }
    found == values.len()
}

#[test]
fn records_reach_readers_whole_and_in_order_and_are_sent_without_a_copy() {
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    let values = fill(&broker);
    let copied = read_all(&broker);
    assert!(contains_in_order(&copied, &values));
    broker.stop();

    let admin = free();
    let broker = start(directory.path(), &[FLAG, &["--admin-listen", &admin.to_string()]].concat());
    assert!(read_all(&broker) == copied, "from the disk");
    assert!(read_all(&broker) == copied, "once more");
    let handed = figure(admin, "corelog_zero_copy_bytes_total", &[]);
    // The rest is small slices, and what had no room.
    assert!(handed > copied.len() as f64 / 4.0, "{handed} of twice {} bytes", copied.len());
    assert!(figure(admin, "corelog_zero_copy_bytes_total", &["from=\"copy\""]) > 0.0, "over loopback");
    broker.stop();

    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), FLAG);
    let values = fill(&broker);
    assert!(contains_in_order(&read_all(&broker), &values), "from memory");
}

/// Many answers are asked for before one is read: the socket is full, and answers go on in parts.
#[test]
fn a_reader_who_asks_ahead_and_reads_late_gets_every_answer() {
    const REQUESTS: i32 = 40;
    let directory = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), FLAG);
    let values = fill(&broker);
    let mut stream = broker.connect();
    (0..REQUESTS).for_each(|number| send(&mut stream, &request(0), VERSION, number));
    broker.wait_until_stuck(&stream);
    let all = read_all(&broker);
    assert!(contains_in_order(&all, &values));
    let mut bytes = 0;
    for number in 0..REQUESTS {
        // Less where answers that are not read hold the memory for more.
        let records = records(receive(&mut stream, VERSION, number));
        assert!(!records.is_empty() && all.starts_with(&records), "answer {number}");
        bytes += records.len();
    }
    assert!(bytes > 8 << 20, "{bytes} are more than a socket takes");
}

/// It may pause, as without the flag; and a stop does not wait for it for ever.
#[test]
fn peers_who_never_read_cost_no_more_than_their_answers_and_no_stop() {
    let directory = tempfile::tempdir().unwrap();
    let admin = free();
    let broker = start(directory.path(), &[FLAG, &["--admin-listen", &admin.to_string()]].concat());
    let values = fill(&broker);
    let silent: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = broker.connect();
            (0..30).for_each(|number| send(&mut stream, &request(0), VERSION, number));
            stream
        })
        .collect();
    broker.wait_until_stuck(&silent[1]);
    let unsent = "use=\"unsent\"";
    let held = figure(admin, "corelog_memory_bytes", &[unsent]);
    let limit = figure(admin, "corelog_memory_limit_bytes", &[unsent]);
    assert!(held > 0.0 && held <= limit, "{held} of {limit}");
    assert!(contains_in_order(&read_all(&broker), &values), "others are served");
    // Who goes without reading gives his memory back.
    drop(silent);
    while figure(admin, "corelog_memory_bytes", &[unsent]) > 0.0 {}
    let mut stream = broker.connect();
    (0..30).for_each(|number| send(&mut stream, &request(0), VERSION, number));
    broker.wait_until_stuck(&stream);
    broker.stop();
}

#[test]
fn a_size_that_cannot_be_is_refused_with_what_can() {
    let directory = tempfile::tempdir().unwrap();
    let said = try_start(directory.path(), &["--zero-copy-send=2M"]).err().expect("refused");
    assert!(said.contains("allowed are 12 KiB to 256 KiB"), "{said}");
}
