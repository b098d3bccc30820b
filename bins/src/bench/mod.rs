//! The load generator: writes, reads, or both ends at once, for a bounded time, against any broker that speaks Kafka's
//! protocol.
//!
//! At a fixed rate every record has the time at which it should have been sent, and latencies count from there: a broker
//! that stalls cannot hide the stall by holding up the load (coordinated omission). One thread sends and one receives per
//! connection. Runs apart from the broker, preferably on other cores.

mod content;
mod figures;
mod pace;
mod plan;
mod process;
mod reading;
mod writing;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::produce::{AcksName, CodecName};
use figures::{Figures, Window};
use process::Usage;

/// Load for Corelog, or for any broker that speaks Kafka's protocol, and what it did with it.
#[derive(Debug, Parser)]
#[command(name = "corelog-bench", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write records; latency is from the time a record was due to its acknowledgement
    Produce(Load),
    /// Read what the topic holds, from its beginning, over and over; latency is that of one fetch
    Consume(Load),
    /// Write at a rate and read at once; latency is from the time a record was due to its arrival at the reader
    Latency(Load),
}

#[derive(Clone, Debug, Args)]
pub struct Load {
    /// Brokers to start from, host:port with commas between them
    #[arg(short, long, value_name = "ADDRESSES", default_value = "127.0.0.1:9092")]
    bootstrap_server: String,
    #[arg(short, long, default_value = "corelog-bench")]
    topic: String,
    /// Create the topic, if it does not exist, with so many partitions
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    partitions: i32,
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Records a second, over all connections; 0 is as many as the broker takes
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    rate: u64,
    /// Bytes of a record's value
    #[arg(short = 's', long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=(16 << 20)))]
    record_bytes: u32,
    /// The most records of a batch; at a rate a batch has what is due
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_records: u32,
    /// At a rate: how long a batch waits for more records
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60_000))]
    linger_ms: u64,
    /// Produce requests without an answer, per connection
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
    #[arg(short, long, value_enum, default_value_t = AcksName::All)]
    acks: AcksName,
    #[arg(short = 'z', long, value_enum, default_value_t = CodecName::None)]
    codec: CodecName,
    /// The most bytes that one fetch brings
    #[arg(long, default_value_t = 4 << 20, value_parser = clap::value_parser!(i32).range(1..=(64 << 20)))]
    fetch_bytes: i32,
    /// How long to measure
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How long to run before measuring, in seconds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=3600))]
    warm_up: u64,
    /// Tell what this process (the broker, on this machine) used of CPU and memory meanwhile
    #[arg(long, value_name = "PID")]
    broker_pid: Option<u32>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Load {
    fn window(&self, start: Instant) -> Window {
        let from = start + Duration::from_secs(self.warm_up);
        Window { start, from, until: from + Duration::from_secs(self.seconds) }
    }
}

pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = io::stdout().lock();
    match run(arguments.command, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report("corelog-bench"),
    }
}

fn run(command: Command, out: &mut dyn Write) -> Result<(), Failure> {
    let figures = match command {
        Command::Produce(load) => produce(load)?,
        Command::Consume(load) => consume(load)?,
        Command::Latency(load) => latency(load)?,
    };
    figures.write(out)?;
    match figures.first_error() {
        None => Ok(()),
        Some(error) => Err(Failure::Failed(error.to_owned())),
    }
}

fn produce(mut load: Load) -> Result<Figures, Failure> {
    let routes = plan::routes(&mut load)?;
    let mut writers = Vec::new();
    let start = Instant::now();
    for (place, route) in routes.into_iter().enumerate() {
        writers.push(writing::start(&load, route, place, load.window(start))?);
    }
    let usage = observe(&load, load.window(start))?;
    let mut figures = Figures::new("produce", &load, usage);
    for writer in writers {
        figures.written(writer.join());
    }
    Ok(figures)
}

fn consume(mut load: Load) -> Result<Figures, Failure> {
    let routes = plan::routes(&mut load)?;
    let start = Instant::now();
    let window = load.window(start);
    let readers: Vec<_> = routes
        .into_iter()
        .map(|route| reading::start(&load, route, window, reading::Purpose::Volume))
        .collect();
    let usage = observe(&load, window)?;
    let mut figures = Figures::new("consume", &load, usage);
    for reader in readers {
        figures.read(reader.join());
    }
    Ok(figures)
}

fn latency(mut load: Load) -> Result<Figures, Failure> {
    if load.rate == 0 {
        return Err(Failure::Usage(
            "latency needs a --rate: a queue that only grows has no latency".to_owned(),
        ));
    }
    let (writing_routes, reading_routes) = (plan::routes(&mut load)?, plan::shared_out(&mut load)?);
    let start = Instant::now();
    let window = load.window(start);
    let readers: Vec<_> = reading_routes
        .into_iter()
        .map(|route| reading::start(&load, route, window, reading::Purpose::Arrival))
        .collect();
    let mut writers = Vec::new();
    for (place, route) in writing_routes.into_iter().enumerate() {
        writers.push(writing::start(&load, route, place, window)?);
    }
    let usage = observe(&load, window)?;
    let mut figures = Figures::new("latency", &load, usage);
    for writer in writers {
        figures.written(writer.join());
    }
    for reader in readers {
        figures.read(reader.join());
    }
    Ok(figures)
}

/// Waits out the window and tells what the broker used in it.
fn observe(load: &Load, window: Window) -> Result<Option<Usage>, Failure> {
    thread::sleep(window.from.saturating_duration_since(Instant::now()));
    let before = load.broker_pid.map(Usage::of).transpose()?;
    thread::sleep(window.until.saturating_duration_since(Instant::now()));
    let after = load.broker_pid.map(Usage::of).transpose()?;
    Ok(before.zip(after).map(|(before, after)| after.since(before)))
}

#[cfg(test)]
mod tests;
