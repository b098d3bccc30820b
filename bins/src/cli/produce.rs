//! `corelog produce`: each line of a file or of standard input becomes a record.
//!
//! What was typed goes out after a moment though the batch is not full: lines are read ahead while batches are sent.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use engine::base::Timestamp;
use engine::record::{Codec, Compression, RecordData, RecordHeader};
use net::client::{Acks, Producer, ProducerOptions};

use super::Connect;
use super::failure::Failure;
use super::lines::{Lines, Next, split};
use super::text::unescape;
use super::time;
use super::topic::name_and_value;

/// How long lines are gathered before a batch that is not full is sent.
const LINGER: Duration = Duration::from_millis(20);

#[derive(Debug, Args)]
pub struct Arguments {
    topic: String,
    /// Where lines come from; standard input if absent or -
    file: Option<PathBuf>,
    /// What separates a line's key from its value; \t, \x00 and the like are understood
    #[arg(short, long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// A header for every record; may be repeated
    #[arg(short = 'H', long = "header", value_name = "KEY=VALUE", value_parser = name_and_value)]
    headers: Vec<(String, String)>,
    /// Write to this partition; by default the key decides, as in Kafka's own clients
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    #[arg(short = 'z', long, value_enum, default_value_t = CodecName::None)]
    codec: CodecName,
    /// The codec's level [default: its own]
    #[arg(long, allow_negative_numbers = true)]
    level: Option<i32>,
    /// Which replicas must have a record before it counts: 0 does not wait, 1 is the leader, all is every one in sync
    #[arg(short, long, value_enum, default_value_t = AcksName::All)]
    acks: AcksName,
    /// Every record's time, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(i64).range(0..))]
    timestamp: Option<i64>,
    /// A batch is sent at this size, before compression
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 10, value_parser = clap::value_parser!(u32).range(1..=(64 << 20)))]
    batch_bytes: u32,
    /// An empty value (after its key) becomes a null one: a tombstone for compacted topics
    #[arg(long)]
    empty_is_null: bool,
    /// Say what each batch got: partition, first offset, records
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum CodecName {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Codec {
        match name {
            CodecName::None => Codec::None,
            CodecName::Gzip => Codec::Gzip,
            CodecName::Snappy => Codec::Snappy,
            CodecName::Lz4 => Codec::Lz4,
            CodecName::Zstd => Codec::Zstd,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AcksName {
    #[value(name = "0")]
    None,
    #[value(name = "1")]
    Leader,
    #[value(alias = "-1")]
    All,
}

impl From<AcksName> for Acks {
    fn from(name: AcksName) -> Acks {
        match name {
            AcksName::None => Acks::None,
            AcksName::Leader => Acks::Leader,
            AcksName::All => Acks::All,
        }
    }
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let separator = arguments.key_separator.as_deref().map(unescape).transpose().map_err(Failure::Usage)?;
    if separator.as_ref().is_some_and(Vec::is_empty) {
        return Err(Failure::Usage("--key-separator needs at least one character".to_owned()));
    }
    let lines = Lines::open(arguments.file.as_deref())?;
    let mut client = arguments.connect.client()?;
    let options = ProducerOptions {
        acks: arguments.acks.into(),
        compression: Compression { codec: arguments.codec.into(), level: arguments.level },
        batch_bytes: arguments.batch_bytes as usize,
    };
    let producer = Producer::new(&mut client, &arguments.topic, options)?;
    let headers = arguments.headers.iter();
    let headers =
        headers.map(|(key, value)| RecordHeader { key: key.as_bytes(), value: Some(value.as_bytes()) });
    let mut session = Session { arguments, separator, headers: headers.collect(), producer, out, count: 0 };
    let outcome = session.send_all(&lines);
    let count = session.count;
    if outcome.is_err() {
        // What is said below counts; a second error of the output would hide the first.
        let _ = writeln!(io::stderr(), "corelog: {count} records were acknowledged before the failure");
        return outcome;
    }
    let verb = if matches!(arguments.acks, AcksName::None) { "Sent" } else { "Wrote" };
    writeln!(
        out,
        "{verb} {count} {} to {}.",
        if count == 1 { "record" } else { "records" },
        arguments.topic
    )?;
    Ok(())
}

struct Session<'a, 'c> {
    arguments: &'a Arguments,
    separator: Option<Vec<u8>>,
    headers: Vec<RecordHeader<'a>>,
    producer: Producer<'c>,
    out: &'a mut dyn Write,
    count: u64,
}

impl Session<'_, '_> {
    fn send_all(&mut self, lines: &Lines) -> Result<(), Failure> {
        loop {
            match lines.next(LINGER)? {
                Next::Chunk(chunk) => split(&chunk).try_for_each(|line| self.send(line))?,
                Next::Nothing => self.producer.flush()?,
                Next::End => break,
            }
            self.report()?;
        }
        let outcome = self.producer.flush();
        self.report()?;
        Ok(outcome?)
    }

    fn send(&mut self, line: &[u8]) -> Result<(), Failure> {
        let (key, value) = match &self.separator {
            None => (None, line),
            Some(separator) => match find(line, separator) {
                Some(at) => (Some(&line[..at]), &line[at + separator.len()..]),
                None => (None, line),
            },
        };
        let is_null = self.arguments.empty_is_null && key.is_some() && value.is_empty();
        let record = RecordData {
            timestamp: self.arguments.timestamp.map_or_else(time::now, Timestamp),
            key,
            value: (!is_null).then_some(value),
            headers: &self.headers,
        };
        Ok(self.producer.push(self.arguments.partition, record)?)
    }

    fn report(&mut self) -> Result<(), Failure> {
        for delivered in self.producer.drain_delivered() {
            self.count += u64::from(delivered.record_count.unsigned_abs());
            if self.arguments.verbose {
                let (partition, offset) = (delivered.partition, delivered.base_offset);
                let records = delivered.record_count;
                writeln!(self.out, "partition {partition}  offset {offset}  records {records}")?;
            }
        }
        if self.arguments.verbose {
            self.out.flush()?;
        }
        Ok(())
    }
}

fn find(line: &[u8], separator: &[u8]) -> Option<usize> {
    match separator {
        [byte] => line.iter().position(|found| found == byte),
        separator => line.windows(separator.len()).position(|found| found == separator),
    }
}
