//! Look-ups by time inside one batch (ListOffsets). The header answers alone where it can; otherwise the records are
//! decompressed.

use crate::base::TimestampType;
use crate::base::{Offset, Timestamp};
use crate::record::batch::CheckedBatch;
use crate::record::error::RecordError;

impl CheckedBatch<'_> {
    /// The first record at offset `from` or later whose timestamp is `timestamp` or later.
    pub fn first_at_or_after(
        &self,
        timestamp: Timestamp,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Option<(Offset, Timestamp)>, RecordError> {
        let header = self.header();
        if header.max_timestamp < timestamp || header.last_offset() < from {
            return Ok(None);
        }
        if header.timestamp_type() == TimestampType::LogAppendTime && header.is_dense() {
            return Ok(Some((header.base_offset.max(from), header.max_timestamp)));
        }
        for record in self.records(bytes_max)?.iter() {
            let record = record?;
            if record.timestamp >= timestamp && record.offset >= from {
                return Ok(Some((record.offset, record.timestamp)));
            }
        }
        Ok(None)
    }

    /// The first record that has the batch's max timestamp; `None` for a batch that compaction emptied, or whose header
    /// names a time that no record has.
    pub fn offset_of_max_timestamp(
        &self,
        bytes_max: usize,
    ) -> Result<Option<(Offset, Timestamp)>, RecordError> {
        self.first_at_or_after(self.header().max_timestamp, Offset(i64::MIN), bytes_max)
            .map(|found| found.map(|(offset, timestamp)| (offset.max(self.header().base_offset), timestamp)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::LeaderEpoch;
    use crate::record::{BatchBuilder, Codec, RecordData, UncheckedBatch};

    fn found(append_time: Option<i64>, timestamp: i64, from: i64) -> Option<(i64, i64)> {
        let mut builder = BatchBuilder::new(Codec::Gzip, 1 << 20).at(Offset(100), LeaderEpoch(1));
        if let Some(now) = append_time {
            builder = builder.append_time(Timestamp(now));
        }
        for timestamp in [10, 30, 20, 30] {
            assert!(builder.push(RecordData { timestamp: Timestamp(timestamp), ..RecordData::default() }));
        }
        let bytes = builder.build().unwrap();
        let batch = UncheckedBatch::split_first(&bytes).unwrap().0.check().unwrap();
        let max = batch.offset_of_max_timestamp(1 << 20).unwrap();
        let expected = append_time.map_or((101, 30), |now| (100, now));
        assert_eq!(max, Some((Offset(expected.0), Timestamp(expected.1))));
        let found = batch.first_at_or_after(Timestamp(timestamp), Offset(from), 1 << 20).unwrap();
        found.map(|(offset, timestamp)| (offset.0, timestamp.0))
    }

    #[test]
    fn the_first_record_in_time_and_offset_is_found() {
        assert_eq!(found(None, 0, 0), Some((100, 10)));
        assert_eq!(found(None, 11, 0), Some((101, 30)));
        assert_eq!(found(None, 11, 102), Some((102, 20)));
        assert_eq!(found(None, 21, 102), Some((103, 30)));
        assert_eq!(found(None, 31, 0), None);
        assert_eq!(found(None, 0, 104), None);
    }

    #[test]
    fn append_time_is_answered_by_the_header() {
        assert_eq!(found(Some(50), 31, 0), Some((100, 50)));
        assert_eq!(found(Some(50), 50, 102), Some((102, 50)));
        assert_eq!(found(Some(50), 51, 0), None);
    }
}
