//! Against the kafka-protocol crate: what we write it reads as the same names and values, what it writes back is the same bytes, and
//! we read those as the message that we began with.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::{
    messages,
    protocol::{Decodable, Encodable, Message as TheirMessage},
};

use super::{Coverage, Direction, Subject, decode, encode, for_each_api, printed::Printed, samples};
use crate::wire;

const SAMPLES_PER_VERSION: u64 = 60;

/// The versions of one message that both sides have.
fn shared_versions<Ours: Subject, Theirs: TheirMessage>() -> impl Iterator<Item = i16> {
    Ours::API.versions().filter(|version| (Theirs::VERSIONS.min..=Theirs::VERSIONS.max).contains(version))
}

fn check<Ours: Subject, Theirs>()
where
    Theirs: TheirMessage + Encodable + Decodable + fmt::Debug,
{
    for version in shared_versions::<Ours, Theirs>() {
        for ours in samples::<Ours>(version, SAMPLES_PER_VERSION) {
            let bytes = encode(&ours, version).unwrap();
            let mut unread = bytes.clone();
            let theirs = Theirs::decode(&mut unread, version)
                .unwrap_or_else(|error| panic!("version {version}: {error} reading {ours:?}"));
            assert_eq!(unread.remaining(), 0, "version {version}: {ours:?}");
            let mut our_print = Printed::parse(&format!("{ours:?}"));
            let mut their_print = Printed::parse(&format!("{theirs:?}"));
            our_print.reconcile(&mut their_print);
            assert_eq!(our_print, their_print, "version {version}");

            let mut back = BytesMut::new();
            theirs.encode(&mut back, version).unwrap();
            assert_eq!(Bytes::from(back), bytes, "version {version}: {ours:?}");
            assert_eq!(decode::<Ours>(bytes, version), Ok(ours));
        }
    }
}

pub fn covered() -> Coverage {
    let mut coverage = Coverage::new();
    macro_rules! visit {
        ($file:ident, $request:ident, $response:ident) => {
            let requests = shared_versions::<wire::$file::$request, messages::$request>();
            let responses = shared_versions::<wire::$file::$response, messages::$response>();
            let api = <wire::$file::$request as wire::Message>::API;
            coverage.extend(requests.map(|version| (api, version, Direction::Request)));
            coverage.extend(responses.map(|version| (api, version, Direction::Response)));
        };
    }
    for_each_api!(visit);
    coverage
}

/// One test per API, so that a failure names it.
macro_rules! tests {
    ($file:ident, $request:ident, $response:ident) => {
        #[test]
        fn $file() {
            check::<wire::$file::$request, messages::$request>();
            check::<wire::$file::$response, messages::$response>();
        }
    };
}
for_each_api!(tests);

/// Definitions with one mistake each: an oracle that lets them pass proves nothing.
mod canary {
    use super::{check, messages};
    use crate::wire::{
        Text, delete_records::DeleteRecordsResponse, init_producer_id::InitProducerIdResponse,
        offset_for_leader_epoch::OffsetForLeaderEpochResponse,
    };

    message! {
        pub struct SwappedFields: request(OffsetForLeaderEpoch, OffsetForLeaderEpochResponse) {
            [3..; ignorable] replica_id: i32 = -2,
            [0..] topics: Vec<Topic>,
        }

        pub struct Topic {
            [0..] topic: Text,
            [0..] partitions: Vec<Partition>,
        }

        // The two epochs, of one type and side by side, have changed places.
        pub struct Partition {
            [0..] partition: i32,
            [0..] leader_epoch: i32,
            [2..; ignorable] current_leader_epoch: i32 = -1,
        }

        // The producer's id and epoch are there from 3, not from 4.
        pub struct WrongVersion: request(InitProducerId, InitProducerIdResponse) {
            [0..; null(0..)] transactional_id: Option<Text> = Some(Text::default()),
            [0..] transaction_timeout_ms: i32,
            [4..] producer_id: i64 = -1,
            [4..] producer_epoch: i16 = -1,
        }

        // The timeout is missing.
        pub struct MissingField: request(DeleteRecords, DeleteRecordsResponse) {
            [0..] topics: Vec<Topic>,
        }
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn swapped_fields_are_caught() {
        check::<SwappedFields, messages::OffsetForLeaderEpochRequest>();
    }

    #[test]
    #[should_panic(expected = "version 3")]
    fn a_wrong_version_is_caught() {
        check::<WrongVersion, messages::InitProducerIdRequest>();
    }

    #[test]
    #[should_panic(expected = "version 0")]
    fn a_missing_field_is_caught() {
        check::<MissingField, messages::DeleteRecordsRequest>();
    }
}
