//! Words that every layer shares: offsets, epochs, ids and time as types of their own, so that no call takes
//! two bare integers of one kind. Plain data; lives on every core.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number!(
    /// A record's position in its partition, dense from 0.
    Offset(i64)
);
number!(
    /// The term of a partition's leader (KIP-101).
    LeaderEpoch(i32)
);
number!(
    /// The term of the core that owns a partition; raised when the partition moves between cores.
    OwnerEpoch(u32)
);
number!(
    /// A partition's number within its topic, from 0.
    PartitionIndex(i32)
);
number!(
    /// A broker's id in the cluster (`node.id`).
    NodeId(i32)
);
number!(
    /// A core of this broker: an index from 0, not a CPU number.
    CoreId(u16)
);
number!(
    /// A producer's id (KIP-98); -1 is none.
    ProducerId(i64)
);
number!(
    /// The term of a producer id; -1 is none.
    ProducerEpoch(i16)
);
number!(
    /// A producer's per-partition record number; -1 is none, wraps from `i32::MAX` to 0.
    Sequence(i32)
);
number!(
    /// Milliseconds since the Unix epoch; -1 is none.
    Timestamp(i64)
);
number!(
    /// A group commit's number in one core's journal, dense from 1 within an incarnation.
    JournalSequence(u64)
);
number!(
    /// How many times this data directory was started; names the journals of one start.
    Incarnation(u64)
);
number!(
    /// A byte position in a segment's `.log` file.
    FilePosition(u32)
);

impl Offset {
    pub fn next(self) -> Offset {
        Offset(self.0 + 1)
    }

    /// `self + count`, saturating: a hostile count never wraps an offset.
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0.saturating_add(count))
    }
}

impl ProducerId {
    pub const NONE: ProducerId = ProducerId(-1);
}

impl Timestamp {
    pub const NONE: Timestamp = Timestamp(-1);
}

/// A topic's id (KIP-516): 16 bytes, printed as Kafka prints it (URL-safe base64 without padding).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    pub const ZERO: TopicId = TopicId([0; 16]);
    /// The id of the metadata log, as Kafka has it for `__cluster_metadata`.
    pub const METADATA: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    pub fn is_zero(self) -> bool {
        self == TopicId::ZERO
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = u128::from_be_bytes(self.0);
        for digit in 0..22u32 {
            // 22 digits of 6 bits hold 132 bits: the last digit carries 2 bits of the id and 4 zeros.
            let six = if digit == 21 { (bits << 4) & 63 } else { (bits >> (122 - 6 * digit)) & 63 };
            write!(f, "{}", ALPHABET[six as usize] as char)?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A client's id for its telemetry (KIP-714), printed as topic ids are.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientInstanceId(pub [u8; 16]);

impl ClientInstanceId {
    pub const ZERO: ClientInstanceId = ClientInstanceId([0; 16]);
}

impl fmt::Display for ClientInstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&TopicId(self.0), f)
    }
}

impl fmt::Debug for ClientInstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One partition of one topic, by id: a deleted topic's name can return, its id never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: TopicId,
    pub partition: PartitionIndex,
}

/// Whose clock a record's timestamp is from (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// Each record carries the time that its producer gave it.
    CreateTime,
    /// Every record's time is the batch's max timestamp, set by the leader.
    LogAppendTime,
}

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The number in a batch's attributes.
    pub fn id(self) -> u8 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    pub fn from_id(id: u8) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.id() == id)
    }

    /// As clients and `compression.type` spell it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// A codec and how hard it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    pub codec: Codec,
    /// `None` is the codec's own default; snappy and lz4 have one level.
    pub level: Option<i32>,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Compression {
        Compression { codec, level: None }
    }
}

impl Compression {
    pub const NONE: Compression = Compression { codec: Codec::None, level: None };
}

/// The time of one turn, an argument of every transition: nobody below the shell reads a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Nanoseconds of a monotonic clock with an arbitrary start: deadlines.
    pub mono_ns: u64,
    /// The wall clock: what records and retention see.
    pub wall: Timestamp,
}

/// A point of the monotonic clock, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub u64);

impl Now {
    pub fn mono_ms(self) -> u64 {
        self.mono_ns / 1_000_000
    }

    pub fn after_ms(self, ms: u64) -> Deadline {
        Deadline(self.mono_ns.saturating_add(ms.saturating_mul(1_000_000)))
    }

    pub fn reached(self, deadline: Deadline) -> bool {
        self.mono_ns >= deadline.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_prints_as_kafka_prints_it() {
        // java: new Uuid(0L, 1L).toString() and new Uuid(-1L, -1L).toString()
        assert_eq!(TopicId::METADATA.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(TopicId([0xff; 16]).to_string(), "_____________________w");
    }
}
