//! `corelog produce`: each line of files or of standard input becomes a record.
//!
//! What was typed goes out after a moment though the batch is not full: lines are read ahead while batches are sent.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use engine::base::Timestamp;
use engine::limits::BATCH_BYTES_MAX;
use engine::record::{Codec, Compression, RecordData, RecordHeader};
use net::client::{Acks, Producer, ProducerOptions};

use super::Connect;
use super::failure::Failure;
use super::input::{Form, Parsed};
use super::interrupt::Interrupt;
use super::lines::{Lines, Next};
use super::progress::Progress;
use super::text::unescape;
use super::time;
use super::topic::name_and_value;

#[derive(Debug, Args)]
pub struct Arguments {
    topic: String,
    /// Where lines come from, one file after the other; standard input if absent or -
    files: Vec<PathBuf>,
    /// How a line is read
    #[arg(short = 'F', long, value_enum, default_value_t = InputName::Lines)]
    input: InputName,
    /// Lines are JSON objects, as --input json
    #[arg(long, conflicts_with = "input")]
    json: bool,
    /// What separates a line's key from its value; \t, \x00 and the like are understood
    #[arg(short, long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// What ends a line: one byte
    #[arg(short, long, value_name = "BYTE", default_value = "\\n")]
    delimiter: String,
    /// The key of every record that brings none
    #[arg(long, value_name = "TEXT", conflicts_with = "key_separator")]
    key: Option<String>,
    /// A header for every record; may be repeated
    #[arg(short = 'H', long = "header", value_name = "KEY=VALUE", value_parser = name_and_value)]
    headers: Vec<(String, String)>,
    /// Write to this partition; by default the key decides, as in Kafka's own clients
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Write each JSON record to the partition it names
    #[arg(long, conflicts_with = "partition")]
    keep_partitions: bool,
    #[arg(short = 'z', long, value_enum, default_value_t = CodecName::None)]
    codec: CodecName,
    /// The codec's level [default: its own]
    #[arg(long, allow_negative_numbers = true)]
    level: Option<i32>,
    /// Which replicas must have a record before it counts: 0 does not wait, 1 is the leader, all is every one in sync
    #[arg(short, long, value_enum, default_value_t = AcksName::All)]
    acks: AcksName,
    /// Every record's time: milliseconds since 1970, or 2026-01-31T12:00:00Z [default: the record's own, or now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    timestamp: Option<Timestamp>,
    /// Stop after so many records
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// A batch is sent at this size, before compression
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 10, value_parser = clap::value_parser!(u32).range(1..=(64 << 20)))]
    batch_bytes: u32,
    /// How long lines are gathered before a batch that is not full is sent
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    linger_ms: u64,
    /// An empty value (after its key) becomes a null one: a tombstone for compacted topics
    #[arg(long)]
    empty_is_null: bool,
    /// Say what each batch got: partition, first offset, records
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputName {
    /// A value, or a key, the separator and a value
    Lines,
    /// The same in hexadecimal digits
    Hex,
    /// An object with key, value, headers, partition and timestamp, as `corelog consume --json` prints it
    Json,
    /// Each file is one record
    Whole,
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
    let delimiter = match unescape(&arguments.delimiter).map_err(Failure::Usage)?.as_slice() {
        [byte] => *byte,
        _ => return Err(Failure::Usage("--delimiter needs exactly one byte".to_owned())),
    };
    let input = if arguments.json { InputName::Json } else { arguments.input };
    let form = match input {
        InputName::Lines | InputName::Whole => Form::Plain(separator),
        InputName::Hex => Form::Hex(separator),
        InputName::Json => Form::Json,
    };
    // Before the thread that reads ahead.
    let interrupt = Interrupt::listen()?;
    let lines = match input {
        InputName::Whole => None,
        _ => Some(Lines::open(&arguments.files, delimiter)?),
    };
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
    let mut session = Session {
        arguments,
        form,
        headers: headers.collect(),
        producer,
        progress: Progress::of_bytes(lines.as_ref().and_then(|lines| lines.bytes)),
        interrupt,
        out,
        read: 0,
        acknowledged: 0,
    };
    let outcome = match &lines {
        Some(lines) => session.send_lines(lines),
        None => session.send_files(),
    };
    let (outcome, count) = (session.finish(outcome), session.acknowledged);
    drop(session);
    let records = if count == 1 { "record" } else { "records" };
    match outcome {
        Ok(()) => {
            let verb = if matches!(arguments.acks, AcksName::None) { "Sent" } else { "Wrote" };
            Ok(writeln!(out, "{verb} {count} {records} to {}.", arguments.topic)?)
        }
        Err(failure) => {
            let when = if matches!(failure, Failure::Interrupted(_)) {
                "before the end"
            } else {
                "before the failure"
            };
            // What is said below counts; a second error of the output would hide the first.
            let _ = writeln!(io::stderr(), "corelog: acknowledged {when}: {count} {records}");
            Err(failure)
        }
    }
}

struct Session<'a, 'c> {
    arguments: &'a Arguments,
    form: Form,
    headers: Vec<RecordHeader<'a>>,
    producer: Producer<'c>,
    progress: Progress,
    interrupt: Interrupt,
    out: &'a mut dyn Write,
    /// Records taken from the input.
    read: u64,
    acknowledged: u64,
}

impl Session<'_, '_> {
    fn send_lines(&mut self, lines: &Lines) -> Result<(), Failure> {
        let linger = Duration::from_millis(self.arguments.linger_ms);
        while self.goes_on()? {
            match lines.next(linger)? {
                Next::Chunk(chunk) => {
                    for line in lines.split(&chunk) {
                        if !self.goes_on()? {
                            break;
                        }
                        self.send_line(line)?;
                    }
                    self.progress.advance(chunk.len() as u64);
                    self.progress.say(format!("{} records", self.read));
                }
                Next::Nothing => self.producer.flush()?,
                Next::End => break,
            }
            self.report()?;
        }
        Ok(())
    }

    fn send_files(&mut self) -> Result<(), Failure> {
        let standard_input = [PathBuf::from("-")];
        let files = match self.arguments.files.as_slice() {
            [] => &standard_input[..],
            files => files,
        };
        for path in files {
            if !self.goes_on()? {
                break;
            }
            let bytes = read_whole(path)?;
            self.progress.advance(bytes.len() as u64);
            self.send(Parsed { value: Some(Cow::from(bytes)), ..Parsed::default() })?;
            self.report()?;
        }
        Ok(())
    }

    fn goes_on(&self) -> Result<bool, Failure> {
        match self.interrupt.signal() {
            Some(signal) => Err(Failure::Interrupted(signal)),
            None => Ok(self.arguments.count.is_none_or(|count| self.read < count)),
        }
    }

    fn send_line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let number = self.read + 1;
        let parsed = self
            .form
            .parse(line)
            .map_err(|error| Failure::Failed(format!("record {number} of the input: {error}")))?;
        self.send(parsed)
    }

    fn send(&mut self, parsed: Parsed<'_>) -> Result<(), Failure> {
        let key = parsed.key.as_deref().or(self.arguments.key.as_deref().map(str::as_bytes));
        let is_null = self.arguments.empty_is_null && key.is_some() && parsed.value.as_deref() == Some(&[]);
        let own = parsed.headers.iter();
        let own = own.map(|(key, value)| RecordHeader { key, value: value.as_deref() });
        let headers: Vec<RecordHeader<'_>> = own.chain(self.headers.iter().copied()).collect();
        let record = RecordData {
            timestamp: self
                .arguments
                .timestamp
                .or(parsed.timestamp.map(Timestamp).filter(|time| time.0 >= 0))
                .unwrap_or_else(time::now),
            key,
            value: if is_null { None } else { parsed.value.as_deref() },
            headers: &headers,
        };
        let kept = parsed.partition.filter(|_| self.arguments.keep_partitions);
        self.read += 1;
        Ok(self.producer.push(self.arguments.partition.or(kept), record)?)
    }

    /// Sends what is begun, unless sending is what failed.
    fn finish(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let flushed = match &outcome {
            Ok(()) | Err(Failure::Interrupted(_)) => self.producer.flush().map_err(Failure::from),
            Err(_) => Ok(()),
        };
        self.report()?;
        flushed.and(outcome)
    }

    fn report(&mut self) -> Result<(), Failure> {
        for delivered in self.producer.drain_delivered() {
            self.acknowledged += u64::from(delivered.record_count.unsigned_abs());
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

/// A file as one record's value; no more is read than a record may have.
fn read_whole(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = BATCH_BYTES_MAX as u64 + 1;
    let read = match path.as_os_str() == "-" {
        true => io::Read::take(io::stdin(), limit).read_to_end(&mut bytes),
        false => fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    read.map_err(|error| Failure::file("read", path, &error))?;
    if bytes.len() > BATCH_BYTES_MAX {
        let shown = path.display();
        return Err(Failure::Failed(format!(
            "{shown} is longer than the {BATCH_BYTES_MAX} bytes that a record may have"
        )));
    }
    Ok(bytes)
}
