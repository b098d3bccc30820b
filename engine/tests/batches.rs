//! Batches as real clients write them (`vectors/`, made by `make.py` and `Batches.java`) are read record for record,
//! and survive recompression to every codec.

use bytes::Bytes;
use engine::base::{Codec, Timestamp};
use engine::record::{BatchHeader, Keys, Records, Rules, TimestampType, UncheckedBatch, Walk, seal};

const BYTES_MAX: usize = 1 << 20;

const RULES: Rules<'_> = Rules {
    partition: "t-0",
    keys: Keys::Optional,
    timestamp_type: TimestampType::CreateTime,
    before_ms_max: i64::MAX,
    after_ms_max: i64::MAX,
    now: Timestamp(0),
};

macro_rules! vectors {
    ($($client:literal: $($codec:literal)*;)*) => {
        const VECTORS: &[(&str, &str, &[u8])] = &[
            $($(($client, $codec, include_bytes!(concat!("vectors/", $client, "-", $codec, ".batch"))),)*)*
        ];
    };
}

vectors! {
    "java": "none" "gzip" "snappy" "lz4" "zstd";
    "librdkafka": "none" "gzip" "snappy" "lz4" "zstd";
    "kafka-python": "none" "gzip" "snappy" "lz4" "zstd";
}

/// The ten records of `make.py`.
fn assert_records(records: &Records<'_>, repeats: usize, of: &str) {
    let mut seen = 0;
    for (index, record) in records.iter().enumerate() {
        let record = record.unwrap();
        assert_eq!(record.offset_delta, index as i32, "{of}");
        assert_eq!(record.timestamp, Timestamp(1_700_000_000_000 + index as i64 * 10), "{of}");
        let key = (index % 3 != 0).then(|| format!("key-{index}").into_bytes());
        assert_eq!(record.key, key.as_deref(), "{of}");
        let value =
            (index % 5 != 2).then(|| format!("value-{index} {}", "abc".repeat(index * repeats)).into_bytes());
        assert_eq!(record.value, value.as_deref(), "{of}");
        let headers: Vec<_> = record.headers.iter().map(|header| (header.key, header.value)).collect();
        let even = index.to_string();
        let expected =
            [(b"even".as_slice(), Some(even.as_bytes())), (b"empty".as_slice(), Some(b"".as_slice()))];
        assert_eq!(headers, expected[..if index % 2 == 0 { 2 } else { 0 }], "{of}");
        seen += 1;
    }
    assert_eq!(seen, 10, "{of}");
}

#[test]
fn batches_of_real_clients_are_read() {
    for (client, codec, bytes) in VECTORS {
        let of = format!("{client} with {codec}");
        let (batch, rest) = UncheckedBatch::split_first(bytes).unwrap();
        assert!(rest.is_empty());
        let batch = batch.check().unwrap_or_else(|error| panic!("{of}: {error}"));
        batch.header().check_produced().unwrap();
        assert_eq!(batch.header().codec().unwrap().name(), *codec);
        assert_eq!(batch.header().timestamp_type(), TimestampType::CreateTime);
        let repeats = if *codec == "none" { 5 } else { 500 };
        assert_records(&batch.records(BYTES_MAX).unwrap(), repeats, &of);
        let first =
            batch.first_at_or_after(Timestamp(1_700_000_000_041), batch.header().base_offset, BYTES_MAX);
        assert_eq!(first.unwrap().unwrap().0.0, 5);
        for target in Codec::ALL {
            let whole = Bytes::from_static(bytes);
            let mut walk = Walk::new(*batch.header(), &whole, Some(target.into())).unwrap();
            let walked = walk.step(&RULES, &mut usize::MAX.clone()).unwrap().unwrap();
            assert_eq!(walked.max_timestamp, batch.header().max_timestamp, "{of}");
            if let Some(body) = walked.recompressed {
                let attributes = batch.header().attributes.with_codec(target);
                let other = seal(BatchHeader { attributes, ..*batch.header() }, &body).unwrap();
                let other = UncheckedBatch::split_first(&other).unwrap().0.check().unwrap();
                assert_records(&other.records(BYTES_MAX).unwrap(), repeats, &of);
            }
        }
    }
}
