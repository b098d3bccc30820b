//! What an operator is told over HTTP, and that the documents know every name of it.

mod broker;
mod operator;

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    net::{SocketAddr, TcpStream},
    path::Path,
};

use broker::{Broker, start};
use engine::error::ErrorCode;
use engine::record::{BatchBuilder, Codec, RecordData};
use net::{
    admin,
    wire::{
        create_topics::{CreatableTopic, CreateTopicsRequest},
        fetch::{FetchPartition, FetchRequest, FetchTopic},
        find_coordinator::FindCoordinatorRequest,
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        produce::{PartitionProduceData, ProduceRequest, TopicProduceData},
    },
};
use operator::{connect, exchange, free, get, value};

struct Told {
    broker: Broker,
    admin: SocketAddr,
    _directory: tempfile::TempDir,
}

fn started() -> Told {
    let directory = tempfile::tempdir().expect("a directory");
    let admin = free();
    let broker = start(directory.path(), &["--admin-listen", &admin.to_string()]);
    Told { broker, admin, _directory: directory }
}

fn produce_and_fetch(broker: &Broker) {
    let topic = CreatableTopic {
        name: "orders".into(),
        num_partitions: 2,
        replication_factor: 1,
        ..Default::default()
    };
    broker.ask(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, 7);
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    for value in [b"one", b"two"] {
        assert!(builder.push(RecordData { value: Some(value), ..RecordData::default() }));
    }
    let batch = builder.build().expect("a batch");
    let partition = |index| PartitionProduceData { index, records: Some(batch.clone().into()) };
    let topic = TopicProduceData {
        name: "orders".into(),
        partition_data: vec![partition(0), partition(9)],
        ..Default::default()
    };
    broker.ask(&ProduceRequest { acks: -1, topic_data: vec![topic], ..Default::default() }, 9);
    let partition = FetchPartition { partition_max_bytes: 1 << 20, ..Default::default() };
    let topic = FetchTopic { topic: "orders".into(), partitions: vec![partition], ..Default::default() };
    let fetch = FetchRequest { max_bytes: 1 << 20, topics: vec![topic], ..Default::default() };
    let fetched = broker.ask(&fetch, 12);
    assert_eq!(fetched.responses[0].partitions[0].error_code, 0);
}

#[test]
fn what_went_through_the_broker_is_counted() {
    let told = started();
    produce_and_fetch(&told.broker);
    let text = get(told.admin, "/metrics");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"), "{text}");
    let partition = ["topic=\"orders\"", "partition=\"0\""];
    assert_eq!(value(&text, "corelog_partition_records_in_total", &partition), 2.0);
    assert_eq!(value(&text, "corelog_partition_records_out_total", &partition), 2.0);
    assert_eq!(value(&text, "corelog_partition_high_watermark", &partition), 2.0);
    assert_eq!(value(&text, "corelog_topic_partitions", &["topic=\"orders\""]), 2.0);
    assert_eq!(value(&text, "corelog_records_in_total", &[]), 2.0);
    assert_eq!(
        value(&text, "corelog_journal_commit_seconds_count", &[]),
        value(&text, "corelog_syncs_total", &["journal"])
    );
    assert_eq!(value(&text, "corelog_request_stage_seconds_count", &["\"Produce\"", "journal"]), 1.0);
    assert_eq!(value(&text, "corelog_request_stage_seconds_count", &["\"Fetch\"", "send"]), 1.0);
    assert_eq!(value(&text, "corelog_errors_total", &["\"Produce\"", "UnknownTopicOrPartition"]), 1.0);
    assert_eq!(value(&text, "corelog_connections_opened_total", &[]), 3.0);
    for task in ["turn", "connection", "accept", "operator"] {
        let task = [&*format!("task=\"{task}\"")];
        let (cpu, wall) = ("corelog_core_step_cpu_seconds", "corelog_core_step_seconds");
        let count = value(&text, &format!("{wall}_count"), &task);
        assert!(count >= 1.0, "{task:?}: {text}");
        assert_eq!(value(&text, &format!("{cpu}_count"), &task), count);
        assert!(value(&text, &format!("{cpu}_sum"), &task) <= value(&text, &format!("{wall}_sum"), &task));
    }
    assert!(value(&text, "process_resident_memory_bytes", &[]) > 1e6);
}

#[test]
fn a_group_is_told_with_what_it_lags_behind() {
    let told = started();
    produce_and_fetch(&told.broker);
    let coordinator =
        FindCoordinatorRequest { coordinator_keys: vec!["readers".into()], ..Default::default() };
    assert_eq!(told.broker.ask(&coordinator, 4).coordinators[0].error_code, 0);
    let partitions = vec![OffsetCommitRequestPartition { committed_offset: 1, ..Default::default() }];
    let topics = vec![OffsetCommitRequestTopic { name: "orders".into(), partitions, ..Default::default() }];
    let commit = OffsetCommitRequest { group_id: "readers".into(), topics, ..Default::default() };
    let loading = ErrorCode::CoordinatorLoadInProgress.code();
    let mut code = loading;
    while code == loading {
        code = told.broker.ask(&commit, 9).topics[0].partitions[0].error_code;
    }
    assert_eq!(code, 0);
    let text = get(told.admin, "/metrics");
    let labels = ["group=\"readers\"", "topic=\"orders\"", "partition=\"0\""];
    assert_eq!(value(&text, "corelog_group_committed_offset", &labels), 1.0, "{text}");
    assert_eq!(value(&text, "corelog_group_lag_records", &labels), 1.0);
    assert_eq!(value(&text, "corelog_groups", &["type=\"classic\"", "state=\"Empty\""]), 1.0);
    assert!(text.contains("corelog_group_members{group=\"readers\"} 0\n"), "{text}");
    assert_eq!(value(&text, "corelog_groups_left_out", &[]), 0.0);
}

#[test]
fn a_probe_is_answered_and_what_is_no_request_is_refused() {
    let told = started();
    assert!(get(told.admin, "/healthz").ends_with("ok\n"));
    assert!(get(told.admin, "/readyz").ends_with("ready\n"));
    assert!(get(told.admin, "/nothing").starts_with("HTTP/1.1 404 "));
    assert!(exchange(told.admin, b"DELETE /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    assert!(exchange(told.admin, &[0, 0, 0, 10, 0, 18, 0, 3]).starts_with("HTTP/1.1 400 "));
    assert!(exchange(told.admin, &[b'x'; 64 << 10]).starts_with("HTTP/1.1 4"));
}

#[test]
fn a_crowd_of_silent_operators_leaves_clients_unmoved_and_the_next_one_gets_in_when_they_go() {
    let told = started();
    let crowd: Vec<TcpStream> =
        (0..net::limits::ADMIN_CONNECTIONS_MAX).map(|_| connect(told.admin)).collect();
    let mut late = connect(told.admin);
    assert_eq!(late.read(&mut [0; 1]).unwrap_or(0), 0, "one more is closed at once");
    produce_and_fetch(&told.broker);
    drop(crowd);
    let mut answer = String::new();
    // Their ends reach the broker one by one.
    for _ in 0..1000 {
        answer = get(told.admin, "/healthz");
        if !answer.is_empty() {
            break;
        }
    }
    assert!(answer.ends_with("ok\n"), "{answer}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// Names of metrics in a text, without what a histogram's series add.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let ours = words.filter(|word| word.starts_with("corelog_") || word.starts_with("process_"));
    let plain = |word: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()
    };
    ours.map(plain).collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let exist: BTreeSet<String> = admin::metrics().map(|metric| metric.name.to_owned()).collect();
    let document = fs::read_to_string(root().join("packaging/metrics.md")).expect("the document");
    let documented = names(&document);
    let missing: Vec<_> = exist.difference(&documented).collect();
    assert!(missing.is_empty(), "not in packaging/metrics.md: {missing:?}");
    let gone: Vec<_> = documented.difference(&exist).collect();
    assert!(gone.is_empty(), "in packaging/metrics.md, but no metric: {gone:?}");
}

#[test]
fn dashboard_and_rules_ask_for_metrics_that_exist() {
    let exist: BTreeSet<String> = admin::metrics().map(|metric| metric.name.to_owned()).collect();
    for file in ["packaging/grafana/corelog.json", "packaging/prometheus/corelog.rules.yml"] {
        let text = fs::read_to_string(root().join(file)).expect(file);
        let asked = names(&text);
        assert!(asked.len() > 5, "{file} asks for {asked:?}");
        let gone: Vec<_> = asked.difference(&exist).collect();
        assert!(gone.is_empty(), "{file} asks for {gone:?}");
    }
}
