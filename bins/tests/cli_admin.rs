//! `corelog`'s administration and the less usual ways to write and read, as a person runs them, against a real broker.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

mod terminal;
use terminal::{Broker, PATIENCE, corelog, lines, run};

/// The fields of the line that begins with `first`.
#[track_caller]
fn row<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let fields = |line: &'a str| line.split_whitespace().collect::<Vec<_>>();
    let found = table.lines().map(fields).find(|fields| fields.first() == Some(&first));
    found.unwrap_or_else(|| panic!("no {first} in\n{table}"))
}

#[test]
fn a_topic_grows_and_does_not_shrink() {
    let broker = Broker::start();
    broker.corelog(&["topic", "create", "t", "-p", "2"]).done();
    let tried = broker.corelog(&["topic", "alter", "t", "-p", "5", "--dry-run"]).done();
    assert_eq!(tried, "Would have changed topic t from 2 to 5 partitions.\n");
    let done = broker.corelog(&["topic", "alter", "t", "-p", "5"]).done();
    assert_eq!(done, "Changed topic t from 2 to 5 partitions.\n");
    assert_eq!(broker.corelog(&["offsets", "t"]).done().lines().count(), 6);
    broker.produce(&["t", "-p", "4"], b"x\n").done();
    let refused = broker.corelog(&["topic", "alter", "t", "-p", "3"]);
    assert!(refused.code == 1 && refused.err.contains("InvalidPartitions"), "{}", refused.err);
    assert_eq!(broker.corelog(&["topic", "alter", "t"]).code, 2);
}

#[test]
fn options_change_and_say_where_they_come_from() {
    let broker = Broker::start();
    broker.corelog(&["topic", "create", "t", "-c", "retention.ms=60000"]).done();
    let said = broker.corelog(&["config", "describe", "topic", "t"]).done();
    assert_eq!(row(&said, "retention.ms")[1..4], ["60000", "topic", "long"]);
    let words =
        ["config", "alter", "topic", "t", "-s", "retention.ms=70000", "--append", "cleanup.policy=compact"];
    broker.corelog(&[&words[..], &["--dry-run"]].concat()).done();
    let said = broker.corelog(&["config", "describe", "topic", "t"]).done();
    assert_eq!(row(&said, "retention.ms")[1], "60000", "a dry run changes nothing");
    broker.corelog(&words).done();
    let said = broker.corelog(&["config", "describe", "topic", "t"]).done();
    assert_eq!(row(&said, "retention.ms")[1], "70000");
    assert_eq!(row(&said, "cleanup.policy")[1], "delete,compact");
    broker
        .corelog(&[
            "config",
            "alter",
            "topic",
            "t",
            "-d",
            "retention.ms",
            "--subtract",
            "cleanup.policy=compact",
        ])
        .done();
    let said =
        broker.corelog(&["config", "describe", "topic", "t", "retention.ms", "--synonyms", "--json"]).done();
    assert!(said.contains("\"value\":\"604800000\",\"source\":\"default\""), "{said}");
    assert!(broker.corelog(&["config", "describe", "topic", "t", "-a"]).done().lines().count() > 20);
    for (words, expected) in [
        (&["config", "describe", "topic", "none"][..], "UnknownTopicOrPartition"),
        (&["config", "describe", "topic", "t", "no.such"], "t has no option no.such"),
        (&["config", "alter", "topic", "t", "-s", "retention.ms=x"], "InvalidConfig"),
        (&["config", "describe", "broker", "9"], "there is no broker 9"),
    ] {
        let refused = broker.corelog(words);
        assert!(refused.code == 1 && refused.err.contains(expected), "{words:?}: {}", refused.err);
    }
}

#[test]
fn the_cluster_is_described() {
    let broker = Broker::start();
    broker.corelog(&["topic", "create", "t", "-p", "3"]).done();
    let said = broker.corelog(&["cluster", "describe"]).done();
    assert!(lines(&said)[0].starts_with("Cluster "), "{said}");
    let shown: Vec<&str> = lines(&said)[3].split_whitespace().collect();
    assert_eq!(shown, ["1", &broker.address, "-", "3", "3", "controller"]);
    let said = broker.corelog(&["cluster", "describe", "--json"]).done();
    assert!(said.contains("\"partitions\":3,\"partitions_without_leader\":0"), "{said}");
}

#[test]
fn offsets_are_found_by_end_count_and_time() {
    let broker = Broker::start();
    for (time, input) in [("2026-01-01", "a\nb\n"), ("2026-01-02T00:00:00Z", "c\nd\n")] {
        broker.produce(&["t", "-p", "1", "--timestamp", time], input.as_bytes()).done();
    }
    let said = broker.corelog(&["offsets", "t"]).done();
    assert_eq!(
        said.lines().nth(2).unwrap().split_whitespace().collect::<Vec<_>>(),
        ["t", "1", "0", "4", "4"]
    );
    for (at, expected) in [
        ("earliest", 0),
        ("latest", 4),
        ("-3", 1),
        ("@2026-01-01T12:00", 2),
        ("@2026-01-03", 4),
        ("youngest", 2),
    ] {
        let said = broker.corelog(&["offsets", "t", "-p", "1", "--at", at, "--json"]).done();
        assert_eq!(said, format!("{{\"topic\":\"t\",\"partition\":1,\"offset\":{expected}}}\n"), "{at}");
    }
    let read =
        |words: &[&str]| broker.corelog(&[&["consume", "t", "-p", "1", "--raw"], words].concat()).done();
    assert_eq!(read(&["--to", "3"]), "abc");
    assert_eq!(read(&["-o", "1", "--to", "@2026-01-02"]), "b");
    assert_eq!(read(&["-o", "@2026-01-02", "-e"]), "cd");
    assert_eq!(read(&["-o", "3", "--to", "2"]), "");
}

#[test]
fn json_goes_round() {
    let broker = Broker::start();
    let words = ["from", "-k", ":", "-H", "h=v", "--timestamp", "5", "-p", "1"];
    broker.produce(&words, b"a:1\n\xff:\xfe\n").done();
    let first = broker.corelog(&["consume", "from", "-e", "--json"]).done();
    assert!(first.contains("\"key_base64\":\"/w==\""), "{first}");
    broker.produce(&["to", "--json", "--keep-partitions"], first.as_bytes()).done();
    let second = broker.corelog(&["consume", "to", "-e", "--json"]).done();
    assert_eq!(second, first.replace("\"from\"", "\"to\""));
    let refused = broker.produce(&["to", "--json"], b"{\"value\":1}\n{\"valeu\":1}\n");
    assert!(
        refused.code == 1 && refused.err.contains("record 2 of the input: valeu means nothing"),
        "{}",
        refused.err
    );
}

#[test]
fn input_may_be_hexadecimal_whole_files_or_cut_at_another_byte() {
    let broker = Broker::start();
    broker.produce(&["hex", "-F", "hex", "-k", " : ", "-p", "0"], b"00 : ff01\n").done();
    assert_eq!(broker.corelog(&["consume", "hex", "-e", "--hex"]).done(), "00\tff01\n");
    broker.produce(&["nul", "-d", "\\0", "-c", "2", "--key", "k", "-p", "0"], b"a\nb\0c\0d\0").done();
    assert_eq!(broker.corelog(&["consume", "nul", "-e", "-f", "%k=%s|"]).done(), "k=a\nb|k=c|");
    let directory = tempfile::tempdir().unwrap();
    let files = ["one", "two"].map(|name| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("{name}\n{name}")).unwrap();
        path.to_str().unwrap().to_owned()
    });
    broker.produce(&["whole", "-F", "whole", "-p", "0", &files[0], &files[1]], b"").done();
    assert_eq!(broker.corelog(&["consume", "whole", "-e", "-f", "%s|"]).done(), "one\none|two\ntwo|");
    broker.produce(&["both", "-p", "0", &files[0], &files[1]], b"").done();
    assert_eq!(broker.corelog(&["consume", "both", "-e", "-f", "%s|"]).done(), "one|one|two|two|");
    assert_eq!(broker.produce(&["t", "-d", "ab"], b"").code, 2);
    assert_eq!(broker.produce(&["t", "/no/such/file"], b"").code, 1);
}

/// A producer is interrupted while its input stands open: what was typed is written, and the code is the shell's.
#[test]
fn an_interrupted_producer_writes_what_it_has() {
    let broker = Broker::start();
    let mut command = corelog();
    command.args(["produce", "t", "-v", "-p", "0", "--linger-ms", "0", "-b", &broker.address]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (code, said) = interrupted(command, "partition 0  offset 0  records 1\n");
    assert_eq!((code, said.as_str()), (Some(130), "corelog: acknowledged before the end: 1 record\n"));
    assert_eq!(broker.corelog(&["consume", "t", "-e"]).done(), "typed\n");
}

#[test]
fn an_interrupted_consumer_ends_quietly() {
    let broker = Broker::start();
    broker.produce(&["t", "-p", "0"], b"there\n").done();
    let mut command = corelog();
    command.args(["consume", "t", "-b", &broker.address]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    assert_eq!(interrupted(command, "there\n"), (Some(130), String::new()));
}

/// Interrupts a command once it has said `first`; its exit code and standard error.
fn interrupted(mut command: Command, first: &str) -> (Option<i32>, String) {
    let mut process = command.spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    // It may not read at all.
    let _ = stdin.write_all(b"typed\n");
    let mut line = String::new();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(line, first);
    let id = nix::unistd::Pid::from_raw(process.id() as i32);
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    let (sender, ended) = channel();
    let mut error = process.stderr.take().unwrap();
    thread::spawn(move || {
        let mut said = String::new();
        error.read_to_string(&mut said).unwrap();
        sender.send((process.wait().unwrap().code(), said))
    });
    let outcome = ended.recv_timeout(PATIENCE).expect("it ends");
    drop(stdin);
    outcome
}

#[test]
fn completions_and_man_pages_are_written() {
    for (shell, expected) in
        [("bash", "_corelog()"), ("zsh", "#compdef corelog"), ("fish", "complete -c corelog")]
    {
        let said = run(corelog().args(["completions", shell]), b"").done();
        assert!(said.contains(expected) && said.contains("bootstrap-server"), "{shell}");
    }
    let directory = tempfile::tempdir().unwrap();
    run(corelog().arg("man").arg(directory.path()), b"").done();
    let page = std::fs::read_to_string(directory.path().join("corelog-topic-alter.1")).unwrap();
    assert!(page.contains("Add partitions to a topic"), "{page}");
}
