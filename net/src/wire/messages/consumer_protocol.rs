//! What consumers put into JoinGroup and SyncGroup, versions 0–3 (ConsumerProtocolSubscription, ConsumerProtocolAssignment): a version
//! (i16), then the fields of that version, none of them compact. A later version adds fields at the end, which are passed over.

use bytes::Bytes;

use crate::wire::{
    Reader, Text, WireError, Writer,
    field::{Context, Field, Form},
};

const VERSION_MAX: i16 = 3;

message! {
    pub struct Subscription {
        [0..] topics: Vec<Text>,
        [0..; null(0..)] user_data: Option<Bytes>,
        [1..; ignorable] owned_partitions: Vec<TopicPartitions>,
        [2..; ignorable] generation_id: i32 = -1,
        [3..; null(3..) ignorable] rack_id: Option<Text>,
    }

    pub struct Assignment {
        [0..] assigned_partitions: Vec<TopicPartitions>,
        [0..; null(0..)] user_data: Option<Bytes>,
    }

    pub struct TopicPartitions {
        [0..] topic: Text,
        [0..] partitions: Vec<i32>,
    }
}

impl Subscription {
    pub fn read(bytes: Bytes) -> Result<Subscription, WireError> {
        read(bytes)
    }

    pub fn bytes(&self, version: i16) -> Result<Bytes, WireError> {
        bytes(self, version)
    }
}

impl Assignment {
    /// No bytes at all are an empty one: its member has not been told yet.
    pub fn read(bytes: Bytes) -> Result<Assignment, WireError> {
        if bytes.is_empty() {
            return Ok(Assignment::default());
        }
        read(bytes)
    }

    pub fn bytes(&self, version: i16) -> Result<Bytes, WireError> {
        bytes(self, version)
    }
}

fn read<T: Field>(bytes: Bytes) -> Result<T, WireError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?.clamp(0, VERSION_MAX);
    T::read(&mut reader, Context { version, form: Form::Legacy })
}

fn bytes<T: Field>(message: &T, version: i16) -> Result<Bytes, WireError> {
    let mut writer = Writer::new();
    writer.i16(version);
    message.write(&mut writer, Context { version, form: Form::Legacy })?;
    Ok(writer.finish_in_memory()?.concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 3: topic "foo", no user data, owned foo 1, generation 5, rack "r". Made by ConsumerProtocol of kafka-clients.
    const SUBSCRIPTION: &[u8] =
        b"\0\x03\0\0\0\x01\0\x03foo\xff\xff\xff\xff\0\0\0\x01\0\x03foo\0\0\0\x01\0\0\0\x01\0\0\0\x05\0\x01r";

    #[test]
    fn a_subscription_reads_as_java_wrote_it_and_is_written_the_same() {
        let read = Subscription::read(Bytes::from_static(SUBSCRIPTION)).unwrap();
        assert_eq!((&*read.topics[0], read.generation_id, read.rack_id.as_deref()), ("foo", 5, Some("r")));
        assert_eq!(read.owned_partitions[0].partitions, [1]);
        assert_eq!(&*read.bytes(3).unwrap(), SUBSCRIPTION);
    }

    #[test]
    fn cut_and_forged_bytes_are_an_error() {
        for end in 0..SUBSCRIPTION.len() {
            assert!(Subscription::read(Bytes::copy_from_slice(&SUBSCRIPTION[..end])).is_err(), "{end}");
        }
        assert!(Assignment::read(Bytes::from_static(b"\0\0\x7f\xff\xff\xff")).is_err());
        assert!(Assignment::read(Bytes::new()).unwrap().assigned_partitions.is_empty());
    }
}
