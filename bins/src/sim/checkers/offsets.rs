//! Offsets are dense: each batch that enters a journal continues its partition, and a client's batches stand in the order sent.

use engine::{
    base::{Offset, TopicPartition},
    record::BatchHeader,
};

use super::{Promise, Verdict};
use crate::sim::model::{Model, SentNumber};

/// A batch goes into the journal.
pub fn continues(model: &Model, id: TopicPartition, base: Offset, next: Offset, bytes: &[u8]) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let built = partition.built;
    Promise::OffsetsDense.holds(base == built && next > base, || {
        format!("{id:?} ended at {built}, and the next batch is {base}..{next}")
    })?;
    let header = BatchHeader::parse(bytes).ok();
    let says = header.map(|header| (header.base_offset, header.next_offset()));
    Promise::OffsetsDense.holds(says == Some((base, next)), || {
        format!("{id:?}: the frame says {base}..{next}, its batch {says:?}")
    })
}

/// Of one client's batches to one partition, the later stand behind the earlier.
pub fn in_order(model: &Model, id: TopicPartition, number: SentNumber) -> Verdict {
    let Some(partition) = model.partitions.get(&id) else { return Ok(()) };
    let (client, count) = model.sent[number].order;
    for placed in partition.batches.values().rev().take(20) {
        let (other, before) = model.sent[placed.sent].order;
        if other == client {
            return Promise::OffsetsDense.holds(before < count, || {
                format!("{id:?}: batch {count} of client {client} follows its batch {before}")
            });
        }
    }
    Ok(())
}

/// What a reader is given begins with the batch that contains the offset it asked for, has no gap and ends at the high watermark at
/// most; of a compacted partition batches are missing, of which others know. Answers with the batches.
pub fn fetched(
    id: TopicPartition,
    asked: Offset,
    high_watermark: Offset,
    bytes: &[u8],
    compacted: bool,
) -> Result<Vec<(Offset, std::ops::Range<usize>)>, super::Violation> {
    let mut found: Vec<(Offset, std::ops::Range<usize>)> = Vec::new();
    let mut next = None;
    let mut walked = 0;
    for (at, header) in engine::record::headers(bytes) {
        let base = header.base_offset;
        let fits = match next {
            None => (compacted || base <= asked) && asked < header.next_offset(),
            Some(next) => base == next || compacted && base > next,
        };
        Promise::OffsetsDense.holds(fits && header.next_offset() <= high_watermark, || {
            format!(
                "{id:?}: a fetch at {asked} (high watermark {high_watermark}) got batch {base}..{} after {next:?}",
                header.next_offset()
            )
        })?;
        next = Some(header.next_offset());
        walked = at + header.size();
        found.push((base, at..walked));
    }
    Promise::OffsetsDense.holds(walked == bytes.len(), || {
        format!("{id:?}: a fetch at {asked} got {} bytes behind the last whole batch", bytes.len() - walked)
    })?;
    Ok(found)
}
