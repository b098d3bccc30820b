//! Limits of the metadata machine, by name, with their reasons.

/// Kafka's longest topic name: with a partition number it still is a directory name (255 bytes).
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Partitions that one request may create; Kafka's bound for one operation of a user.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// Partitions of one topic: a topic is held as one dense table, and is copied when one of its partitions changes.
pub const PARTITIONS_PER_TOPIC_MAX: usize = 100_000;

/// Replicas of one partition. Kafka bounds it by the number of brokers only; this bounds what a damaged record claims.
pub const REPLICAS_PER_PARTITION_MAX: usize = 1_000;

/// A configuration's value; Kafka refuses longer ones (the length of a classic protocol string).
pub const CONFIG_VALUE_BYTES_MAX: usize = 32_767;

/// A configuration's name, or a resource's other than a topic.
pub const CONFIG_NAME_BYTES_MAX: usize = 1_024;

/// Producer ids taken with one metadata record, and lost when the broker stops in the middle; Kafka's block size.
pub const PRODUCER_IDS_PER_BLOCK: i64 = 1_000;

// Strings of a record carry a 16-bit length.
const _: () = assert!(CONFIG_VALUE_BYTES_MAX <= u16::MAX as usize);
const _: () =
    assert!(CONFIG_NAME_BYTES_MAX <= CONFIG_VALUE_BYTES_MAX && TOPIC_NAME_BYTES_MAX <= CONFIG_NAME_BYTES_MAX);
const _: () = assert!(REPLICAS_PER_PARTITION_MAX <= u16::MAX as usize);
// What one request may create, one topic may hold.
const _: () = assert!(PARTITIONS_PER_REQUEST_MAX <= PARTITIONS_PER_TOPIC_MAX);
