//! How corelogd starts and ends: what it refuses and in which words, what a signal does, what a restart finds.

mod broker;

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use broker::{PATIENCE, receive, send, start, try_start};
use net::wire::{
    create_topics::{CreatableTopic, CreateTopicsRequest},
    describe_cluster::{DescribeClusterRequest, DescribeClusterResponse},
    describe_groups::DescribeGroupsRequest,
    fetch::{FetchPartition, FetchRequest, FetchTopic},
    find_coordinator::FindCoordinatorRequest,
    join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
    metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
};
use nix::sys::signal::Signal;

#[test]
fn a_restart_finds_what_was_there_with_any_number_of_cores() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = start(directory.path(), &[]);
    let topic = CreatableTopic {
        name: "kept".into(),
        num_partitions: 5,
        replication_factor: 1,
        ..Default::default()
    };
    let created = broker.ask(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
    assert_eq!(created.topics[0].error_code, 0);
    let cluster = broker.ask(&MetadataRequest { topics: None, ..Default::default() }, 12).cluster_id;
    broker.signal(Signal::SIGTERM);
    assert_eq!(broker.wait().code(), Some(0));

    let broker = start(directory.path(), &[]);
    let metadata = broker.ask(&MetadataRequest { topics: None, ..Default::default() }, 12);
    assert_eq!(metadata.cluster_id, cluster);
    assert_eq!(metadata.topics[0].topic_id, created.topics[0].topic_id);
    assert_eq!(metadata.topics[0].partitions.len(), 5);
}

#[test]
fn a_stop_is_clean_with_connections_open_and_requests_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = start(directory.path(), &[]);
    let _idle = broker.connect();
    broker.signal(Signal::SIGINT);
    assert_eq!(broker.wait().code(), Some(0));
}

#[test]
fn a_stop_does_not_wait_longer_for_a_request_than_its_bound_and_a_second_signal_ends_it_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for (signals, code) in [(&[Signal::SIGTERM][..], 0), (&[Signal::SIGTERM, Signal::SIGTERM], 128 + 15)] {
        let mut broker = start(directory.path(), &[]);
        let metadata = broker.ask(&MetadataRequest::default(), 12);
        assert_eq!(metadata.controller_id, 1);
        let topics = vec![FetchTopic {
            topic: "waited".into(),
            partitions: vec![FetchPartition { partition_max_bytes: 1, ..Default::default() }],
            ..Default::default()
        }];
        let name = MetadataRequestTopic { name: Some("waited".into()), ..Default::default() };
        broker.ask(&MetadataRequest { topics: Some(vec![name]), ..Default::default() }, 12);
        let mut stream = broker.connect();
        let waiting = FetchRequest { min_bytes: 1, max_wait_ms: 600_000, topics, ..Default::default() };
        send(&mut stream, &waiting, 12, 1);
        // An answer to what was sent after it says that it was read; the broker answers in order, so on another one.
        broker.ask(&MetadataRequest::default(), 12);
        let began = Instant::now();
        signals.iter().for_each(|signal| {
            broker.signal(*signal);
            // Two at once are one to the kernel: the first has been taken when the broker takes no connection any more.
            while signals.len() > 1 && TcpStream::connect(broker.address).is_ok() {}
        });
        assert_eq!(broker.wait().code(), Some(code));
        assert!(began.elapsed() < PATIENCE / 2, "{signals:?}");
    }
}

/// A member waits for others to join: a minute, if the broker let it. It is sent to look for another coordinator instead.
#[test]
fn a_stop_answers_a_member_that_waits_for_a_rebalance_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = start(directory.path(), &["-o", "group.initial.rebalance.delay.ms=60000"]);
    let find = FindCoordinatorRequest { key: "g".into(), ..Default::default() };
    while broker.ask(&find, 2).error_code != 0 {}
    let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: (&b"m"[..]).into() };
    let join = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    let mut stream = broker.connect();
    send(&mut stream, &join, 3, 1);
    let describe = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
    while &*broker.ask(&describe, 4).groups[0].group_state != "PreparingRebalance" {}
    let began = Instant::now();
    broker.signal(Signal::SIGTERM);
    let joined: JoinGroupResponse = receive(&mut stream, 3, 1);
    assert_eq!(joined.error_code, 16);
    assert_eq!(broker.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_millis(net::limits::DRAIN_MS), "{:?}", began.elapsed());
}

#[test]
fn a_second_broker_on_the_same_directory_or_port_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let broker = start(directory.path(), &[]);
    let said = try_start(directory.path(), &[]).err().expect("one broker per directory");
    assert!(said.contains("in use by another process"), "{said}");
    let output = Command::new(env!("CARGO_BIN_EXE_corelogd"))
        .arg("--data-dir")
        .arg(other.path())
        .args(["--listen", &broker.address.to_string()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("another process listens on"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_directory_of_a_newer_version_or_of_another_broker_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let meta = directory.path().join("meta.properties");
    for (text, expected) in [
        ("version=1\ncluster.id=x\nnode.id=1\ncorelog.version=99\n", "newer Corelog"),
        ("version=1\ncluster.id=x\nnode.id=1\n", "Apache Kafka"),
    ] {
        fs::write(&meta, text).unwrap();
        let said = try_start(directory.path(), &[]).err().expect("a refusal");
        assert!(said.contains(expected), "{said}");
        assert_eq!(fs::read_to_string(&meta).unwrap(), text);
    }
}

#[test]
fn wrong_options_are_all_named_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let said = try_start(&missing, &["-o", "num.partitons=3", "--cores", "0,0"]).err().expect("a refusal");
    assert!(said.contains("num.partitions") && said.contains("CPU 0 twice"), "{said}");
    assert!(!missing.exists());
}

#[test]
fn a_dry_run_tells_what_would_run_and_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let output = Command::new(env!("CARGO_BIN_EXE_corelogd"))
        .arg("--data-dir")
        .arg(&missing)
        .args(["--dry-run", "--cores", "0", "-o", "num.partitions=3"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("* num.partitions=3"), "{said}");
    assert!(said.contains("Linux"), "{said}");
    assert!(!missing.exists());
}

/// What a connection to `address` is told: brokers of Metadata, brokers of DescribeCluster.
fn told(address: SocketAddr) -> [Vec<(String, i32)>; 2] {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    send(&mut stream, &MetadataRequest { topics: Some(vec![]), ..Default::default() }, 12, 1);
    let metadata: MetadataResponse = receive(&mut stream, 12, 1);
    send(&mut stream, &DescribeClusterRequest::default(), 0, 2);
    let cluster: DescribeClusterResponse = receive(&mut stream, 0, 2);
    let brokers = metadata.brokers.iter().map(|broker| (broker.host.to_string(), broker.port));
    let cluster = cluster.brokers.iter().map(|broker| (broker.host.to_string(), broker.port));
    [brokers.collect(), cluster.collect()]
}

#[test]
fn each_listener_tells_its_own_address_over_both_families() {
    let directory = tempfile::tempdir().unwrap();
    let free = |host: &str| TcpListener::bind((host, 0)).and_then(|listener| listener.local_addr()).unwrap();
    let (inner, outer, plain) = (free("127.0.0.1"), free("::1"), free("127.0.0.1"));
    let listeners = format!("INNER://{inner},OUTER://{outer},PLAIN://{plain}");
    let _broker = start(
        directory.path(),
        &[
            "--listen",
            &listeners,
            "-o",
            "listener.security.protocol.map=INNER:PLAINTEXT,OUTER:PLAINTEXT,PLAIN:PLAINTEXT",
            "-o",
            "advertised.listeners=INNER://inner.example:9092,OUTER://[2001:db8::1]:19092",
        ],
    );
    for (address, host, port) in [
        (inner, "inner.example", 9092),
        (outer, "2001:db8::1", 19092),
        (plain, "127.0.0.1", i32::from(plain.port())),
    ] {
        let expected = vec![(host.to_owned(), port)];
        assert_eq!(told(address), [expected.clone(), expected]);
    }
}

#[test]
fn a_broker_on_every_address_tells_the_hosts_name() {
    let directory = tempfile::tempdir().unwrap();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", ":0"] {
        let broker = start(directory.path(), &["--listen", listen]);
        let port = broker.address.port();
        let expected = vec![(name.trim().to_owned(), i32::from(port))];
        assert_eq!(told(([127, 0, 0, 1], port).into()), [expected.clone(), expected], "{listen}");
    }
}

#[test]
fn the_example_configuration_is_sound_and_says_nothing_in_vain() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/server.properties");
    let output = Command::new(env!("CARGO_BIN_EXE_corelogd"))
        .args(["--dry-run", "--config", example, "-o", "log.dirs=/tmp"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!said.contains("has no effect"), "{said}");
}
