//! Where in a partition, as a person says it: an offset, an end, a count before the end, or a time.

use std::collections::BTreeMap;

use net::client::{At, Client};

use super::failure::Failure;
use super::time;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Earliest,
    Latest,
    Offset(i64),
    BeforeEnd(i64),
    /// The first record at this time or later.
    Time(i64),
    /// The record with the largest timestamp.
    Youngest,
}

/// For `value_parser`.
pub fn parse(text: &str) -> Result<Place, String> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
    let wrong = || {
        "write earliest, latest, an offset, -N for N records before the end, or @TIME (milliseconds since 1970, \
         2026-01-31T12:00:00Z, or -1h for an hour ago)"
            .to_owned()
    };
    match text {
        "earliest" | "beginning" => Ok(Place::Earliest),
        "latest" | "end" => Ok(Place::Latest),
        "youngest" => Ok(Place::Youngest),
        _ => match (text.strip_prefix('@'), text.strip_prefix('-')) {
            (Some(text), _) => time::parse(text).map(|time| Place::Time(time.0)),
            (_, Some(count)) => number(count).map(Place::BeforeEnd).ok_or_else(wrong),
            _ => number(text).map(Place::Offset).ok_or_else(wrong),
        },
    }
}

impl Place {
    /// The offset in each of these partitions; where no record is that young, the end.
    pub fn resolve(
        self,
        client: &mut Client,
        topic: &str,
        partitions: &[i32],
    ) -> Result<BTreeMap<i32, i64>, Failure> {
        let mut all = |at| client.list_offsets(topic, partitions, at);
        let offsets = |found: BTreeMap<i32, net::client::Found>| {
            found.into_iter().map(|(partition, found)| (partition, found.offset)).collect::<BTreeMap<_, _>>()
        };
        Ok(match self {
            Place::Offset(offset) => partitions.iter().map(|partition| (*partition, offset)).collect(),
            Place::Earliest => offsets(all(At::Earliest)?),
            Place::Latest => offsets(all(At::Latest)?),
            Place::BeforeEnd(count) => {
                let first = offsets(all(At::Earliest)?);
                let mut places = offsets(all(At::Latest)?);
                for (partition, place) in &mut places {
                    let first = first.get(partition).copied().unwrap_or(0);
                    *place = place.saturating_sub(count).max(first);
                }
                places
            }
            Place::Time(_) | Place::Youngest => {
                let at = if let Place::Time(ms) = self { At::Timestamp(ms) } else { At::MaxTimestamp };
                let ends = offsets(all(At::Latest)?);
                let mut places = offsets(all(at)?);
                for (partition, place) in places.iter_mut().filter(|(_, place)| **place < 0) {
                    *place = ends.get(partition).copied().unwrap_or(0);
                }
                places
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        assert_eq!(parse("earliest"), Ok(Place::Earliest));
        assert_eq!(parse("7"), Ok(Place::Offset(7)));
        assert_eq!(parse("-7"), Ok(Place::BeforeEnd(7)));
        assert_eq!(parse("@7"), Ok(Place::Time(7)));
        assert_eq!(parse("@1970-01-02"), Ok(Place::Time(86_400_000)));
        for text in ["", "x", "--7", "@", "@x", "1.5"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
