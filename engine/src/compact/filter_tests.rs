//! Promises of the filter, over batches of every codec.

use super::*;
use crate::base::{LeaderEpoch, ProducerEpoch, ProducerId, Sequence, TimestampType};
use crate::record::{RecordData, RecordHeader, UncheckedBatch};

const RULES: Rules = Rules {
    end: Offset(1000),
    now: Timestamp(5_000),
    delete_retention_ms: 100,
    opening_bytes_max: 1 << 20,
    marks_stay: false,
};

type Written<'a> = (&'a [u8], Option<&'a [u8]>);

fn batch(codec: Codec, base: i64, records: &[Written<'_>]) -> Bytes {
    let headers = [RecordHeader { key: b"h", value: Some(b"1") }];
    let mut builder = BatchBuilder::new(codec, 1 << 20).at(Offset(base), LeaderEpoch(3)).producer(
        ProducerId(7),
        ProducerEpoch(1),
        Sequence(40),
    );
    for (number, (key, value)) in (0..).zip(records) {
        assert!(builder.push(RecordData {
            timestamp: Timestamp(1_000 + number),
            key: Some(key),
            value: *value,
            headers: &headers,
        }));
    }
    builder.build().unwrap()
}

fn check(bytes: &[u8]) -> CheckedBatch<'_> {
    UncheckedBatch::split_first(bytes).unwrap().0.check().unwrap()
}

fn learned(batches: &[&Bytes]) -> OffsetMap {
    let mut map = OffsetMap::new(100, 1 << 20, 1);
    for batch in batches {
        assert_eq!(learn(&check(batch), Offset(0), &mut map, 1 << 20), Ok(None));
    }
    map
}

/// Offset, time and value of each record.
fn contents(bytes: &[u8]) -> Vec<(i64, i64, Option<Vec<u8>>)> {
    let batch = check(bytes);
    let records = batch.records(1 << 20).unwrap();
    let record = |record: Result<crate::record::Record<'_>, _>| {
        let record = record.unwrap();
        assert_eq!(record.headers.len(), 1);
        (record.offset.0, record.timestamp.0, record.value.map(<[u8]>::to_vec))
    };
    records.iter().map(record).collect()
}

fn rewritten(kept: Result<Kept, RecordError>) -> Bytes {
    match kept.unwrap() {
        Kept::Rewritten(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_newest_record_of_each_key_stays_where_it_was() {
    for codec in Codec::ALL {
        let first = batch(codec, 10, &[(b"a", Some(b"1")), (b"b", Some(b"2")), (b"a", Some(b"3"))]);
        let second = batch(codec, 13, &[(b"b", Some(b"4"))]);
        let map = learned(&[&first, &second]);
        let kept = rewritten(filter(&check(&first), &map, &RULES, false));
        assert_eq!(contents(&kept), [(12, 1_002, Some(b"3".to_vec()))], "{codec:?}");
        let (was, is) = (*check(&first).header(), *check(&kept).header());
        assert_eq!(
            (is.base_offset, is.last_offset_delta, is.record_count, is.codec()),
            (Offset(10), 2, 1, Ok(codec))
        );
        assert_eq!(
            (is.base_sequence, is.producer_id, is.leader_epoch),
            (was.base_sequence, was.producer_id, was.leader_epoch)
        );
        assert_eq!(filter(&check(&second), &map, &RULES, false), Ok(Kept::Whole));
    }
}

#[test]
fn a_batch_without_records_stays_only_where_its_producer_needs_it() {
    let first = batch(Codec::Zstd, 0, &[(b"a", Some(b"1"))]);
    let second = batch(Codec::None, 1, &[(b"a", Some(b"2"))]);
    let map = learned(&[&first, &second]);
    assert_eq!(filter(&check(&first), &map, &RULES, false), Ok(Kept::Nothing));
    let kept = rewritten(filter(&check(&first), &map, &RULES, true));
    let header = *check(&kept).header();
    assert_eq!(
        (header.record_count, header.codec(), header.last_sequence()),
        (0, Ok(Codec::None), Sequence(40))
    );
    assert_eq!(filter(&check(&kept), &map, &RULES, true), Ok(Kept::Whole));
    assert_eq!(filter(&check(&kept), &map, &RULES, false), Ok(Kept::Nothing));
}

/// KIP-534: the first run writes down when the mark may go; a run after that time drops it.
#[test]
fn a_tombstone_goes_when_its_horizon_has_passed() {
    let marked = batch(Codec::Lz4, 0, &[(b"a", None), (b"b", Some(b"1"))]);
    let map = learned(&[&marked]);
    let first = rewritten(filter(&check(&marked), &map, &RULES, false));
    let header = *check(&first).header();
    assert!(header.attributes.has_delete_horizon());
    assert_eq!(header.base_timestamp, Timestamp(5_100));
    assert_eq!(contents(&first), contents(&marked), "times too");
    let at = |now| Rules { now: Timestamp(now), ..RULES };
    assert_eq!(filter(&check(&first), &map, &at(5_099), false), Ok(Kept::Whole));
    let second = rewritten(filter(&check(&first), &map, &at(5_100), false));
    assert_eq!(contents(&second), [(1, 1_001, Some(b"1".to_vec()))]);
}

/// A value of the key may lie in a batch that was not opened: without the mark it would come back.
#[test]
fn a_tombstone_stays_behind_what_was_not_looked_at() {
    let marked = batch(Codec::Lz4, 0, &[(b"a", None)]);
    let map = learned(&[&marked]);
    let first = rewritten(filter(&check(&marked), &map, &RULES, false));
    let long_after = Rules { now: Timestamp(i64::MAX), ..RULES };
    assert_eq!(filter(&check(&first), &map, &long_after, false), Ok(Kept::Nothing));
    let behind = Rules { marks_stay: true, ..long_after };
    assert_eq!(filter(&check(&first), &map, &behind, false), Ok(Kept::Whole));
}

#[test]
fn a_batch_that_expands_beyond_its_bound_is_not_opened() {
    let value = vec![7; 10_000];
    for codec in Codec::ALL {
        let bytes = batch(codec, 0, &[(b"a", Some(&value))]);
        let mut map = OffsetMap::new(100, 1 << 20, 1);
        let rules = Rules { opening_bytes_max: 9_000, ..RULES };
        let (learned, kept) =
            (learn(&check(&bytes), Offset(0), &mut map, 9_000), filter(&check(&bytes), &map, &rules, false));
        if codec == Codec::None {
            // It is in memory as it is.
            assert_eq!((learned, kept), (Ok(None), Ok(Kept::Whole)));
        } else {
            let too_large = RecordError::TooLarge { bytes_max: 9_000 };
            assert_eq!((learned, kept), (Err(too_large.clone()), Err(too_large)), "{codec:?}");
        }
    }
}

#[test]
fn what_the_map_does_not_reach_stays() {
    let bytes = batch(
        Codec::None,
        998,
        &[(b"a", Some(b"1")), (b"a", Some(b"2")), (b"a", Some(b"3")), (b"a", Some(b"4"))],
    );
    let mut map = OffsetMap::new(100, 1 << 20, 1);
    map.put(b"a", Offset(999));
    let kept = rewritten(filter(&check(&bytes), &map, &RULES, false));
    assert_eq!(contents(&kept).iter().map(|(offset, ..)| *offset).collect::<Vec<_>>(), [999, 1000, 1001]);
}

#[test]
fn a_full_map_says_where_it_stopped() {
    let bytes = batch(Codec::None, 5, &[(b"a", Some(b"1")), (b"b", None), (b"c", None), (b"d", None)]);
    let mut map = OffsetMap::new(1, 1 << 20, 1);
    assert_eq!(learn(&check(&bytes), Offset(0), &mut map, 1 << 20), Ok(Some(Offset(7))));
    assert_eq!(map.len(), 2);
}

#[test]
fn append_time_survives() {
    let mut builder = BatchBuilder::new(Codec::Gzip, 1 << 20).append_time(Timestamp(777));
    for key in [b"a", b"b", b"a"] {
        assert!(builder.push(RecordData { key: Some(key), value: Some(b"v"), ..RecordData::default() }));
    }
    let bytes = builder.build().unwrap();
    let kept = rewritten(filter(&check(&bytes), &learned(&[&bytes]), &RULES, false));
    assert_eq!(check(&kept).header().timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(check(&kept).header().max_timestamp, Timestamp(777));
}

#[test]
fn a_record_behind_its_batchs_last_offset_is_refused() {
    let bytes = batch(Codec::None, 0, &[(b"a", Some(b"1")), (b"b", None)]);
    let honest = check(&bytes);
    let records = honest.records(1 << 20).unwrap();
    let mut builder = BatchBuilder::rewriting(honest.header(), Codec::None, 1 << 20);
    for (offset, record) in [0, 7].into_iter().zip(records.iter()) {
        assert!(builder.copy(&Record { offset: Offset(offset), ..record.unwrap() }));
    }
    let apart = builder.build().unwrap();
    let header = BatchHeader { last_offset_delta: 1, ..*check(&apart).header() };
    let lying = seal(header, check(&apart).payload()).unwrap();
    let mut map = OffsetMap::new(100, 1 << 20, 1);
    assert!(learn(&check(&lying), Offset(0), &mut map, 1 << 20).is_err());
    assert!(filter(&check(&lying), &map, &RULES, false).is_err());
}
