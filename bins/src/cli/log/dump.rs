//! `corelog log dump`: what stands in a log's files, one line for each batch, record or index entry.

use std::io::Write;
use std::path::Path;

use engine::base::Offset;
use engine::limits::EXPANSION_BYTES_MAX;
use engine::record::{CheckedBatch, Record, TimestampType, UncheckedBatch};

use super::Dump;
use super::index;
use super::segment::{Located, Segment, Step, Tail, base_offset};
use crate::cli::failure::Failure;
use crate::cli::json::Object;
use crate::cli::{text, time};

pub fn run(arguments: &Dump, out: &mut dyn Write) -> Result<(), Failure> {
    let mut damaged = false;
    for path in &arguments.files {
        if !arguments.json && arguments.files.len() > 1 {
            writeln!(out, "{}", path.display())?;
        }
        damaged |= match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => dump_log(path, arguments, out)?,
            Some("index") => dump_offsets(path, arguments, out)?,
            Some("timeindex") => dump_times(path, arguments, out)?,
            _ => {
                let text =
                    format!("{}: only .log, .index and .timeindex files can be dumped", path.display());
                return Err(Failure::Usage(text));
            }
        };
    }
    if damaged { Err(Failure::Reported) } else { Ok(()) }
}

/// Whether the file is damaged.
fn dump_log(path: &Path, arguments: &Dump, out: &mut dyn Write) -> Result<bool, Failure> {
    let mut segment = Segment::open(path)?;
    let mut damaged = false;
    loop {
        match segment.step()? {
            Step::Batch(located) => damaged |= !dump_batch(path, &located, arguments, out)?,
            Step::End(tail) => return Ok(damaged | dump_tail(&tail, arguments, out)?),
        }
    }
}

/// Whether the batch is whole.
fn dump_batch(
    path: &Path,
    located: &Located,
    arguments: &Dump,
    out: &mut dyn Write,
) -> Result<bool, Failure> {
    let checked = UncheckedBatch::split_first(&located.bytes).and_then(|(batch, _)| batch.check());
    let header = &located.header;
    let codec = header.codec().map_or("unknown", |codec| codec.name());
    let state = checked.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned());
    let time_type = match header.timestamp_type() {
        TimestampType::CreateTime => "created",
        TimestampType::LogAppendTime => "appended",
    };
    if arguments.json {
        let object = Object::new()
            .number("base_offset", header.base_offset)
            .number("last_offset", header.last_offset())
            .number("position", located.position)
            .number("bytes", header.size())
            .number("records", header.record_count)
            .text("codec", codec)
            .text("timestamp_type", time_type)
            .number("max_timestamp", header.max_timestamp)
            .number("leader_epoch", header.leader_epoch)
            .number("producer_id", header.producer_id)
            .number("producer_epoch", header.producer_epoch)
            .number("base_sequence", header.base_sequence)
            .number("transactional", header.is_transactional())
            .number("control", header.is_control())
            .number("crc", header.crc)
            .text("state", &state);
        writeln!(out, "{}", object.end())?;
    } else {
        write!(out, "batch  offsets {}..{}", header.base_offset, header.last_offset())?;
        write!(out, "  position {}  bytes {}", located.position, header.size())?;
        write!(out, "  records {}  codec {codec}", header.record_count)?;
        write!(out, "  {time_type} until {}", time::shown(header.max_timestamp))?;
        write!(out, "  leader epoch {}", header.leader_epoch)?;
        if header.has_producer_id() {
            let (id, epoch) = (header.producer_id, header.producer_epoch);
            write!(out, "  producer {id} epoch {epoch} sequence {}", header.base_sequence)?;
        }
        for (flag, name) in [(header.is_transactional(), "transactional"), (header.is_control(), "control")] {
            if flag {
                write!(out, "  {name}")?;
            }
        }
        writeln!(out, "  crc {:#010x}  {state}", header.crc)?;
    }
    let Ok(checked) = checked else { return Ok(false) };
    match arguments.records {
        true => dump_records(path, checked, arguments, out),
        false => Ok(true),
    }
}

fn dump_records(
    path: &Path,
    batch: CheckedBatch<'_>,
    arguments: &Dump,
    out: &mut dyn Write,
) -> Result<bool, Failure> {
    let records = match batch.records(EXPANSION_BYTES_MAX) {
        Ok(records) => records,
        Err(error) => {
            writeln!(out, "  records unreadable: {error}")?;
            return Ok(false);
        }
    };
    for record in records.iter() {
        match record {
            Ok(record) if arguments.json => writeln!(out, "{}", record_json(path, &record))?,
            Ok(record) => write_record(&record, out)?,
            Err(error) => {
                writeln!(out, "  record unreadable: {error}")?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn write_record(record: &Record<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    write!(out, "  record  offset {}  {}", record.offset, time::shown(record.timestamp))?;
    write!(out, "  key {}  value {}", text::shown(record.key), text::shown(record.value))?;
    for header in record.headers.iter() {
        write!(out, "  {}={}", header.key.escape_ascii(), text::shown(header.value))?;
    }
    Ok(writeln!(out)?)
}

fn record_json(path: &Path, record: &Record<'_>) -> String {
    let (topic, partition) = topic_and_partition(path);
    crate::cli::consume::record_json(&topic, partition, record)
}

/// What the directory's name says: `topic-partition`.
fn topic_and_partition(path: &Path) -> (String, i32) {
    let name = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    match name.rsplit_once('-').map(|(topic, partition)| (topic, partition.parse())) {
        Some((topic, Ok(partition))) => (topic.to_owned(), partition),
        _ => (name, -1),
    }
}

/// Whether the tail is damage.
fn dump_tail(tail: &Tail, arguments: &Dump, out: &mut dyn Write) -> Result<bool, Failure> {
    let text = match tail {
        Tail::Nothing => return Ok(false),
        tail => tail.to_string(),
    };
    match arguments.json {
        true => writeln!(out, "{}", Object::new().text("tail", &text).end())?,
        false => writeln!(out, "{text}")?,
    }
    Ok(!matches!(tail, Tail::Zeros { .. }))
}

fn base_of(path: &Path) -> Result<Offset, Failure> {
    base_offset(path).ok_or_else(|| {
        Failure::Failed(format!(
            "{}: the name is not a segment's: 20 digits, its base offset",
            path.display()
        ))
    })
}

fn dump_offsets(path: &Path, arguments: &Dump, out: &mut dyn Write) -> Result<bool, Failure> {
    let found = index::read_offsets(path, base_of(path)?)?;
    for entry in &found.entries {
        match arguments.json {
            true => {
                let object = Object::new().number("offset", entry.offset).number("position", entry.position);
                writeln!(out, "{}", object.end())?;
            }
            false => writeln!(out, "entry  offset {}  position {}", entry.offset, entry.position)?,
        }
    }
    dump_index_tail(found.zero_bytes, found.odd_bytes, arguments, out)
}

fn dump_times(path: &Path, arguments: &Dump, out: &mut dyn Write) -> Result<bool, Failure> {
    let found = index::read_times(path, base_of(path)?)?;
    for entry in &found.entries {
        match arguments.json {
            true => {
                let object =
                    Object::new().number("timestamp", entry.timestamp).number("offset", entry.offset);
                writeln!(out, "{}", object.end())?;
            }
            false => {
                let (timestamp, offset) = (entry.timestamp, entry.offset);
                writeln!(out, "entry  timestamp {timestamp}  {}  offset {offset}", time::shown(timestamp))?;
            }
        }
    }
    dump_index_tail(found.zero_bytes, found.odd_bytes, arguments, out)
}

fn dump_index_tail(
    zero_bytes: usize,
    odd_bytes: usize,
    arguments: &Dump,
    out: &mut dyn Write,
) -> Result<bool, Failure> {
    if zero_bytes > 0 && !arguments.json {
        writeln!(out, "{zero_bytes} zero bytes: allocated, not yet written")?;
    }
    if odd_bytes > 0 {
        let text = format!("{odd_bytes} bytes at the end are no whole entry");
        match arguments.json {
            true => writeln!(out, "{}", Object::new().text("tail", &text).end())?,
            false => writeln!(out, "{text}")?,
        }
    }
    Ok(odd_bytes > 0)
}
