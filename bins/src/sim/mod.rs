//! The simulator: one node with any number of cores, the shipped shards and the shipped start-up, on a disk and a clock that a seed
//! decides. `world` runs the events, `disk` (`tree`, `file`) performs Ops, `clients` ask, `model` knows what is true, `checkers`
//! compare, `rounds` starts and stops the process, `canary` breaks rules to see that they are watched.
//!
//! The same seed gives the same run, byte for byte, on every machine; nothing here reads a real clock, spawns a thread or iterates
//! over a hash map.

mod administrator;
mod answers;
pub mod canary;
pub mod checkers;
mod cleaning;
pub mod cli;
mod clients;
mod compacted;
mod coordinated;
mod deceit;
pub mod disk;
mod file;
mod forge;
mod journal;
mod members;
mod membership;
mod model;
mod plan;
mod rot;
mod rounds;
mod sending;
mod tree;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use canary::Canary;
use checkers::{Promise, Violation};
use world::World;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub seed: u64,
    pub canary: Option<Canary>,
    pub traced: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub violation: Option<Violation>,
    /// One line per event, if asked for.
    pub trace: Vec<String>,
    pub events: u64,
    pub batches: usize,
    pub starts: u32,
}

/// Runs one seed to its end, or to the first broken promise.
pub fn run(run: Run) -> Report {
    let mut world = World::new(run.seed, run.canary, run.traced);
    let mut starts = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| rounds::all(&mut world, &mut starts)));
    let violation = match outcome {
        Ok(verdict) => verdict.err(),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
            let detail = words.unwrap_or_else(|| "a panic without words".to_owned());
            Some(Violation { promise: Promise::NoPanic, detail })
        }
    };
    Report {
        violation,
        trace: world.take_trace(),
        events: world.events_handled,
        batches: world.model.sent.len(),
        starts,
    }
}
