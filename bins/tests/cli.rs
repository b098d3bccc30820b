//! The operator's command line and the load generator, as a person runs them, against a real broker: one process each,
//! everything in a temporary directory, every wait bounded.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;

mod terminal;
use terminal::{Broker, PATIENCE, corelog, lines, run};

#[test]
fn topics_are_made_shown_and_removed() {
    let broker = Broker::start();
    let said = broker.corelog(&["topic", "create", "orders", "--partitions", "3"]).done();
    assert!(said.starts_with("Created topic orders with 3 partitions, id "), "{said}");
    let again = broker.corelog(&["topic", "create", "orders"]);
    assert!(again.code == 1 && again.err.contains("TopicAlreadyExists"), "{}", again.err);
    broker.corelog(&["topic", "create", "orders", "--if-not-exists"]).done();
    let said = broker.corelog(&["topic", "list"]).done();
    assert_eq!(lines(&said)[1].split_whitespace().take(3).collect::<Vec<_>>(), ["orders", "3", "1"]);
    let said = broker.corelog(&["topic", "describe", "orders"]).done();
    assert_eq!(lines(&said).len(), 5, "{said}");
    broker.corelog(&["topic", "delete", "orders"]).done();
    let gone = broker.corelog(&["topic", "describe", "orders"]);
    assert!(gone.code == 1 && gone.err.contains("topic orders does not exist"), "{}", gone.err);
}

#[test]
fn what_is_written_is_read_with_each_codec() {
    let broker = Broker::start();
    broker.corelog(&["topic", "create", "t"]).done();
    let input: String = (0..500).map(|number| format!("key{number}\tvalue {number}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let words = ["t", "-k", "\\t", "-z", codec, "-H", "codec=x", "--timestamp", "1700000000123"];
        assert_eq!(broker.produce(&words, input.as_bytes()).done(), "Wrote 500 records to t.\n");
    }
    let said = broker.corelog(&["consume", "t", "--exit", "--format", "%k\\t%s\\n"]).done();
    let mut read = lines(&said);
    read.sort_unstable();
    let mut written: Vec<&str> = input.lines().cycle().take(2500).collect();
    written.sort_unstable();
    assert_eq!(read, written);
    let said = broker.corelog(&["consume", "t", "-e", "-c", "1", "--json"]).done();
    assert!(said.contains("\"timestamp\":1700000000123"), "{said}");
    assert!(said.contains("\"headers\":[{\"key\":\"codec\",\"value\":\"x\"}]"), "{said}");
}

#[test]
fn reading_begins_where_it_is_asked_to() {
    let broker = Broker::start();
    for (time, input) in [("1000", "a\nb\n"), ("2000", "c\nd\n")] {
        broker.produce(&["t", "-p", "1", "--timestamp", time], input.as_bytes()).done();
    }
    for (offset, expected) in [
        ("earliest", "abcd"),
        ("1", "bcd"),
        ("-1", "d"),
        ("latest", ""),
        ("@1500", "cd"),
        ("@2000", "cd"),
        ("@9999", ""),
    ] {
        let words = ["consume", "t", "-p", "1", "--exit", "--format", "%s", "--offset", offset];
        assert_eq!(broker.corelog(&words).done(), expected, "{offset}");
    }
    let beyond = broker.corelog(&["consume", "t", "-p", "1", "-o", "99", "-c", "1"]);
    assert!(beyond.code == 1 && beyond.err.contains("OffsetOutOfRange"), "{}", beyond.err);
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let broker = Broker::start();
    let input = "some line of text\n".repeat(20_000);
    broker.produce(&["t"], input.as_bytes()).done();
    let mut command = corelog();
    command.args(["consume", "t", "-b", &broker.address]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    drop(out);
    // Without --exit it would read for ever.
    let (sender, output) = channel::<Output>();
    thread::spawn(move || sender.send(process.wait_with_output().unwrap()));
    let output = output.recv_timeout(PATIENCE).expect("it ends");
    assert_eq!((line.as_str(), output.status.code()), ("some line of text\n", Some(0)));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_producer_lives_through_a_killed_broker_and_writes_each_record_once() {
    let mut broker = Broker::start();
    broker.corelog(&["topic", "create", "t", "-p", "1"]).done();
    let mut command = corelog();
    command.args(["produce", "t", "-v", "--batch-bytes", "4096", "--timeout", "60", "-b", &broker.address]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    let (sender, output) = channel();
    let numbers = |from: usize| (from..from + 20_000).map(|number| format!("{number}\n")).collect::<String>();
    stdin.write_all(numbers(0).as_bytes()).unwrap();
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert!(first.starts_with("partition 0  offset 0  "), "{first}");
    broker.stop(nix::sys::signal::Signal::SIGKILL);
    stdin.write_all(numbers(20_000).as_bytes()).unwrap();
    drop(stdin);
    broker.restart();
    thread::spawn(move || {
        let mut said = String::new();
        out.read_to_string(&mut said).unwrap();
        sender.send((said, process.wait().unwrap()))
    });
    let (said, status) = output.recv_timeout(PATIENCE).expect("the producer ends");
    assert!(status.success(), "{said}");
    assert!(said.ends_with("Wrote 40000 records to t.\n"), "{said}");
    let read = broker.corelog(&["consume", "t", "--exit"]).done();
    assert_eq!(read, numbers(0) + &numbers(20_000));
}

#[test]
fn files_of_a_stopped_broker_verify_and_dump() {
    let mut broker = Broker::start();
    broker.produce(&["t", "-p", "0", "-z", "zstd"], "line\n".repeat(5000).as_bytes()).done();
    broker.stop(nix::sys::signal::Signal::SIGTERM);
    let directory = broker.directory.path();
    let said = run(corelog().args(["log", "verify"]).arg(directory), b"").done();
    assert!(said.ends_with(": no damage\n"), "{said}");
    let segment = directory.join("t-0/00000000000000000000.log");
    let said = run(corelog().args(["log", "dump", "--records"]).arg(&segment), b"").done();
    assert_eq!(said.lines().filter(|line| line.contains("value \"line\"")).count(), 5000);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let said = run(corelog().args(["log", "verify"]).arg(directory), b"");
    assert!(said.code == 1 && said.out.contains("CRC-32C"), "{}", said.out);
}

#[test]
fn a_wrong_command_line_and_an_absent_broker_are_told_apart() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (words, code) in [
        (vec!["topic", "frobnicate"], 2),
        (vec!["topic", "list", "-b", "no-port"], 2),
        (vec!["consume", "t", "--format", "%q"], 2),
        (vec!["topic", "list", "-b", &nowhere], 1),
        (vec!["log", "verify", "/nowhere/at/all"], 1),
    ] {
        let said = run(corelog().args(&words), b"");
        assert_eq!(said.code, code, "{words:?}: {}", said.err);
        assert!(!said.err.is_empty());
    }
}

#[test]
fn the_load_generator_measures_each_way() {
    let broker = Broker::start();
    let bench = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corelog-bench"));
        command.args(words).args(["-b", &broker.address, "--seconds", "1", "--warm-up", "0", "--json"]);
        run(&mut command, b"").done()
    };
    let pid = broker.process.id().to_string();
    for (words, expected) in [
        (vec!["produce", "-p", "3", "-c", "2", "--pid", &pid], "\"cpu_s_per_gb\":"),
        (vec!["produce", "-r", "500", "-z", "lz4", "--acks", "1"], "\"written\":{\"records\":"),
        (vec!["produce", "--acks", "0", "--batch-records", "4", "-r", "100"], "\"partitions\":3"),
        (vec!["consume", "-c", "2"], "\"read\":{\"records\":"),
        (vec!["latency", "-r", "300", "-s", "100"], "\"read\":{\"records\":"),
        (
            vec!["latency", "-r", "600", "-s", "64-256", "-c", "3", "--readers", "2"],
            "\"missing\":0,\"skipped\":0",
        ),
        (
            vec![
                "latency",
                "-r",
                "600",
                "-t",
                "many",
                "--topics",
                "2",
                "-p",
                "4",
                "--keys",
                "50",
                "--key-skew",
                "1",
            ],
            "\"partitions\":8",
        ),
        (
            vec!["produce", "-t", "many", "--topics", "2", "--request-batches", "8", "-s", "100"],
            "\"request_batches\":8",
        ),
        (
            vec!["produce", "-t", "many", "--topics", "2", "--keys", "9", "--runs", "2"],
            "{\"summary\":{\"written: records/s\"",
        ),
    ] {
        let said = bench(&words);
        assert!(said.contains(expected) && said.contains("\"errors\":0"), "{words:?}: {said}");
        assert!(!said.contains("\"records\":0,"), "{words:?}: {said}");
    }
}
