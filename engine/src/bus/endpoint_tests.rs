//! The bus between real threads: order, completeness, wake-ups, and progress with rings far too small.

use std::thread;
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// Pins the calling thread to the n-th CPU it may use, round again when there are fewer.
fn pin(n: usize) {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("affinity");
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    let mut one = CpuSet::new();
    one.set(cpus[n % cpus.len()]).expect("cpu");
    sched_setaffinity(Pid::from_raw(0), &one).expect("pin");
}

/// Every core sends `count` numbered messages to every core and receives as many from each, sleeping whenever it may.
fn everybody_to_everybody(cores: u16, capacity: usize, count: u64, burst: u64) {
    let endpoints = mesh::<u64>(cores, capacity).expect("mesh");
    let threads: Vec<_> = endpoints
        .into_iter()
        .map(|mut endpoint| {
            thread::spawn(move || {
                pin(usize::from(endpoint.core().0));
                let mut expected = vec![0u64; usize::from(cores)];
                let (mut sent, mut inbox) = (0, Vec::new());
                while sent < count || endpoint.is_congested() || expected.iter().any(|next| *next < count) {
                    endpoint.receive(64, &mut inbox);
                    for (from, number) in inbox.drain(..) {
                        assert_eq!(number, expected[usize::from(from.0)], "order from {from}");
                        expected[usize::from(from.0)] += 1;
                    }
                    if !endpoint.is_congested() {
                        for _ in 0..burst.min(count - sent) {
                            (0..cores).for_each(|to| endpoint.send_or_queue(CoreId(to), sent));
                            sent += 1;
                        }
                    }
                    endpoint.flush();
                    let finished = sent == count && expected.iter().all(|next| *next == count);
                    let must_wait = sent == count || endpoint.is_congested();
                    if !finished && must_wait && endpoint.prepare_sleep() {
                        let raised = endpoint.signal().wait_blocking(Some(PATIENCE)).expect("wait");
                        assert!(
                            raised,
                            "core {} was never woken: {expected:?}, sent {sent}",
                            endpoint.core()
                        );
                        endpoint.signal().clear();
                    }
                }
                expected
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("core"), vec![count; usize::from(cores)]);
    }
}

#[test]
fn two_pinned_cores_lose_nothing_and_keep_the_order() {
    everybody_to_everybody(2, 1024, 300_000, 32);
}

#[test]
fn tiny_rings_mean_many_sleeps_and_still_nothing_is_lost() {
    everybody_to_everybody(2, 1, 20_000, 3);
    everybody_to_everybody(4, 2, 5_000, 5);
}

#[test]
fn one_message_at_a_time_wakes_a_sleeper_each_time() {
    const ROUNDS: u64 = 30_000;
    let mut endpoints = mesh::<u64>(2, 4).expect("mesh");
    let (there, here) = (endpoints.pop().expect("1"), endpoints.pop().expect("0"));
    let play = |mut endpoint: Endpoint<u64>, serves: bool| {
        let other = CoreId(1 - endpoint.core().0);
        let mut inbox = Vec::new();
        if serves {
            endpoint.send(other, 0).expect("room");
        }
        let mut last = 0;
        while last + 2 <= ROUNDS {
            endpoint.flush();
            if endpoint.prepare_sleep() {
                assert!(
                    endpoint.signal().wait_blocking(Some(PATIENCE)).expect("wait"),
                    "lost wake-up after {last}"
                );
                endpoint.signal().clear();
            }
            endpoint.receive(8, &mut inbox);
            for (_, number) in inbox.drain(..) {
                last = number;
                endpoint.send(other, number + 1).expect("room");
            }
        }
        endpoint.flush();
    };
    let partner = thread::spawn(move || play(there, false));
    play(here, true);
    partner.join().expect("partner");
}

#[test]
fn a_full_ring_gives_the_message_back_and_the_overflow_goes_first() {
    let mut endpoints = mesh::<u32>(2, 2).expect("mesh");
    let mut receiver = endpoints.pop().expect("1");
    let mut sender = endpoints.pop().expect("0");
    let to = receiver.core();
    sender.send(to, 0).expect("room");
    sender.send(to, 1).expect("room");
    assert_eq!(sender.send(to, 9).expect_err("full").0, 9);
    assert!(!sender.is_congested());
    sender.send_or_queue(to, 2);
    sender.send_or_queue(to, 3);
    assert_eq!(
        (sender.queued(), sender.is_congested_to(to), sender.is_congested_to(CoreId(0))),
        (2, true, false)
    );
    let mut out = Vec::new();
    assert_eq!(receiver.receive(1, &mut out), 1);
    // There is room for one, but an older message takes it.
    assert_eq!(sender.send(to, 9).expect_err("overflow first").0, 9);
    assert_eq!(sender.queued(), 1);
    while receiver.receive(10, &mut out) > 0 {
        sender.flush();
    }
    assert_eq!(out.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(out.iter().all(|(from, _)| *from == CoreId(0)));
    assert!(!sender.is_congested());
    drop(receiver);
    (0..10).for_each(|number| sender.send_or_queue(to, number));
    assert_eq!(sender.queued(), 0, "messages to a core that has ended are dropped");
}

#[test]
fn a_loud_core_does_not_keep_a_quiet_one_waiting() {
    let mut endpoints = mesh::<u32>(3, 64).expect("mesh");
    for number in 0..64 {
        endpoints[0].send(CoreId(2), number).expect("room");
    }
    endpoints[1].send(CoreId(2), 7).expect("room");
    let mut out = Vec::new();
    endpoints[2].receive(6, &mut out);
    assert!(out.contains(&(CoreId(1), 7)), "{out:?}");
}

#[test]
fn a_message_to_oneself_keeps_the_core_awake() {
    let mut endpoints = mesh::<u32>(1, 8).expect("mesh");
    let only = &mut endpoints[0];
    assert!(only.prepare_sleep());
    only.send(CoreId(0), 5).expect("room");
    only.flush();
    assert!(!only.prepare_sleep());
    let mut out = Vec::new();
    assert_eq!(only.receive(8, &mut out), 1);
    assert!(only.prepare_sleep());
}
