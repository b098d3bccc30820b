//! Promises of the producer state: Kafka's rules one by one, a model that remembers everything, and stored forms that
//! survive any bytes.

use proptest::prelude::*;

use super::*;
use crate::base::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use crate::error::ErrorCode;

fn facts(producer: i64, epoch: i16, base_sequence: i32, records: i32) -> BatchFacts {
    BatchFacts {
        producer: ProducerId(producer),
        epoch: ProducerEpoch(epoch),
        base_sequence: Sequence(base_sequence),
        last_offset_delta: records - 1,
    }
}

/// A partition that appends what is not refused.
#[derive(Default)]
struct Partition {
    producers: Producers,
    end: i64,
}

impl Partition {
    /// The offset at which the batch stands, freshly appended or as a duplicate.
    fn produce(&mut self, batch: BatchFacts) -> Result<i64, ErrorCode> {
        match self.producers.check(&batch)? {
            Verdict::Duplicate { base_offset, .. } => Ok(base_offset.0),
            Verdict::Append => {
                let base = self.end;
                self.producers.apply(&batch, Offset(base), Timestamp(base));
                self.end += i64::from(batch.last_offset_delta) + 1;
                Ok(base)
            }
        }
    }
}

#[test]
fn a_batch_sent_again_is_answered_with_its_first_offset() {
    let mut partition = Partition::default();
    for batch in 0..5 {
        assert_eq!(partition.produce(facts(7, 0, batch * 10, 10)), Ok(i64::from(batch) * 10));
    }
    for batch in 0..5 {
        assert_eq!(partition.produce(facts(7, 0, batch * 10, 10)), Ok(i64::from(batch) * 10));
    }
    let again = partition.producers.check(&facts(7, 0, 40, 10)).unwrap();
    let duplicate =
        Verdict::Duplicate { base_offset: Offset(40), last_offset: Offset(49), append_time: Timestamp(40) };
    assert_eq!(again, duplicate);
    assert_eq!(partition.end, 50);
    // The sixth pushes out the first, which then is only an old sequence.
    partition.produce(facts(7, 0, 50, 10)).unwrap();
    assert_eq!(partition.produce(facts(7, 0, 0, 10)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(partition.produce(facts(7, 0, 10, 10)), Ok(10));
    // The same first record in a batch of another size is no duplicate.
    assert_eq!(partition.produce(facts(7, 0, 10, 9)), Err(ErrorCode::OutOfOrderSequenceNumber));
}

#[test]
fn a_gap_is_refused_and_the_next_in_line_is_not() {
    let mut partition = Partition::default();
    partition.produce(facts(7, 0, 0, 3)).unwrap();
    assert_eq!(partition.produce(facts(7, 0, 4, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(partition.produce(facts(7, 0, 2, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(partition.produce(facts(7, 0, 3, 1)), Ok(3));
    assert_eq!(partition.produce(facts(8, 0, 3, 1)), Ok(4), "another producer has a count of its own");
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    let mut partition = Partition::default();
    assert_eq!(partition.produce(facts(7, 3, 1000, 1)), Ok(0));
    assert_eq!(partition.produce(facts(7, 3, 1001, 1)), Ok(1));
    assert_eq!(partition.produce(facts(7, 3, 0, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
    let mut partition = Partition::default();
    partition.produce(facts(7, 1, 0, 5)).unwrap();
    assert_eq!(partition.produce(facts(7, 2, 5, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(partition.produce(facts(7, 2, 0, 1)), Ok(5));
    assert_eq!(partition.produce(facts(7, 1, 5, 1)), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(
        partition.produce(facts(7, 1, 0, 5)),
        Err(ErrorCode::InvalidProducerEpoch),
        "not even a duplicate"
    );
    assert_eq!(partition.produce(facts(7, 2, 0, 1)), Ok(5));
}

#[test]
fn sequences_wrap_between_batches_and_within_one() {
    let mut partition = Partition::default();
    partition.produce(facts(7, 0, i32::MAX - 3, 2)).unwrap();
    // i32::MAX - 1, i32::MAX, 0, 1
    assert_eq!(partition.produce(facts(7, 0, i32::MAX - 1, 4)), Ok(2));
    assert_eq!(partition.produce(facts(7, 0, i32::MAX - 1, 4)), Ok(2), "found again across the wrap");
    assert_eq!(partition.produce(facts(7, 0, 2, 1)), Ok(6));
    let mut partition = Partition::default();
    partition.produce(facts(7, 0, i32::MAX, 1)).unwrap();
    assert_eq!(partition.produce(facts(7, 0, 0, 1)), Ok(1));
}

#[test]
fn hostile_numbers_are_refused_and_no_producer_is_no_state() {
    let mut partition = Partition::default();
    assert_eq!(partition.produce(facts(7, 0, -1, 1)), Err(ErrorCode::InvalidRecord));
    assert_eq!(partition.produce(facts(7, 0, i32::MIN, 1)), Err(ErrorCode::InvalidRecord));
    assert_eq!(partition.produce(facts(7, 0, 0, i32::MIN + 1)), Err(ErrorCode::InvalidRecord));
    assert_eq!(partition.produce(facts(7, -2, 0, 1)), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(partition.produce(facts(-1, -1, -1, 1)), Ok(0));
    assert_eq!(partition.producers, Producers::default());
}

#[test]
fn replay_that_begins_too_early_changes_nothing() {
    let mut partition = Partition::default();
    let batches = [facts(7, 0, 0, 2), facts(8, 0, 0, 1), facts(7, 1, 0, 3)];
    for batch in batches {
        partition.produce(batch).unwrap();
    }
    let live = partition.producers.clone();
    for (batch, base) in batches.iter().zip([0, 2, 3]) {
        partition.producers.apply(batch, Offset(base), Timestamp(base));
    }
    assert_eq!(partition.producers, live);
}

#[test]
fn silent_producers_expire_by_the_time_of_their_last_record() {
    let mut producers = Producers::default();
    producers.apply(&facts(1, 0, 0, 1), Offset(0), Timestamp(1_000));
    producers.apply(&facts(2, 0, 0, 1), Offset(1), Timestamp(2_000));
    assert_eq!(producers.expire(Timestamp(2_999), 2_000), 0);
    assert_eq!(producers.expire(Timestamp(3_000), 2_000), 1);
    assert_eq!(producers.states().map(|state| state.producer).collect::<Vec<_>>(), [ProducerId(2)]);
    assert_eq!(producers.expire(Timestamp(i64::MAX), i64::MAX), 0);
    assert_eq!(producers.expire(Timestamp(i64::MIN), 0), 0);
}

#[test]
fn a_crowd_is_bounded_and_the_longest_silent_goes_first() {
    let mut producers = Producers::new(1000);
    producers.apply(&facts(0, 0, 0, 1), Offset(0), Timestamp(0));
    for offset in 1..100_000 {
        producers.apply(&facts(offset, 0, 0, 1), Offset(2 * offset), Timestamp(0));
        let sequence = offset as i32;
        // Producer 0 speaks all the time and stays.
        producers.apply(&facts(0, 0, sequence, 1), Offset(2 * offset + 1), Timestamp(0));
    }
    assert_eq!(producers.count(), 1000);
    assert!(
        producers.bytes()
            <= 1000 * (limits::PRODUCER_BYTES + limits::BATCHES_PER_PRODUCER * limits::BATCH_BYTES)
    );
    let oldest = producers.states().nth(1).unwrap().producer;
    assert_eq!(oldest, ProducerId(100_000 - 999));
    assert_eq!(producers.check(&facts(0, 0, 7, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert!(producers.forget_oldest());
    assert!(producers.states().all(|state| state.producer != oldest));
}

#[test]
fn a_snapshot_is_kafkas_byte_for_byte() {
    let mut producers = Producers::default();
    producers.apply(&facts(1000, 2, 0, 3), Offset(10), Timestamp(1_700_000_000_000));
    producers.apply(&facts(1000, 2, 3, 5), Offset(13), Timestamp(1_700_000_000_123));
    producers.apply(&facts(1001, 0, 41, 1), Offset(18), Timestamp(1_700_000_000_456));
    // Written by Kafka 4.3's ProducerStateManager.writeSnapshot for the same two producers.
    let kafka: Vec<u8> = [
        // version, CRC, count
        &b"\x00\x01"[..],
        b"\x5a\x19\x56\xc8",
        b"\x00\x00\x00\x02",
        // two producers: id, epoch, last sequence, last offset, offset delta, timestamp, coordinator epoch, transaction
        b"\x00\x00\x00\x00\x00\x00\x03\xe8",
        b"\x00\x02",
        b"\x00\x00\x00\x07",
        b"\x00\x00\x00\x00\x00\x00\x00\x11",
        b"\x00\x00\x00\x04",
        b"\x00\x00\x01\x8b\xcf\xe5\x68\x7b",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x00\x00\x00\x00\x00\x03\xe9",
        b"\x00\x00",
        b"\x00\x00\x00\x29",
        b"\x00\x00\x00\x00\x00\x00\x00\x12",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x01\x8b\xcf\xe5\x69\xc8",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
    ]
    .concat();
    assert_eq!(producers.encode_snapshot(), kafka);
    let read = Producers::decode_snapshot(&kafka, 10).unwrap();
    assert_eq!(read.encode_snapshot(), kafka);
    assert_eq!(read.check(&facts(1000, 2, 8, 1)), Ok(Verdict::Append));
    assert!(matches!(
        read.check(&facts(1000, 2, 3, 5)),
        Ok(Verdict::Duplicate { base_offset: Offset(13), .. })
    ));
}

#[test]
fn a_damaged_snapshot_says_what_is_wrong() {
    let mut bytes = Producers::default().encode_snapshot();
    assert_eq!(bytes.len(), 10);
    bytes[1] = 2;
    assert_eq!(Producers::decode_snapshot(&bytes, 10), Err(StateError::UnknownVersion(2)));
    bytes[1] = 1;
    bytes[9] = 1;
    assert!(matches!(Producers::decode_snapshot(&bytes, 10), Err(StateError::WrongCrc { .. })));
    let crc = crc32c::crc32c(&bytes[6..]);
    bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    assert!(matches!(Producers::decode_snapshot(&bytes, 10), Err(StateError::Damaged(_))));
}

/// Remembers every batch there ever was, and looks for answers in all of them.
#[derive(Default)]
struct Model(Vec<(BatchFacts, i64)>);

impl Model {
    fn check(&self, batch: &BatchFacts) -> Result<Option<i64>, ErrorCode> {
        let of_producer: Vec<_> =
            self.0.iter().filter(|(known, _)| known.producer == batch.producer).collect();
        let Some((last, _)) = of_producer.last() else { return Ok(None) };
        let in_epoch = of_producer.iter().rev().take_while(|(known, _)| known.epoch == last.epoch);
        if let Some((_, base)) = in_epoch.take(5).find(|(known, _)| known == batch) {
            return Ok(Some(*base));
        }
        let records = |known: &BatchFacts| i64::from(known.last_offset_delta) + 1;
        let next = (i64::from(last.base_sequence.0) + records(last)) % (1 << 31);
        match batch.epoch.cmp(&last.epoch) {
            std::cmp::Ordering::Less => Err(ErrorCode::InvalidProducerEpoch),
            std::cmp::Ordering::Equal if i64::from(batch.base_sequence.0) == next => Ok(None),
            std::cmp::Ordering::Greater if batch.base_sequence.0 == 0 => Ok(None),
            _ => Err(ErrorCode::OutOfOrderSequenceNumber),
        }
    }
}

/// Mostly the next batch in line, sometimes one from the past, a gap, or another epoch.
#[derive(Clone, Debug)]
enum Sent {
    Next { records: i32 },
    Again { back: usize },
    At { epoch: i16, base_sequence: i32, records: i32 },
}

fn any_sent() -> impl Strategy<Value = (i64, Sent)> {
    let sequence = prop_oneof![Just(0), 0..20i32, i32::MAX - 5..=i32::MAX];
    let sent = prop_oneof![
        6 => (1..6i32).prop_map(|records| Sent::Next { records }),
        3 => (0..8usize).prop_map(|back| Sent::Again { back }),
        2 => (0..3i16, sequence, 1..6i32)
            .prop_map(|(epoch, base_sequence, records)| Sent::At { epoch, base_sequence, records }),
    ];
    (0..3i64, sent)
}

/// Plays what was sent on the machine and on the model; gives the machine and all that was appended.
fn play(sent: Vec<(i64, Sent)>) -> Result<(Partition, Model), TestCaseError> {
    let mut partition = Partition::default();
    let mut model = Model::default();
    for (producer, sent) in sent {
        let mut past =
            model.0.iter().rev().map(|(batch, _)| *batch).filter(|batch| batch.producer.0 == producer);
        let batch = match sent {
            Sent::At { epoch, base_sequence, records } => facts(producer, epoch, base_sequence, records),
            Sent::Again { back } => past.nth(back).unwrap_or(facts(producer, 0, 0, 1)),
            Sent::Next { records } => match past.next() {
                None => facts(producer, 0, 0, records),
                Some(last) => {
                    let next = sequence::after(last.last_sequence(), 1).0;
                    facts(producer, last.epoch.0, next, records)
                }
            },
        };
        let expected = model.check(&batch).map(|duplicate| duplicate.unwrap_or(partition.end));
        let base = partition.end;
        prop_assert_eq!(partition.produce(batch), expected);
        if partition.end > base {
            model.0.push((batch, base));
        }
    }
    Ok((partition, model))
}

proptest! {
    #[test]
    fn the_last_five_batches_answer_as_if_all_were_remembered(sent in prop::collection::vec(any_sent(), 0..80)) {
        play(sent)?;
    }

    #[test]
    fn a_checkpoint_and_the_batches_behind_it_are_the_live_state(
        sent in prop::collection::vec(any_sent(), 0..80),
        at: prop::sample::Index,
    ) {
        let (partition, model) = play(sent)?;
        // A recovery point lies between batches, or at the end.
        let points: Vec<i64> = model.0.iter().map(|(_, base)| *base).chain([partition.end]).collect();
        let point = points[at.index(points.len())];
        let mut bytes = Vec::new();
        partition.producers.encode(Offset(point), &mut bytes);
        bytes.push(0xaa);
        let mut rest = bytes.as_slice();
        let mut recovered = Producers::decode(&mut rest, limits::PRODUCERS_PER_PARTITION_MAX).unwrap();
        prop_assert_eq!(rest, &[0xaa]);
        prop_assert!(recovered.entries().values().all(|entry| entry.last_offset() < Offset(point)));
        let mut cut = partition.producers.clone();
        cut.truncate(Offset(point));
        prop_assert_eq!(&cut, &recovered);
        for (batch, base) in model.0.iter().filter(|(_, base)| *base >= point) {
            recovered.apply(batch, Offset(*base), Timestamp(*base));
        }
        prop_assert_eq!(&recovered, &partition.producers);

        let snapshot = partition.producers.encode_snapshot();
        let read = Producers::decode_snapshot(&snapshot, 10).unwrap();
        prop_assert_eq!(read.states().collect::<Vec<_>>(), partition.producers.states().collect::<Vec<_>>());
    }

    #[test]
    fn hostile_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        sent in prop::collection::vec(any_sent(), 0..20),
        at: prop::sample::Index,
        flip in 1u8..,
    ) {
        let _ = Producers::decode(&mut bytes.as_slice(), 10);
        let _ = Producers::decode_snapshot(&bytes, 10);
        // With a version and a CRC that hold, so that what is behind them is reached.
        if bytes.len() > 10 {
            bytes[..2].copy_from_slice(&[0, 1]);
            let crc = crc32c::crc32c(&bytes[6..]);
            bytes[2..6].copy_from_slice(&crc.to_be_bytes());
            let _ = Producers::decode_snapshot(&bytes, 10);
        }
        let (partition, _) = play(sent)?;
        let mut stored = Vec::new();
        partition.producers.encode(Offset(i64::MAX), &mut stored);
        let at = at.index(stored.len());
        prop_assert!(Producers::decode(&mut &stored[..at], 10).is_err());
        stored[at] ^= flip;
        let _ = Producers::decode(&mut stored.as_slice(), 10);
    }
}
