//! The bus between two pinned cores: messages per second both ways at once, and the time of one round between sleepers.

use std::thread;
use std::time::{Duration, Instant};

use engine::base::CoreId;
use engine::bus::{Endpoint, mesh};

/// The size of a small request that travels between cores.
type Message = [u64; 8];

fn pin(n: usize) {
    let Ok(allowed) = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) else { return };
    let count = nix::sched::CpuSet::count();
    let cpus: Vec<usize> = (0..count).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    let mut one = nix::sched::CpuSet::new();
    if one.set(cpus[n % cpus.len()]).is_ok() {
        let _ = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &one);
    }
}

fn on_two_cores(play: impl Fn(Endpoint<Message>) + Send + Sync) -> Duration {
    let endpoints = mesh(2, 1024).expect("mesh");
    let started = Instant::now();
    thread::scope(|scope| {
        for endpoint in endpoints {
            let play = &play;
            scope.spawn(move || {
                pin(usize::from(endpoint.core().0));
                play(endpoint);
            });
        }
    });
    started.elapsed()
}

fn sleep(endpoint: &mut Endpoint<Message>) {
    if endpoint.prepare_sleep() {
        endpoint.signal().wait_blocking(Some(Duration::from_secs(30))).expect("wait");
        endpoint.signal().clear();
    }
}

/// Messages per second, both directions together, in bursts of `burst`.
pub fn throughput(count: u64, burst: u64) -> f64 {
    let elapsed = on_two_cores(|mut endpoint| {
        let other = CoreId(1 - endpoint.core().0);
        let (mut sent, mut received, mut inbox) = (0, 0, Vec::new());
        while sent < count || received < count {
            received += endpoint.receive(256, &mut inbox) as u64;
            inbox.clear();
            if !endpoint.is_congested() {
                for _ in 0..burst.min(count - sent) {
                    endpoint.send_or_queue(other, [sent; 8]);
                    sent += 1;
                }
            }
            endpoint.flush();
            if received < count && (sent == count || endpoint.is_congested()) {
                sleep(&mut endpoint);
            }
        }
        while endpoint.is_congested() {
            endpoint.flush();
            if endpoint.is_congested() {
                sleep(&mut endpoint);
            }
        }
    });
    2.0 * count as f64 / elapsed.as_secs_f64()
}

/// The time of one message there and one back, with both cores asleep in between.
pub fn round_trip(rounds: u64) -> Duration {
    let elapsed = on_two_cores(|mut endpoint| {
        let other = CoreId(1 - endpoint.core().0);
        let (mut received, mut inbox) = (0, Vec::new());
        if endpoint.core().0 == 0 {
            endpoint.send_or_queue(other, [0; 8]);
            endpoint.flush();
        }
        while received < rounds {
            sleep(&mut endpoint);
            if endpoint.receive(8, &mut inbox) == 0 {
                continue;
            }
            received += 1;
            inbox.clear();
            endpoint.send_or_queue(other, [received; 8]);
            endpoint.flush();
        }
    });
    elapsed / rounds.max(1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_bench_runs_small() {
        assert!(throughput(2_000, 16) > 0.0);
        assert!(round_trip(200) > Duration::ZERO);
    }
}
