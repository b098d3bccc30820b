//! The part of a Produce that decides whether a batch is taken, and as which bytes: Kafka's `LogValidator`, rule by rule in its order.
//! Every batch's records are walked, compressed or not: what cannot be read must be refused here, or every reader of the partition would
//! stop at it. Otherwise a batch stays byte for byte what its producer sent; only a topic's LogAppendTime or `compression.type`, or a
//! largest timestamp that is not the records', changes it. Pure.

use bytes::Bytes;

use super::partition::Partition;
use crate::{
    base::{Now, Timestamp},
    config::TopicCompression,
    error::{ErrorCode, Refusal},
    record::{
        self, BatchHeader, Compression, Keys, RecordError, RecordFault, Rules, TimestampType, UncheckedBatch,
        Walk, Walked,
    },
};

/// A batch on its way into the log.
#[derive(Debug)]
pub enum Candidate {
    /// As it came.
    Unchecked(Bytes),
    /// Its records are being walked; more is to do.
    Opening(Box<Opening>),
    Admitted(Admitted),
}

#[derive(Debug)]
pub struct Opening {
    header: BatchHeader,
    records: Bytes,
    walk: Walk,
    /// What the walk may take of memory.
    bytes: usize,
    /// Everything about one batch is judged at one time.
    now: Timestamp,
}

/// A batch that may be appended.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub header: BatchHeader,
    pub payload: Bytes,
    /// Set where the topic stamps records itself.
    pub append_time: Timestamp,
}

/// Why a batch is refused, and which of its records made it so.
#[derive(Debug)]
pub struct Rejection {
    pub refusal: Refusal,
    pub records: Vec<RecordFault>,
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Rejection {
        Rejection { refusal, records: Vec::new() }
    }
}

impl From<RecordError> for Rejection {
    fn from(error: RecordError) -> Rejection {
        let refusal = Refusal::new(error.code(), error.to_string());
        let records = match error {
            RecordError::Rejected(faults) => faults.into_first(),
            _ => Vec::new(),
        };
        Rejection { refusal, records }
    }
}

/// What one batch may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// What fits the journal.
    pub payload_bytes: usize,
    /// Memory while its records are walked.
    pub walk_bytes: usize,
}

impl Candidate {
    /// The memory that walking its records takes, and whether it has it already.
    pub fn walk_bytes(&self, partition: &Partition) -> (usize, bool) {
        match self {
            Candidate::Unchecked(records) => (Walk::bytes(records, target(partition)), false),
            Candidate::Opening(opening) => (opening.bytes, true),
            Candidate::Admitted(_) => (0, false),
        }
    }
}

/// Brings the candidate as far as `budget` (see `record::Walk::step`) goes.
pub fn admit(
    candidate: Candidate,
    partition: &Partition,
    now: Now,
    bounds: Bounds,
    budget: &mut usize,
) -> Result<Candidate, Rejection> {
    let mut opening = match candidate {
        Candidate::Unchecked(records) => {
            let header = check(&records, partition, bounds.payload_bytes)?;
            let bytes = Walk::bytes(&records, target(partition)).min(bounds.walk_bytes);
            let walk = Walk::within(header, &records, target(partition), bounds.walk_bytes)?;
            Opening { header, records, walk, bytes, now: now.wall }
        }
        Candidate::Opening(opening) => *opening,
        Candidate::Admitted(_) => return Ok(candidate),
    };
    let settings = &partition.settings;
    let rules = Rules {
        partition: &partition.directory,
        keys: if settings.cleanup.compact { Keys::Required } else { Keys::Optional },
        timestamp_type: settings.stamp,
        before_ms_max: settings.timestamp_before_ms_max,
        after_ms_max: settings.timestamp_after_ms_max,
        now: opening.now,
    };
    match opening.walk.step(&rules, budget)? {
        Some(walked) => finish(opening, walked, partition, bounds.payload_bytes).map(Candidate::Admitted),
        None => Ok(Candidate::Opening(Box::new(opening))),
    }
}

/// The codec that the topic wants; none where it takes the producer's.
fn target(partition: &Partition) -> Option<Compression> {
    match partition.settings.compression {
        TopicCompression::Keep => None,
        TopicCompression::Recompress(target) => Some(target),
    }
}

/// What the header shows.
fn check(records: &Bytes, partition: &Partition, payload_max: usize) -> Result<BatchHeader, Rejection> {
    if records.is_empty() {
        let message =
            "a produce request carries exactly one record batch for each partition; this one carries none";
        return Err(Refusal::new(ErrorCode::InvalidRecord, message).into());
    }
    let (batch, rest) = match UncheckedBatch::split_first(records) {
        // Every version of Produce that is served asks for one whole batch of format 2: to Kafka another is an invalid record.
        Err(error @ (RecordError::OldMagic { .. } | RecordError::Cut { .. })) => {
            return Err(Refusal::new(ErrorCode::InvalidRecord, error.to_string()).into());
        }
        split => split?,
    };
    if !rest.is_empty() {
        let message =
            "a produce request carries exactly one record batch for each partition; this one carries more";
        return Err(Refusal::new(ErrorCode::InvalidRecord, message).into());
    }
    check_size(records.len(), partition, payload_max)?;
    let batch = batch.check()?;
    batch.header().check_produced()?;
    if batch.header().is_transactional() {
        let message = "transactions are not served yet: produce without a transactional.id";
        return Err(Refusal::new(ErrorCode::InvalidTxnState, message).into());
    }
    Ok(*batch.header())
}

/// `max.message.bytes` holds for the batch as it comes and as it is stored.
fn check_size(size: usize, partition: &Partition, payload_max: usize) -> Result<(), Rejection> {
    let limit = partition.settings.batch_bytes_max.min(payload_max);
    if size <= limit {
        return Ok(());
    }
    let directory = &partition.directory;
    let message = format!(
        "the batch of {size} bytes for {directory} is larger than the {limit} bytes allowed: see max.message.bytes of the topic"
    );
    Err(Refusal::new(ErrorCode::MessageTooLarge, message).into())
}

fn finish(
    opening: Opening,
    walked: Walked,
    partition: &Partition,
    payload_max: usize,
) -> Result<Admitted, Rejection> {
    let stamp = partition.settings.stamp;
    let (max_timestamp, append_time) = match stamp {
        TimestampType::CreateTime => (walked.max_timestamp, Timestamp::NONE),
        TimestampType::LogAppendTime => (opening.now, opening.now),
    };
    let was = opening.header;
    let attributes = was.attributes.with_timestamp_type(stamp);
    let payload = match (walked.recompressed, target(partition)) {
        (Some(body), Some(target)) => {
            let attributes = attributes.with_codec(target.codec);
            let payload = record::seal(BatchHeader { attributes, max_timestamp, ..was }, &body)?;
            check_size(payload.len(), partition, payload_max)?;
            payload
        }
        _ if attributes == was.attributes && max_timestamp == was.max_timestamp => opening.records,
        _ => {
            let mut stamped = opening.records.to_vec();
            record::stamp_time(&mut stamped, stamp, max_timestamp);
            Bytes::from(stamped)
        }
    };
    let segment = partition.settings.layout.segment_bytes;
    if payload.len() > segment as usize {
        let message = format!(
            "the batch of {} bytes for {} is larger than a whole segment: see segment.bytes, {segment}, of the topic",
            payload.len(),
            partition.directory
        );
        return Err(Refusal::new(ErrorCode::RecordListTooLarge, message).into());
    }
    let header = BatchHeader::parse(&payload)?;
    Ok(Admitted { header, payload, append_time })
}
