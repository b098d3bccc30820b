//! The simulator inside the tests: honest seeds keep every promise, every canary is caught, and a seed repeats itself byte for byte.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use bins::sim::{Run, canary::Canary, run};

const SEEDS: u64 = 200;
/// A canary that sings later than this is not watched well enough.
const CANARY_SEEDS_MAX: u64 = 60;

#[test]
fn two_hundred_seeds_keep_every_promise() {
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let search = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= SEEDS {
                return;
            }
            let report = run(Run { seed, canary: None, traced: false });
            if let Some(violation) = report.violation {
                panic!("{violation}\n  repeat it: corelog-sim --seed {seed}");
            }
        }
    };
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(search))));
}

#[test]
fn every_canary_is_caught() {
    for &canary in Canary::ALL {
        let caught = (0..CANARY_SEEDS_MAX)
            .any(|seed| run(Run { seed, canary: Some(canary), traced: false }).violation.is_some());
        assert!(caught, "no checker sees {} in {CANARY_SEEDS_MAX} seeds", canary.name());
    }
}

#[test]
fn a_seed_repeats_itself_byte_for_byte() {
    for seed in [3, 17, 42] {
        let trace = || run(Run { seed, canary: None, traced: true }).trace;
        let (first, second) = (trace(), trace());
        assert!(first.len() > 100, "seed {seed} does something");
        assert!(first == second, "seed {seed} had two lives");
    }
}
