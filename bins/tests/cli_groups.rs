//! `corelog group` and `corelog consume --group`, as a person runs them, against a real broker.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};

mod terminal;
use terminal::{Broker, PATIENCE, corelog};

const PROTOCOLS: [&str; 2] = ["classic", "consumer"];

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The rows of a table below its head.
fn rows(table: &str, head: &str) -> Vec<Vec<String>> {
    let lines = table.lines().skip_while(|line| words(line).first() != Some(&head)).skip(1);
    lines.map(|line| words(line).into_iter().map(str::to_owned).collect()).collect()
}

/// TOPIC:PARTITION CURRENT END LAG of every row that `describe` prints.
fn progress(broker: &Broker, group: &str) -> Vec<String> {
    let said = broker.corelog(&["group", "describe", group]).done();
    rows(&said, "GROUP").iter().map(|row| row[1..6].join(" ")).collect()
}

/// A member that runs until it is told to end.
struct Running {
    process: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(broker: &Broker, topic: &str, group: &str, more: &[&str]) -> Running {
        let mut command = corelog();
        command.args(["consume", topic, "-g", group, "-f", "%p %s\\n", "-b", &broker.address]).args(more);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        Running { process, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        kill(nix::unistd::Pid::from_raw(self.process.id() as i32), signal).unwrap();
        self.process.wait().unwrap().code()
    }
}

/// What each member of a group has, once there are `count`, each has something, and both partitions are somebody's.
fn members(broker: &Broker, group: &str, count: usize) -> Vec<Vec<String>> {
    let since = Instant::now();
    loop {
        let said = broker.corelog(&["group", "members", group]);
        let rows = rows(&said.out, "GROUP");
        let shares: Vec<usize> = rows.iter().map(|row| row[6].parse().unwrap()).collect();
        if rows.len() == count && !shares.contains(&0) && shares.iter().sum::<usize>() == 2 {
            return rows;
        }
        assert!(since.elapsed() < PATIENCE, "{}{}", said.out, said.err);
    }
}

#[test]
fn a_group_goes_on_where_it_has_stopped() {
    let broker = Broker::start();
    broker.corelog(&["topic", "create", "t", "-p", "2"]).done();
    broker.produce(&["t", "-p", "0"], b"a\nb\n").done();
    broker.produce(&["t", "-p", "1"], b"c\n").done();
    for protocol in PROTOCOLS {
        let read = |more: &[&str]| {
            let words = ["consume", "t", "-g", protocol, "--group-protocol", protocol, "-e"];
            broker.corelog(&[&words[..], more].concat()).done()
        };
        let mut first: Vec<String> = read(&[]).lines().map(str::to_owned).collect();
        first.sort();
        assert_eq!(first, ["a", "b", "c"], "{protocol}");
        assert_eq!(read(&[]), "", "{protocol}");
        let after = progress(&broker, protocol);
        let expected = ["t 0 2 2 0", "t 1 1 1 0"];
        assert_eq!(after, expected, "{protocol}");
    }
    broker.produce(&["t", "-p", "0"], b"d\ne\n").done();
    for protocol in PROTOCOLS {
        let read = |more: &[&str]| {
            let words = ["consume", "t", "-g", protocol, "--group-protocol", protocol];
            broker.corelog(&[&words[..], more].concat()).done()
        };
        assert_eq!(read(&["-c", "1"]), "d\n", "{protocol}: what is printed is committed, and no more");
        assert_eq!(progress(&broker, protocol)[0], "t 0 3 4 1", "{protocol}");
        assert_eq!(read(&["-e"]), "e\n", "{protocol}");
    }
    let refused = broker.corelog(&["consume", "none", "-g", "g", "-e"]);
    assert!(refused.code == 1 && refused.err.contains("topic none does not exist"), "{}", refused.err);
    assert_eq!(broker.corelog(&["consume", "t", "--instance-id", "i"]).code, 2);
}

#[test]
fn two_members_share_and_one_takes_over_when_the_other_is_interrupted() {
    let broker = Broker::start();
    for protocol in PROTOCOLS {
        broker.corelog(&["topic", "create", protocol, "-p", "2"]).done();
        let options = ["--group-protocol", protocol];
        let mut one = Running::start(&broker, protocol, protocol, &options);
        members(&broker, protocol, 1);
        let two = Running::start(&broker, protocol, protocol, &options);
        let shared = members(&broker, protocol, 2);
        let mut parts: Vec<&str> = shared.iter().map(|row| row[7].split(':').nth(1).unwrap()).collect();
        parts.sort_unstable();
        assert_eq!(parts, ["0", "1"], "{protocol}");
        let refused =
            broker.corelog(&["group", "reset-offsets", protocol, "-T", protocol, "--to-earliest", "-x"]);
        assert!(refused.code == 1 && refused.err.contains("has members (2"), "{}", refused.err);
        let refused = broker.corelog(&["group", "delete", protocol]);
        assert!(refused.code == 1 && refused.err.contains("end them first"), "{}", refused.err);
        assert_eq!(two.end(Signal::SIGINT), Some(130), "{protocol}");
        // It has left: nobody waits for its session timeout of 45 s, or the test would not end in time.
        let left = members(&broker, protocol, 1);
        assert_eq!(left[0][6], "2", "{protocol}");
        broker.produce(&[protocol, "-p", "0"], b"x\n").done();
        broker.produce(&[protocol, "-p", "1"], b"y\n").done();
        let mut got = [one.line(), one.line()];
        got.sort();
        assert_eq!(got, ["0 x", "1 y"], "{protocol}");
        assert_eq!(one.end(Signal::SIGTERM), Some(143), "{protocol}");
        let said = broker.corelog(&["group", "describe", protocol]).done();
        assert!(said.starts_with(&format!("Group {protocol}: Empty, {protocol}, ")), "{said}");
        assert!(progress(&broker, protocol).iter().all(|row| row.ends_with(" 0")), "{said}");
        broker.corelog(&["group", "delete", protocol]).done();
    }
}

/// A static member is killed and comes back under its name: it has the same partition at once, and the other keeps its own.
#[test]
fn a_static_member_comes_back_to_its_partitions() {
    let broker = Broker::start();
    broker.corelog(&["topic", "create", "t", "-p", "2"]).done();
    let named = |name: &'static str| ["--instance-id", name];
    let one = Running::start(&broker, "t", "g", &named("one"));
    members(&broker, "g", 1);
    let two = Running::start(&broker, "t", "g", &named("two"));
    let owner = |name: &str| {
        let rows = members(&broker, "g", 2);
        rows.into_iter().find(|row| row[2] == name).map(|row| (row[1].clone(), row[7].clone())).unwrap()
    };
    let (id_before, part_before) = owner("two");
    let other_before = owner("one");
    two.end(Signal::SIGKILL);
    let two = Running::start(&broker, "t", "g", &named("two"));
    let since = Instant::now();
    while owner("two").0 == id_before {
        assert!(since.elapsed() < PATIENCE);
    }
    assert_eq!((owner("two").1, owner("one")), (part_before, other_before));
    two.end(Signal::SIGKILL);
    one.end(Signal::SIGKILL);
}

#[test]
fn offsets_are_moved_only_when_told_to() {
    let broker = Broker::start();
    broker.corelog(&["topic", "create", "t", "-p", "2"]).done();
    broker.produce(&["t", "-p", "0", "--timestamp", "2026-01-01"], b"a\nb\nc\nd\n").done();
    broker.produce(&["t", "-p", "0"], b"e\n").done();
    broker.produce(&["t", "-p", "1"], b"f\n").done();
    let reset = |more: &[&str]| broker.corelog(&[&["group", "reset-offsets", "g"], more].concat());
    // A group that is to come may have offsets before it comes.
    let shown = reset(&["-T", "t", "--to-earliest"]).done();
    assert!(shown.ends_with("Nothing is changed yet; --execute does it.\n"), "{shown}");
    let none = broker.corelog(&["group", "describe", "g"]);
    assert!(none.code == 1 && none.err.contains("group g does not exist"), "{}", none.err);
    reset(&["-T", "t", "--to-latest", "--execute"]).done();
    assert_eq!(progress(&broker, "g"), ["t 0 5 5 0", "t 1 1 1 0"]);
    let to = |more: &[&str]| {
        let said = reset(&[&["-T", "t:0", "--json"], more].concat());
        let said = said.done();
        let offset = said.split("\"new_offset\":").nth(1).unwrap_or_else(|| panic!("{said}"));
        offset.split(',').next().unwrap().parse::<i64>().unwrap()
    };
    for (target, expected) in [
        (&["--to-earliest"][..], 0),
        (&["--to-latest"], 5),
        (&["--to-current"], 5),
        (&["--to-offset", "2"], 2),
        (&["--to-offset", "99"], 5),
        (&["--shift-by", "-3"], 2),
        (&["--shift-by", "3"], 5),
        (&["--to-datetime", "2025-12-31T00:00:00.000Z"], 0),
        (&["--to-datetime", "2026-01-02"], 4),
        (&["--by-duration", "PT1H"], 4),
        (&["--by-duration", "P36500D"], 0),
    ] {
        assert_eq!(to(target), expected, "{target:?}");
    }
    let clamped = reset(&["-T", "t:0", "--to-offset", "99"]);
    assert!(clamped.code == 0 && clamped.err.contains("offset 99 is above"), "{}", clamped.err);
    let plan = broker.directory.path().join("plan.csv");
    let exported = reset(&["--all-topics", "--shift-by", "-1", "--export"]).done();
    assert_eq!(exported, "t,0,4\nt,1,0\n");
    std::fs::write(&plan, exported).unwrap();
    reset(&["--from-file", plan.to_str().unwrap(), "-x"]).done();
    assert_eq!(progress(&broker, "g"), ["t 0 4 5 1", "t 1 0 1 1"]);
    for (wrong, code) in [
        (&["-T", "t"][..], 2),
        (&["--to-earliest"], 2),
        (&["-T", "t", "--to-earliest", "--to-latest"], 2),
        (&["-T", "t:7", "--to-earliest"], 1),
        (&["-T", "none", "--to-earliest"], 1),
        (&["--from-file", "/no/such/file"], 1),
    ] {
        assert_eq!(reset(wrong).code, code, "{wrong:?}");
    }
}

#[test]
fn groups_are_listed_and_forget() {
    let broker = Broker::start();
    broker.corelog(&["topic", "create", "t", "-p", "2"]).done();
    for group in ["a", "b"] {
        broker.corelog(&["group", "reset-offsets", group, "-T", "t", "--to-latest", "-x"]).done();
    }
    let said = broker.corelog(&["group", "list"]).done();
    assert_eq!(rows(&said, "GROUP").iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(broker.corelog(&["group", "list", "--state", "stable", "--json"]).done(), "");
    let forget = |scope: &[&str]| broker.corelog(&[&["group", "delete-offsets", "a"], scope].concat());
    let refused = forget(&["-T", "u"]);
    assert!(refused.code == 1 && refused.err.contains("group a has no offset of topic u"), "{}", refused.err);
    forget(&["-T", "t:1"]).done();
    assert_eq!(progress(&broker, "a"), ["t 0 0 0 0"]);
    assert_eq!(forget(&[]).code, 2);
    let said = broker.corelog(&["group", "describe", "--all", "--json"]).done();
    assert!(said.contains("\"group\":\"b\"") && said.lines().count() == 2, "{said}");
    assert_eq!(broker.corelog(&["group", "delete", "b"]).done(), "Deleted group b.\n");
    let refused = broker.corelog(&["group", "delete", "b"]);
    assert!(refused.code == 1 && refused.err.contains("group b does not exist"), "{}", refused.err);
}
