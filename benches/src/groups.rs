//! What groups and compaction cost one core: heartbeats of many small groups, offset commits, a rebalance of one large group of
//! either kind, and the bytes that the cleaner gets through. The machines themselves, with what they write encoded; no wire, no disk.

use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::base::{Codec, Offset, Timestamp};
use engine::compact::{OffsetMap, Rules, filter, learn};
use engine::error::ErrorCode;
use engine::group::request::Reply;
use engine::limits::EXPANSION_BYTES_MAX;
use engine::record::{BatchBuilder, CheckedBatch, RecordData, UncheckedBatch};

use crate::coordinator::{Coordinator, Member, beat, commit};

/// How large everything is.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub groups: usize,
    pub members: usize,
    pub large_group: usize,
    pub compacted_batches: usize,
    /// Rounds of what is repeated.
    pub rounds: usize,
}

impl Sizes {
    pub const FULL: Sizes =
        Sizes { groups: 10_000, members: 3, large_group: 1_000, compacted_batches: 200, rounds: 10 };
}

pub fn run(sizes: Sizes) -> Vec<String> {
    let mut lines = many_groups(sizes);
    lines.push(classic_rebalance(sizes.large_group));
    lines.push(consumer_rebalance(sizes.large_group));
    lines.extend([Codec::None, Codec::Lz4, Codec::Zstd].map(|codec| compaction(codec, sizes)));
    lines
}

fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64().max(1e-9)
}

fn many_groups(sizes: Sizes) -> Vec<String> {
    let mut coordinator = Coordinator::new(3);
    let names: Vec<String> = (0..sizes.groups).map(|number| format!("group-{number}")).collect();
    let (members, generation) = coordinator.classic(&names, sizes.members);
    let all = sizes.groups * sizes.members;
    // Every member beats once in three seconds.
    let step_ns = 3_000_000_000 / all as u64;
    let start = Instant::now();
    for _ in 0..sizes.rounds {
        for (group, members) in names.iter().zip(&members) {
            for member in members {
                let reply = coordinator.ask(beat(group, member, generation));
                assert_eq!(reply, Reply::Heartbeat(ErrorCode::None));
                coordinator.pass_ns(step_ns);
            }
        }
    }
    let rate = per_second(all * sizes.rounds, start.elapsed());
    let share = 100.0 * all as f64 / 3.0 / rate;
    let heartbeats = format!(
        "heartbeats of {} groups of {}: {rate:.0}/s on one core; at one in 3 s each they take {share:.1} % of it",
        sizes.groups, sizes.members
    );
    let (records, bytes) = (coordinator.records, coordinator.log_bytes);
    let start = Instant::now();
    for round in 0..sizes.rounds {
        for (group, members) in names.iter().zip(&members) {
            let reply = coordinator.ask(commit(group, &members[0], generation, round as i64));
            assert!(
                matches!(reply, Reply::Committed(topics) if topics[0].partitions[0].1 == ErrorCode::None)
            );
        }
    }
    let commits = sizes.groups * sizes.rounds;
    assert_eq!(coordinator.records - records, commits as u64, "a record for each commit");
    let each = (coordinator.log_bytes - bytes) / commits as u64;
    let rate = per_second(commits, start.elapsed());
    vec![
        heartbeats,
        format!("offset commits of one partition each: {rate:.0}/s on one core, {each} bytes of log each"),
    ]
}

fn classic_rebalance(members: usize) -> String {
    let mut coordinator = Coordinator::new(members as i32);
    let start = Instant::now();
    coordinator.classic(&["large".to_owned()], members);
    format!(
        "rebalance of a classic group of {members}: {:.1?} of one core, {} bytes of log",
        start.elapsed(),
        coordinator.log_bytes
    )
}

fn consumer_rebalance(count: usize) -> String {
    let mut coordinator = Coordinator::new(count as i32);
    let mut members: Vec<Member> = (0..count).map(Member::new).collect();
    let joined = settle(&mut coordinator, &mut members);
    let (bytes, start) = (coordinator.log_bytes, Instant::now());
    members.push(Member::new(count));
    let beats = settle(&mut coordinator, &mut members);
    let time = start.elapsed();
    format!(
        "{count} members form a consumer group: {joined:.1?} of one core; one more joins: {time:.1?} in {} heartbeats, {} bytes of log",
        beats.beats,
        coordinator.log_bytes - bytes,
        joined = joined.time
    )
}

struct Settled {
    time: Duration,
    beats: usize,
}

/// Everybody beats in turn until all partitions are given and nobody is told anything new.
fn settle(coordinator: &mut Coordinator, members: &mut [Member]) -> Settled {
    let start = Instant::now();
    let mut beats = 0;
    for _ in 0..20 {
        let before: Vec<_> = members.iter().map(|member| member.epoch).collect();
        for member in members.iter_mut() {
            let reply = coordinator.consumer(member.heartbeat("large"));
            member.take(reply);
            beats += 1;
        }
        // Assignments are made at most once in so long.
        coordinator.pass_ns(5_000_000_000);
        let is_still =
            members.iter().zip(before).all(|(member, before)| member.epoch == before && !member.changed);
        if is_still {
            let given: usize = members.iter().map(Member::partitions).sum();
            assert!(given + 1 >= members.len(), "{given} partitions of {} members", members.len());
            return Settled { time: start.elapsed(), beats };
        }
    }
    panic!("the group does not settle");
}

/// A log in which every second record has a newer one with its key.
fn compaction(codec: Codec, sizes: Sizes) -> String {
    let batches: Vec<Bytes> = (0..sizes.compacted_batches).map(|number| batch(codec, number)).collect();
    let bytes: usize = batches.iter().map(Bytes::len).sum();
    let keys = (sizes.compacted_batches * RECORDS) as u64;
    let start = Instant::now();
    let mut map = OffsetMap::new(keys, keys * 64, 7);
    for batch in &batches {
        assert_eq!(learn(&checked(batch), Offset(0), &mut map, EXPANSION_BYTES_MAX), Ok(None));
    }
    let end = Offset(keys as i64);
    let rules = Rules {
        end,
        now: Timestamp(1),
        delete_retention_ms: 86_400_000,
        opening_bytes_max: EXPANSION_BYTES_MAX,
        marks_stay: false,
    };
    let mut kept = 0;
    for batch in &batches {
        kept += match filter(&checked(batch), &map, &rules, false).expect("sound batches") {
            engine::compact::Kept::Whole => batch.len(),
            engine::compact::Kept::Rewritten(bytes) => bytes.len(),
            engine::compact::Kept::Nothing => 0,
        };
    }
    let rate = per_second(bytes, start.elapsed());
    assert!(kept < bytes, "half of the records go");
    format!(
        "compaction, {}: {:.0} MB of log per CPU-second, {} % left",
        codec.name(),
        rate / 1e6,
        kept * 100 / bytes
    )
}

const RECORDS: usize = 500;

fn batch(codec: Codec, number: usize) -> Bytes {
    let mut builder = BatchBuilder::new(codec, 16 << 20)
        .at(Offset((number * RECORDS) as i64), engine::base::LeaderEpoch(0));
    let value: Vec<u8> = (0..1024).map(|at| b'a' + (at * at % 23) as u8).collect();
    for record in 0..RECORDS {
        // Keys come back in the batch after the next.
        let key = (number / 4 * RECORDS * 2 + number % 2 * RECORDS + record).to_be_bytes();
        let data = RecordData { timestamp: Timestamp(1), key: Some(&key), value: Some(&value), headers: &[] };
        assert!(builder.push(data));
    }
    builder.build().expect("it fits")
}

fn checked(bytes: &Bytes) -> CheckedBatch<'_> {
    UncheckedBatch::split_first(bytes).expect("a batch").0.check().expect("its CRC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bench_runs() {
        let sizes = Sizes { groups: 20, members: 3, large_group: 30, compacted_batches: 8, rounds: 2 };
        let lines = run(sizes);
        assert_eq!(lines.len(), 7, "{lines:#?}");
    }
}
