//! What clients of the classic protocol put into their messages: ConsumerProtocolSubscription and ConsumerProtocolAssignment.
//! Any bytes are safe; allocation is bounded by their number.
//!
//! ```text
//! subscription  version i16 · topics [str] · user data bytes? · owned [topic str · partitions [i32]] (v1+) ·
//!               generation i32 (v2+) · rack str? (v3+)
//! assignment    version i16 · [topic str · partitions [i32]] · user data bytes?
//! ```
//!
//! A later version adds fields at the end: they are passed over, as Kafka does.

use std::sync::Arc;

use super::assignment::Owned;
use super::topics::Topics;
use crate::base::{PartitionIndex, TopicId};

type NamedPartitions = Vec<(String, Vec<PartitionIndex>)>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    pub version: i16,
    pub topics: Vec<String>,
    pub owned: NamedPartitions,
    pub rack: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicAssignment {
    pub partitions: NamedPartitions,
    /// A custom assignor's, which would be lost.
    pub has_user_data: bool,
}

impl Subscription {
    /// None: these bytes are none.
    pub fn read(bytes: &[u8]) -> Option<Subscription> {
        let mut rest = Rest(bytes);
        let version = rest.i16().filter(|version| *version >= 0)?;
        let topics = rest.array(|rest| rest.string()?)?;
        rest.nullable_bytes()?;
        let mut subscription = Subscription { version, topics, ..Subscription::default() };
        if version >= 1 {
            subscription.owned = rest.named_partitions()?;
        }
        if version >= 2 {
            rest.i32()?;
        }
        if version >= 3 {
            subscription.rack = rest.string()?;
        }
        Some(subscription)
    }

    /// By id, as far as the topics exist.
    pub fn owned_by_id(&self, topics: &dyn Topics) -> Vec<(TopicId, Vec<PartitionIndex>)> {
        by_id(&self.owned, topics)
    }
}

impl ClassicAssignment {
    /// None: these bytes are none. No bytes at all are an empty one: the member has not been told yet.
    pub fn read(bytes: &[u8]) -> Option<ClassicAssignment> {
        if bytes.is_empty() {
            return Some(ClassicAssignment::default());
        }
        let mut rest = Rest(bytes);
        rest.i16().filter(|version| *version >= 0)?;
        let partitions = rest.named_partitions()?;
        let has_user_data = rest.nullable_bytes()?.is_some_and(|data| !data.is_empty());
        Some(ClassicAssignment { partitions, has_user_data })
    }

    pub fn by_id(&self, topics: &dyn Topics) -> Vec<(TopicId, Vec<PartitionIndex>)> {
        by_id(&self.partitions, topics)
    }
}

/// An assignment in the version of the member's subscription; topics that are gone are left out.
pub fn write_assignment<'a>(
    version: i16,
    partitions: impl Iterator<Item = (TopicId, Vec<&'a PartitionIndex>)>,
    topics: &dyn Topics,
) -> Vec<u8> {
    let named: Vec<(Arc<str>, Vec<&PartitionIndex>)> =
        partitions.filter_map(|(topic, set)| Some((topics.name(topic)?, set))).collect();
    let mut out = version.to_be_bytes().to_vec();
    out.extend((named.len() as i32).to_be_bytes());
    for (name, set) in named {
        out.extend((name.len() as i16).to_be_bytes());
        out.extend(name.as_bytes());
        out.extend((set.len() as i32).to_be_bytes());
        for partition in set {
            out.extend(partition.0.to_be_bytes());
        }
    }
    out.extend((-1i32).to_be_bytes());
    out
}

pub fn write_owned(version: i16, owned: &Owned, topics: &dyn Topics) -> Vec<u8> {
    let partitions = owned.iter().map(|(topic, set)| (*topic, set.keys().collect()));
    write_assignment(version, partitions, topics)
}

fn by_id(named: &NamedPartitions, topics: &dyn Topics) -> Vec<(TopicId, Vec<PartitionIndex>)> {
    let known = named.iter().filter_map(|(name, set)| Some((topics.by_name(name)?.0, set.clone())));
    known.collect()
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn i16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.chunk()?))
    }

    fn i32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.chunk()?))
    }

    fn take(&mut self, length: i32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// Inner none: null.
    fn string(&mut self) -> Option<Option<String>> {
        match self.i16()? {
            -1 => Some(None),
            length => {
                let text = std::str::from_utf8(self.take(i32::from(length))?).ok()?;
                Some(Some(text.to_owned()))
            }
        }
    }

    fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.take(length).map(Some),
        }
    }

    /// Items take two bytes at least.
    fn array<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.i32()?).ok()?;
        if count > self.0.len() / 2 {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn named_partitions(&mut self) -> Option<NamedPartitions> {
        self.array(|rest| {
            let name = rest.string()??;
            Some((name, rest.array(|rest| rest.i32().map(PartitionIndex))?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 3: topic "foo", no user data, owned foo 1, generation 5, rack "r". Made by ConsumerProtocol of kafka-clients.
    const SUBSCRIPTION: &[u8] =
        b"\0\x03\0\0\0\x01\0\x03foo\xff\xff\xff\xff\0\0\0\x01\0\x03foo\0\0\0\x01\0\0\0\x01\0\0\0\x05\0\x01r";

    #[test]
    fn a_subscription_is_read_in_every_version_and_a_cut_one_is_none() {
        let whole = Subscription::read(SUBSCRIPTION).unwrap();
        assert_eq!(whole.topics, ["foo"]);
        assert_eq!(whole.owned, [("foo".to_string(), vec![PartitionIndex(1)])]);
        assert_eq!(whole.rack.as_deref(), Some("r"));
        for end in 0..SUBSCRIPTION.len() {
            assert_eq!(Subscription::read(&SUBSCRIPTION[..end]), None, "{end}");
        }
        let oldest = Subscription::read(b"\0\0\0\0\0\x01\0\x03foo\xff\xff\xff\xff").unwrap();
        assert_eq!((oldest.topics, oldest.owned.len(), oldest.rack), (vec!["foo".to_string()], 0, None));
        assert_eq!(Subscription::read(b"\0\0\x7f\xff\xff\xff"), None);
    }

    #[test]
    fn an_assignment_that_is_written_is_read() {
        let mut topics = super::super::tests::FakeTopics::default();
        topics.set("foo", 1, 6);
        let id = TopicId([1; 16]);
        let sets = [
            (id, vec![&PartitionIndex(0), &PartitionIndex(4)]),
            (TopicId([9; 16]), vec![&PartitionIndex(0)]),
        ];
        let bytes = write_assignment(1, sets.into_iter(), &topics);
        let read = ClassicAssignment::read(&bytes).unwrap();
        assert_eq!(read.by_id(&topics), [(id, vec![PartitionIndex(0), PartitionIndex(4)])]);
        assert!(!read.has_user_data);
        assert_eq!(ClassicAssignment::read(b"").unwrap().partitions, []);
        assert_eq!(ClassicAssignment::read(b"\0"), None);
    }
}
