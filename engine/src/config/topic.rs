//! The options of a topic: Kafka's names and 4.3's defaults, and `durability`, which is Corelog's own. The broker-level
//! names give a topic its value where it has none.

use std::collections::BTreeMap;

use crate::base::{Codec, Compression, TimestampType};
use crate::config::error::ConfigError;
use crate::config::key::Type::{Boolean, Double, Int, List, Long, String as Text};
use crate::config::key::{Check, Effect, Key, Update};
use crate::config::layers::{Layers, Reader};
use crate::config::suggest::suggestion;
use crate::config::value::{CleanupPolicy, CompressionType, Durability, TopicCompression};
use crate::limits::BATCH_BYTES_MAX;

/// A broker-level name of a topic option; its number times `factor` is the topic's (hours to milliseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    pub factor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopicKey {
    pub key: Key,
    /// The finest unit first: it wins.
    pub synonyms: &'static [Synonym],
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;
const FOREVER: &str = "9223372036854775807";
const TIERED: &str = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log \
                      storage.";

macro_rules! topic_keys {
    ($($effect:ident $name:literal $kind:ident $default:expr, $check:expr, [$($synonym:literal $(* $factor:expr)?),*], $doc:literal;)*) => {
        pub const TOPIC_KEYS: &[TopicKey] = &[$(TopicKey {
            key: Key {
                name: $name, kind: $kind, default: Some($default), check: $check, update: Update::ClusterWide,
                effect: Effect::$effect, doc: $doc,
            },
            synonyms: &[$(Synonym { name: $synonym, factor: 1 $(* $factor)? }),*],
        },)*];
    };
}

topic_keys! {
    Works "cleanup.policy" List "delete", Check::ListOf(&["compact", "delete"]), ["log.cleanup.policy"],
        "What happens to old records: delete drops whole segments by age and size, compact keeps the last of each key.";
    Works "compression.gzip.level" Int "-1", Check::BetweenOr(1, 9, -1), ["compression.gzip.level"],
        "Level used where compression.type is gzip.";
    Works "compression.lz4.level" Int "9", Check::Between(1, 17), ["compression.lz4.level"],
        "Accepted for lz4; Corelog's lz4 has one level, the fast one.";
    Works "compression.type" Text "producer",
        Check::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), ["compression.type"],
        "How batches are stored: as the producer sent them, or recompressed to the named codec.";
    Works "compression.zstd.level" Int "3", Check::Between(-131_072, 22), ["compression.zstd.level"],
        "Level used where compression.type is zstd.";
    Works "delete.retention.ms" Long "86400000", Check::AtLeast(0), ["log.cleaner.delete.retention.ms"],
        "How long a compacted topic keeps the mark of a deleted key.";
    Works "durability" Text "sync", Check::OneOf(&["sync", "async"]), ["log.durability"],
        "sync acknowledges a record when it is in stable storage, async when it is in memory.";
    Works "file.delete.delay.ms" Long "60000", Check::AtLeast(0), ["log.segment.delete.delay.ms"],
        "How long the files of a dropped segment stay before they are removed.";
    Works "flush.messages" Long FOREVER, Check::AtLeast(1), ["log.flush.interval.messages"],
        "With durability=async: records after which stable storage is waited for.";
    Works "flush.ms" Long FOREVER, Check::AtLeast(0), ["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        "With durability=async: milliseconds after which stable storage is waited for.";
    Planned "follower.replication.throttled.replicas" List "", Check::ThrottledReplicas, [],
        "Replicas whose followers are throttled while they catch up.";
    Works "index.interval.bytes" Int "4096", Check::AtLeast(0), ["log.index.interval.bytes"],
        "Bytes of log between two entries of the offset index.";
    Planned "leader.replication.throttled.replicas" List "", Check::ThrottledReplicas, [],
        "Replicas whose leaders are throttled while others catch up.";
    Inert "local.retention.bytes" Long "-2", Check::AtLeast(-2), ["log.local.retention.bytes"],
        "Bytes kept locally under tiered storage, which Corelog does not have.";
    Inert "local.retention.ms" Long "-2", Check::AtLeast(-2), ["log.local.retention.ms"],
        "Milliseconds kept locally under tiered storage, which Corelog does not have.";
    Works "max.compaction.lag.ms" Long FOREVER, Check::AtLeast(1), ["log.cleaner.max.compaction.lag.ms"],
        "After this time a record is due for compaction whatever the dirty ratio.";
    Works "max.message.bytes" Int "1048588", Check::Between(0, BATCH_BYTES_MAX as i64), ["message.max.bytes"],
        "The largest batch that is accepted, compressed as it comes.";
    Works "message.timestamp.after.max.ms" Long "3600000", Check::AtLeast(0), ["log.message.timestamp.after.max.ms"],
        "How far a record's timestamp may lie ahead of the broker's clock.";
    Works "message.timestamp.before.max.ms" Long FOREVER, Check::AtLeast(0), ["log.message.timestamp.before.max.ms"],
        "How far a record's timestamp may lie behind the broker's clock.";
    Works "message.timestamp.type" Text "CreateTime", Check::OneOf(&["CreateTime", "LogAppendTime"]),
        ["log.message.timestamp.type"], "Whose clock a record's timestamp is from: the producer's or the broker's.";
    Works "min.cleanable.dirty.ratio" Double "0.5", Check::Ratio, ["log.cleaner.min.cleanable.ratio"],
        "The share of uncompacted bytes from which on a log is compacted.";
    Works "min.compaction.lag.ms" Long "0", Check::AtLeast(0), ["log.cleaner.min.compaction.lag.ms"],
        "Before this time a record is not compacted.";
    Works "min.insync.replicas" Int "1", Check::AtLeast(1), ["min.insync.replicas"],
        "With acks=all: replicas that must have a record for it to be acknowledged.";
    Works "preallocate" Boolean "false", Check::Any, ["log.preallocate"],
        "Segments are always preallocated in growing steps; true allocates each in full when it is created.";
    Inert "remote.log.copy.disable" Boolean "false", Check::Any, [],
        "Stops copies to tiered storage, which Corelog does not have.";
    Inert "remote.log.delete.on.disable" Boolean "false", Check::Any, [],
        "Deletes what tiered storage holds when it is disabled; Corelog has none.";
    Inert "remote.storage.enable" Boolean "false", Check::Only("false", TIERED), [],
        "Tiered storage, which Corelog does not have.";
    Works "retention.bytes" Long "-1", Check::AtLeast(-1), ["log.retention.bytes"],
        "Bytes of a partition beyond which its oldest segments go; -1 is no limit.";
    Works "retention.ms" Long "604800000", Check::AtLeast(-1),
        ["log.retention.ms", "log.retention.minutes" * MINUTE, "log.retention.hours" * HOUR],
        "Age after which segments go; -1 is no limit.";
    Works "segment.bytes" Int "1073741824", Check::AtLeast(14), ["log.segment.bytes"],
        "Size at which a segment ends and the next begins.";
    Works "segment.index.bytes" Int "10485760", Check::AtLeast(4), ["log.index.size.max.bytes"],
        "Size of an index at which its segment ends.";
    Works "segment.jitter.ms" Long "0", Check::AtLeast(0), ["log.roll.jitter.ms", "log.roll.jitter.hours" * HOUR],
        "Most that is taken off segment.ms at random, so that partitions do not all roll at once.";
    Works "segment.ms" Long "604800000", Check::AtLeast(1), ["log.roll.ms", "log.roll.hours" * HOUR],
        "Age at which a segment ends though it is not full.";
    Planned "unclean.leader.election.enable" Boolean "false", Check::Any, ["unclean.leader.election.enable"],
        "Whether a replica that misses committed records may lead, losing them.";
}

/// A topic's own options, name to value.
pub type Overrides = BTreeMap<String, String>;

pub fn topic_key(name: &str) -> Option<&'static TopicKey> {
    TOPIC_KEYS.iter().find(|topic| topic.key.name == name)
}

/// A topic's options as the broker uses them. Bytes and milliseconds; `None` is no limit.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    pub cleanup: CleanupPolicy,
    pub compression: TopicCompression,
    pub delete_retention_ms: u64,
    pub durability: Durability,
    pub file_delete_delay_ms: u64,
    pub flush_messages: u64,
    pub flush_ms: u64,
    pub index_interval_bytes: u32,
    pub compaction_lag_ms_max: u64,
    pub compaction_lag_ms_min: u64,
    /// Of one batch, as it comes.
    pub message_bytes_max: usize,
    /// `i64::MAX` is no limit, as `record::Rules` has it.
    pub timestamp_after_ms_max: i64,
    pub timestamp_before_ms_max: i64,
    pub timestamp_type: TimestampType,
    pub cleanable_dirty_ratio_min: f64,
    pub insync_replicas_min: i32,
    pub preallocate: bool,
    pub retention_bytes: Option<u64>,
    pub retention_ms: Option<u64>,
    pub segment_bytes: u32,
    pub segment_index_bytes: u32,
    pub segment_jitter_ms: u64,
    pub segment_ms: u64,
    pub unclean_leader_election: bool,
    pub leader_throttled_replicas: Vec<String>,
    pub follower_throttled_replicas: Vec<String>,
}

impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig::from_overrides(&Overrides::new()).expect("the defaults above are valid")
    }
}

impl TopicConfig {
    /// Over the built-in defaults alone.
    pub fn from_overrides(topic: &Overrides) -> Result<TopicConfig, ConfigError> {
        TopicConfig::resolve(&Layers { topic, ..Layers::EMPTY })
    }

    /// A topic's options: its own, else the broker's, else the defaults. Values that cannot be, or cannot be together,
    /// are refused; so are names that no option has.
    pub fn resolve(layers: &Layers<'_>) -> Result<TopicConfig, ConfigError> {
        for (name, value) in layers.topic {
            match topic_key(name) {
                Some(topic) => topic.key.check(value)?,
                None => return Err(unknown(name)),
            }
        }
        let read = Reader::new(layers);
        let config = TopicConfig {
            cleanup: read.topic("cleanup.policy")?,
            compression: match read.topic("compression.type")? {
                CompressionType::Producer => TopicCompression::Keep,
                CompressionType::Always(codec) => TopicCompression::Recompress(Compression {
                    codec,
                    level: match codec {
                        Codec::Gzip => Some(read.topic("compression.gzip.level")?),
                        Codec::Zstd => Some(read.topic("compression.zstd.level")?),
                        Codec::None | Codec::Snappy | Codec::Lz4 => None,
                    },
                }),
            },
            delete_retention_ms: read.topic("delete.retention.ms")?,
            durability: read.topic("durability")?,
            file_delete_delay_ms: read.topic("file.delete.delay.ms")?,
            flush_messages: read.topic("flush.messages")?,
            flush_ms: read.topic("flush.ms")?,
            index_interval_bytes: read.topic("index.interval.bytes")?,
            compaction_lag_ms_max: read.topic("max.compaction.lag.ms")?,
            compaction_lag_ms_min: read.topic("min.compaction.lag.ms")?,
            message_bytes_max: read.topic("max.message.bytes")?,
            timestamp_after_ms_max: read.topic("message.timestamp.after.max.ms")?,
            timestamp_before_ms_max: read.topic("message.timestamp.before.max.ms")?,
            timestamp_type: read.topic("message.timestamp.type")?,
            cleanable_dirty_ratio_min: read.topic("min.cleanable.dirty.ratio")?,
            insync_replicas_min: read.topic("min.insync.replicas")?,
            preallocate: read.topic("preallocate")?,
            retention_bytes: read.topic("retention.bytes")?,
            retention_ms: read.topic("retention.ms")?,
            segment_bytes: read.topic("segment.bytes")?,
            segment_index_bytes: read.topic("segment.index.bytes")?,
            segment_jitter_ms: read.topic("segment.jitter.ms")?,
            segment_ms: read.topic("segment.ms")?,
            unclean_leader_election: read.topic("unclean.leader.election.enable")?,
            leader_throttled_replicas: read.topic("leader.replication.throttled.replicas")?,
            follower_throttled_replicas: read.topic("follower.replication.throttled.replicas")?,
        };
        let (least, most) = (config.compaction_lag_ms_min, config.compaction_lag_ms_max);
        if least > most {
            let name = "min.compaction.lag.ms";
            let message =
                format!("conflict topic config setting {name} ({least}) > max.compaction.lag.ms ({most})");
            return Err(ConfigError { key: name.to_owned(), message });
        }
        Ok(config)
    }
}

fn unknown(name: &str) -> ConfigError {
    let hint = suggestion(name, TOPIC_KEYS.iter().map(|topic| topic.key.name));
    ConfigError { key: name.to_owned(), message: format!("Unknown topic config name: {name}{hint}") }
}
