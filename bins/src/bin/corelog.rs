//! `corelog`, the operator's command line: topics, records in and out, and the log's files.

use std::process::ExitCode;

fn main() -> ExitCode {
    bins::cli::main()
}
