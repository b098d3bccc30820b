//! Pieces of the pure code whose instructions are counted, one at a time and without a clock: `scripts/instructions` runs each
//! under callgrind. The same build counts the same on every machine of one architecture that has AVX2: callgrind shows the
//! program one CPU of its own, so that CRC and memory copies take the same ways.

use bytes::Bytes;
use engine::{
    base::{
        Codec, CoreId, FilePosition, Incarnation, LeaderEpoch, Offset, OwnerEpoch, PartitionIndex,
        ProducerEpoch, ProducerId, Sequence, Timestamp, TimestampType, TopicId, TopicPartition,
    },
    io::journal::{
        format::FrameKind,
        layout,
        writer::{Frame, Journal},
    },
    log::{
        Layout, Log,
        segment::{self, INDEX_ENTRY_BYTES, IndexEntry},
    },
    producer::{self, Producers, Verdict},
    record::{BatchBuilder, Keys, RecordData, Rules, UncheckedBatch, Walk, crc32c},
    shard::entry_search::{EntrySearch, Found},
};
use net::wire::{Message, Reader, RequestHeader, produce::ProduceRequest, request_frame, response_frame};

use crate::wire;

/// What is counted; each call does the same again.
pub type Work = Box<dyn FnMut()>;
/// A name, and what prepares its work.
pub type Piece = (&'static str, fn() -> Work);

/// Nothing is prepared before a name is chosen: to prepare under callgrind takes long.
pub const WORKS: &[Piece] = &[
    ("crc of 64 KiB", crc),
    ("walk of a batch, 64 records of 1 KiB", || walk(64, 1024)),
    ("walk of a batch, 640 records of 100 B", || walk(640, 100)),
    ("decode of a Produce, 1 partition", || decode(1)),
    ("decode of a Produce, 100 partitions", || decode(100)),
    ("encode of a Fetch answer, 1 partition", || encode(1)),
    ("encode of a Fetch answer, 100 partitions", || encode(100)),
    ("frame to append, 64 records of 1 KiB", append),
    ("check of a producer's sequence", sequence),
    ("layout of a group of 16 batches", group_layout),
    ("group of 16 batches of 4 KiB", group),
    ("search in an index of 100,000 entries", search),
];

const INDEX_ENTRIES: u32 = 100_000;

fn batch(records: usize, value_bytes: usize) -> Bytes {
    let value = vec![7; value_bytes];
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    for _ in 0..records {
        let record = RecordData { timestamp: Timestamp(1), value: Some(&value), ..RecordData::default() };
        assert!(builder.push(record), "it fits");
    }
    builder.build().expect("it fits")
}

fn crc() -> Work {
    let bytes = vec![7; 64 << 10];
    Box::new(move || assert_ne!(crc32c(&bytes), 0))
}

/// A batch as the shard takes it: header, CRC, every record.
fn admit(bytes: &Bytes) -> segment::BatchFacts {
    let (unchecked, rest) = UncheckedBatch::split_first(bytes).expect("a batch");
    let header = *unchecked.check().expect("its CRC").header();
    let rules = Rules {
        partition: "t-0",
        keys: Keys::Optional,
        timestamp_type: TimestampType::CreateTime,
        before_ms_max: i64::MAX,
        after_ms_max: i64::MAX,
        now: Timestamp(1),
    };
    let mut walk = Walk::new(header, bytes, None).expect("no codec");
    let walked = walk.step(&rules, &mut usize::MAX.clone()).expect("good records").expect("all of them");
    assert!(rest.is_empty());
    segment::BatchFacts {
        base: Offset(0),
        next: header.next_offset(),
        size: bytes.len() as u32,
        max_timestamp: walked.max_timestamp,
    }
}

fn walk(records: usize, value_bytes: usize) -> Work {
    let bytes = batch(records, value_bytes);
    Box::new(move || {
        admit(&bytes);
    })
}

/// A request's frame behind its length.
fn produce_frame(request: &ProduceRequest) -> Bytes {
    let frame = request_frame(request, newest::<ProduceRequest>(), 1, None).expect("it can be said");
    Bytes::from(frame.concat()).slice(4..)
}

fn newest<M: Message>() -> i16 {
    *M::API.versions().end()
}

fn read(frame: &Bytes) -> ProduceRequest {
    let mut reader = Reader::new(frame.clone());
    RequestHeader::decode(&mut reader).expect("a header");
    Message::decode(&mut reader, newest::<ProduceRequest>()).expect("a request")
}

fn decode(partitions: i32) -> Work {
    let frame = produce_frame(&wire::produce(partitions, 1024));
    Box::new(move || assert_eq!(read(&frame).topic_data[0].partition_data.len(), partitions as usize))
}

fn encode(partitions: i32) -> Work {
    let response = wire::fetched(partitions, 1024);
    let version = *net::wire::fetch::FetchResponse::API.versions().end();
    Box::new(move || assert!(!response_frame(&response, version, 1).expect("it can be said").is_empty()))
}

/// From the frame to the log's end, through the machines as the shard asks them.
fn append() -> Work {
    let mut request = wire::produce(1, 0);
    request.topic_data[0].partition_data[0].records = Some(batch(64, 1024).into());
    let frame = produce_frame(&request);
    let layout =
        Layout { segment_bytes: 1 << 30, segment_ms: i64::MAX, index_bytes: 10 << 20, index_interval: 4096 };
    let mut log = Log::empty(Offset(0));
    Box::new(move || {
        let request = read(&frame);
        let partition = &request.topic_data[0].partition_data[0];
        let facts = admit(&partition.records.clone().expect("records").into_bytes());
        let (base, count) = (log.next(), facts.next.0 - facts.base.0);
        let placement = log.place(facts.size, count, facts.max_timestamp, &layout);
        let facts = segment::BatchFacts { base, next: base.plus(count), ..facts };
        log.apply(&facts, LeaderEpoch(0), placement, layout.index_interval).expect("it goes on");
    })
}

/// One of a thousand producers goes on.
fn sequence() -> Work {
    let facts = |producer, first| producer::BatchFacts {
        producer: ProducerId(producer),
        epoch: ProducerEpoch(0),
        base_sequence: Sequence(first),
        last_offset_delta: 9,
    };
    let mut producers = Producers::new(1000);
    let mut end = 0;
    for producer in 0..1000 {
        producers.apply(&facts(producer, 0), Offset(end), Timestamp(1));
        end += 10;
    }
    let mut next = 10;
    Box::new(move || {
        let facts = facts(500, next);
        assert!(matches!(producers.check(&facts), Ok(Verdict::Append)));
        producers.apply(&facts, Offset(end), Timestamp(1));
        (next, end) = (next + 10, end + 10);
    })
}

/// Batches of 16 partitions.
fn frames() -> Vec<Frame> {
    let payload = batch(4, 1000);
    let frame = |partition| Frame {
        kind: FrameKind::Batch,
        partition: TopicPartition { topic: TopicId([7; 16]), partition: PartitionIndex(partition) },
        owner_epoch: OwnerEpoch(1),
        segment: Offset(0),
        position: FilePosition(0),
        base: Offset(0),
        next: Offset(4),
        leader_epoch: LeaderEpoch(0),
        payload: payload.clone(),
    };
    (0..16).map(frame).collect()
}

fn group_layout() -> Work {
    let frames = frames();
    Box::new(move || assert_eq!(layout::places(&frames, 64 << 10).len(), 16))
}

fn group() -> Work {
    let frames = frames();
    let mut journal = Journal::new(CoreId(0), Incarnation(1), 16 << 20, 3, 42).aligning(64 << 10);
    Box::new(move || assert_eq!(journal.build(&frames).payloads.len(), 16))
}

fn search() -> Work {
    let mut index = Vec::new();
    for number in 0..INDEX_ENTRIES {
        let entry =
            IndexEntry { offset: Offset(i64::from(number) * 10), position: FilePosition(number * 4096) };
        entry.encode(Offset(0), &mut index);
    }
    Box::new(move || {
        let mut search = EntrySearch::new(INDEX_ENTRY_BYTES, INDEX_ENTRIES);
        let offset = |entry: &[u8]| {
            let entry: &[u8; INDEX_ENTRY_BYTES] = entry.try_into().expect("an entry's bytes");
            IndexEntry::decode(entry, Offset(0)).offset
        };
        while let Some((position, bytes)) = search.next_read() {
            let block = &index[position as usize..][..bytes as usize];
            match search.feed(block, |entry| offset(entry) <= Offset(123_455)) {
                Found::More => {}
                Found::Last(_, entry) => {
                    assert_eq!(entry.map(offset), Some(Offset(123_450)));
                    return;
                }
            }
        }
        panic!("the entry is there");
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_can_be_done_again_and_again() {
        for (name, prepare) in WORKS {
            let mut work = prepare();
            (0..4).for_each(|_| work());
            assert!(!name.contains('\t'));
        }
    }
}
