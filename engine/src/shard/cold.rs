//! A read of what is no longer cached: find the position through the segment's index files, then read the log there. Each step
//! is one Op; the flows (fetch, offsets) push it and feed the Done back. Where records are sent from the file (`range_search.rs`), only
//! the bounds of what is sent are read. Pure.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    entry_search::{EntrySearch, Found},
    range_search::{RangeSearch, Ranging, Step},
};
use crate::{
    base::{FilePosition, Offset, Timestamp},
    limits::{BATCH_BYTES_MAX, BLOCK_BYTES},
    log::{
        names,
        segment::{INDEX_ENTRY_BYTES, IndexEntry, Segment, TIME_ENTRY_BYTES, TimeEntry},
    },
    op::{Class, FileRange, Op, OpenedFile, Path},
    record::{BatchHeader, HEADER_BYTES},
};

#[derive(Clone, Debug)]
enum Phase {
    /// In the time index: the last entry older than the time.
    Time(EntrySearch, Timestamp),
    /// In the offset index: the last entry at or before the offset.
    Index(EntrySearch),
    /// Likewise, then for the bounds of a range.
    Range(RangeSearch),
    /// In the log.
    Log { position: u32, length: u32 },
}

#[derive(Clone, Debug)]
pub struct Cold {
    directory: Arc<str>,
    /// As of the recovery point: what lies behind is in the cache.
    segment: Segment,
    /// Where reading shall begin; moved on by a time search.
    target: Offset,
    phase: Phase,
    read_bytes: u32,
    path: Path,
    ranging: Option<Ranging>,
}

/// What a Done brought.
pub enum Progress {
    /// Push the next Op.
    More,
    /// The log's bytes from this position on, beginning with a batch.
    Chunk { position: FilePosition, bytes: Bytes },
    /// What the log holds from its batch with the target on, to be sent from the file. `next`: the offset behind it. `behind`:
    /// where that is in the same segment, and its index entry's number.
    Range { range: FileRange, next: Offset, behind: Option<(FilePosition, u32)> },
    /// The files contradict what is known of the segment.
    Damaged(String),
}

impl Cold {
    /// Looks for the batch that contains `target`.
    pub fn at_offset(directory: Arc<str>, segment: Segment, target: Offset, read_bytes: u32) -> Cold {
        let phase = Phase::Index(EntrySearch::new(INDEX_ENTRY_BYTES, segment.index_entries));
        let mut cold = Cold::new(directory, segment, target, phase, read_bytes);
        cold.skip_empty_searches();
        cold
    }

    /// Looks for a place at or before the first batch that may reach `time`.
    pub fn at_time(directory: Arc<str>, segment: Segment, time: Timestamp, read_bytes: u32) -> Cold {
        let phase = Phase::Time(EntrySearch::new(TIME_ENTRY_BYTES, segment.time_entries), time);
        let mut cold = Cold::new(directory, segment, segment.base, phase, read_bytes);
        cold.skip_empty_searches();
        cold
    }

    /// Reads from a known position.
    pub fn at_position(
        directory: Arc<str>,
        segment: Segment,
        position: FilePosition,
        read_bytes: u32,
    ) -> Cold {
        let phase = Phase::Log { position: position.0, length: read_bytes };
        Cold::new(directory, segment, segment.base, phase, read_bytes)
    }

    /// The read of the log behind this one, as the segment is now. It ends at a block's end, so that it is one request of the device
    /// like the first.
    pub fn behind(&self, segment: Segment, position: FilePosition) -> Cold {
        let length = self.read_bytes.saturating_sub(position.0 % BLOCK_BYTES as u32);
        let phase = Phase::Log { position: position.0, length };
        Cold::new(self.directory.clone(), segment, segment.base, phase, self.read_bytes).by(self.path)
    }

    fn new(directory: Arc<str>, segment: Segment, target: Offset, phase: Phase, read_bytes: u32) -> Cold {
        Cold { directory, segment, target, phase, read_bytes, path: Path::Direct, ranging: None }
    }

    /// How the log is read.
    pub fn by(self, path: Path) -> Cold {
        Cold { path, ..self }
    }

    /// The log is not read but its range answered: from the target on, which begins at `known`, a position and its entry, or is still
    /// to be found.
    pub fn ranging(mut self, target: Offset, ranging: Ranging, known: Option<(FilePosition, u32)>) -> Cold {
        self.target = target;
        if let Some((position, entry)) = known {
            self.phase = Phase::Range(RangeSearch::from(&self.segment, ranging, position.0, entry));
        }
        self.ranging = Some(ranging);
        if let Phase::Log { position, .. } = self.phase {
            // Without an entry the search was over before it began.
            self.phase = self.in_log(position, 0);
        }
        self.skip_empty_searches();
        self
    }

    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Goes on at `position`, with at least `length` bytes; false: no batch of this length can lie there.
    #[must_use]
    pub fn continue_at(&mut self, position: FilePosition, length: usize) -> bool {
        let end = position.0 as usize + length;
        if length > BATCH_BYTES_MAX || end > self.segment.size.0 as usize {
            return false;
        }
        self.phase = Phase::Log { position: position.0, length: self.read_bytes.max(length as u32) };
        self.ranging = None;
        true
    }

    pub fn op(&self) -> Op {
        let base = self.segment.base;
        let (file, position, length, path) = match &self.phase {
            Phase::Time(search, _) => {
                let (position, length) = search.next_read().unwrap_or((0, 0));
                (names::time_index(&self.directory, base), position, length, Path::Buffered)
            }
            Phase::Index(search) => {
                let (position, length) = search.next_read().unwrap_or((0, 0));
                (names::index(&self.directory, base), position, length, Path::Buffered)
            }
            Phase::Range(search) => return search.op(&self.directory, &self.segment),
            Phase::Log { position, length } => {
                let start = u64::from(*position) / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
                let end = u64::from(*position) + u64::from(*length);
                let end = end.min(u64::from(self.segment.size.0)).next_multiple_of(BLOCK_BYTES as u64);
                (names::log(&self.directory, base), start, (end - start.min(end)) as u32, self.path)
            }
        };
        Op::Read { file, position, length, path, class: Class::Bulk }
    }

    /// Bytes of the next read.
    pub fn read_length(&self) -> u32 {
        match self.op() {
            Op::Read { length, .. } => length,
            _ => 0,
        }
    }

    pub fn feed(&mut self, bytes: Bytes) -> Progress {
        let base = self.segment.base;
        match &mut self.phase {
            Phase::Time(search, time) => {
                let time = *time;
                let older =
                    |entry: &[u8]| time_entry(entry, base).is_some_and(|entry| entry.timestamp < time);
                match search.feed(&bytes, older) {
                    Found::More => {}
                    Found::Last(_, entry) => {
                        self.target = entry
                            .and_then(|entry| time_entry(entry, base))
                            .map_or(base, |entry| entry.offset);
                        self.phase =
                            Phase::Index(EntrySearch::new(INDEX_ENTRY_BYTES, self.segment.index_entries));
                    }
                }
                self.skip_empty_searches();
                Progress::More
            }
            Phase::Index(search) => {
                let target = self.target;
                let reached =
                    |entry: &[u8]| index_entry(entry, base).is_some_and(|entry| entry.offset <= target);
                match search.feed(&bytes, reached) {
                    Found::More => {}
                    Found::Last(number, entry) => {
                        let position = entry
                            .and_then(|entry| index_entry(entry, base))
                            .map_or(0, |entry| entry.position.0);
                        self.phase = self.in_log(position, number);
                    }
                }
                self.skip_empty_searches();
                Progress::More
            }
            Phase::Range(search) => {
                if let Step::ReadFrom(position) = search.feed(&bytes, &self.segment, self.target) {
                    self.phase = Phase::Log { position, length: self.read_bytes };
                }
                Progress::More
            }
            Phase::Log { position, length } => {
                let skip = *position as usize % BLOCK_BYTES;
                let start = *position as usize - skip;
                let size = self.segment.size.0 as usize;
                let end = (*position as usize + *length as usize).min(size);
                let known = size.saturating_sub(start).min(bytes.len());
                // A read that comes short would come short again: the file is not what the checkpoint knows.
                if known <= skip || start + known < end {
                    let name = names::log(&self.directory, base);
                    return Progress::Damaged(format!("{} ends before byte {end}", name.as_str()));
                }
                Progress::Chunk { position: FilePosition(*position), bytes: bytes.slice(skip..known) }
            }
        }
    }

    /// A search that needs no reading is over.
    fn skip_empty_searches(&mut self) {
        if let Phase::Time(search, _) = &self.phase
            && search.next_read().is_none()
        {
            self.phase = Phase::Index(EntrySearch::new(INDEX_ENTRY_BYTES, self.segment.index_entries));
        }
        if let Phase::Index(search) = &self.phase
            && search.next_read().is_none()
        {
            self.phase = self.in_log(0, 0);
        }
        if let Phase::Range(search) = &mut self.phase
            && let Step::ReadFrom(position) = search.settle(&self.segment)
        {
            self.phase = Phase::Log { position, length: self.read_bytes };
        }
    }

    /// The target's batch is at this position, whose entry is `number`, or behind it.
    fn in_log(&self, position: u32, number: u32) -> Phase {
        match self.ranging {
            Some(ranging) => Phase::Range(RangeSearch::at_or_behind(ranging, position, number)),
            None => Phase::Log { position, length: self.read_bytes },
        }
    }

    /// The file cannot be opened to be sent: its log is read after all. False: nothing was to be opened.
    pub fn unopened(&mut self) -> bool {
        let Phase::Range(search) = &self.phase else { return false };
        let Some(position) = search.start_found() else { return false };
        self.phase = Phase::Log { position, length: self.read_bytes };
        true
    }

    /// The file is open: what was looked for is found.
    pub fn opened(&self, file: OpenedFile) -> Progress {
        match &self.phase {
            Phase::Range(search) => search.opened(file, self.segment.size),
            _ => Progress::Damaged("a file was opened that nobody asked for".into()),
        }
    }
}

/// The size of the batch whose first bytes these are, if enough of it is there to know.
pub fn batch_size(bytes: &[u8]) -> Option<usize> {
    bytes.get(..HEADER_BYTES).and_then(|head| BatchHeader::parse(head).ok()).map(|header| header.size())
}

fn time_entry(entry: &[u8], base: Offset) -> Option<TimeEntry> {
    Some(TimeEntry::decode(entry.try_into().ok()?, base))
}

pub(super) fn index_entry(entry: &[u8], base: Offset) -> Option<IndexEntry> {
    Some(IndexEntry::decode(entry.try_into().ok()?, base))
}
