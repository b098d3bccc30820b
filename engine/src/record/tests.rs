//! Promises of the batch format that no single file of it owns.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::base::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use crate::error::ErrorCode;

const BYTES_MAX: usize = 1 << 20;

fn sample(codec: Codec, records: usize) -> Bytes {
    let mut builder =
        BatchBuilder::new(codec, BYTES_MAX).producer(ProducerId(7), ProducerEpoch(1), Sequence(5));
    for index in 0..records {
        let value = format!("value {index} {}", "x".repeat(index % 50));
        let headers =
            [RecordHeader { key: b"h", value: Some(b"1") }, RecordHeader { key: b"n", value: None }];
        assert!(builder.push(RecordData {
            timestamp: Timestamp(1_000 + (index as i64 * 7) % 13),
            key: (index % 3 != 0).then_some(b"key".as_slice()),
            value: (index % 5 != 4).then_some(value.as_bytes()),
            headers: if index % 2 == 0 { &headers } else { &[] },
        }));
    }
    builder.build().unwrap()
}

fn check(bytes: &[u8]) -> Result<CheckedBatch<'_>, RecordError> {
    UncheckedBatch::split_first(bytes)?.0.check()
}

#[test]
fn records_come_back_from_every_codec() {
    for codec in Codec::ALL {
        let bytes = sample(codec, 1000);
        let batch = check(&bytes).unwrap();
        assert_eq!(batch.header().codec(), Ok(codec));
        batch.header().check_produced().unwrap();
        assert_eq!(batch.header().last_sequence(), Sequence(1004));
        assert_eq!(batch.header().next_offset(), Offset(1000));
        let records = batch.records(BYTES_MAX).unwrap();
        let mut seen = 0;
        for (index, record) in records.iter().enumerate() {
            let record = record.unwrap();
            assert_eq!(record.offset, Offset(index as i64));
            assert_eq!(record.timestamp, Timestamp(1_000 + (index as i64 * 7) % 13));
            assert_eq!(record.key, (index % 3 != 0).then_some(b"key".as_slice()));
            assert_eq!(record.value.is_none(), index % 5 == 4);
            assert_eq!(record.headers.len(), if index % 2 == 0 { 2 } else { 0 });
            assert!(record.headers.iter().all(|header| header.key == b"h" || header.value.is_none()));
            seen += 1;
        }
        assert_eq!(seen, 1000, "{codec:?}");
    }
}

#[test]
fn placing_a_batch_keeps_its_crc() {
    let mut bytes = BytesMut::from(sample(Codec::Lz4, 3).as_ref());
    place(&mut bytes, Offset(1 << 40), LeaderEpoch(9));
    let batch = check(&bytes).unwrap();
    assert_eq!((batch.header().base_offset, batch.header().leader_epoch), (Offset(1 << 40), LeaderEpoch(9)));
    stamp_time(&mut bytes, TimestampType::LogAppendTime, Timestamp(77));
    let batch = check(&bytes).unwrap();
    assert_eq!(batch.header().timestamp_type(), TimestampType::LogAppendTime);
    assert!(
        batch.records(BYTES_MAX).unwrap().iter().all(|record| record.unwrap().timestamp == Timestamp(77))
    );
}

#[test]
fn headers_stop_at_the_first_cut_batch() {
    let (first, second) = (sample(Codec::None, 2), sample(Codec::Zstd, 40));
    let both = [first.as_ref(), second.as_ref()].concat();
    let positions: Vec<usize> = headers(&both).map(|(position, _)| position).collect();
    assert_eq!(positions, [0, first.len()]);
    assert_eq!(headers(&both[..both.len() - 1]).count(), 1);
    assert_eq!(headers(&[]).count(), 0);
}

#[test]
fn each_refusal_has_kafkas_code() {
    let bytes = sample(Codec::Gzip, 4);
    let altered = |at: usize, with: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = with;
        check(&bytes).map(|_| ()).unwrap_err().code()
    };
    assert_eq!(altered(16, 1), ErrorCode::UnsupportedForMessageFormat);
    assert_eq!(altered(16, 3), ErrorCode::CorruptMessage);
    assert_eq!(altered(70, 0xaa), ErrorCode::CorruptMessage);
    assert_eq!(altered(8, 0x80), ErrorCode::CorruptMessage);
    assert_eq!(altered(8, 0x7f), ErrorCode::MessageTooLarge);
    assert_eq!(check(&bytes[..bytes.len() - 1]).unwrap_err().code(), ErrorCode::CorruptMessage);
    // A format-0 message is shorter than our header.
    assert_eq!(check(&[0; 30]).unwrap_err().code(), ErrorCode::UnsupportedForMessageFormat);
}

#[test]
fn a_bomb_is_refused_at_the_cap() {
    let zeros = vec![0; 8 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bomb = Compression::from(codec).compress(&zeros).unwrap();
        assert_eq!(
            codec.decompress(&bomb, 1 << 20),
            Err(RecordError::TooLarge { bytes_max: 1 << 20 }),
            "{codec:?}"
        );
        assert_eq!(codec.decompress(&bomb, 8 << 20).unwrap().len(), 8 << 20);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), codec in 0u8..8) {
        let _ = BatchHeader::parse(&bytes);
        let _ = headers(&bytes).count();
        if let Some(codec) = Codec::from_id(codec) {
            let _ = codec.decompress(&bytes, BYTES_MAX);
        }
    }

    /// A flipped bit below the CRC: what a lying producer can send.
    #[test]
    fn lying_batches_never_panic(codec in 0usize..5, at in 0usize..4096, bit in 0u8..8, cut in 0usize..4096) {
        let mut bytes = sample(Codec::ALL[codec], 30).to_vec();
        let at = 21 + at % (bytes.len() - 21);
        bytes[at] ^= 1 << bit;
        prop_assert!(check(&bytes).is_err());
        bytes.truncate(HEADER_BYTES.max(cut % (bytes.len() + 1)));
        let length = (bytes.len() - LOG_OVERHEAD) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        if let Ok(batch) = check(&bytes)
            && let Ok(records) = batch.records(BYTES_MAX)
        {
            prop_assert!(records.iter().count() <= records.count() + 1);
        }
    }
}
