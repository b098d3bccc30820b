//! `corelog log`: the files of a log, read without a broker. Reads only; of a running broker's active segment it sees what
//! happens to be written.

mod dump;
mod index;
mod segment;
mod verify;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the batches of .log files and the entries of .index and .timeindex files
    Dump(Dump),
    /// Check every batch and every index entry of a partition, or of all partitions below a directory
    Verify(Verify),
}

#[derive(Debug, Args)]
pub struct Dump {
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print the records inside the batches too
    #[arg(short, long)]
    records: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    #[arg(required = true)]
    directories: Vec<PathBuf>,
    /// Missing offsets are no damage (compacted topics)
    #[arg(long)]
    allow_gaps: bool,
    /// Name every file, not only the damaged ones
    #[arg(short, long)]
    verbose: bool,
}

pub fn run(command: &Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Dump(arguments) => dump::run(arguments, out),
        Command::Verify(arguments) => verify::run(arguments, out),
    }
}

#[cfg(test)]
mod tests;
