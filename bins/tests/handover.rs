//! Connections move to the core that their requests are for, and their peers see nothing of it.

mod broker;
mod operator;

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    thread::available_parallelism,
    time::{Duration, Instant},
};

use broker::{Broker, frame, produce_request, receive, send, start};
use net::wire::{
    create_topics::{CreatableTopic, CreateTopicsRequest},
    fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic},
    produce::ProduceResponse,
};
use operator::{figure, free};

const TOPIC: &str = "orders";
/// Some more than a connection needs to be moved.
const REQUESTS: i32 = 90;
/// How long each Fetch waits for records that do not come, so that no core is busy.
const FETCH_WAIT_MS: i32 = 2;
const PATIENCE: Duration = Duration::from_secs(60);
/// Far fewer than connections that this test opens one after the other: one that moves keeps its place, and gives it back.
const CONNECTIONS_MAX: &str = "max.connections.per.ip=12";

struct Started {
    broker: Broker,
    admin: SocketAddr,
    cores: usize,
    _directory: tempfile::TempDir,
}

/// On two cores, if this machine has them.
fn started() -> Started {
    let directory = tempfile::tempdir().expect("a directory");
    let admin = free();
    let cores = available_parallelism().map_or(1, |cpus| cpus.get().min(2));
    let cpus = if cores == 2 { "0,1" } else { "0" };
    let flags = ["--admin-listen", &admin.to_string(), "--cores", cpus, "-o", CONNECTIONS_MAX];
    let broker = start(directory.path(), &flags);
    let topic =
        CreatableTopic { name: TOPIC.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
    broker.ask(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
    Started { broker, admin, cores, _directory: directory }
}

impl Started {
    /// Connections that have moved so far.
    fn moved(&self) -> u64 {
        figure(self.admin, "corelog_connections_came_total", &[]) as u64
    }

    /// Has connections do this, one after the other, until one of them was moved.
    fn until_one_moves(&self, mut work: impl FnMut(TcpStream)) {
        let (before, deadline) = (self.moved(), Instant::now() + PATIENCE);
        loop {
            work(self.broker.connect());
            if self.moved() > before || self.cores < 2 {
                return;
            }
            assert!(Instant::now() < deadline, "no connection moves");
        }
    }
}

/// Waits at the end of the partition.
fn fetch_request(session_id: i32, session_epoch: i32, offset: Option<i64>) -> FetchRequest {
    let partition = |fetch_offset| FetchPartition {
        partition: 0,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = |offset| FetchTopic {
        topic: TOPIC.into(),
        partitions: vec![partition(offset)],
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: FETCH_WAIT_MS,
        min_bytes: 1,
        session_id,
        session_epoch,
        topics: offset.map(topic).into_iter().collect(),
        ..Default::default()
    }
}

#[test]
fn a_producer_moves_between_two_requests_and_loses_none() {
    let started = started();
    let mut next_offset = 0;
    for _ in 0..2 {
        started.until_one_moves(|mut stream| {
            let frames: Vec<Vec<u8>> = (0..REQUESTS)
                .flat_map(|number| {
                    let produce = frame(&produce_request(TOPIC, b"value"), 9, 2 * number);
                    let offset = next_offset + i64::from(number) + 1;
                    [produce, frame(&fetch_request(0, -1, Some(offset)), 12, 2 * number + 1)]
                })
                .collect();
            // The beginning of each request comes with the one before: two bytes of its length.
            stream.write_all(&frames[0][..2]).expect("sent");
            for (number, bytes) in (0..).zip(&frames) {
                let next = frames.get(number as usize + 1).map_or(&[][..], |next| &next[..2]);
                stream.write_all(&[&bytes[2..], next].concat()).expect("sent");
                if number % 2 == 0 {
                    let produced: ProduceResponse = receive(&mut stream, 9, number);
                    let partition = &produced.responses[0].partition_responses[0];
                    assert_eq!((partition.error_code, partition.base_offset), (0, next_offset));
                    next_offset += 1;
                } else {
                    let fetched: FetchResponse = receive(&mut stream, 12, number);
                    assert_eq!(fetched.responses[0].partitions[0].high_watermark, next_offset);
                }
            }
        });
    }
}

#[test]
fn a_consumer_takes_its_fetch_session_along() {
    let started = started();
    started.until_one_moves(|mut stream| {
        let mut fetch = |session_id, session_epoch, offset| -> FetchResponse {
            send(&mut stream, &fetch_request(session_id, session_epoch, offset), 12, session_epoch);
            receive(&mut stream, 12, session_epoch)
        };
        let id = fetch(0, 0, Some(0)).session_id;
        assert!(id > 0);
        for epoch in 1..REQUESTS {
            assert_eq!(fetch(id, epoch, None).error_code, 0, "request {epoch} of the session");
        }
    });
}
