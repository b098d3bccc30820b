//! Against records made by Apache Kafka's kafka-group-coordinator (the generator lies beside them, in engine/tests/vectors),
//! and against bytes that nobody made.

mod printed;

use proptest::prelude::*;

use super::*;

struct Vector {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    printed_key: &'static str,
    printed_value: &'static str,
}

impl Vector {
    fn version(&self) -> Option<i16> {
        self.value.as_ref().map(|value| i16::from_be_bytes([value[0], value[1]]))
    }

    fn decode(&self) -> GroupRecord {
        GroupRecord::decode(&self.key, self.value.as_deref())
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.printed_key, self.printed_value))
    }
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn vectors() -> Vec<Vector> {
    let lines = include_str!("../../../../tests/vectors/kafka-group-coordinator-4.3.0.txt").lines();
    let vectors: Vec<Vector> = lines
        .map(|line| {
            let mut parts = line.split('\t');
            let mut part = || parts.next().unwrap();
            let (key, value, printed_key, printed_value) = (part(), part(), part(), part());
            let value = (value != "-").then(|| from_hex(value));
            Vector { key: from_hex(key), value, printed_key, printed_value }
        })
        .collect();
    assert_eq!(vectors.len(), 72);
    vectors
}

#[test]
fn every_field_that_kafka_wrote_is_read() {
    for vector in vectors() {
        let (key, value) = printed::record(&vector.decode());
        // The key's type 0 became 1 with the same fields.
        assert_eq!(key, vector.printed_key.trim_start_matches("Legacy"));
        // Its value had not the fields that came later.
        if vector.printed_value.starts_with("Legacy") {
            let value = value.replace("leaderEpoch=-1, ", "");
            let value = value.replace(", expireTimestamp=-1, topicId=AAAAAAAAAAAAAAAAAAAAAA", "");
            assert_eq!(format!("Legacy{value}"), vector.printed_value);
        } else {
            assert_eq!(value, vector.printed_value);
        }
    }
}

#[test]
fn the_bytes_that_kafka_wrote_are_written_again_in_every_version() {
    for vector in vectors() {
        let record = vector.decode();
        if vector.key[..2] != [0, 0] {
            assert_eq!(record.encode_key(), vector.key, "{}", vector.printed_key);
        }
        let value = vector.version().map(|version| match &record {
            GroupRecord::OffsetCommit(_, Some(value)) => encode_offset_commit(value, version),
            GroupRecord::GroupMetadata(_, Some(value)) => encode_group_metadata(value, version),
            other => other.encode_value().unwrap(),
        });
        assert_eq!(value, vector.value, "{}", vector.printed_value);
    }
}

#[test]
fn values_are_written_in_the_versions_that_kafka_writes() {
    let version = |record: &GroupRecord| record.encode_value().map(|value| [value[0], value[1]]);
    for vector in vectors() {
        let expected = match vector.decode() {
            GroupRecord::OffsetCommit(_, Some(value)) if value.expire_timestamp.is_some() => Some([0, 1]),
            GroupRecord::OffsetCommit(_, Some(_)) => Some([0, 4]),
            GroupRecord::GroupMetadata(_, Some(_)) => Some([0, 3]),
            _ => vector.value.as_ref().map(|_| [0, 0]),
        };
        assert_eq!(version(&vector.decode()), expected, "{}", vector.printed_value);
    }
}

#[test]
fn a_record_of_another_coordinator_is_told_from_a_damaged_one() {
    // ShareGroupMetadata, and a type that no Kafka knows.
    for kind in [11, 99i16] {
        let key = [&kind.to_be_bytes()[..], &[0, 1, b'g']].concat();
        assert_eq!(GroupRecord::decode(&key, None), Err(RecordError::UnknownType(kind)));
    }
    let later = GroupRecord::decode(&[0, 2, 0, 1, b'g'], Some(&[0, 5]));
    assert_eq!(later, Err(RecordError::UnknownVersion { kind: "GroupMetadataValue", version: 5 }));
}

#[test]
fn every_cut_of_a_record_is_refused() {
    for vector in vectors() {
        for length in 0..vector.key.len() {
            assert!(GroupRecord::decode(&vector.key[..length], None).is_err());
        }
        let Some(value) = &vector.value else { continue };
        for length in 0..value.len() {
            assert!(GroupRecord::decode(&vector.key, Some(&value[..length])).is_err());
        }
        assert!(GroupRecord::decode(&vector.key, Some(&[&value[..], &[0]].concat())).is_err());
    }
}

#[test]
fn a_tagged_field_of_a_later_kafka_is_passed_over() {
    // Epoch 7, then tag 9 with three bytes.
    let bytes = [0, 0, 0, 0, 0, 7, 1, 9, 3, 1, 2, 3];
    let record = GroupRecord::decode(&[0, 3, 0, 1, b'g'], Some(&bytes)).unwrap();
    let value = ConsumerGroupMetadataValue { epoch: 7, metadata_hash: 0 };
    assert_eq!(record, GroupRecord::ConsumerGroupMetadata("g".to_string(), Some(value)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        kind in 0i16..18,
        version in 0i16..6,
        key in proptest::collection::vec(any::<u8>(), 0..40),
        value in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xff), any::<u8>()], 0..80),
    ) {
        let key = [&kind.to_be_bytes()[..], &key].concat();
        let value = [&version.to_be_bytes()[..], &value].concat();
        let _ = GroupRecord::decode(&key, Some(&value));
        for vector in vectors().iter().filter(|vector| vector.key[..2] == kind.to_be_bytes()) {
            let _ = GroupRecord::decode(&vector.key, Some(&value));
        }
    }

    #[test]
    fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for vector in vectors() {
            let Some(mut value) = vector.value else { continue };
            let at = at.index(value.len());
            value[at] = byte;
            if let Ok(record) = GroupRecord::decode(&vector.key, Some(&value)) {
                let again = GroupRecord::decode(&record.encode_key(), record.encode_value().as_deref());
                prop_assert!(again.is_ok());
            }
        }
    }
}
