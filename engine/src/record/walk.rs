//! What a leader asks of a batch beyond its header: records that can be read, dense offsets, keys where the topic is
//! compacted, timestamps near the broker's clock (Kafka's `LogValidator`). In the same pass the records go through
//! another compressor where the topic wants one.
//!
//! Walks piece by piece, in constant memory, and stops whenever its budget is used up: a batch that expands a thousandfold
//! takes many turns of its core, not one long one. Keys and values are passed over, never copied.

use bytes::Bytes;

use crate::base::{Codec, Compression, Timestamp, TimestampType};
use crate::error::ErrorCode;
use crate::limits::BATCH_BYTES_MAX;
use crate::record::body::{Body, opening_bytes};
use crate::record::error::RecordError;
use crate::record::faults::Faults;
use crate::record::header::{BatchHeader, HEADER_BYTES};
use crate::record::varint;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    Optional,
    /// The topic is compacted: a record without a key could never be told from another.
    Required,
}

/// The rules of one partition at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The partition, for the sentences of refusals.
    pub partition: &'a str,
    pub keys: Keys,
    /// The topic's `message.timestamp.type`; with LogAppendTime the producer's times do not matter.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms` and `.after.max.ms`; `i64::MAX` is no limit.
    pub before_ms_max: i64,
    pub after_ms_max: i64,
    pub now: Timestamp,
}

/// What walking the records told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Of the records themselves. Where it is not the header's, the leader corrects the header, as Kafka's does.
    pub max_timestamp: Timestamp,
    /// The records under the target codec, where that is not the producer's.
    pub recompressed: Option<Vec<u8>>,
}

/// The next thing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Record,
    Value,
    HeaderCount,
    HeaderKey,
    HeaderValue,
}

/// The most bytes between two skips: a record's length, attributes, time, offset and key length.
const PREFIX_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 5;
const VARINT_BYTES_MAX: usize = 5;

#[derive(Debug)]
pub struct Walk {
    header: BatchHeader,
    body: Body,
    next: Next,
    /// Key or value bytes to pass over before `next`.
    skip: usize,
    /// Bytes of the current record behind those.
    left: usize,
    headers_left: i32,
    /// Records read so far.
    index: i32,
    max_timestamp: Timestamp,
    faults: Faults,
}

impl Walk {
    /// Of a batch that has passed `UncheckedBatch::check` and `BatchHeader::check_produced`; `batch` holds it whole. `target`: the codec
    /// that the topic wants, if not the producer's.
    pub fn new(header: BatchHeader, batch: &Bytes, target: Option<Compression>) -> Result<Walk, RecordError> {
        Walk::within(header, batch, target, usize::MAX)
    }

    /// In about `bytes_max` of memory at most: a batch that would take more is refused as soon as it does.
    pub fn within(
        header: BatchHeader,
        batch: &Bytes,
        target: Option<Compression>,
        bytes_max: usize,
    ) -> Result<Walk, RecordError> {
        let codec = header.codec()?;
        let target = target.filter(|target| target.codec != codec);
        let body = Body::new(codec, batch.slice(HEADER_BYTES.min(batch.len())..), target, bytes_max)?;
        Ok(Walk {
            header,
            body,
            next: Next::Record,
            skip: 0,
            left: 0,
            headers_left: 0,
            index: 0,
            max_timestamp: Timestamp::NONE,
            faults: Faults::default(),
        })
    }

    /// The memory that a walk over this batch takes beside the batch; nothing where it does not begin with a header.
    pub fn bytes(batch: &[u8], target: Option<Compression>) -> usize {
        let Some(codec) = BatchHeader::parse(batch).ok().and_then(|header| header.codec().ok()) else {
            return 0;
        };
        let target = target.filter(|target| target.codec != codec);
        opening_bytes(codec, batch.get(HEADER_BYTES..).unwrap_or_default(), target.as_ref())
    }

    /// Goes on for about `budget` units of work (bytes that come out, weighed by codec) and takes them off it. None: more is to do.
    pub fn step(&mut self, rules: &Rules<'_>, budget: &mut usize) -> Result<Option<Walked>, RecordError> {
        loop {
            self.skip -= self.body.skip(self.skip);
            let want = match self.next {
                _ if self.skip > 0 => 1,
                Next::Record if self.index == self.header.record_count => 1,
                Next::Record => PREFIX_BYTES_MAX,
                _ => VARINT_BYTES_MAX,
            };
            if !self.body.holds(want) {
                if *budget == 0 {
                    return Ok(None);
                }
                self.body.fill(want, budget)?;
            }
            if self.skip > 0 {
                if !self.body.holds(1) {
                    return Err(RecordError::Invalid("a length is not in the batch"));
                }
            } else if self.next == Next::Record && self.index == self.header.record_count {
                if self.body.holds(1) {
                    return Err(RecordError::Invalid(
                        "Incorrect declared batch size, records still remaining in file",
                    ));
                }
                return self.finish().map(Some);
            } else {
                if self.next == Next::Record {
                    if *budget == 0 {
                        return Ok(None);
                    }
                    *budget = budget.saturating_sub(RECORD_WEIGHT);
                }
                self.read(rules)?;
            }
        }
    }

    fn finish(&mut self) -> Result<Walked, RecordError> {
        if !self.faults.is_empty() {
            return Err(RecordError::Rejected(std::mem::take(&mut self.faults)));
        }
        let recompressed = self.body.recompressed()?;
        Ok(Walked { max_timestamp: self.max_timestamp, recompressed })
    }

    /// Reads what lies between two skips.
    fn read(&mut self, rules: &Rules<'_>) -> Result<(), RecordError> {
        let window = self.body.window();
        let mut rest = window;
        match self.next {
            Next::Record => {
                let length = varint::take_i32(&mut rest)?;
                let after_length = rest.len();
                let [_attributes, tail @ ..] = rest else {
                    return Err(RecordError::Invalid("Incorrect declared batch size, premature EOF reached"));
                };
                rest = tail;
                let timestamp_delta = varint::take_i64(&mut rest)?;
                let offset_delta = varint::take_i32(&mut rest)?;
                let key = varint::take_i32(&mut rest)?;
                let head = after_length - rest.len();
                self.left = left(length, head)?;
                let used = window.len() - rest.len();
                self.body.consume(used);
                self.pass_over(key)?;
                self.judge(rules, timestamp_delta, offset_delta, key);
                self.index += 1;
                self.next = Next::Value;
            }
            Next::Value => {
                let length = self.take_length()?;
                self.pass_over(length)?;
                self.next = Next::HeaderCount;
            }
            Next::HeaderCount => {
                let count = self.take_length()?;
                // A header has at least a key length and a value length.
                if count < 0 || count as usize > self.left / 2 {
                    return Err(RecordError::Invalid("a header count is not in the record"));
                }
                self.headers_left = count;
                self.next_header()?;
            }
            Next::HeaderKey => {
                let length = self.take_length()?;
                if length < 0 {
                    return Err(RecordError::Invalid("a header without a key"));
                }
                self.pass_over(length)?;
                self.next = Next::HeaderValue;
            }
            Next::HeaderValue => {
                let length = self.take_length()?;
                self.pass_over(length)?;
                self.headers_left -= 1;
                self.next_header()?;
            }
        }
        Ok(())
    }

    fn take_length(&mut self) -> Result<i32, RecordError> {
        let window = self.body.window();
        let mut rest = window;
        let length = varint::take_i32(&mut rest)?;
        let used = window.len() - rest.len();
        self.left = self.left.checked_sub(used).ok_or(CUT)?;
        self.body.consume(used);
        Ok(length)
    }

    /// Negative is null.
    fn pass_over(&mut self, length: i32) -> Result<(), RecordError> {
        self.skip = length.max(0) as usize;
        self.left = self.left.checked_sub(self.skip).ok_or(CUT)?;
        Ok(())
    }

    fn next_header(&mut self) -> Result<(), RecordError> {
        if self.headers_left > 0 {
            self.next = Next::HeaderKey;
            return Ok(());
        }
        if self.left > 0 {
            return Err(RecordError::Invalid("bytes after a record's headers"));
        }
        self.next = Next::Record;
        Ok(())
    }

    /// The rules for one record, in Kafka's order; the first that it breaks counts.
    fn judge(&mut self, rules: &Rules<'_>, timestamp_delta: i64, offset_delta: i32, key: i32) {
        let (header, index) = (&self.header, self.index);
        let from_producer = header.timestamp_type();
        let timestamp = match from_producer {
            TimestampType::LogAppendTime => header.max_timestamp,
            TimestampType::CreateTime => Timestamp(header.base_timestamp.0.saturating_add(timestamp_delta)),
        };
        let create_time = rules.timestamp_type == TimestampType::CreateTime && timestamp != Timestamp::NONE;
        let partition = rules.partition;
        if offset_delta != index {
            self.faults.push(ErrorCode::InvalidRecord, index, || {
                format!(
                    "Inner record {offset_delta} does not stand at its offset in topic partition {partition}"
                )
            });
        } else if rules.keys == Keys::Required && key < 0 {
            self.faults.push(ErrorCode::InvalidRecord, index, || {
                format!("Compacted topic cannot accept message without key in topic partition {partition}")
            });
        } else if create_time && !rules.accepts(timestamp) {
            self.faults.push(ErrorCode::InvalidTimestamp, index, || {
                let (from, to) = (
                    rules.now.0.saturating_sub(rules.before_ms_max),
                    rules.now.0.saturating_add(rules.after_ms_max),
                );
                format!(
                    "Timestamp {timestamp} of message with offset {offset_delta} is out of range. The timestamp should be within [{from}, {to}]"
                )
            });
        } else if !create_time && from_producer == TimestampType::LogAppendTime {
            self.faults.push(ErrorCode::InvalidTimestamp, index, || {
                "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.".into()
            });
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }
}

impl Rules<'_> {
    fn accepts(&self, timestamp: Timestamp) -> bool {
        let age = self.now.0.saturating_sub(timestamp.0);
        age <= self.before_ms_max && age.saturating_neg() <= self.after_ms_max
    }
}

const CUT: RecordError = RecordError::Invalid("a length is not in its record");

/// What a record of this length has left behind its first `head` bytes.
fn left(length: i32, head: usize) -> Result<usize, RecordError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= isize::MAX as usize).ok_or(CUT)?;
    length.checked_sub(head).ok_or(CUT)
}

/// What reading one record costs, besides its bytes.
const RECORD_WEIGHT: usize = 32;

/// A unit of the budget is a byte that costs a nanosecond or so: what lz4 takes for one byte that comes out.
pub(super) fn weight(codec: Codec) -> usize {
    match codec {
        Codec::None | Codec::Lz4 | Codec::Snappy => 1,
        Codec::Zstd => 2,
        Codec::Gzip => 4,
    }
}

/// The same for a byte that is compressed.
pub(super) fn weight_of_compression(codec: Codec) -> usize {
    match codec {
        Codec::None => 1,
        Codec::Lz4 | Codec::Snappy => 3,
        Codec::Zstd => 8,
        Codec::Gzip => 32,
    }
}

const _: () = assert!(PREFIX_BYTES_MAX < BATCH_BYTES_MAX);

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
