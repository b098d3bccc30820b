//! The operator's command line. One file per command; each parses, asks a broker or reads files, and prints.
//!
//! Exit codes stand in `EXIT_CODES`. A reader that goes away (`corelog consume … | head`) ends it quietly. Runs on threads of its own; never part of the broker.

mod cluster;
mod config;
mod consume;
pub(crate) mod failure;
mod format;
mod group;
mod interrupt;

mod input;
pub(crate) mod json;
mod lines;
mod log;
mod manual;
mod member;
mod offsets;
mod place;
mod printer;
pub(crate) mod produce;
pub(crate) mod progress;
mod records;

pub(crate) mod table;
mod text;
pub(crate) mod time;
pub(crate) mod topic;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use net::client::{Client, Options};

use failure::Failure;

/// What a script may rely on.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 it failed, the reason is on standard error; 2 the command line is wrong; \
                          130 or 143 it was interrupted by SIGINT (Ctrl-C) or SIGTERM, and what was begun is finished.";

/// Topics, records and log files of Corelog, or of any broker that speaks Kafka's protocol.
#[derive(Debug, Parser)]
#[command(name = "corelog", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create, list, describe, alter or delete topics
    #[command(subcommand)]
    Topic(topic::Command),
    /// Show or change the options of topics, brokers and groups
    #[command(subcommand)]
    Config(config::Command),
    /// Show groups and their members; move or delete their offsets
    #[command(subcommand)]
    Group(group::Command),
    /// Show the brokers
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Show first and next offsets, or those at a time
    Offsets(offsets::Arguments),
    /// Delete records from the beginning of partitions
    #[command(subcommand)]
    Records(records::Command),
    /// Write lines as records
    Produce(produce::Arguments),
    /// Read records
    Consume(consume::Arguments),
    /// Look into the files of a log, without a broker
    #[command(subcommand)]
    Log(log::Command),
    /// Print a shell's completions for this command line
    Completions(manual::Completions),
    /// Write the man pages
    Man(manual::Man),
}

/// How to reach the cluster.
#[derive(Debug, Args)]
struct Connect {
    /// Brokers to start from, host:port with commas between them
    #[arg(short, long, value_name = "ADDRESSES", default_value = "127.0.0.1:9092")]
    bootstrap_server: String,
    /// How long to wait for a connection, for an answer, or for a lost broker to return, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

impl Connect {
    fn client(&self) -> Result<Client, Failure> {
        let timeout = Duration::from_secs(self.timeout);
        let options = Options { timeout, retry_for: timeout, ..Options::default() };
        Ok(Client::connect(&self.bootstrap_server, options)?)
    }
}

pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let outcome = run(arguments, &mut out).and_then(|()| Ok(out.flush()?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("corelog"),
    }
}

fn run(arguments: Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    match arguments.command {
        Command::Topic(command) => topic::run(command, out),
        Command::Config(command) => config::run(command, out),
        Command::Group(command) => group::run(&command, out),
        Command::Cluster(command) => cluster::run(&command, out),
        Command::Offsets(arguments) => offsets::run(&arguments, out),
        Command::Records(command) => records::run(&command, out),
        Command::Produce(arguments) => produce::run(&arguments, out),
        Command::Consume(arguments) => consume::run(&arguments, out),
        Command::Log(command) => log::run(&command, out),
        Command::Completions(arguments) => manual::completions(&arguments, out),
        Command::Man(arguments) => manual::man(&arguments, out),
    }
}

#[cfg(test)]
mod tests;
