//! No stale content: every batch in a log is what a client sent to this partition of this topic, at the offset where it was placed, and
//! there once. An older incarnation's frames, another topic's bytes and torn groups would show here.

use engine::base::{Offset, TopicPartition};

use super::{Promise, Verdict, Violation};
use crate::sim::model::{Fate, Model, SentNumber};

/// A batch goes into the journal: which one is it?
pub fn known(model: &Model, id: TopicPartition, base: Offset, bytes: &[u8]) -> Result<SentNumber, Violation> {
    let Some(number) = model.recognise(bytes) else {
        return Promise::NoStaleContent.broken(format!("{id:?}: nobody sent the batch at {base}"));
    };
    let sent = &model.sent[number];
    Promise::NoStaleContent.holds(sent.partition == id, || {
        format!("{id:?}: the batch at {base} was sent to {:?}", sent.partition)
    })?;
    Promise::NoStaleContent.holds(sent.fate != Fate::Refused, || {
        format!("{id:?}: batch {number} was refused, and is written at {base}")
    })?;
    if let Fate::Taken(told) = sent.fate {
        Promise::NoStaleContent.holds(told == base, || {
            format!("{id:?}: batch {number} was acknowledged at {told}, and is written at {base}")
        })?;
    }
    let twice = model.partitions.get(&id).and_then(|partition| {
        partition.batches.iter().find(|(_, placed)| placed.sent == number).map(|(base, _)| *base)
    });
    Promise::NoStaleContent.holds(twice.is_none(), || {
        format!("{id:?}: batch {number} is at {twice:?} already, and is written again at {base}")
    })?;
    Ok(number)
}

/// A batch is read back, by a reader or after a start.
pub fn unchanged(model: &Model, id: TopicPartition, base: Offset, bytes: &[u8]) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else {
        return Promise::NoStaleContent.broken(format!("{id:?} is gone, and shows a batch at {base}"));
    };
    let Some(placed) = partition.batches.get(&base) else {
        return Promise::NoStaleContent
            .broken(format!("{id:?}: a batch is read at {base}, where none was written"));
    };
    Promise::NoStaleContent.holds(placed.bytes == bytes, || {
        let differs = placed.bytes.iter().zip(bytes).position(|(a, b)| a != b);
        format!(
            "{id:?}: the batch at {base} is not the one that was written ({} bytes, {} read, first difference {differs:?})",
            placed.bytes.len(),
            bytes.len()
        )
    })
}
