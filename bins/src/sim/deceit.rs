//! Deceit of the cleaner, for canaries: which of its Ops belong to which step, and batches that say what is not true. Never part of an
//! honest run.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    io::buffer::AlignedBuf,
    log::names,
    op::{Class, Op, OpId},
    record::{Attributes, BatchHeader, HEADER_BYTES, headers},
};

/// Where the cleaner of each core is, as its Ops show.
#[derive(Debug, Default)]
pub struct Deceit {
    /// Between the making of a `.cleaned` file and its last name.
    copying: BTreeSet<u16>,
    /// Reads that learn keys.
    learning: BTreeSet<(u16, OpId)>,
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
