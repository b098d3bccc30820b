//! `corelog-sim`: simulates a node from seeds, looking for a seed that breaks a promise. Single-threaded per seed; must never let
//! anything but the seed decide what happens.

use std::process::ExitCode;

fn main() -> ExitCode {
    bins::sim::cli::main()
}
