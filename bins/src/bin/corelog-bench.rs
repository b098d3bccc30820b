//! `corelog-bench`, the load generator.

use std::process::ExitCode;

fn main() -> ExitCode {
    bins::bench::main()
}
