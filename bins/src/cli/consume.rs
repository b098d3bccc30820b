//! `corelog consume`: reads the partitions of a topic by offset and prints their records.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;
use engine::record::{Record, RecordError};
use net::client::{At, AutoCreation, Client, Position, Wait};

use super::Connect;
use super::failure::Failure;
use super::json::Object;
use super::text::unescape;
use super::time;

#[derive(Debug, Args)]
pub struct Arguments {
    topic: String,
    /// Read this partition only; may be repeated [default: all]
    #[arg(short, long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// Where to begin: earliest, latest, an offset, -N for N records before the end, or @MS for the first record at that
    /// time (milliseconds since 1970)
    #[arg(short, long, value_name = "WHERE", default_value = "earliest", value_parser = start, allow_hyphen_values = true)]
    offset: Start,
    /// Stop after so many records
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// Stop at the end that the log has when reading begins
    #[arg(short, long)]
    exit: bool,
    /// One JSON object a record
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// What to print of a record: %t topic, %p partition, %o offset, %T timestamp, %D date, %k key, %s value, %K and %S their
    /// lengths (-1 for null), %h headers, %% a percent sign; \n, \t, \x00 and the like are understood
    #[arg(short, long, value_name = "FORMAT", default_value = "%s\\n")]
    format: String,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    At(At),
    Offset(i64),
    BeforeEnd(i64),
}

fn start(text: &str) -> Result<Start, String> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    let wrong = || "write earliest, latest, a number, -number, or @milliseconds".to_owned();
    match text {
        "earliest" | "beginning" => Ok(Start::At(At::Earliest)),
        "latest" | "end" => Ok(Start::At(At::Latest)),
        _ => match (text.strip_prefix('@'), text.strip_prefix('-')) {
            (Some(time), _) => number(time).map(|ms| Start::At(At::Timestamp(ms))).ok_or_else(wrong),
            (_, Some(count)) => number(count).map(Start::BeforeEnd).ok_or_else(wrong),
            _ => number(text).map(Start::Offset).ok_or_else(wrong),
        },
    }
}

/// One piece of `--format`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Date,
    Key,
    Value,
    KeyLength,
    ValueLength,
    Headers,
}

fn parse_format(format: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut literal, mut chars) = (Vec::new(), String::new(), format.chars());
    while let Some(c) = chars.next() {
        if c != '%' {
            literal.push(c);
            // The character after a backslash belongs to it, whatever it is.
            literal.extend((c == '\\').then(|| chars.next()).flatten());
            continue;
        }
        let piece = match chars.next() {
            Some('%') => {
                literal.push('%');
                continue;
            }
            Some('t') => Piece::Topic,
            Some('p') => Piece::Partition,
            Some('o') => Piece::Offset,
            Some('T') => Piece::Timestamp,
            Some('D') => Piece::Date,
            Some('k') => Piece::Key,
            Some('s') => Piece::Value,
            Some('K') => Piece::KeyLength,
            Some('S') => Piece::ValueLength,
            Some('h') => Piece::Headers,
            other => {
                return Err(format!(
                    "--format: %{} means nothing",
                    other.map_or(String::new(), String::from)
                ));
            }
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(unescape(&std::mem::take(&mut literal))?));
        }
        pieces.push(piece);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(unescape(&literal)?));
    }
    Ok(pieces)
}

enum Form {
    Pieces(Vec<Piece>),
    Json,
}

/// Why a walk through records ends early.
enum Stop {
    CountReached,
    Failed(Failure),
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Stop {
        Stop::Failed(error.into())
    }
}

/// One partition's progress.
struct Progress {
    next: i64,
    /// Where `--exit` ends.
    end: i64,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let form = match arguments.json {
        true => Form::Json,
        false => Form::Pieces(parse_format(&arguments.format).map_err(Failure::Usage)?),
    };
    let mut client = arguments.connect.client()?;
    let mut progress = begin(&mut client, arguments)?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let wanted = progress.iter().filter(|(_, at)| !arguments.exit || at.next < at.end);
        let position =
            |(partition, at): (&i32, &Progress)| Position { partition: *partition, offset: at.next };
        let positions: Vec<Position> = wanted.map(position).collect();
        if positions.is_empty() {
            break;
        }
        let fetched = client.fetch(&arguments.topic, &positions, Wait::default())?;
        for part in fetched {
            let Some(at) = progress.get_mut(&part.partition) else { continue };
            let end = if arguments.exit { at.end } else { i64::MAX };
            let read = part.read(at.next, |record| {
                if left == 0 {
                    return Err(Stop::CountReached);
                }
                if record.offset.0 < end {
                    left -= 1;
                    let written = write_record(&form, &arguments.topic, part.partition, record, out);
                    written.map_err(|error| Stop::Failed(error.into()))?;
                }
                Ok(())
            });
            match read {
                Ok(next) => at.next = next,
                Err(Stop::CountReached) => break,
                Err(Stop::Failed(failure)) => {
                    let (topic, partition) = (&arguments.topic, part.partition);
                    let near = format!("partition {partition} of {topic}, at or after offset {}", at.next);
                    return Err(match failure {
                        Failure::Failed(text) => Failure::Failed(format!("{near}: {text}")),
                        other => other,
                    });
                }
            }
        }
        // What has come is shown at once, not when the buffer is full.
        out.flush()?;
    }
    Ok(())
}

fn begin(client: &mut Client, arguments: &Arguments) -> Result<BTreeMap<i32, Progress>, Failure> {
    let name = &arguments.topic;
    let topic = client.topic(name, AutoCreation::Forbidden)?;
    let all = || topic.partitions.iter().map(|partition| partition.index).collect();
    let partitions = if arguments.partitions.is_empty() { all() } else { arguments.partitions.clone() };
    let mut progress = BTreeMap::new();
    for partition in partitions {
        topic.partition(partition)?;
        let end = client.list_offset(name, partition, At::Latest)?.offset;
        let next = match arguments.offset {
            Start::Offset(offset) => offset,
            Start::At(At::Latest) => end,
            // No record is that young: begin with the next one.
            Start::At(at) => match client.list_offset(name, partition, at)?.offset {
                ..0 => end,
                offset => offset,
            },
            Start::BeforeEnd(count) => {
                let first = client.list_offset(name, partition, At::Earliest)?.offset;
                end.saturating_sub(count).max(first)
            }
        };
        progress.insert(partition, Progress { next, end });
    }
    Ok(progress)
}

fn write_record(
    form: &Form,
    topic: &str,
    partition: i32,
    record: &Record<'_>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let pieces = match form {
        Form::Json => return writeln!(out, "{}", record_json(topic, partition, record)),
        Form::Pieces(pieces) => pieces,
    };
    let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    for piece in pieces {
        match piece {
            Piece::Literal(bytes) => out.write_all(bytes)?,
            Piece::Topic => out.write_all(topic.as_bytes())?,
            Piece::Partition => write!(out, "{partition}")?,
            Piece::Offset => write!(out, "{}", record.offset)?,
            Piece::Timestamp => write!(out, "{}", record.timestamp)?,
            Piece::Date => out.write_all(time::shown(record.timestamp).as_bytes())?,
            Piece::Key => out.write_all(record.key.unwrap_or_default())?,
            Piece::Value => out.write_all(record.value.unwrap_or_default())?,
            Piece::KeyLength => write!(out, "{}", length(record.key))?,
            Piece::ValueLength => write!(out, "{}", length(record.value))?,
            Piece::Headers => {
                for (place, header) in record.headers.iter().enumerate() {
                    out.write_all(if place > 0 { b"," } else { b"" })?;
                    out.write_all(header.key)?;
                    out.write_all(b"=")?;
                    out.write_all(header.value.unwrap_or_default())?;
                }
            }
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_as_it_is_written() {
        assert_eq!(start("earliest"), Ok(Start::At(At::Earliest)));
        assert_eq!(start("7"), Ok(Start::Offset(7)));
        assert_eq!(start("-7"), Ok(Start::BeforeEnd(7)));
        assert_eq!(start("@7"), Ok(Start::At(At::Timestamp(7))));
        for text in ["", "x", "--7", "@", "@-1", "1.5"] {
            assert!(start(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_format_is_cut_into_pieces() {
        let literal = |text: &str| Piece::Literal(text.as_bytes().to_vec());
        assert_eq!(
            parse_format("%k\\t%s\\n"),
            Ok(vec![Piece::Key, literal("\t"), Piece::Value, literal("\n")])
        );
        assert_eq!(parse_format("100%%\\\\%o"), Ok(vec![literal("100%\\"), Piece::Offset]));
        assert!(parse_format("%q").is_err());
        assert!(parse_format("%").is_err());
    }
}
