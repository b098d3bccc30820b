//! One segment's facts, as they follow from the batches in it. Pure; lives on the partition's core.

use crate::base::{FilePosition, Offset, Timestamp};

/// What is known of a segment without reading it. Follows from applying its batches in order, so that the live log, the
/// checkpoint and recovery agree by construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The offset in its files' names: that of its first batch.
    pub base: Offset,
    /// Bytes of whole batches in the `.log` file.
    pub size: FilePosition,
    /// The largest timestamp of the first batch: what time-based rolling counts from.
    pub first_timestamp: Timestamp,
    pub max_timestamp: Timestamp,
    /// Last offset of the first batch that carries `max_timestamp`.
    pub max_timestamp_offset: Offset,
    /// Entries of the `.index` file.
    pub index_entries: u32,
    /// Entries of the `.timeindex` file, the closing one of a sealed segment included.
    pub time_entries: u32,
    /// Timestamp of the newest time index entry; none before the first.
    pub time_entry_last: Timestamp,
    /// Log bytes since the last index entry.
    pub bytes_since_entry: u32,
    /// Compaction wrote it, and its files may still have the names that they were written under.
    pub unsettled: bool,
}

/// `.index`: from this offset's batch, the position where it starts. Kafka's 8 bytes: relative offset u32, position u32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Last offset of the batch at `position`.
    pub offset: Offset,
    pub position: FilePosition,
}

/// `.timeindex`: up to this offset nothing is younger. Kafka's 12 bytes: timestamp i64, relative offset u32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    pub timestamp: Timestamp,
    pub offset: Offset,
}

pub const INDEX_ENTRY_BYTES: usize = 8;
pub const TIME_ENTRY_BYTES: usize = 12;

/// Index entries that applying one batch, or sealing, adds to the segment's index files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    pub index: Option<IndexEntry>,
    pub time: Option<TimeEntry>,
}

impl IndexEntry {
    pub fn encode(&self, segment: Offset, out: &mut Vec<u8>) {
        out.extend_from_slice(&((self.offset.0 - segment.0) as u32).to_be_bytes());
        out.extend_from_slice(&self.position.0.to_be_bytes());
    }

    pub fn decode(bytes: &[u8; INDEX_ENTRY_BYTES], segment: Offset) -> IndexEntry {
        let [a, b, c, d, e, f, g, h] = *bytes;
        IndexEntry {
            offset: segment.plus(i64::from(u32::from_be_bytes([a, b, c, d]))),
            position: FilePosition(u32::from_be_bytes([e, f, g, h])),
        }
    }
}

impl TimeEntry {
    pub fn encode(&self, segment: Offset, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.0.to_be_bytes());
        out.extend_from_slice(&((self.offset.0 - segment.0) as u32).to_be_bytes());
    }

    pub fn decode(bytes: &[u8; TIME_ENTRY_BYTES], segment: Offset) -> TimeEntry {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        TimeEntry {
            timestamp: Timestamp(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
            offset: segment.plus(i64::from(u32::from_be_bytes([i, j, k, l]))),
        }
    }
}

/// What a batch means to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFacts {
    pub base: Offset,
    pub next: Offset,
    pub size: u32,
    pub max_timestamp: Timestamp,
}

impl Segment {
    pub fn empty(base: Offset) -> Segment {
        Segment {
            base,
            size: FilePosition(0),
            first_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
            max_timestamp_offset: base,
            index_entries: 0,
            time_entries: 0,
            time_entry_last: Timestamp::NONE,
            bytes_since_entry: 0,
            unsettled: false,
        }
    }

    /// Takes the batch at the segment's end; answers the index entries due with it (Kafka's LogSegment.append: an entry
    /// for the first batch after `index_interval` bytes).
    pub fn apply(&mut self, batch: &BatchFacts, index_interval: u32) -> Entries {
        let last = Offset(batch.next.0 - 1);
        if self.size.0 == 0 {
            self.first_timestamp = batch.max_timestamp;
        }
        if batch.max_timestamp > self.max_timestamp {
            self.max_timestamp = batch.max_timestamp;
            self.max_timestamp_offset = last;
        }
        let mut entries = Entries::default();
        if self.bytes_since_entry > index_interval {
            entries.index = Some(IndexEntry { offset: last, position: self.size });
            entries.time = self.time_entry();
            self.index_entries += 1;
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry = self.bytes_since_entry.saturating_add(batch.size);
        self.size = FilePosition(self.size.0.saturating_add(batch.size));
        entries
    }

    /// The closing time index entry, when the segment is sealed or cleanly closed.
    pub fn seal(&mut self) -> Option<TimeEntry> {
        self.time_entry()
    }

    fn time_entry(&mut self) -> Option<TimeEntry> {
        if self.max_timestamp <= self.time_entry_last {
            return None;
        }
        self.time_entry_last = self.max_timestamp;
        self.time_entries += 1;
        Some(TimeEntry { timestamp: self.max_timestamp, offset: self.max_timestamp_offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_entries_survive_their_encoding() {
        let segment = Offset(1000);
        let index = IndexEntry { offset: Offset(1077), position: FilePosition(4711) };
        let time = TimeEntry { timestamp: Timestamp(1_700_000_000_000), offset: Offset(1001) };
        let mut bytes = Vec::new();
        index.encode(segment, &mut bytes);
        assert_eq!(IndexEntry::decode(bytes[..].try_into().unwrap(), segment), index);
        bytes.clear();
        time.encode(segment, &mut bytes);
        assert_eq!(TimeEntry::decode(bytes[..].try_into().unwrap(), segment), time);
    }

    #[test]
    fn an_entry_comes_with_the_first_batch_after_the_interval() {
        let mut segment = Segment::empty(Offset(0));
        let batch = |n: i64, max| BatchFacts {
            base: Offset(n),
            next: Offset(n + 1),
            size: 3000,
            max_timestamp: Timestamp(max),
        };
        assert_eq!(segment.apply(&batch(0, 10), 4096), Entries::default());
        assert_eq!(segment.apply(&batch(1, 5), 4096), Entries::default());
        let due = segment.apply(&batch(2, 20), 4096);
        assert_eq!(due.index, Some(IndexEntry { offset: Offset(2), position: FilePosition(6000) }));
        assert_eq!(due.time, Some(TimeEntry { timestamp: Timestamp(20), offset: Offset(2) }));
        assert_eq!(segment.seal(), None, "nothing younger than the last entry");
    }
}
