//! The simulator inside the tests: honest seeds keep every promise, every canary is caught, and a seed repeats itself byte for byte.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use bins::sim::{Run, canary::Canary, checkers::Promise, run};

const SEEDS: u64 = 200;
/// A canary that sings later than this is not watched well enough.
const CANARY_SEEDS_MAX: u64 = 100;

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

/// 20: a checkpoint between the removal of a compacted segment's sources and its last new name listed the sources again.
/// 604: a flush made a segment grow while a lookup by time read it, and the lookup went on in the next one.
/// 262: who left a classic group was a member again after a power loss, and his commit was taken.
/// 1233: files of a segment that only a clean stop sealed came back after a power loss.
/// 54: a checker took a compaction that a later one replaced for a loss.
/// 497: a topic was deleted, and its files with it, while a checkpoint that counted a compaction of it was written.
/// 2017: a full disk made a coordinator read its groups again, with a member that had left.
/// 34, 262: a checker took what lies below a log start that had moved meanwhile for what compaction had taken or left.
/// 262, 1774: a member said once, to a coordinator that was loading, what it had, or was told once what to give up, and never again.
#[test]
fn seeds_that_failed_once_keep_every_promise() {
    for seed in [20, 34, 54, 262, 497, 604, 1233, 1774, 2017] {
        let violation = run(Run { seed, canary: None, traced: false }).violation;
        assert!(violation.is_none(), "seed {seed}: {violation:?}");
    }
}

#[test]
fn every_canary_is_caught_by_the_checker_that_it_is_for() {
    for &canary in Canary::ALL {
        let sings = |seed| {
            let violation = run(Run { seed, canary: Some(canary), traced: false }).violation;
            violation.is_some_and(|violation| violation.promise == canary.promise())
        };
        let name = canary.name();
        assert!(
            (0..CANARY_SEEDS_MAX).any(sings),
            "{name} goes by: the checker of {:?} is silent for {CANARY_SEEDS_MAX} seeds",
            canary.promise()
        );
    }
}

#[test]
fn every_promise_has_a_canary() {
    for promise in Promise::ALL {
        let watched = Canary::ALL.iter().any(|canary| canary.promise() == *promise);
        assert!(watched, "no canary breaks {promise:?}");
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

#[test]
fn a_failing_seed_names_the_promise_and_the_command_that_repeats_it() {
    let simulator = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_corelog-sim")).args(arguments).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let canary = "acknowledged-before-the-sync";
    let (code, said) = simulator(&["--seeds", "0..20", "--canary", canary]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("broken promise: nothing is acknowledged or shown before the disk holds it"),
        "{said}"
    );
    let command = said.lines().find_map(|line| line.trim().strip_prefix("repeat it: corelog-sim "));
    let arguments: Vec<&str> = command.expect("a command").split(' ').collect();
    assert_eq!(simulator(&arguments), (Some(1), said.clone()));
    let directory = tempfile::tempdir().expect("directory");
    let traces = ["a", "b"].map(|name| {
        let path = directory.path().join(name);
        assert_eq!(simulator(&["--seed", "7", "--trace", path.to_str().expect("text")]).0, Some(0));
        fs::read(path).expect("a trace")
    });
    assert!(traces[0] == traces[1], "seed 7 had two lives");
    let (_, listed) = simulator(&["--list-canaries"]);
    assert_eq!(listed.lines().count(), Canary::ALL.len());
}
