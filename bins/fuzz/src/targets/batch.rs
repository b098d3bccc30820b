//! A record batch as a producer sends it: the walk and the plain reader agree on what it holds, whatever the budget of a turn, and
//! what a walk recompresses holds the same records.
//!
//! ```text
//! mode u8: bit 0 length and CRC are put right · bit 1 what follows the header is compressed first · bits 2-4 target codec
//! budget u8 · batch
//! ```

use bytes::Bytes;
use engine::base::{Offset, Timestamp, TimestampType};
use engine::limits::EXPANSION_BYTES_FREE;
use engine::record::{
    BatchHeader, CheckedBatch, Codec, Compression, HEADER_BYTES, Keys, LOG_OVERHEAD, MAGIC, RecordError,
    Records, Rules, UncheckedBatch, Walk, Walked, crc32c, headers, seal,
};

use crate::{Reached, input::Input};

/// Decompressed bytes of one batch in memory.
const RECORDS_BYTES_MAX: usize = 1 << 20;

const RULES: Rules<'static> = Rules {
    partition: "t-0",
    keys: Keys::Optional,
    timestamp_type: TimestampType::CreateTime,
    before_ms_max: i64::MAX,
    after_ms_max: i64::MAX,
    now: Timestamp(1_700_000_000_000),
};

pub fn run(bytes: &[u8]) -> Reached {
    let mut input = Input::new(bytes);
    let mode = input.u8();
    let budget = 1 + usize::from(input.u8()) * 64;
    let bytes = made(mode, input.rest());
    for (position, header) in headers(&bytes) {
        assert!(position + header.size() <= bytes.len());
    }
    let Ok((batch, _)) = UncheckedBatch::split_first(&bytes) else { return Reached::Refused };
    let Ok(batch) = batch.check() else { return Reached::Refused };
    let read =
        batch.records(RECORDS_BYTES_MAX).and_then(|records| listed(&records).map(|list| (records, list)));
    look_up(&batch);
    if batch.header().check_produced().is_err() {
        return Reached::Refused;
    }
    let whole = Bytes::copy_from_slice(batch.bytes());
    let target = target(mode >> 2 & 7);
    let walked = walk(batch.header(), &whole, target, usize::MAX);
    assert_eq!(walked, walk(batch.header(), &whole, target, budget), "a budget of {budget}");
    match (&walked, &read) {
        (Ok(walked), Ok((records, list))) => {
            // Times before -1, which is none, do not count; nor do they in Kafka.
            let newest = list.iter().map(|record| record.timestamp).fold(Timestamp::NONE, Timestamp::max);
            assert_eq!(walked.max_timestamp, newest);
            holds_the_same(batch.header(), target, walked, records, list);
        }
        // The walk needs no memory for what comes out, the reader was not given more.
        (Ok(_), Err(RecordError::TooLarge { .. })) => {}
        (Ok(_), Err(error)) => panic!("a walk takes what cannot be read: {error}"),
        (Err(RecordError::Rejected(_) | RecordError::TooLarge { .. }), _) => {}
        // Frames that other clients could not read are not taken from a producer.
        (Err(RecordError::Decompression(Codec::Lz4)), _) => {}
        (Err(error), Ok(_)) => panic!("a walk refuses what can be read: {error}"),
        (Err(_), Err(_)) => {}
    }
    if walked.is_ok() { Reached::Taken } else { Reached::Refused }
}

#[derive(Clone, Debug, PartialEq)]
struct Record {
    offset: Offset,
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn listed(records: &Records<'_>) -> Result<Vec<Record>, RecordError> {
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let record = |record: engine::record::Record<'_>| Record {
        offset: record.offset,
        timestamp: record.timestamp,
        key: owned(record.key),
        value: owned(record.value),
        headers: record.headers.iter().map(|header| (header.key.to_vec(), owned(header.value))).collect(),
    };
    records.iter().map(|read| read.map(record)).collect()
}

fn walk(
    header: &BatchHeader,
    batch: &Bytes,
    target: Option<Compression>,
    budget: usize,
) -> Result<Walked, RecordError> {
    let mut walk = Walk::new(*header, batch, target)?;
    // Each turn uses its budget up or ends it.
    for _ in 0..4 * EXPANSION_BYTES_FREE {
        let mut left = budget;
        if let Some(walked) = walk.step(&RULES, &mut left)? {
            return Ok(walked);
        }
        assert_eq!(left, 0, "a turn ends before its budget does");
    }
    panic!("a walk does not end");
}

fn holds_the_same(
    header: &BatchHeader,
    target: Option<Compression>,
    walked: &Walked,
    records: &Records<'_>,
    list: &[Record],
) {
    let Some(target) = target.filter(|target| Ok(target.codec) != header.codec()) else {
        assert_eq!(walked.recompressed, None);
        return;
    };
    let payload = walked.recompressed.as_ref().expect("the topic wants another codec");
    let attributes = header.attributes.with_codec(target.codec);
    let sealed = seal(BatchHeader { attributes, ..*header }, payload).expect("no larger than a batch may be");
    let (batch, rest) = UncheckedBatch::split_first(&sealed).expect("sealed");
    assert!(rest.is_empty());
    let again = batch.check().expect("sealed").records(2 * RECORDS_BYTES_MAX).expect("compressed here");
    assert_eq!(again.body(), records.body());
    assert_eq!(listed(&again).as_deref(), Ok(list));
}

/// By time, as ListOffsets does.
fn look_up(batch: &CheckedBatch<'_>) {
    let _ = batch.offset_of_max_timestamp(RECORDS_BYTES_MAX);
    let header = batch.header();
    let middle = Timestamp(header.base_timestamp.0 / 2 + header.max_timestamp.0 / 2);
    if let Ok(Some((_, timestamp))) = batch.first_at_or_after(middle, header.base_offset, RECORDS_BYTES_MAX) {
        assert!(timestamp >= middle);
    }
}

fn target(code: u8) -> Option<Compression> {
    Codec::from_id(code).map(Compression::from)
}

/// The batch that the fuzzer means: its header is kept, but for what nobody guesses.
pub fn made(mode: u8, bytes: &[u8]) -> Vec<u8> {
    let mut batch = bytes.to_vec();
    if mode & 2 != 0 && batch.len() > HEADER_BYTES {
        let codec = Codec::from_id(batch[22] & 7).unwrap_or(Codec::None);
        let payload = Compression::from(codec).compress(&batch[HEADER_BYTES..]).expect("any bytes compress");
        batch.truncate(HEADER_BYTES);
        batch.extend(payload);
    }
    if mode & 1 != 0 && batch.len() >= HEADER_BYTES {
        let length = (batch.len() - LOG_OVERHEAD) as i32;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = MAGIC as u8;
        let crc = crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    batch
}
