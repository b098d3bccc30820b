//! The load generator: writes, reads, or both ends at once, for a bounded time, against any broker that speaks Kafka's
//! protocol.
//!
//! At a fixed rate every record has the time at which it should have been sent, and latencies count from there: a broker
//! that stalls cannot hide the stall by holding up the load (coordinated omission). One thread sends and one receives per
//! connection. What is read is checked: whole, once, in order, and all that was acknowledged. Runs apart from the broker, preferably on other cores.

mod arrivals;
mod content;
mod delivery;
mod figures;
mod pace;
mod plan;
mod process;
mod reading;
mod shape;
mod summary;
mod writing;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};

use crate::cli::failure::Failure;
use crate::cli::produce::{AcksName, CodecName};
use crate::cli::progress::Progress;
use crate::cli::topic::name_and_value;
use content::{Make, Run};
use delivery::Delivery;
use figures::{Figures, Window};
use plan::Plan;
use process::Usage;
use shape::Sizes;
use summary::Summary;

/// How often a person sees something new.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

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
    /// So many topics: with several, their names end in -0, -1 and so on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    topics: u32,
    /// Create each topic, if it does not exist, with so many partitions
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    partitions: i32,
    /// With so many replicas; -1 is the broker's default
    #[arg(long, default_value_t = -1, allow_negative_numbers = true, value_parser = clap::value_parser!(i16).range(-1..))]
    replication_factor: i16,
    /// And with this option, as in durability=async; may be repeated
    #[arg(long = "topic-option", value_name = "NAME=VALUE", value_parser = name_and_value)]
    topic_options: Vec<(String, String)>,
    /// Connections that write (with consume: that read)
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Connections that read, per broker [default: as many as write]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    readers: Option<u16>,
    /// Records a second, over all connections; 0 is as many as the broker takes
    #[arg(short, long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    rate: u64,
    /// Bytes of a record's value: N, or MIN-MAX with all between them equally likely
    #[arg(short = 's', long, value_name = "SIZES", default_value = "1024", value_parser = Sizes::parse)]
    record_bytes: Sizes,
    /// How much a codec saves on the values, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u8).range(0..=100))]
    compressible: u8,
    /// So many keys, each in its partition; 0 is none
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    keys: u32,
    /// How much the first keys are preferred: the exponent of Zipf's law
    #[arg(long, default_value_t = 0.0)]
    key_skew: f64,
    /// The most records of a batch; at a rate a batch has what is due
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_records: u32,
    /// Batches of a request, each to another partition
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    request_batches: u32,
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
    /// Measure so often, and tell the median and what lies around it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Tell what this process (the broker, on this machine) used meanwhile: CPU, memory, context switches, calls, disk
    #[arg(long, alias = "broker-pid", value_name = "PID")]
    pid: Option<u32>,
    /// One JSON object a run, and one for all of several
    #[arg(long)]
    json: bool,
}

impl Load {
    fn window(&self, start: Instant) -> Window {
        let from = start + Duration::from_secs(self.warm_up);
        Window { start, from, until: from + Duration::from_secs(self.seconds) }
    }

    fn make(&self) -> Make {
        Make {
            codec: self.codec.into(),
            sizes: self.record_bytes,
            saved_percent: self.compressible,
            keys: self.keys,
            key_skew: self.key_skew.max(0.0),
        }
    }

    fn reader_count(&self) -> usize {
        usize::from(self.readers.unwrap_or(self.connections))
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

type Measure = fn(&Load, &mut Plan, u32) -> Result<Figures, Failure>;

fn run(command: Command, out: &mut dyn Write) -> Result<(), Failure> {
    let (load, measure): (Load, Measure) = match command {
        Command::Produce(load) => (load, produce),
        Command::Consume(load) => (load, consume),
        Command::Latency(load) if load.rate == 0 => {
            let text = "latency needs a --rate: a queue that only grows has no latency";
            return Err(Failure::Usage(text.to_owned()));
        }
        Command::Latency(load) => (load, latency),
    };
    let mut plan = Plan::new(&load)?;
    let mut summary = Summary::default();
    for number in 0..load.runs {
        let figures = measure(&load, &mut plan, number)?;
        figures.write(out)?;
        out.flush()?;
        if let Some(error) = figures.first_error() {
            return Err(Failure::Failed(error));
        }
        summary.add(&figures);
    }
    if load.runs > 1 {
        summary.write(load.json, out)?;
    }
    Ok(())
}

fn produce(load: &Load, plan: &mut Plan, number: u32) -> Result<Figures, Failure> {
    let routes = plan.writers(usize::from(load.connections))?;
    let start = Instant::now();
    let (window, run, delivery) =
        (load.window(start), Run::new(number, start), Arc::new(Delivery::default()));
    let start = |(place, route)| writing::start(load, route, place, window, run, &delivery);
    let writers: Vec<_> = (0..).zip(routes).map(start).collect();
    let usage = observe(load, window, &delivery)?;
    let mut figures = Figures::new("produce", load, plan.partition_count(), usage);
    writers.into_iter().for_each(|writer| figures.written(writer.join()));
    Ok(figures)
}

fn consume(load: &Load, plan: &mut Plan, number: u32) -> Result<Figures, Failure> {
    let routes = plan.readers(usize::from(load.connections))?;
    let start = Instant::now();
    let (window, run, delivery) =
        (load.window(start), Run::new(number, start), Arc::new(Delivery::default()));
    let start = |route| reading::start(load, route, window, reading::Purpose::Volume, run, &delivery);
    let readers = routes.into_iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let usage = observe(load, window, &delivery)?;
    let mut figures = Figures::new("consume", load, plan.partition_count(), usage);
    readers.into_iter().for_each(|reader| figures.read(reader.join()));
    Ok(figures)
}

fn latency(load: &Load, plan: &mut Plan, number: u32) -> Result<Figures, Failure> {
    let (to_write, to_read) =
        (plan.writers(usize::from(load.connections))?, plan.readers(load.reader_count())?);
    let start = Instant::now();
    let (window, run, delivery) =
        (load.window(start), Run::new(number, start), Arc::new(Delivery::default()));
    // Readers know where they begin before anything is written, and do not end before: somebody is writing from here on.
    delivery.begin_writing();
    let start = |route| reading::start(load, route, window, reading::Purpose::Arrival, run, &delivery);
    let readers = to_read.into_iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let start = |(place, route)| writing::start(load, route, place, window, run, &delivery);
    let writers: Vec<_> = (0..).zip(to_write).map(start).collect();
    delivery.end_writing();
    let usage = observe(load, window, &delivery)?;
    let mut figures = Figures::new("latency", load, plan.partition_count(), usage);
    writers.into_iter().for_each(|writer| figures.written(writer.join()));
    readers.into_iter().for_each(|reader| figures.read(reader.join()));
    figures.missing(delivery.missing());
    Ok(figures)
}

/// Waits out the window and tells what the broker and this process used in it.
fn observe(load: &Load, window: Window, delivery: &Delivery) -> Result<(Option<Usage>, Usage), Failure> {
    let progress = Progress::of_seconds(load.warm_up + load.seconds);
    let usage = || {
        let broker = load.pid.map(Usage::of).transpose()?;
        Ok::<_, Failure>((broker, Usage::of(std::process::id())?))
    };
    let watch = |until: Instant| {
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let before = delivery.counts();
            let began = Instant::now();
            thread::sleep(left.min(PROGRESS_EVERY));
            let (passed, now) = (began.elapsed().as_secs_f64(), delivery.counts());
            let rate = |now: u64, before: u64| (now - before) as f64 / passed;
            let said = format!("{:.0} written/s, {:.0} read/s", rate(now.0, before.0), rate(now.1, before.1));
            progress.show(window.start.elapsed().as_secs(), said);
        }
    };
    watch(window.from);
    let before = usage()?;
    watch(window.until);
    let after = usage()?;
    let broker = before.0.zip(after.0).map(|(before, after)| after.since(before));
    Ok((broker, after.1.since(before.1)))
}

#[cfg(test)]
mod tests;
