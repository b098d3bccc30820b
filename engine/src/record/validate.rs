//! What a leader asks of a batch beyond its header: records that can be read, dense offsets, keys where the topic is
//! compacted, timestamps near the broker's clock (Kafka's `LogValidator`). Walking the records means decompressing, so
//! `needs_records` says when the header is enough.

use crate::base::TimestampType;
use crate::base::{Offset, Timestamp};
use crate::record::batch::CheckedBatch;
use crate::record::error::RecordError;
use crate::record::header::BatchHeader;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    Optional,
    /// The topic is compacted: a record without a key could never be told from another.
    Required,
}

/// The rules of one topic at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub keys: Keys,
    /// The topic's `message.timestamp.type`; with LogAppendTime the producer's times do not matter.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms` and `.after.max.ms`; `i64::MAX` is no limit.
    pub before_ms_max: i64,
    pub after_ms_max: i64,
    pub now: Timestamp,
    /// Decompressed bytes at most.
    pub bytes_max: usize,
}

/// What walking the records told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Where it is not the header's, the leader corrects the header (`stamp_max_timestamp`), as Kafka's does.
    pub max_timestamp: Timestamp,
    /// The first record with that timestamp.
    pub max_timestamp_offset: Offset,
    pub decompressed_bytes: usize,
}

impl Rules {
    /// Whether the records themselves must be looked at. The upper limit of time is read off the header: a client that
    /// lies there harms only its own look-ups.
    pub fn needs_records(&self, header: &BatchHeader) -> bool {
        match (self.keys, self.timestamp_type) {
            (Keys::Required, _) => true,
            (Keys::Optional, TimestampType::LogAppendTime) => false,
            (Keys::Optional, TimestampType::CreateTime) => {
                self.before_ms_max != i64::MAX || !self.accepts(header.max_timestamp)
            }
        }
    }

    fn accepts(&self, timestamp: Timestamp) -> bool {
        if self.timestamp_type == TimestampType::LogAppendTime || timestamp == Timestamp::NONE {
            return true;
        }
        let age = self.now.0.saturating_sub(timestamp.0);
        if age >= 0 { age <= self.before_ms_max } else { age.saturating_neg() <= self.after_ms_max }
    }
}

/// Walks the records of a producer's batch. The header has passed `BatchHeader::check_produced`.
pub fn validate(batch: &CheckedBatch<'_>, rules: &Rules) -> Result<Walked, RecordError> {
    let header = batch.header();
    let records = batch.records(rules.bytes_max)?;
    let mut max = (Timestamp::NONE, header.last_offset());
    for (index, record) in (0..).zip(records.iter()) {
        let record = record.map_err(|error| match error {
            RecordError::Invalid(reason) => RecordError::InvalidAt { index, reason },
            other => other,
        })?;
        if record.offset_delta != index {
            return Err(RecordError::InvalidAt { index, reason: "the offsets are not dense" });
        }
        if rules.keys == Keys::Required && record.key.is_none() {
            return Err(RecordError::InvalidAt {
                index,
                reason: "a compacted topic takes no record without a key",
            });
        }
        if !rules.accepts(record.timestamp) {
            return Err(RecordError::TimestampOutOfRange { index, offset: record.offset });
        }
        if record.timestamp > max.0 {
            max = (record.timestamp, record.offset);
        }
    }
    let decompressed_bytes = records.body().len();
    Ok(Walked { max_timestamp: max.0, max_timestamp_offset: max.1, decompressed_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, Codec, RecordData, UncheckedBatch};

    const RULES: Rules = Rules {
        keys: Keys::Optional,
        timestamp_type: TimestampType::CreateTime,
        before_ms_max: i64::MAX,
        after_ms_max: 100,
        now: Timestamp(10_000),
        bytes_max: 1 << 20,
    };

    fn outcome(rules: Rules, records: &[(i64, Option<&[u8]>)]) -> (bool, Result<Walked, RecordError>) {
        let mut builder = BatchBuilder::new(Codec::Zstd, 1 << 20);
        for &(timestamp, key) in records {
            assert!(builder.push(RecordData {
                timestamp: Timestamp(timestamp),
                key,
                ..RecordData::default()
            }));
        }
        let bytes = builder.build().unwrap();
        let batch = UncheckedBatch::split_first(&bytes).unwrap().0.check().unwrap();
        (rules.needs_records(batch.header()), validate(&batch, &rules))
    }

    #[test]
    fn the_first_record_at_fault_is_named() {
        let compacted = Rules { keys: Keys::Required, ..RULES };
        let (walk, result) = outcome(compacted, &[(1, Some(b"k")), (2, None)]);
        assert!(walk);
        assert_eq!(result.unwrap_err().record_index(), Some(1));

        let (walk, result) = outcome(RULES, &[(10_000, None), (10_100, None), (10_101, None)]);
        assert!(walk);
        assert_eq!(result, Err(RecordError::TimestampOutOfRange { index: 2, offset: Offset(2) }));

        let (walk, result) =
            outcome(Rules { before_ms_max: 50, ..RULES }, &[(-1, None), (9_950, None), (9_949, None)]);
        assert!(walk);
        assert_eq!(result.unwrap_err().record_index(), Some(2));
    }

    #[test]
    fn an_ordinary_batch_needs_no_walk() {
        let (walk, result) = outcome(RULES, &[(5, None), (9_000, None), (9_000, None), (7, None)]);
        assert!(!walk);
        let walked = result.unwrap();
        assert_eq!((walked.max_timestamp, walked.max_timestamp_offset), (Timestamp(9_000), Offset(1)));
        let append_time = Rules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
        let (walk, result) = outcome(append_time, &[(i64::MAX, None)]);
        assert!(!walk && result.is_ok());
    }

    #[test]
    fn a_count_that_lies_is_refused() {
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
        for _ in 0..3 {
            assert!(builder.push(RecordData { value: Some(b"twelve bytes"), ..RecordData::default() }));
        }
        let honest = builder.build().unwrap();
        for count in [1u32, 2, 4, 9] {
            let mut bytes = honest.to_vec();
            bytes[57..61].copy_from_slice(&count.to_be_bytes());
            bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
            let crc = crc32c::crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            let batch = UncheckedBatch::split_first(&bytes).unwrap().0.check().unwrap();
            let code = validate(&batch, &RULES).unwrap_err().code();
            assert!(
                code == crate::error::ErrorCode::InvalidRecord
                    || code == crate::error::ErrorCode::CorruptMessage
            );
        }
    }
}
