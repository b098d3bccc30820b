//! Makes batches: for the broker's own records (groups, transactions, metadata), for recompression and compaction, and
//! for the clients in `net`. Records are encoded as they come and compressed once, at the end.

use bytes::Bytes;

use crate::base::{Codec, Compression};
use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use crate::limits::BATCH_BYTES_MAX;
use crate::record::error::RecordError;
use crate::record::header::{Attributes, BatchHeader, HEADER_BYTES, MAGIC};
use crate::record::reader::{Record, RecordHeader};
use crate::record::seal::{seal, seal_in_place};
use crate::record::varint;

/// One record to write.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordData<'a> {
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [RecordHeader<'a>],
}

#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    compression: Compression,
    /// Of the batch before compression, header included.
    bytes_max: usize,
    /// Set where the leader's clock gives every record its time.
    append_time: Option<Timestamp>,
    /// Room for the header, then the records: without compression it becomes the batch as it is.
    bytes: Vec<u8>,
}

impl BatchBuilder {
    /// An empty batch at offset 0 that takes up to `bytes_max` bytes before compression (never more than
    /// `limits::BATCH_BYTES_MAX`).
    pub fn new(compression: impl Into<Compression>, bytes_max: usize) -> BatchBuilder {
        let header = BatchHeader {
            base_offset: Offset(0),
            length: 0,
            leader_epoch: LeaderEpoch(-1),
            magic: MAGIC,
            crc: 0,
            attributes: Attributes(0),
            last_offset_delta: -1,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(-1),
            base_sequence: Sequence(-1),
            record_count: 0,
        };
        let bytes_max = bytes_max.min(BATCH_BYTES_MAX);
        BatchBuilder {
            header,
            compression: compression.into(),
            bytes_max,
            append_time: None,
            bytes: vec![0; HEADER_BYTES],
        }
    }

    /// A builder with the identity of `like`: base offset, leader epoch, producer fields, attributes and base timestamp,
    /// for batches that are rewritten. Compression is the new one.
    pub fn rewriting(
        like: &BatchHeader,
        compression: impl Into<Compression>,
        bytes_max: usize,
    ) -> BatchBuilder {
        let mut builder = BatchBuilder::new(compression, bytes_max);
        // What comes in a batch fits one again, however far it expands in between.
        builder.bytes_max = bytes_max;
        builder.header = BatchHeader { last_offset_delta: -1, record_count: 0, ..*like };
        builder.header.max_timestamp = Timestamp::NONE;
        if like.attributes.0 & Attributes::LOG_APPEND_TIME != 0 {
            builder.append_time = Some(like.max_timestamp);
        }
        builder
    }

    pub fn at(mut self, base_offset: Offset, leader_epoch: LeaderEpoch) -> BatchBuilder {
        self.header.base_offset = base_offset;
        self.header.leader_epoch = leader_epoch;
        self
    }

    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    pub fn transactional(mut self) -> BatchBuilder {
        self.header.attributes.0 |= Attributes::TRANSACTIONAL;
        self
    }

    pub fn control(mut self) -> BatchBuilder {
        self.header.attributes.0 |= Attributes::CONTROL;
        self
    }

    /// Every record's time is `now`, whatever it brings (LogAppendTime).
    pub fn append_time(mut self, now: Timestamp) -> BatchBuilder {
        self.append_time = Some(now);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Before compression, header included.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record with the next offset; `false`, and nothing is appended, if it does not fit. The first record of
    /// a batch must fit in `limits::BATCH_BYTES_MAX` only, so that one large record still travels.
    #[must_use]
    pub fn push(&mut self, record: RecordData<'_>) -> bool {
        let delta = self.header.last_offset_delta.saturating_add(1);
        let mut headers = Vec::new();
        for header in record.headers {
            put_bytes(&mut headers, Some(header.key));
            put_bytes(&mut headers, header.value);
        }
        let encoded = Encoded { count: record.headers.len(), bytes: &headers };
        self.append(delta, record.timestamp, record.key, record.value, encoded)
    }

    /// Appends a record of another batch with the offset it has there, which is above all others here.
    #[must_use]
    pub fn copy(&mut self, record: &Record<'_>) -> bool {
        let Ok(delta) = i32::try_from(record.offset.0.saturating_sub(self.header.base_offset.0)) else {
            return false;
        };
        if delta <= self.header.last_offset_delta {
            return false;
        }
        let headers = Encoded { count: record.headers.len(), bytes: record.headers.encoded() };
        self.append(delta, record.timestamp, record.key, record.value, headers)
    }

    fn append(
        &mut self,
        delta: i32,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Encoded<'_>,
    ) -> bool {
        let first = self.header.record_count == 0;
        let timestamp = self.append_time.unwrap_or(timestamp);
        let base = if first && !self.header.attributes.has_delete_horizon() {
            timestamp
        } else {
            self.header.base_timestamp
        };
        let timestamp_delta = timestamp.0.saturating_sub(base.0);
        let payload = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let length = 1
            + varint::size(timestamp_delta)
            + varint::size(i64::from(delta))
            + varint::size(key.map_or(-1, |key| key.len() as i64))
            + payload(key)
            + varint::size(value.map_or(-1, |value| value.len() as i64))
            + payload(value)
            + varint::size(headers.count as i64)
            + headers.bytes.len();
        let size = self.size() + varint::size(length as i64) + length;
        let bytes_max = if first { self.bytes_max.max(BATCH_BYTES_MAX) } else { self.bytes_max };
        if size > bytes_max || self.header.record_count == i32::MAX {
            return false;
        }
        self.header.base_timestamp = base;
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        self.header.last_offset_delta = delta;
        self.header.record_count += 1;
        varint::put(&mut self.bytes, length as i64);
        self.bytes.push(0);
        varint::put(&mut self.bytes, timestamp_delta);
        varint::put(&mut self.bytes, i64::from(delta));
        put_bytes(&mut self.bytes, key);
        put_bytes(&mut self.bytes, value);
        varint::put(&mut self.bytes, headers.count as i64);
        self.bytes.extend_from_slice(headers.bytes);
        true
    }

    /// Keeps the offsets up to `last_offset` as part of this batch though its last records are gone (compaction).
    pub fn ending_at(mut self, last_offset: Offset) -> BatchBuilder {
        let delta = last_offset.0.saturating_sub(self.header.base_offset.0);
        if let Ok(delta) = i32::try_from(delta) {
            self.header.last_offset_delta = self.header.last_offset_delta.max(delta);
        }
        self
    }

    /// The finished batch. Fails only where compression does, or makes a batch that is too large.
    pub fn build(mut self) -> Result<Bytes, RecordError> {
        let codec = if self.header.record_count == 0 { Codec::None } else { self.compression.codec };
        self.header.attributes = self.header.attributes.with_codec(codec);
        if let Some(now) = self.append_time {
            self.header.attributes.0 |= Attributes::LOG_APPEND_TIME;
            self.header.max_timestamp = now;
        }
        self.header.last_offset_delta = self.header.last_offset_delta.max(0);
        match codec {
            Codec::None => seal_in_place(self.header, self.bytes),
            _ => seal(self.header, &self.compression.compress(&self.bytes[HEADER_BYTES..])?),
        }
    }
}

/// Headers as they stand in a record, after the count.
struct Encoded<'a> {
    count: usize,
    bytes: &'a [u8],
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::put(out, -1),
        Some(bytes) => {
            varint::put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}
