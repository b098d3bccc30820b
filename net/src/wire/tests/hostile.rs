//! Bytes that nobody should send: cut, flipped, with lying counts, random. Every decoder answers with a message or an error; the
//! budget of its reader bounds what it allocates.

use bytes::Bytes;
use fastrand::Rng;

use super::{Message, Reader, Subject, WireError, decode, encode, for_each_api, samples};
use crate::wire;

fn every_prefix_is_an_error<M: Subject>() {
    for version in M::API.versions() {
        for message in samples::<M>(version, 3) {
            let bytes = encode(&message, version).unwrap();
            let step = (bytes.len() / 300).max(1);
            for length in (0..bytes.len()).step_by(step) {
                assert!(
                    decode::<M>(bytes.slice(..length), version).is_err(),
                    "version {version}, {length} bytes"
                );
            }
        }
    }
}

fn every_byte_too_much_is_an_error<M: Subject>() {
    for version in M::API.versions() {
        for message in samples::<M>(version, 3) {
            let bytes = Bytes::from([&encode(&message, version).unwrap()[..], &[0]].concat());
            assert_eq!(decode::<M>(bytes, version), Err(WireError::TrailingBytes(1)));
        }
    }
}

fn unknown_tagged_fields_are_skipped<M: Subject>() {
    for version in M::API.versions().filter(|version| M::API.is_flexible(*version)) {
        let plain = M::default();
        let bytes = encode(&plain, version).unwrap();
        // A default message has no tagged field, so its last byte is their count.
        let (count, fields) = bytes.split_last().unwrap();
        assert_eq!(*count, 0);
        let bytes = Bytes::from([fields, &[2, 70, 0, 99, 3, 1, 2, 3]].concat());
        assert_eq!(decode::<M>(bytes, version), Ok(plain));
    }
}

/// Damage wherever a length or count may stand: the largest i32 and the largest varint.
fn lies_about_counts_are_harmless<M: Subject>() {
    for version in M::API.versions() {
        for message in samples::<M>(version, 2) {
            let bytes = encode(&message, version).unwrap();
            let step = (bytes.len() / 200).max(1);
            for position in (0..bytes.len()).step_by(step) {
                for lie in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x80, 0, 0, 0]]
                {
                    let mut damaged = bytes.to_vec();
                    for (byte, lie) in damaged[position..].iter_mut().zip(lie) {
                        *byte = *lie;
                    }
                    let _ = decode::<M>(damaged.into(), version);
                }
            }
        }
    }
}

fn flipped_and_random_bytes_are_harmless<M: Subject>() {
    let mut rng = Rng::with_seed(7);
    for version in M::API.versions() {
        for message in samples::<M>(version, 20) {
            let mut damaged = encode(&message, version).unwrap().to_vec();
            for _ in 0..rng.usize(1..4) {
                let position = rng.usize(..damaged.len().max(1));
                if let Some(byte) = damaged.get_mut(position) {
                    *byte ^= 1 << rng.u8(..8);
                }
            }
            let _ = decode::<M>(damaged.into(), version);
        }
        for _ in 0..50 {
            let length = rng.usize(..300);
            // Few distinct values: small counts and nulls lead deeper into the message than noise does.
            let widest = [0x02, 0x10, 0xff][rng.usize(..3)];
            let noise: Vec<u8> = (0..length).map(|_| rng.u8(..=widest)).collect();
            let _ = decode::<M>(noise.into(), version);
        }
    }
}

macro_rules! tests {
    ($file:ident, $request:ident, $response:ident) => {
        #[test]
        fn $file() {
            tests!(wire::$file::$request);
            tests!(wire::$file::$response);
        }
    };
    ($message:ty) => {
        every_prefix_is_an_error::<$message>();
        every_byte_too_much_is_an_error::<$message>();
        unknown_tagged_fields_are_skipped::<$message>();
        lies_about_counts_are_harmless::<$message>();
        flipped_and_random_bytes_are_harmless::<$message>();
    };
}
for_each_api!(tests);

#[test]
fn a_small_frame_cannot_announce_a_large_array() {
    // Produce 3: null transactional id, acks, timeout, then as many topics as an i32 can count.
    let mut legacy = vec![0xff, 0xff, 0, 1, 0, 0, 0, 1];
    legacy.extend(i32::MAX.to_be_bytes());
    legacy.extend([0; 100]);
    let outcome = decode::<wire::produce::ProduceRequest>(legacy.into(), 3);
    assert_eq!(outcome, Err(WireError::CountBeyondFrame { count: i32::MAX as usize, remaining: 100 }));
    let flexible = vec![0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    let outcome = decode::<wire::produce::ProduceRequest>(flexible.into(), 13);
    assert_eq!(outcome, Err(WireError::CountBeyondFrame { count: u32::MAX as usize - 1, remaining: 2 }));
}

#[test]
fn a_large_frame_of_small_elements_ends_at_the_budget() {
    // Twenty million empty names, one byte each, would be 640 MB of text.
    let mut frame = vec![0x80, 0xda, 0xc4, 0x09];
    frame.resize(21_000_000, 1);
    let outcome =
        decode::<wire::find_coordinator::FindCoordinatorRequest>([&[0], &frame[..]].concat().into(), 4);
    assert_eq!(outcome, Err(WireError::BudgetExceeded(wire::limits::DECODED_BYTES_MAX)));
}

#[test]
fn a_value_that_a_version_lacks_is_an_error_unless_ignorable() {
    let request = wire::list_offsets::ListOffsetsRequest { isolation_level: 1, ..Default::default() };
    let error = WireError::NotInVersion { field: "isolation_level", version: 1 };
    assert_eq!(encode(&request, 1), Err(error));
    let request = wire::list_offsets::ListOffsetsRequest { timeout_ms: 5, ..Default::default() };
    assert_eq!(
        encode(&request, 1),
        encode(&Default::default() as &wire::list_offsets::ListOffsetsRequest, 1)
    );
}

#[test]
fn null_is_an_error_where_the_version_has_none() {
    let request = wire::metadata::MetadataRequest { topics: None, ..Default::default() };
    assert_eq!(encode(&request, 0), Err(WireError::NullInVersion { field: "topics", version: 0 }));
    let null = Bytes::from_static(&[0xff; 4]);
    let outcome = decode::<wire::metadata::MetadataRequest>(null.clone(), 0);
    assert_eq!(outcome, Err(WireError::NullInVersion { field: "topics", version: 0 }));
    assert_eq!(decode(null, 1), Ok(request));
}

#[test]
fn a_request_may_be_followed_by_bytes_that_nobody_reads() {
    // librdkafka 2.16 asks for all topics in Metadata 13 with three bytes behind the last field; Apache Kafka answers.
    let bytes = Bytes::from_static(&[0, 0, 0, 0, 1, 0, 0]);
    let outcome = wire::metadata::MetadataRequest::decode_first(&mut Reader::new(bytes.clone()), 13);
    assert_eq!(outcome.map(|request| request.topics), Ok(None));
    assert_eq!(decode::<wire::metadata::MetadataRequest>(bytes, 13), Err(WireError::TrailingBytes(3)));
}
