//! What a shard makes of the batches that producers send. The codes are those of Apache Kafka 4.3.0, asked with the same bytes, but for
//! payloads that do not decompress (its UNKNOWN_SERVER_ERROR) and gaps between the offsets of uncompressed records (which it takes).

use bytes::Bytes;

use super::{
    command::{Acks, CallId, Command, Message, Produce, ProducePartition, Produced, Reply},
    settings::Budget,
    tests::{Broker, id},
};
use crate::{
    base::{Compression, CoreId, Deadline, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp},
    error::ErrorCode,
    op::{Op, OpId, Sync},
    record::{BatchBuilder, BatchHeader, Codec, HEADER_BYTES, RecordData, TimestampType, headers, seal},
};

/// The broker's clock in these tests.
const NOW: i64 = 1_700_000_000_000;

fn broker(directory: &tempfile::TempDir, configs: &[(&str, &str)]) -> Broker {
    let mut broker = Broker::start(directory.path(), 1);
    let configs = configs.iter().map(|(name, value)| ((*name).into(), Some((*value).into()))).collect();
    broker.create(2, configs);
    broker
}

fn produce(broker: &mut Broker, records: Bytes) -> Produced {
    let part = ProducePartition { partition: id(0), records };
    match broker.call(
        CoreId(0),
        Command::Produce(Produce { acks: Acks::All, deadline: None, partitions: vec![part] }),
    ) {
        Reply::Produced(mut answers) => answers.remove(0),
        other => panic!("{other:?}"),
    }
}

/// A timestamp, a key and a value.
type Written<'a> = (i64, Option<&'a [u8]>, &'a [u8]);

fn records(codec: Codec, records: &[Written<'_>]) -> Bytes {
    let mut builder = BatchBuilder::new(codec, 8 << 20);
    for &(timestamp, key, value) in records {
        assert!(builder.push(RecordData {
            timestamp: Timestamp(timestamp),
            key,
            value: Some(value),
            ..RecordData::default()
        }));
    }
    builder.build().unwrap()
}

fn altered(bytes: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = BatchHeader::parse(bytes).unwrap();
    change(&mut header);
    seal(header, &bytes[HEADER_BYTES..]).unwrap()
}

#[test]
fn each_refusal_of_a_batch_has_kafkas_code() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[("max.message.bytes", "2000")]);
    let three: Vec<Written<'_>> = (0..3).map(|n| (NOW + n, None, b"v".as_slice())).collect();
    let good = records(Codec::None, &three);
    let zipped = records(Codec::Gzip, &three);
    let header = |change: fn(&mut BatchHeader)| altered(&good, change);
    let mut wrong_crc = good.to_vec();
    wrong_crc[17] ^= 1;
    let (mut old, mut unknown) = (good.to_vec(), good.to_vec());
    (old[16], unknown[16]) = (1, 3);
    let junk = seal(BatchHeader::parse(&zipped).unwrap(), b"not what gzip writes").unwrap();
    let producer = |id| move |header: &mut BatchHeader| header.producer_id = ProducerId(id);
    let cases: Vec<(&str, Bytes, ErrorCode)> = vec![
        ("nothing", Bytes::new(), ErrorCode::InvalidRecord),
        ("a wrong CRC", wrong_crc.into(), ErrorCode::CorruptMessage),
        ("an old format", old.into(), ErrorCode::InvalidRecord),
        ("an unknown format", unknown.into(), ErrorCode::CorruptMessage),
        ("a cut batch", good.slice(..good.len() - 3), ErrorCode::InvalidRecord),
        ("two batches", [good.as_ref(), good.as_ref()].concat().into(), ErrorCode::InvalidRecord),
        ("an offset of its own", header(|h| h.base_offset = Offset(5)), ErrorCode::InvalidRecord),
        ("no records", header(|h| (h.record_count, h.last_offset_delta) = (0, 0)), ErrorCode::InvalidRecord),
        ("a negative count", header(|h| h.record_count = -1), ErrorCode::InvalidRecord),
        ("too many", header(|h| (h.record_count, h.last_offset_delta) = (4, 3)), ErrorCode::InvalidRecord),
        ("too few", header(|h| (h.record_count, h.last_offset_delta) = (2, 1)), ErrorCode::InvalidRecord),
        ("a gap at the end", header(|h| h.last_offset_delta = 5), ErrorCode::InvalidRecord),
        ("control records", header(|h| h.attributes.0 |= 0x20), ErrorCode::InvalidRecord),
        ("no sequence", altered(&good, producer(7)), ErrorCode::InvalidRecord),
        ("an unknown codec", header(|h| h.attributes.0 |= 5), ErrorCode::UnknownServerError),
        ("a payload that is none", junk, ErrorCode::InvalidRecord),
        ("the future", records(Codec::None, &[(NOW + 3_600_001, None, b"v")]), ErrorCode::InvalidTimestamp),
        ("too large", records(Codec::None, &[(NOW, None, &[b'v'; 2000])]), ErrorCode::MessageTooLarge),
    ];
    for (what, bytes, code) in cases {
        let produced = produce(&mut broker, bytes);
        assert_eq!(produced.error, code, "{what}: {:?}", produced.message);
        assert!(produced.message.is_some(), "{what}");
    }
    assert_eq!(produce(&mut broker, good.clone()).base_offset, Offset(0), "nothing of all that was written");
    assert_eq!(&broker.fetch(0, 0)[17..], &good[17..], "and a good batch stays byte for byte");
}

#[test]
fn the_records_at_fault_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[("cleanup.policy", "compact,delete")]);
    let bytes = records(Codec::Lz4, &[(NOW, Some(b"k"), b"v"), (NOW, None, b"v"), (NOW, None, b"v")]);
    let produced = produce(&mut broker, bytes);
    assert_eq!(produced.error, ErrorCode::InvalidRecord);
    let indexes: Vec<i32> = produced.record_errors.iter().map(|fault| fault.index).collect();
    assert_eq!(indexes, [1, 2]);
    let sentence = "Compacted topic cannot accept message without key in topic partition t-0";
    assert_eq!(produced.record_errors[0].message, sentence);
}

#[test]
fn a_batch_is_larger_than_its_segment_only_in_a_refusal() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[("segment.bytes", "1000")]);
    let produced = produce(&mut broker, records(Codec::None, &[(NOW, None, &[b'v'; 1000])]));
    assert_eq!(produced.error, ErrorCode::RecordListTooLarge);
    assert_eq!(
        produce(&mut broker, records(Codec::None, &[(NOW, None, &[b'v'; 900])])).error,
        ErrorCode::None
    );
}

#[test]
fn the_topic_decides_codec_and_clock_and_the_producer_keeps_its_base_timestamp() {
    for (name, codec) in [("uncompressed", Codec::None), ("zstd", Codec::Zstd), ("gzip", Codec::Gzip)] {
        let directory = tempfile::tempdir().unwrap();
        let configs = [("compression.type", name), ("message.timestamp.type", "LogAppendTime")];
        let mut broker = broker(&directory, &configs);
        let sent = records(Codec::Snappy, &[(5, None, &[b'v'; 3000]), (9, None, b"w")]);
        let produced = produce(&mut broker, sent);
        assert_eq!((produced.error, produced.append_time), (ErrorCode::None, Timestamp(NOW)));
        let bytes = broker.fetch(0, 0);
        let (_, header) = headers(&bytes).next().unwrap();
        assert_eq!(header.codec(), Ok(codec));
        assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!((header.base_timestamp, header.max_timestamp), (Timestamp(5), Timestamp(NOW)));
    }
}

#[test]
fn recompression_that_exceeds_the_limit_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let configs = [("compression.type", "uncompressed"), ("max.message.bytes", "1000")];
    let mut broker = broker(&directory, &configs);
    let produced = produce(&mut broker, records(Codec::Gzip, &[(NOW, None, &[b'v'; 5000])]));
    assert_eq!(produced.error, ErrorCode::MessageTooLarge);
}

/// A batch of 40 MB in 40 KB came first, a small one for another partition after it: the small one is answered long before.
#[test]
fn a_batch_that_expands_a_thousandfold_does_not_hold_up_others() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[]);
    let value = vec![0; 5 << 20];
    let large: Vec<Written<'_>> = (0..1).map(|_| (NOW, None, value.as_slice())).collect();
    let small = records(Codec::None, &[(NOW, None, b"v")]);
    for (number, partition, bytes) in
        [(900, 0, records(Codec::Zstd, &large)), (901, 0, small.clone()), (902, 1, small.clone())]
    {
        let part = ProducePartition { partition: id(partition), records: bytes };
        let command = Command::Produce(Produce { acks: Acks::None, deadline: None, partitions: vec![part] });
        let call = CallId { origin: CoreId(0), number };
        broker.shards[0].receive(broker.now, CoreId(0), Message::Command(call, command));
    }
    let answered: Vec<u64> = broker.settle().iter().map(|(call, _)| call.number).collect();
    assert_eq!(answered, [902, 900, 901], "and batches of one partition keep their order");
}

/// A million of them would be the same at a hundred times the size: each writes one batch and goes.
#[test]
fn a_crowd_of_producers_stays_in_its_part_of_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[]);
    let send = |broker: &mut Broker, producer: i64, partition| {
        let mut builder = BatchBuilder::new(Codec::None, 1 << 10).producer(
            ProducerId(producer),
            ProducerEpoch(0),
            Sequence(0),
        );
        assert!(builder.push(RecordData { timestamp: Timestamp(NOW), ..RecordData::default() }));
        let part = ProducePartition { partition: id(partition), records: builder.build().unwrap() };
        let command = Command::Produce(Produce { acks: Acks::None, deadline: None, partitions: vec![part] });
        let call = CallId { origin: CoreId(0), number: 1_000_000 + producer as u64 };
        broker.shards[0].receive(broker.now, CoreId(0), Message::Command(call, command));
    };
    for producer in 0..12_000 {
        send(&mut broker, producer, producer as i32 % 2);
        if producer % 1000 == 999 {
            broker.settle();
        }
    }
    let shard = &broker.shards[0];
    let bytes: usize = shard.table.iter().map(|partition| partition.producers.bytes()).sum();
    let bytes_max = shard.config.budget.producers_bytes() as usize;
    assert!(12_000 * 144 > bytes_max && bytes <= bytes_max + 1024 * 144, "{bytes} of {bytes_max}");
    let partition = shard.table.get(shard.table.find(id(1)).unwrap()).unwrap();
    assert!(partition.producers.last_offset(ProducerId(11_999)).is_some(), "those heard last are known");
    assert!(partition.producers.last_offset(ProducerId(1)).is_none());
}

/// What a device that is stuck has of the journal, and what it would have to do.
type Held = Vec<(OpId, Op)>;

fn send(broker: &mut Broker, number: u64, deadline: Option<Deadline>, records: Bytes) {
    let part = ProducePartition { partition: id(0), records };
    let command = Command::Produce(Produce { acks: Acks::All, deadline, partitions: vec![part] });
    let call = CallId { origin: CoreId(0), number };
    broker.shards[0].receive(broker.now, CoreId(0), Message::Command(call, command));
}

fn carry_out(broker: &mut Broker, ops: Held) {
    let (ids, ops): (Vec<_>, Vec<_>) = ops.into_iter().unzip();
    for (id, done) in ids.into_iter().zip(broker.device.perform(ops)) {
        broker.shards[0].complete(broker.now, id, done);
    }
}

/// Turns until only the journal's writes are missing; answers who was answered, and with what.
fn turn_without_journal(broker: &mut Broker, held: &mut Held) -> Vec<(u64, ErrorCode)> {
    loop {
        broker.shards[0].turn(broker.now);
        let mut ops = Vec::new();
        broker.shards[0].drain_ops(&mut ops);
        let is_journal = |(_, op): &(OpId, Op)| matches!(op, Op::Write { sync: Sync::Data, .. });
        let (journal, others): (Held, Held) = ops.into_iter().partition(is_journal);
        held.extend(journal);
        if others.is_empty() && !broker.shards[0].wants_turn() {
            let mut replies = Vec::new();
            broker.shards[0].drain_replies(&mut replies);
            return codes(replies);
        }
        carry_out(broker, others);
    }
}

fn codes(replies: Vec<(CallId, Reply)>) -> Vec<(u64, ErrorCode)> {
    let code = |reply| match reply {
        Reply::Produced(answers) => answers[0].error,
        other => panic!("{other:?}"),
    };
    replies.into_iter().map(|(call, reply)| (call.number, code(reply))).collect()
}

#[test]
fn what_is_not_durable_in_its_time_is_answered_so_and_stays_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[]);
    let one = || records(Codec::None, &[(NOW, None, b"v")]);
    produce(&mut broker, one());
    let deadline = broker.now.after_ms(30_000);
    send(&mut broker, 900, Some(deadline), one());
    send(&mut broker, 901, None, one());
    let mut held = Vec::new();
    assert_eq!(turn_without_journal(&mut broker, &mut held), []);
    assert!(broker.shards[0].next_deadline().is_some_and(|next| next <= deadline), "it looks in time");
    broker.now.mono_ns = deadline.0 - 1;
    assert_eq!(turn_without_journal(&mut broker, &mut held), []);
    broker.now.mono_ns = deadline.0;
    assert_eq!(turn_without_journal(&mut broker, &mut held), [(900, ErrorCode::RequestTimedOut)]);
    assert!(broker.shards[0].next_deadline() > Some(deadline), "and not again");
    carry_out(&mut broker, held);
    assert_eq!(codes(broker.settle()), [(901, ErrorCode::None)]);
    assert_eq!(broker.read_all(0), [0, 1, 2]);
}

#[test]
fn what_was_not_looked_at_in_its_time_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[]);
    let deadline = broker.now.after_ms(1_000);
    let large = records(Codec::None, &[(NOW, None, &[b'v'; 900_000])]);
    let mut held = Vec::new();
    let mut sent = 0;
    while broker.shards[0].produces.lengths().1 < 2 {
        assert!(sent < 100, "a device that is stuck takes no end");
        send(&mut broker, 900 + sent, Some(deadline), large.clone());
        assert_eq!(turn_without_journal(&mut broker, &mut held), []);
        sent += 1;
    }
    let placed = broker.shards[0].produces.lengths().0 as i64;
    broker.now.mono_ns = deadline.0;
    let answered = turn_without_journal(&mut broker, &mut held);
    let expected: Vec<_> = (900..900 + sent).map(|number| (number, ErrorCode::RequestTimedOut)).collect();
    assert_eq!(answered, expected);
    carry_out(&mut broker, held);
    assert_eq!(codes(broker.settle()), []);
    assert_eq!(broker.read_all(0), (0..placed).collect::<Vec<_>>());
}

#[test]
fn a_producer_that_was_silent_too_long_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[]);
    let mut send = |ms: i64, sequence| {
        broker.now.mono_ns += ms as u64 * 1_000_000;
        broker.now.wall.0 += ms;
        broker.settle();
        let mut builder = BatchBuilder::new(Codec::None, 1 << 10).producer(
            ProducerId(7),
            ProducerEpoch(0),
            Sequence(sequence),
        );
        assert!(builder.push(RecordData { timestamp: broker.now.wall, ..RecordData::default() }));
        produce(&mut broker, builder.build().unwrap()).error
    };
    assert_eq!(send(0, 0), ErrorCode::None);
    assert_eq!(send(80_000_000, 5), ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(send(7_000_000, 5), ErrorCode::None, "after a day any sequence begins");
}

#[test]
fn sequences_are_judged_as_kafka_judges_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut broker = broker(&directory, &[]);
    let mut send = |epoch, sequence| {
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20).producer(
            ProducerId(777),
            ProducerEpoch(epoch),
            Sequence(sequence),
        );
        assert!(builder.push(RecordData { timestamp: Timestamp(NOW), ..RecordData::default() }));
        let produced = produce(&mut broker, builder.build().unwrap());
        (produced.error, produced.base_offset.0)
    };
    assert_eq!(send(0, 5), (ErrorCode::None, 0), "a producer that is not known begins anywhere");
    assert_eq!(send(0, 9), (ErrorCode::OutOfOrderSequenceNumber, -1));
    assert_eq!(send(0, 5), (ErrorCode::None, 0), "a duplicate");
    assert_eq!(send(1, 3), (ErrorCode::OutOfOrderSequenceNumber, -1), "a new epoch begins at 0");
    assert_eq!(send(1, 0), (ErrorCode::None, 1));
    assert_eq!(send(0, 6), (ErrorCode::InvalidProducerEpoch, -1));
}

/// Each of many producers could make a core hold a window of its own.
#[test]
fn batches_that_take_long_to_open_take_turns_at_the_memory_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let budget = Budget { walk_bytes: 3 << 20, ..Budget::of(16 << 20, 3) };
    let mut broker = Broker::start_with(directory.path(), 1, budget);
    broker.create(3, Vec::new());
    let value = vec![7; 5 << 20];
    let batch = records(Codec::Zstd, &[(NOW, None, &value)]);
    for partition in 0..3 {
        let part = ProducePartition { partition: id(partition), records: batch.clone() };
        let produce = Command::Produce(Produce { acks: Acks::All, deadline: None, partitions: vec![part] });
        let call = CallId { origin: CoreId(0), number: 1_000_000 + partition as u64 };
        broker.shards[0].receive(broker.now, CoreId(0), Message::Command(call, produce));
    }
    let (mut replies, mut turns) = (Vec::new(), 0);
    while broker.shards[0].produces.lengths().0 > 0 && turns < 100 {
        turns += 1;
        broker.shards[0].turn(broker.now);
        assert!(broker.shards[0].openings.bytes <= budget.walk_bytes);
        if turns == 3 {
            assert!(broker.shards[0].openings.bytes > 0, "one is open");
        }
        if turns == 50 {
            replies.extend(broker.settle());
        }
    }
    let answered =
        |reply: &Reply| matches!(reply, Reply::Produced(answers) if answers[0].error == ErrorCode::None);
    assert_eq!(replies.iter().filter(|(_, reply)| answered(reply)).count(), 3);
    // At this level a frame may look back to its beginning.
    let mut builder = BatchBuilder::new(Compression { codec: Codec::Zstd, level: Some(19) }, 8 << 20);
    assert!(builder.push(RecordData {
        timestamp: Timestamp(NOW),
        value: Some(&value),
        ..RecordData::default()
    }));
    let large = builder.build().unwrap();
    assert_eq!(produce(&mut broker, large).error, ErrorCode::MessageTooLarge);
}
