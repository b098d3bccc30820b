//! Regular expressions of many groups, resolved a few comparisons per turn.

use super::*;
use crate::base::TopicId;
use crate::group::consumer::{ConsumerHeartbeat, ConsumerHeartbeatReply, Epoch, Topics};
use crate::group::limits::COMPARISONS_PER_TURN;

/// Topics `t00000`, `t00001`, … of one partition.
#[derive(Debug)]
struct Numbered {
    count: usize,
    looks: std::sync::atomic::AtomicUsize,
}

impl Topics for Numbered {
    fn version(&self) -> i64 {
        self.count as i64
    }

    fn by_name(&self, name: &str) -> Option<(TopicId, i32)> {
        let number: u128 = name.strip_prefix('t')?.parse().ok()?;
        Some((TopicId((number + 1).to_be_bytes()), 1))
    }

    fn name(&self, id: TopicId) -> Option<Arc<str>> {
        Some(format!("t{:05}", u128::from_be_bytes(id.0) - 1).into())
    }

    fn names_after(&self, name: Option<&str>, count_max: usize) -> Vec<Arc<str>> {
        let next = name.map_or(0, |name| name[1..].parse::<usize>().unwrap() + 1);
        let end = self.count.min(next + count_max);
        self.looks.fetch_max(end - next.min(end), std::sync::atomic::Ordering::Relaxed);
        (next..end).map(|number| format!("t{number:05}").into()).collect()
    }
}

fn heartbeat(group: &str, member: &str, epoch: i32, regex: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: group.into(),
        member: member.into(),
        epoch: Epoch(epoch),
        instance: None,
        rack: None,
        rebalance_timeout_ms: 60_000,
        topics: None,
        regex: Some(regex.into()),
        assignor: None,
        owned: Some(Vec::new()),
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        version: 1,
        entropy: [7; 16],
    }
}

impl Bench {
    fn consumer_beat(&mut self, request: ConsumerHeartbeat) -> ConsumerHeartbeatReply {
        match self.ask(Request::ConsumerHeartbeat(Box::new(request))) {
            Reply::ConsumerHeartbeat(Ok(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    /// How many turns it took until nothing was left to resolve.
    fn resolve(&mut self) -> usize {
        let mut turns = 0;
        while self.groups.is_resolving() {
            let effects = self.groups.resolve_on(self.now);
            self.carry_out(effects);
            turns += 1;
        }
        turns
    }
}

fn with_topics(count: usize) -> (Bench, Arc<Numbered>) {
    let mut bench = Bench::kafka();
    let topics = Arc::new(Numbered { count, looks: 0.into() });
    bench.groups.see(topics.clone());
    (bench, topics)
}

#[test]
fn a_turn_compares_few_names_however_many_topics_there_are() {
    let (mut bench, topics) = with_topics(5_000);
    bench.consumer_beat(heartbeat("g", "a", 0, "t.*7"));
    let turns = bench.resolve();
    assert!(turns >= 5_000 / COMPARISONS_PER_TURN, "{turns} turns");
    assert_eq!(topics.looks.load(std::sync::atomic::Ordering::Relaxed), COMPARISONS_PER_TURN);
    bench.pass_ms(1_000);
    let reply = bench.consumer_beat(heartbeat("g", "a", 1, "t.*7"));
    assert_eq!((reply.epoch, reply.assignment.unwrap().len()), (Epoch(2), 500));
}

#[test]
fn every_group_that_asked_is_resolved_and_asking_again_costs_nothing() {
    let (mut bench, _) = with_topics(10);
    for group in ["one", "two", "three"] {
        bench.consumer_beat(heartbeat(group, "a", 0, "t.*"));
        bench.consumer_beat(heartbeat(group, "a", 0, "t.*"));
    }
    assert_eq!(bench.resolve(), 3);
    for group in ["one", "two", "three"] {
        bench.pass_ms(1_000);
        assert_eq!(bench.consumer_beat(heartbeat(group, "a", 1, "t.*")).epoch, Epoch(2));
    }
    bench.check_replay();
}

#[test]
fn a_group_that_goes_while_its_expression_is_matched_is_left_alone() {
    let (mut bench, _) = with_topics(1_000);
    bench.consumer_beat(heartbeat("g", "a", 0, "t.*"));
    let effects = bench.groups.resolve_on(bench.now);
    bench.carry_out(effects);
    bench.consumer_beat(ConsumerHeartbeat { regex: None, owned: None, ..heartbeat("g", "a", -1, "") });
    bench.send(Request::Delete(vec!["g".into()]));
    assert!(bench.groups.group("g").is_none());
    let before = bench.log.len();
    bench.resolve();
    assert_eq!(bench.log.len(), before);
}

#[test]
fn more_expressions_than_one_resolution_takes_are_resolved_by_and_by() {
    let (mut bench, _) = with_topics(40);
    for member in 0..40 {
        bench.consumer_beat(heartbeat("g", &format!("m{member:02}"), 0, &format!("t000{member:02}")));
    }
    bench.resolve();
    for _ in 0..3 {
        bench.pass_ms(1_000);
        for member in 0..40 {
            let (id, pattern) = (format!("m{member:02}"), format!("t000{member:02}"));
            let epoch = match &bench.groups.group("g").unwrap().kind {
                crate::group::kind::Kind::Consumer(live) => live.group.member(&id).unwrap().epoch,
                other => panic!("{other:?}"),
            };
            bench.consumer_beat(heartbeat("g", &id, epoch.0, &pattern));
        }
        bench.resolve();
    }
    let Reply::ConsumerDescribed(described) = bench.ask(Request::DescribeConsumer(vec!["g".into()])) else {
        panic!("no description")
    };
    let group = described[0].1.as_ref().unwrap();
    assert!(group.members.iter().all(|member| member.assigned.len() == 1));
}
