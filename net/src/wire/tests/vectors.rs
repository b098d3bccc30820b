//! Against vectors made by Apache Kafka's kafka-clients: we read what it printed and write the bytes that it wrote. 4.3 made most of them,
//! 3.9 those of the versions that 4.x dropped. The generator lies beside the vectors, in net/tests/vectors.

use bytes::Bytes;

use super::{Coverage, Direction, Subject, decode, encode, for_each_api, printed::Printed};
use crate::wire;

const VECTORS: [&str; 2] = [
    include_str!("../../../tests/vectors/kafka-clients-4.3.0.txt"),
    include_str!("../../../tests/vectors/kafka-clients-3.9.1.txt"),
];

struct Vector {
    api: &'static str,
    version: i16,
    direction: Direction,
    bytes: Bytes,
    printed: &'static str,
}

fn vectors() -> impl Iterator<Item = Vector> {
    VECTORS.iter().flat_map(|file| file.lines()).map(|line| {
        let mut words = line.splitn(5, ' ');
        let mut word = || words.next().unwrap();
        let (api, version, direction, hex, printed) = (word(), word(), word(), word(), word());
        let direction = match direction {
            "request" => Direction::Request,
            "response" => Direction::Response,
            _ => panic!("{line}"),
        };
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let bytes = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        Vector { api, version: version.parse().unwrap(), direction, bytes, printed }
    })
}

fn check<M: Subject>(direction: Direction) {
    for vector in vectors().filter(|vector| vector.api == M::API.name() && vector.direction == direction) {
        let version = vector.version;
        let ours: M = decode(vector.bytes.clone(), version)
            .unwrap_or_else(|error| panic!("version {version}: {error} reading {}", vector.printed));
        let mut our_print = Printed::parse(&format!("{ours:?}"));
        let mut their_print = Printed::parse(vector.printed);
        our_print.reconcile(&mut their_print);
        assert_eq!(our_print, their_print, "version {version}");
        assert_eq!(encode(&ours, version), Ok(vector.bytes), "version {version}: {}", vector.printed);
    }
}

pub fn covered() -> Coverage {
    let api = |name| *wire::ApiKey::ALL.iter().find(|api| api.name() == name).unwrap();
    vectors().map(|vector| (api(vector.api), vector.version, vector.direction)).collect()
}

macro_rules! tests {
    ($file:ident, $request:ident, $response:ident) => {
        #[test]
        fn $file() {
            check::<wire::$file::$request>(Direction::Request);
            check::<wire::$file::$response>(Direction::Response);
        }
    };
}
for_each_api!(tests);
