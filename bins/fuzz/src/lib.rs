//! Targets that take any bytes, each a function from an input to how far it came; the asserts inside are what holds for every
//! input. `scripts/fuzz` drives them with libFuzzer; `corpus` runs the inputs that are kept, in the workspace's tests. Every
//! target is bounded in what it allocates, and a canary shows that the fuzzer finds what it looks for.

mod allocation;
pub mod chosen;
mod corpus;
mod disk;
mod input;
mod seeds;
mod targets;

pub use targets::TARGETS;

/// How far an input came: a corpus that never gets past the first check tests nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    Refused,
    Taken,
}

pub struct Target {
    pub name: &'static str,
    run: fn(&[u8]) -> Reached,
    /// What a run may allocate in all: so much, and so much for each byte of the input.
    bytes_max: usize,
    bytes_max_per_byte: usize,
    seeds: fn() -> Vec<Vec<u8>>,
    /// `corpus/NAME.txt`: inputs in hexadecimal, one a line.
    kept: &'static str,
}

impl Target {
    /// Panics where something does not hold, or more memory was asked for than may be.
    pub fn run(&self, input: &[u8]) -> Reached {
        let bytes_max = self.bytes_max + self.bytes_max_per_byte * input.len();
        allocation::within(bytes_max, || (self.run)(input))
    }
}

pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
