//! The bounds of a range of whole batches that is sent from its segment's file: where it begins, from the headers behind an index
//! entry; where it ends, from the entries that follow. Reads a few kilobytes of either and none of what is sent. Where the files
//! are not as they should be it gives up: the log is then read, and whoever reads it tells what is wrong. Pure.

use super::cold::{Progress, index_entry};
use crate::{
    base::{FilePosition, Offset},
    limits::{BLOCK_BYTES, RANGE_HOPS_MAX},
    log::{
        names,
        segment::{INDEX_ENTRY_BYTES, Segment},
    },
    op::{Class, FileRange, Op, OpenedFile, Path},
    record::{BatchHeader, HEADER_BYTES},
};

/// What a range shall be.
#[derive(Clone, Copy, Debug)]
pub struct Ranging {
    pub bytes_max: u32,
    /// The offset behind the segment, as of its size.
    pub next_at_end: Offset,
}

#[derive(Clone, Copy, Debug)]
enum Look {
    /// For the target's batch, at this position or behind it.
    Start { from: u32, at: u32, hops: u8 },
    /// For the last entry within the limit.
    Entries { start: u32 },
    /// For the header of the batch behind the range.
    Behind { start: u32, end: u32 },
    /// All is known: the file is opened.
    Found { start: u32, end: u32, next: Offset },
}

#[derive(Clone, Debug)]
pub struct RangeSearch {
    ranging: Ranging,
    /// Number of an index entry not behind where the range begins, then of the one where it ends.
    entry: u32,
    look: Look,
}

pub enum Step {
    Go,
    /// No range can be told; the log is to be read from here on.
    ReadFrom(u32),
}

impl RangeSearch {
    /// The range begins with the target's batch, which is at or behind `position`, whose entry is `entry`.
    pub fn at_or_behind(ranging: Ranging, position: u32, entry: u32) -> RangeSearch {
        RangeSearch { ranging, entry, look: Look::Start { from: position, at: position, hops: 0 } }
    }

    /// It begins at `position`.
    pub fn from(segment: &Segment, ranging: Ranging, position: u32, entry: u32) -> RangeSearch {
        let mut search = RangeSearch::at_or_behind(ranging, position, entry);
        search.look = search.begin(segment, position);
        search
    }

    pub fn op(&self, directory: &str, segment: &Segment) -> Op {
        let log = names::log(directory, segment.base);
        let (file, position, length) = match self.look {
            Look::Start { at, .. } => (log, at, (segment.size.0 - at).min(BLOCK_BYTES as u32)),
            Look::Entries { .. } => {
                let count = (segment.index_entries - self.entry).min(ENTRIES_PER_READ);
                let bytes = INDEX_ENTRY_BYTES as u32;
                (names::index(directory, segment.base), self.entry * bytes, count * bytes)
            }
            Look::Behind { end, .. } => (log, end, HEADER_BYTES as u32),
            Look::Found { .. } => return Op::Open { file: log },
        };
        Op::Read { file, position: u64::from(position), length, path: Path::Buffered, class: Class::Bulk }
    }

    /// Whether there is something to look at.
    pub fn settle(&mut self, segment: &Segment) -> Step {
        match self.look {
            Look::Start { from, at, .. } if at >= segment.size.0 => Step::ReadFrom(from),
            Look::Entries { start } if self.entry >= segment.index_entries => Step::ReadFrom(start),
            _ => Step::Go,
        }
    }

    pub fn feed(&mut self, bytes: &[u8], segment: &Segment, target: Offset) -> Step {
        match self.look {
            Look::Start { from, at, hops } => {
                let mut inside = 0;
                while let Some(head) = bytes.get(inside..inside + HEADER_BYTES) {
                    let Ok(header) = BatchHeader::parse(head) else { break };
                    if header.next_offset() > target {
                        self.look = self.begin(segment, at + inside as u32);
                        return self.settle(segment);
                    }
                    inside += header.size();
                }
                if inside == 0 || hops == RANGE_HOPS_MAX {
                    return Step::ReadFrom(from);
                }
                self.look = Look::Start { from, at: at.saturating_add(inside as u32), hops: hops + 1 };
                self.settle(segment)
            }
            Look::Entries { start } => {
                let limit = start.saturating_add(self.ranging.bytes_max);
                let within = |number: u32, entry: &[u8]| {
                    let position = index_entry(entry, segment.base)?.position.0;
                    (start < position && position <= limit).then_some((number, position))
                };
                let entries = (self.entry..).zip(bytes.chunks_exact(INDEX_ENTRY_BYTES));
                let Some((number, end)) = entries.filter_map(|(number, entry)| within(number, entry)).last()
                else {
                    return Step::ReadFrom(start);
                };
                self.entry = number;
                self.look = Look::Behind { start, end };
                if end + HEADER_BYTES as u32 > segment.size.0 { Step::ReadFrom(start) } else { Step::Go }
            }
            Look::Behind { start, end } => {
                let header = bytes.get(..HEADER_BYTES).and_then(|head| BatchHeader::parse(head).ok());
                match header.filter(|header| header.base_offset > target) {
                    Some(header) => self.look = Look::Found { start, end, next: header.base_offset },
                    None => return Step::ReadFrom(start),
                }
                Step::Go
            }
            Look::Found { start, .. } => Step::ReadFrom(start),
        }
    }

    /// Where the range begins, once all of it is known.
    pub fn start_found(&self) -> Option<u32> {
        match self.look {
            Look::Found { start, .. } => Some(start),
            Look::Start { .. } | Look::Entries { .. } | Look::Behind { .. } => None,
        }
    }

    pub fn opened(&self, file: OpenedFile, size: FilePosition) -> Progress {
        let Look::Found { start, end, next } = self.look else {
            return Progress::Damaged("a file was opened before its range was known".into());
        };
        let range = FileRange { file, position: u64::from(start), length: end - start };
        let behind = (end < size.0).then_some((FilePosition(end), self.entry));
        Progress::Range { range, next, behind }
    }

    fn begin(&self, segment: &Segment, start: u32) -> Look {
        let end = segment.size.0;
        if end.saturating_sub(start) <= self.ranging.bytes_max && start < end {
            return Look::Found { start, end, next: self.ranging.next_at_end };
        }
        Look::Entries { start }
    }
}

/// One block of the index: at the usual interval far more than a range.
const ENTRIES_PER_READ: u32 = (BLOCK_BYTES / INDEX_ENTRY_BYTES) as u32;

#[cfg(test)]
#[path = "range_search_tests.rs"]
mod tests;
