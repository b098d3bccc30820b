//! The records of one batch, read in place. Each is (all numbers zigzag varints, lengths -1 for null):
//!
//! ```text
//! length         bytes after this field
//! attributes     i8, unused
//! timestamp      delta to the batch's base timestamp
//! offset         delta to the batch's base offset
//! key length, key
//! value length, value
//! header count, and per header: key length, key, value length, value
//! ```

use std::borrow::Cow;

use crate::base::TimestampType;
use crate::base::{Offset, Timestamp};
use crate::record::error::RecordError;
use crate::record::header::BatchHeader;
use crate::record::varint;

/// The smallest record: one byte for each of its seven fields.
const RECORD_BYTES_MIN: usize = 7;

/// The decompressed records of one batch.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    body: Cow<'a, [u8]>,
}

impl<'a> Records<'a> {
    pub(super) fn new(header: BatchHeader, body: Cow<'a, [u8]>) -> Result<Records<'a>, RecordError> {
        if header.record_count.max(0) as usize > body.len() / RECORD_BYTES_MIN {
            return Err(RecordError::Invalid("fewer bytes than the records need"));
        }
        Ok(Records { header, body })
    }

    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The decompressed bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    pub fn count(&self) -> usize {
        self.header.record_count.max(0) as usize
    }

    /// Every record, in order; after the last an error if bytes are left over. Ends after the first error.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter {
            header: self.header,
            rest: &self.body,
            left: self.header.record_count.max(0),
            ended: false,
        }
    }
}

impl<'r> IntoIterator for &'r Records<'_> {
    type Item = Result<Record<'r>, RecordError>;
    type IntoIter = RecordIter<'r>;

    fn into_iter(self) -> RecordIter<'r> {
        self.iter()
    }
}

#[derive(Clone, Debug)]
pub struct RecordIter<'r> {
    header: BatchHeader,
    rest: &'r [u8],
    left: i32,
    ended: bool,
}

impl<'r> Iterator for RecordIter<'r> {
    type Item = Result<Record<'r>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if self.left == 0 {
            self.ended = true;
            return (!self.rest.is_empty())
                .then_some(Err(RecordError::Invalid("bytes after the last record")));
        }
        self.left -= 1;
        let record = Record::take(&mut self.rest, &self.header);
        self.ended = record.is_err();
        Some(record)
    }
}

/// One record, borrowed from its batch. Its headers are checked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'r> {
    pub offset_delta: i32,
    pub timestamp_delta: i64,
    /// Absolute: the batch's base offset and the delta.
    pub offset: Offset,
    /// Absolute, and as the batch's timestamp type has it.
    pub timestamp: Timestamp,
    pub key: Option<&'r [u8]>,
    pub value: Option<&'r [u8]>,
    pub headers: Headers<'r>,
}

impl<'r> Record<'r> {
    fn take(rest: &mut &'r [u8], header: &BatchHeader) -> Result<Record<'r>, RecordError> {
        let length = varint::take_i32(rest)?;
        let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
        let Some((mut body, after)) = split else {
            return Err(RecordError::Invalid("a record's length is not in the batch"));
        };
        let Some((_attributes, tail)) = body.split_first() else {
            return Err(RecordError::Invalid("an empty record"));
        };
        body = tail;
        let timestamp_delta = varint::take_i64(&mut body)?;
        let offset_delta = varint::take_i32(&mut body)?;
        let key = take_bytes(&mut body)?;
        let value = take_bytes(&mut body)?;
        let headers = Headers::take(&mut body)?;
        if !body.is_empty() {
            return Err(RecordError::Invalid("bytes after a record's headers"));
        }
        *rest = after;
        let timestamp = match header.timestamp_type() {
            TimestampType::LogAppendTime => header.max_timestamp,
            TimestampType::CreateTime => Timestamp(header.base_timestamp.0.saturating_add(timestamp_delta)),
        };
        let offset = header.base_offset.plus(i64::from(offset_delta));
        Ok(Record { offset_delta, timestamp_delta, offset, timestamp, key, value, headers })
    }
}

/// A record's headers, in the order they were given; keys repeat freely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'r> {
    count: i32,
    bytes: &'r [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'r> {
    /// UTF-8 by the protocol; not checked, as Kafka's broker does not.
    pub key: &'r [u8],
    pub value: Option<&'r [u8]>,
}

impl<'r> Headers<'r> {
    fn take(body: &mut &'r [u8]) -> Result<Headers<'r>, RecordError> {
        let count = varint::take_i32(body)?;
        // A header has at least a key length and a value length.
        if count < 0 || count as usize > body.len() / 2 {
            return Err(RecordError::Invalid("a header count is not in the record"));
        }
        let start = *body;
        for _ in 0..count {
            take_header(body)?;
        }
        Ok(Headers { count, bytes: &start[..start.len() - body.len()] })
    }

    pub fn len(&self) -> usize {
        self.count.max(0) as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// As encoded, without the count.
    pub(super) fn encoded(&self) -> &'r [u8] {
        self.bytes
    }

    pub fn iter(&self) -> impl Iterator<Item = RecordHeader<'r>> + use<'r> {
        let mut rest = self.bytes;
        // `take` walked them all: the error arm ends the walk and is never reached.
        (0..self.count).map_while(move |_| take_header(&mut rest).ok())
    }
}

fn take_header<'r>(body: &mut &'r [u8]) -> Result<RecordHeader<'r>, RecordError> {
    let key = take_bytes(body)?.ok_or(RecordError::Invalid("a header without a key"))?;
    Ok(RecordHeader { key, value: take_bytes(body)? })
}

fn take_bytes<'r>(body: &mut &'r [u8]) -> Result<Option<&'r [u8]>, RecordError> {
    let length = varint::take_i32(body)?;
    if length < 0 {
        return Ok(None);
    }
    let Some((bytes, rest)) = body.split_at_checked(length as usize) else {
        return Err(RecordError::Invalid("a length is not in the record"));
    };
    *body = rest;
    Ok(Some(bytes))
}
