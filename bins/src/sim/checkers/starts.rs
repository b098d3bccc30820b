//! Log starts: they move only as a client asked or retention allows, never back, and nobody hears of a move before the disk holds it.
//! What lies below one does not come back. And segments: their files go only from below a durable start, and only if a durable
//! checkpoint has sealed them below its recovery point.

use engine::{
    base::{Offset, Timestamp, TopicPartition},
    log::{Log, names},
    shard::command::{Fetched, RecordsDeleted},
};

use super::{Promise, Verdict, recovered::Stop};
use crate::sim::model::{Forgets, Model, PartitionModel};

/// A move goes into the journal.
pub fn moved(model: &Model, id: TopicPartition, start: Offset, now: Timestamp) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let starts = &partition.starts;
    Promise::LogStartKept.holds(start > starts.built && start <= partition.built, || {
        format!(
            "{id:?} begins at {} and ends at {}, and its start moves to {start}",
            starts.built, partition.built
        )
    })?;
    let whole = start == partition.built || partition.batches.contains_key(&start);
    let forgets = model.topics.get(&id.topic).map_or(Forgets::Nothing, |topic| topic.forgets);
    let allowed = starts.asked.contains(&start)
        || whole && (starts.asked_all || may_forget(model, partition, start, forgets, now));
    Promise::LogStartKept.holds(allowed, || {
        format!("the start of {id:?} moves to {start}, and {forgets:?} allows no such move")
    })
}

fn may_forget(
    model: &Model,
    partition: &PartitionModel,
    start: Offset,
    forgets: Forgets,
    now: Timestamp,
) -> bool {
    match forgets {
        Forgets::Nothing => false,
        Forgets::AfterMs(limit) => {
            let mut gone = partition.batches.range(partition.starts.durable..start);
            gone.all(|(base, placed)| {
                let sent = &model.sent[placed.sent];
                let newest = partition.offsets(*base, sent.records).last().map(|offset| offset.0 - base.0);
                newest.is_none_or(|newest| sent.time + newest + limit < now.0)
            })
        }
        Forgets::BeyondBytes(limit) => {
            partition.batches.range(start..).map(|(_, placed)| placed.bytes.len()).sum::<usize>() >= limit
        }
    }
}

/// DeleteRecords is answered.
pub fn told(model: &Model, id: TopicPartition, asked: Option<Offset>, answer: &RecordsDeleted) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let (start, durable) = (answer.low_watermark, partition.starts.durable);
    Promise::LogStartKept.holds(start <= durable && asked.is_none_or(|asked| asked <= start), || {
        format!("{id:?} deletes up to {asked:?}, tells {start}, and the disk holds its start at {durable}")
    })
}

/// A reader asked at `asked` when the start was known to be at `floor`.
pub fn fetched(model: &Model, id: TopicPartition, asked: Offset, floor: Offset, answer: &Fetched) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    Promise::LogStartKept.holds(asked >= floor, || {
        format!("{id:?} begins at {floor} as was told, and a fetch at {asked} is answered")
    })?;
    let (start, durable) = (answer.log_start, partition.starts.durable);
    Promise::LogStartKept.holds(floor <= start && start <= durable, || {
        format!(
            "a fetch is told that {id:?} begins at {start}; told before was {floor}, the disk holds {durable}"
        )
    })
}

/// A start found this log.
pub fn recovered(model: &Model, id: TopicPartition, stop: Stop, log: &Log) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let (starts, start) = (&partition.starts, log.start());
    let exactly = matches!(stop, Stop::Clean | Stop::KilledLanded);
    let kept = starts.durable <= start && start <= starts.built && (!exactly || start == starts.built);
    Promise::LogStartKept.holds(kept, || {
        format!(
            "{id:?} began at {} (handed to the journal: {}) before the stop ({stop:?}), and begins at {start} after the start",
            starts.durable, starts.built
        )
    })
}

/// A file of a running node is about to get out of the way.
pub fn file_goes(model: &Model, file: &str) -> Verdict {
    let Some((directory, name)) = file.rsplit_once('/') else { return Ok(()) };
    let (Some(base), Some(id)) = (names::segment_of(name), model.in_directory(directory)) else {
        return Ok(());
    };
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let durable = partition.starts.durable;
    let end = partition.sealed.get(&base).copied();
    Promise::SegmentsGoInTime.holds(end.is_some_and(|end| end <= durable), || {
        format!(
            "{file} goes; the disk holds the log start at {durable}, and by its checkpoint the segment is sealed and ends at {end:?}"
        )
    })
}
