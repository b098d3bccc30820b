//! `corelog consume`: reads the partitions of a topic by offset and prints their records; with `--group` see `bins/src/cli/member.rs`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};

use clap::Args;
use engine::record::Record;
use net::client::{AutoCreation, Client, Wait};

use super::Connect;
use super::failure::Failure;
use super::format::{self, Format};
use super::interrupt::Interrupt;
use super::json::Object;
use super::member::{self, Membership};
use super::place::{self, Place};
use super::printer::Printer;
use super::progress::Progress;

#[derive(Debug, Args)]
pub struct Arguments {
    pub topic: String,
    /// Read this partition only; may be repeated [default: all]
    #[arg(short, long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// Where to begin: earliest, latest, an offset, -N for N records before the end, or @TIME for the first record at that
    /// time (milliseconds since 1970, 2026-01-31T12:00:00Z, or -1h for an hour ago)
    #[arg(short, long, alias = "from", value_name = "WHERE", default_value = "earliest", value_parser = place::parse, allow_hyphen_values = true)]
    pub offset: Place,
    /// Where to stop, before that record: as --offset, of what the log holds when reading begins
    #[arg(long, value_name = "WHERE", value_parser = place::parse, allow_hyphen_values = true)]
    to: Option<Place>,
    /// Stop after so many records
    #[arg(short, long, value_name = "N")]
    pub count: Option<u64>,
    /// Stop at the end that the log has when reading begins, as --to latest
    #[arg(short, long, conflicts_with = "to")]
    exit: bool,
    #[command(flatten)]
    pub membership: Membership,
    #[command(flatten)]
    look: Look,
    #[command(flatten)]
    connect: Connect,
}

/// How records are printed.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Look {
    /// One JSON object a record
    #[arg(long)]
    json: bool,
    /// Values as they are, with nothing between them
    #[arg(long)]
    raw: bool,
    /// Keys and values in hexadecimal digits, a tab between them, a line a record
    #[arg(long)]
    hex: bool,
    #[arg(short, long, value_name = "FORMAT", help = format::HELP)]
    format: Option<String>,
}

pub enum Form {
    Format(Format),
    Json,
}

impl Look {
    pub fn form(&self) -> Result<Form, Failure> {
        let format = match self {
            Look { json: true, .. } => return Ok(Form::Json),
            Look { raw: true, .. } => "%s",
            Look { hex: true, .. } => "%k{hex}\\t%s{hex}\\n",
            Look { format, .. } => format.as_deref().unwrap_or("%s\\n"),
        };
        Ok(Form::Format(Format::parse(format).map_err(Failure::Usage)?))
    }
}

impl Form {
    pub fn write(
        &self,
        topic: &str,
        partition: i32,
        record: &Record<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match self {
            Form::Json => writeln!(out, "{}", record_json(topic, partition, record)),
            Form::Format(format) => format.write(topic, partition, record, out),
        }
    }
}

impl Arguments {
    /// Where to stop reading; none: never.
    pub fn stop(&self) -> Option<Place> {
        self.to.or(self.exit.then_some(Place::Latest))
    }
}

/// One partition's reading.
pub struct Reading {
    pub next: i64,
    /// Where it ends; not where it is to be followed.
    pub end: Option<i64>,
}

impl Reading {
    pub fn goes_on(&self) -> bool {
        self.end.is_none_or(|end| self.next < end)
    }
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let form = arguments.look.form()?;
    let interrupt = Interrupt::listen()?;
    let mut client = arguments.connect.client()?;
    if let Some(group) = &arguments.membership.group {
        return member::run(arguments, group, &mut client, &interrupt, &form, out);
    }
    let mut readings = begin(&mut client, arguments)?;
    let total = readings.values().map(|at| at.end.map(|end| (end - at.next).max(0) as u64)).sum();
    let progress = progress(total, arguments.count);
    let mut printer = Printer::new(&arguments.topic, &form, progress, arguments.count);
    while printer.wants_more() {
        let positions = printer.positions(&readings);
        if positions.is_empty() {
            break;
        }
        for part in client.fetch(&arguments.topic, &positions, Wait::default())? {
            if let Some(at) = readings.get_mut(&part.partition) {
                printer.print(&part, at, out)?;
            }
        }
        // What has come is shown at once, not when the buffer is full.
        out.flush()?;
        if let Some(signal) = interrupt.signal() {
            return Err(Failure::Interrupted(signal));
        }
    }
    Ok(())
}

/// Not over records that go to the same terminal.
pub fn progress(total: Option<u64>, count: Option<u64>) -> Progress {
    match io::stdout().is_terminal() {
        true => Progress::none(),
        false => Progress::of_records(total.into_iter().chain(count).min()),
    }
}

fn begin(client: &mut Client, arguments: &Arguments) -> Result<BTreeMap<i32, Reading>, Failure> {
    let name = &arguments.topic;
    let topic = client.topic(name, AutoCreation::Forbidden)?;
    let partitions = match arguments.partitions.as_slice() {
        [] => topic.partitions.iter().map(|partition| partition.index).collect(),
        chosen => chosen.to_vec(),
    };
    for partition in &partitions {
        topic.partition(*partition)?;
    }
    let ends = arguments.stop().map(|place| place.resolve(client, name, &partitions)).transpose()?;
    let begins = arguments.offset.resolve(client, name, &partitions)?;
    let end = |partition| ends.as_ref().and_then(|ends| ends.get(partition).copied());
    Ok(begins
        .iter()
        .map(|(partition, next)| (*partition, Reading { next: *next, end: end(partition) }))
        .collect())
}

/// A record as an object; shared with `corelog log dump`.
pub fn record_json(topic: &str, partition: i32, record: &Record<'_>) -> String {
    let headers = record
        .headers
        .iter()
        .map(|header| Object::new().bytes("key", Some(header.key)).bytes("value", header.value).end());
    Object::new()
        .text("topic", topic)
        .number("partition", partition)
        .number("offset", record.offset)
        .number("timestamp", record.timestamp)
        .bytes("key", record.key)
        .bytes("value", record.value)
        .array("headers", headers)
        .end()
}
