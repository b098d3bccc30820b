//! Deceit of the cleaner and of members, for canaries: which of its Ops belong to which step, and batches that say what is not true. Never part of an
//! honest run.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use engine::{
    base::{PartitionIndex, TopicId},
    error::ErrorCode,
    group::request::{OffsetsFound, Reply},
    io::buffer::AlignedBuf,
    log::names,
    op::{Class, Op, OpId},
    record::{Attributes, BatchHeader, HEADER_BYTES, headers},
    shard::group::OFFSETS_TOPIC,
};

use super::canary::Canary;

/// Where the cleaner of each core is, as its Ops show.
#[derive(Debug, Default)]
pub struct Deceit {
    /// Between the making of a `.cleaned` file and its last name.
    copying: BTreeSet<u16>,
    /// Reads that learn keys.
    learning: BTreeSet<(u16, OpId)>,
    /// Reads that load groups.
    loading: BTreeSet<(u16, OpId)>,
    /// Told before.
    part: Bytes,
    assignment: Vec<(TopicId, Vec<PartitionIndex>)>,
    offsets: BTreeMap<String, OffsetsFound>,
}

impl Deceit {
    /// `sealed`: what it reads is a sealed segment of a compacted topic; a flush reads those that grow.
    pub fn watch(&mut self, core: u16, id: OpId, op: &Op, sealed: bool) {
        let is_cleaned =
            |file: &str| names::of_cleaned(file.rsplit_once('/').map_or(file, |(_, name)| name)).is_some();
        match op {
            Op::Create { file, .. } if is_cleaned(file.as_str()) => drop(self.copying.insert(core)),
            Op::Rename { from: file, .. } | Op::Remove { file } if is_cleaned(file.as_str()) => {
                self.copying.remove(&core);
            }
            Op::Read { class: Class::Background, .. } if sealed && !self.copying.contains(&core) => {
                self.learning.insert((core, id));
            }
            Op::Read { class: Class::Bulk, file, .. } if file.as_str().starts_with(OFFSETS_TOPIC) => {
                self.loading.insert((core, id));
            }
            _ => {}
        }
    }

    pub fn copies(&self, core: u16) -> bool {
        self.copying.contains(&core)
    }

    pub fn learns(&mut self, core: u16, id: OpId) -> bool {
        self.learning.remove(&(core, id))
    }
}

impl Deceit {
    pub fn loads(&mut self, core: u16, id: OpId) -> bool {
        self.loading.remove(&(core, id))
    }

    /// What a member hears instead.
    pub fn of_groups(&mut self, canary: Canary, reply: Reply) -> Reply {
        match (canary, reply) {
            (Canary::PartGivenTwice, Reply::Synced(mut synced)) if !synced.assignment.is_empty() => {
                if self.part.is_empty() {
                    self.part = synced.assignment.clone();
                }
                synced.assignment = self.part.clone();
                Reply::Synced(synced)
            }
            (Canary::PartGivenTwice, Reply::ConsumerHeartbeat(Ok(mut told))) => {
                if let Some(assignment) = told.assignment.as_mut().filter(|parts| !parts.is_empty()) {
                    if self.assignment.is_empty() {
                        self.assignment.clone_from(assignment);
                    }
                    assignment.clone_from(&self.assignment);
                }
                Reply::ConsumerHeartbeat(Ok(told))
            }
            // Others must have been given their parts before.
            (Canary::GenerationGoesBack, Reply::Joined(mut joined))
                if joined.error == ErrorCode::None && joined.generation % 4 == 3 =>
            {
                joined.generation -= 2;
                Reply::Joined(joined)
            }
            (Canary::FencedCommitTaken, Reply::Committed(mut topics)) => {
                let codes = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
                codes.for_each(|(_, code)| *code = ErrorCode::None);
                Reply::Committed(topics)
            }
            (Canary::OffsetsOfYesterday, Reply::OffsetsFetched(found)) => {
                let first = |one: OffsetsFound| match one.topics.is_empty() {
                    true => one,
                    false => self.offsets.entry(one.group.clone()).or_insert(one).clone(),
                };
                Reply::OffsetsFetched(found.into_iter().map(first).collect())
            }
            (_, reply) => reply,
        }
    }
}

/// Every batch lies a million offsets further: newer than it is. No CRC covers that.
pub fn further(bytes: &Bytes) -> Bytes {
    each(bytes, |batch, header| {
        batch[..8].copy_from_slice(&(header.base_offset.0 + 1_000_000).to_be_bytes());
    })
}

/// The first batch passes for a control batch, whose keys are no keys.
pub fn hidden(bytes: &Bytes) -> Bytes {
    let mut first = true;
    each(bytes, |batch, header| {
        if std::mem::take(&mut first) {
            let attributes = header.attributes.0 | Attributes::CONTROL;
            batch[21..23].copy_from_slice(&attributes.to_be_bytes());
        }
    })
}

/// Every record is a millisecond younger than it was.
pub fn younger(bytes: &Bytes) -> Bytes {
    each(bytes, |batch, header| {
        if header.record_count > 0 && !header.attributes.has_delete_horizon() {
            batch[27..35].copy_from_slice(&(header.base_timestamp.0 + 1).to_be_bytes());
        }
    })
}

fn each(bytes: &Bytes, mut change: impl FnMut(&mut [u8], &BatchHeader)) -> Bytes {
    let mut copy = AlignedBuf::padded_copy(bytes);
    for (at, header) in headers(bytes) {
        let batch = &mut copy.as_mut_slice()[at..at + header.size()];
        change(batch, &header);
        debug_assert!(batch.len() >= HEADER_BYTES);
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    copy.freeze().slice(..bytes.len())
}
