//! Promises of the walk over the records of a produced batch.

use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
use proptest::prelude::*;

use super::*;
use crate::record::{BatchBuilder, RecordData, UncheckedBatch, seal};

const RULES: Rules<'_> = Rules {
    partition: "t-0",
    keys: Keys::Optional,
    timestamp_type: TimestampType::CreateTime,
    before_ms_max: i64::MAX,
    after_ms_max: 100,
    now: Timestamp(10_000),
};

/// A timestamp and a key.
type Keyed<'a> = (i64, Option<&'a [u8]>);

fn batch(codec: Codec, records: &[Keyed<'_>]) -> Bytes {
    let mut builder = BatchBuilder::new(codec, 8 << 20);
    for &(timestamp, key) in records {
        let record = RecordData { timestamp: Timestamp(timestamp), key, ..RecordData::default() };
        assert!(builder.push(record));
    }
    builder.build().unwrap()
}

fn header(bytes: &Bytes) -> BatchHeader {
    *UncheckedBatch::split_first(bytes).unwrap().0.check().unwrap().header()
}

/// With as many steps as a budget of `budget` each takes.
fn walk_in_steps(
    bytes: &Bytes,
    rules: &Rules<'_>,
    target: Option<Compression>,
    budget: usize,
) -> (Result<Walked, RecordError>, usize) {
    let mut walk = match Walk::new(header(bytes), bytes, target) {
        Ok(walk) => walk,
        Err(error) => return (Err(error), 0),
    };
    for steps in 1.. {
        match walk.step(rules, &mut budget.clone()) {
            Ok(None) => {}
            Ok(Some(walked)) => return (Ok(walked), steps),
            Err(error) => return (Err(error), steps),
        }
    }
    unreachable!()
}

/// A frame may look back 128 MiB: a core with 64 MiB must not follow it.
#[test]
fn a_window_beyond_the_memory_there_is_holds_no_more_than_that() {
    let keys: Vec<Vec<u8>> = (0..2000u32).map(|key| key.to_be_bytes().repeat(250)).collect();
    let records: Vec<Keyed<'_>> = keys.iter().map(|key| (1, Some(&key[..]))).collect();
    let bytes = batch(Codec::Zstd, &records);
    let within = |bytes_max| {
        let mut walk = Walk::within(header(&bytes), &bytes, None, bytes_max)?;
        walk.step(&RULES, &mut usize::MAX.clone())
    };
    let needed = Walk::bytes(&bytes, None);
    assert!(needed > 2_000_000);
    assert!(within(needed).is_ok());
    assert_eq!(within(1 << 20), Err(RecordError::TooLarge { bytes_max: 1 << 20 }));
    assert_eq!(Walk::bytes(&batch(Codec::None, &records), None), 0);
}

fn walk(bytes: &Bytes, rules: &Rules<'_>) -> Result<Walked, RecordError> {
    walk_in_steps(bytes, rules, None, usize::MAX).0
}

fn faults(result: Result<Walked, RecordError>) -> (ErrorCode, Vec<i32>) {
    match result {
        Err(RecordError::Rejected(faults)) => {
            (faults.code(), faults.first().iter().map(|fault| fault.index).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_record_at_fault_is_named_with_the_code_of_its_rule() {
    for codec in Codec::ALL {
        let compacted = Rules { keys: Keys::Required, ..RULES };
        let bytes = batch(codec, &[(1, Some(b"k")), (2, None), (3, Some(b"")), (4, None)]);
        assert_eq!(faults(walk(&bytes, &compacted)), (ErrorCode::InvalidRecord, vec![1, 3]));

        let bytes = batch(codec, &[(10_000, None), (10_100, None), (10_101, None)]);
        assert_eq!(faults(walk(&bytes, &RULES)), (ErrorCode::InvalidTimestamp, vec![2]));

        let bytes = batch(codec, &[(-1, None), (9_950, None), (9_949, None)]);
        let rules = Rules { before_ms_max: 50, ..RULES };
        assert_eq!(faults(walk(&bytes, &rules)), (ErrorCode::InvalidTimestamp, vec![2]));
    }
}

#[test]
fn time_does_not_matter_where_the_broker_gives_it() {
    let append_time = Rules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
    assert!(walk(&batch(Codec::Zstd, &[(i64::MAX, None), (0, None)]), &append_time).is_ok());
}

#[test]
fn a_producer_that_stamps_append_time_is_refused_where_the_broker_does_so() {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20).append_time(Timestamp(9_990));
    assert!(builder.push(RecordData::default()));
    let bytes = builder.build().unwrap();
    let append_time = Rules { timestamp_type: TimestampType::LogAppendTime, ..RULES };
    assert_eq!(faults(walk(&bytes, &append_time)), (ErrorCode::InvalidTimestamp, vec![0]));
    assert_eq!(walk(&bytes, &RULES).unwrap().max_timestamp, Timestamp(9_990));
}

#[test]
fn the_largest_time_is_that_of_the_records_whatever_the_header_says() {
    let honest = batch(Codec::Gzip, &[(5, None), (9_000, None), (7, None)]);
    let lying = BatchHeader { max_timestamp: Timestamp(3), ..header(&honest) };
    let bytes = seal(lying, &honest[HEADER_BYTES..]).unwrap();
    assert_eq!(walk(&bytes, &RULES).unwrap().max_timestamp, Timestamp(9_000));
}

#[test]
fn a_count_that_lies_is_refused() {
    for codec in Codec::ALL {
        let honest = batch(codec, &[(1, Some(b"twelve bytes")), (2, Some(b"twelve bytes")), (3, None)]);
        for count in [1, 2, 4, 9] {
            let lying = BatchHeader { record_count: count, last_offset_delta: count - 1, ..header(&honest) };
            let bytes = seal(lying, &honest[HEADER_BYTES..]).unwrap();
            assert!(walk(&bytes, &RULES).is_err(), "{codec:?} {count}");
        }
    }
}

#[test]
fn a_payload_that_does_not_decompress_is_refused_for_good() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let honest = batch(codec, &[(1, Some(&[b'k'; 4000])), (2, None)]);
        let torn = seal(header(&honest), &honest[HEADER_BYTES..honest.len() - 9]).unwrap();
        assert_eq!(walk(&torn, &RULES).unwrap_err().code(), ErrorCode::InvalidRecord, "{codec:?}");
        let noise = seal(header(&honest), b"no codec begins like this").unwrap();
        assert_eq!(walk(&noise, &RULES).unwrap_err().code(), ErrorCode::InvalidRecord, "{codec:?}");
    }
}

/// The Java client reads none of these, so one such batch would stop every Java consumer of the partition.
#[test]
fn an_lz4_frame_that_the_java_client_cannot_read_is_refused() {
    use std::io::Write;
    let honest = batch(Codec::Lz4, &[(1, Some(&[b'k'; 4000])), (2, None)]);
    assert!(walk(&honest, &RULES).is_ok());
    let plain = Codec::Lz4.decompress(&honest[HEADER_BYTES..], 1 << 20).unwrap();
    let info = FrameInfo::new().block_mode(BlockMode::Linked);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(&plain).unwrap();
    let linked = encoder.finish().unwrap();
    assert_eq!(Codec::Lz4.decompress(&linked, 1 << 20).unwrap(), plain, "it is a good frame otherwise");
    let sealed = seal(header(&honest), &linked).unwrap();
    assert_eq!(walk(&sealed, &RULES).unwrap_err().code(), ErrorCode::InvalidRecord);
}

#[test]
fn a_large_batch_takes_many_steps_and_ends_the_same() {
    let key = vec![b'k'; 300_000];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bytes = batch(codec, &[(1, Some(&key)), (2, Some(&key)), (10_200, Some(&key))]);
        let at_once = walk(&bytes, &Rules { after_ms_max: 500, ..RULES });
        let (in_steps, steps) = walk_in_steps(&bytes, &Rules { after_ms_max: 500, ..RULES }, None, 100_000);
        assert_eq!(at_once, in_steps);
        assert!(steps > 5, "{codec:?}: {steps} steps");
    }
}

#[test]
fn a_bomb_is_refused_at_the_cap_and_not_in_one_turn() {
    let zeros = vec![0; 40 << 20];
    for codec in [Codec::Gzip, Codec::Zstd] {
        let body = Compression::from(codec).compress(&zeros).unwrap();
        let like = batch(codec, &[(1, Some(b"k"))]);
        let bomb = seal(header(&like), &body[..body.len().min(10_000)]).unwrap();
        let (result, steps) = walk_in_steps(&bomb, &RULES, None, 1 << 20);
        assert!(result.is_err() && steps <= 200, "{codec:?}: {steps}");
    }
}

#[test]
fn records_survive_a_change_of_codec() {
    let key = vec![b'k'; 100_000];
    let records: Vec<Keyed<'_>> =
        (0..50).map(|n| (n, (n % 2 == 0).then_some(&key[..n as usize * 2000]))).collect();
    for from in Codec::ALL {
        let bytes = batch(from, &records);
        for to in Codec::ALL {
            let (walked, _) = walk_in_steps(&bytes, &RULES, Some(to.into()), 200_000);
            let Some(body) = walked.unwrap().recompressed else {
                assert_eq!(from, to);
                continue;
            };
            let attributes = header(&bytes).attributes.with_codec(to);
            let other = seal(BatchHeader { attributes, ..header(&bytes) }, &body).unwrap();
            let open = |bytes: &Bytes| {
                let batch = UncheckedBatch::split_first(bytes).unwrap().0.check().unwrap();
                batch.records(16 << 20).unwrap().body().to_vec()
            };
            assert_eq!(open(&other), open(&bytes), "{from:?} to {to:?}");
        }
    }
}

proptest! {
    /// Walking and reading agree about which bytes are records.
    #[test]
    fn lying_batches_never_panic_and_never_pass(codec in 0usize..5, at in 0usize..4096, bit in 0u8..8) {
        let records: Vec<Keyed<'_>> = (0..20).map(|n| (n, Some(b"some key".as_slice()))).collect();
        let honest = batch(Codec::ALL[codec], &records);
        let mut body = honest[HEADER_BYTES..].to_vec();
        let at = at % body.len();
        body[at] ^= 1 << bit;
        let bytes = seal(header(&honest), &body).unwrap();
        let walked = walk(&bytes, &Rules { after_ms_max: i64::MAX, ..RULES });
        let read = UncheckedBatch::split_first(&bytes).unwrap().0.check().unwrap().records(1 << 20).and_then(|records| {
            for (index, record) in (0..).zip(records.iter()) {
                if record?.offset_delta != index {
                    return Err(RecordError::Invalid("not dense"));
                }
            }
            Ok(())
        });
        prop_assert_eq!(walked.is_ok(), read.is_ok(), "{:?} {:?}", walked, read);
    }
}
