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
