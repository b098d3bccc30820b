//! What a shard is told at its start, and what it follows from a topic's options. Plain data.

use std::sync::Arc;

use super::retention::RetentionCheck;
use crate::{
    base::{CoreId, NodeId},
    config::{
        CleanupPolicy, Durability, Layers, Overrides, TopicCompression, TopicConfig, producer_expiration_ms,
    },
    controller::{ConfigResource, Image},
    limits,
    log::{Compaction, Layout, Retention},
    op::Path,
    record::TimestampType,
};

/// What the broker was started with, the same on every core.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    pub node: NodeId,
    /// `server.properties` and the command line.
    pub overrides: Overrides,
    /// `num.partitions`
    pub partitions_default: i32,
    /// `default.replication.factor`
    pub replication_factor_default: i16,
    /// Connections that the process has descriptors for.
    pub connections_max: usize,
}

impl BrokerOptions {
    /// Node 1, and a topic has one partition and one replica: what tests, fuzzers and the simulator start.
    pub fn plain(overrides: Overrides) -> BrokerOptions {
        BrokerOptions {
            node: NodeId(1),
            overrides,
            partitions_default: 1,
            replication_factor_default: 1,
            connections_max: 100,
        }
    }
}

/// One core's share of the machine and its habits.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    pub core: CoreId,
    pub cores: u16,
    pub options: Arc<BrokerOptions>,
    pub budget: Budget,
    pub pacing: Pacing,
    /// Largest cold read (`--read-size`), a multiple of the block size.
    pub read_bytes: u32,
    pub segment_io: SegmentIo,
    /// A checkpoint is due this long after the first change that it would save.
    pub checkpoint_interval_ms: u64,
    pub retention_check: RetentionCheck,
}

/// How a core's part of `--memory` is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Batches whose only copy outside the journal is in memory.
    pub unflushed_bytes: u64,
    /// Group buffers kept, unflushed ones included: the tail cache.
    pub cache_bytes: u64,
    pub extent_bytes: u64,
    pub extents: usize,
    /// Batches taken but not yet in a group; beyond it producers wait.
    pub staged_bytes: u64,
    /// Members and offsets of the groups that the core coordinates.
    pub groups_bytes: u64,
    /// Decompressors of produced batches whose records take more than one turn to walk; one batch may take as much. The cache makes
    /// room for it.
    pub walk_bytes: usize,
    /// What compaction may open one batch to; a larger one is left as it is.
    pub opening_bytes: usize,
    /// Buffers that are read into from disk for fetches and ListOffsets, and what is read ahead; one is always allowed.
    pub cold_bytes: u64,
}

impl Budget {
    /// What the remembered producers of all partitions may take.
    pub fn producers_bytes(&self) -> u64 {
        self.cache_bytes / 8
    }

    /// The keys that a compaction may know at a time.
    pub fn keys_bytes(&self) -> u64 {
        self.cache_bytes / 4
    }

    /// Splits one core's memory. The journal holds at least twice the unflushed bytes (`extents` × extent ≥ 2 × ¼ memory).
    pub fn of(memory_bytes: u64, extents: usize) -> Budget {
        let unflushed = (memory_bytes / 4).max(limits::EXTENT_BYTES_MIN);
        let extent = (unflushed / 4).clamp(limits::EXTENT_BYTES_MIN, limits::EXTENT_BYTES_MAX);
        let extent = extent / limits::BLOCK_BYTES as u64 * limits::BLOCK_BYTES as u64;
        Budget {
            unflushed_bytes: unflushed,
            cache_bytes: (memory_bytes / 2).max(2 * unflushed),
            extent_bytes: extent,
            extents: extents.max(limits::EXTENTS_MIN),
            staged_bytes: (memory_bytes / 16).max(limits::GROUP_BYTES_MAX as u64),
            groups_bytes: memory_bytes / 16,
            walk_bytes: usize::try_from(memory_bytes / 16).unwrap_or(usize::MAX).max(limits::WALK_BYTES_MIN),
            opening_bytes: usize::try_from(memory_bytes / 32)
                .unwrap_or(usize::MAX)
                .clamp(limits::CLEAN_OPENING_BYTES_MIN, limits::EXPANSION_BYTES_MAX),
            cold_bytes: memory_bytes / 32,
        }
    }
}

/// How segments are written and read (`--segment-io`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentIo {
    /// O_DIRECT: the page cache stays out of it.
    #[default]
    Direct,
    /// Through the page cache, and cold records go from there to the socket: they never are in the broker's memory.
    Buffered,
}

impl SegmentIo {
    pub fn path(self) -> Path {
        match self {
            SegmentIo::Direct => Path::Direct,
            SegmentIo::Buffered => Path::Buffered,
        }
    }
}

/// How a core's writes follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// With so many bytes staged the next group need not wait for those in flight: the device is then the limit, and kept busy.
    /// With less, waiting costs nothing and makes groups larger.
    pub commit_ahead_bytes: u64,
    /// The largest write of a flush, a multiple of the block size: copied within one turn, so it bounds how long the turn is.
    pub flush_write_bytes: usize,
    /// Batches that follow each other in a group and in their segment and have so many bytes are flushed from the group's memory; it
    /// saves their copy, and costs a write of its own for the block between two groups.
    pub shared_run_bytes: usize,
    /// Where nobody waits for it, a flush writes so much a second and twice what comes in meanwhile: in one burst it would stand
    /// in the way of the journal's writes.
    pub flush_bytes_per_second: u64,
}

impl Default for Pacing {
    fn default() -> Pacing {
        Pacing {
            commit_ahead_bytes: limits::COMMIT_AHEAD_BYTES,
            flush_write_bytes: limits::FLUSH_WRITE_BYTES,
            shared_run_bytes: limits::SHARED_RUN_BYTES,
            flush_bytes_per_second: limits::FLUSH_BYTES_PER_SECOND,
        }
    }
}

/// A topic's options as the shard's flows need them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub layout: Layout,
    /// `max.message.bytes`: the whole batch with its header.
    pub batch_bytes_max: usize,
    pub durability: Durability,
    pub stamp: TimestampType,
    pub cleanup: CleanupPolicy,
    pub retention: Retention,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: u64,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: u64,
    /// `message.timestamp.before.max.ms` and `.after.max.ms`; `i64::MAX` is no limit.
    pub timestamp_before_ms_max: i64,
    pub timestamp_after_ms_max: i64,
    pub compression: TopicCompression,
    /// Set where the topic is compacted.
    pub compaction: Option<Compaction>,
    /// `producer.id.expiration.ms`
    pub producer_expiration_ms: i64,
}

impl Settings {
    /// A topic's settings from its own options and the broker's. What was accepted once is valid; should a later version refuse it,
    /// the defaults serve.
    pub fn of(topic: &Overrides, image: &Image, options: &BrokerOptions) -> Settings {
        let node = ConfigResource::Broker(options.node.0.to_string());
        let layers = Layers {
            topic,
            dynamic_broker: image.overrides(&node),
            dynamic_cluster: image.overrides(&ConfigResource::Broker(String::new())),
            static_broker: &options.overrides,
        };
        let config = TopicConfig::resolve(&layers).unwrap_or_else(|error| {
            tracing::warn!(%error, "a topic's stored options are not valid: the defaults are used");
            TopicConfig::default()
        });
        // What must be compacted by then must be sealed by then.
        let lag_ms_max = if config.cleanup.compact { config.compaction_lag_ms_max } else { u64::MAX };
        let segment_ms = config.segment_ms.min(lag_ms_max);
        Settings {
            layout: Layout {
                segment_bytes: config.segment_bytes,
                segment_ms: i64::try_from(segment_ms).unwrap_or(i64::MAX),
                index_bytes: config.segment_index_bytes,
                index_interval: config.index_interval_bytes,
            },
            batch_bytes_max: config.message_bytes_max,
            durability: config.durability,
            stamp: config.timestamp_type,
            cleanup: config.cleanup,
            retention: Retention { ms: config.retention_ms, bytes: config.retention_bytes },
            segment_jitter_ms: config.segment_jitter_ms,
            file_delete_delay_ms: config.file_delete_delay_ms,
            timestamp_before_ms_max: config.timestamp_before_ms_max,
            timestamp_after_ms_max: config.timestamp_after_ms_max,
            compression: config.compression,
            compaction: config.cleanup.compact.then(|| compaction(&config)),
            producer_expiration_ms: producer_expiration_ms(&layers).unwrap_or(i64::MAX),
        }
    }

    /// The metadata log's: durable, whatever the broker's defaults are.
    pub fn of_metadata() -> Settings {
        let config = TopicConfig::default();
        Settings {
            layout: Layout {
                segment_bytes: config.segment_bytes,
                segment_ms: i64::MAX,
                index_bytes: config.segment_index_bytes,
                index_interval: config.index_interval_bytes,
            },
            batch_bytes_max: usize::MAX,
            durability: Durability::Sync,
            stamp: TimestampType::CreateTime,
            // The image needs every record since the first.
            cleanup: CleanupPolicy { delete: false, compact: false },
            retention: Retention::default(),
            segment_jitter_ms: 0,
            file_delete_delay_ms: 0,
            timestamp_before_ms_max: i64::MAX,
            timestamp_after_ms_max: i64::MAX,
            compression: TopicCompression::Keep,
            compaction: None,
            producer_expiration_ms: i64::MAX,
        }
    }
}

fn compaction(config: &TopicConfig) -> Compaction {
    let milliseconds = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    Compaction {
        dirty_ratio_min: config.cleanable_dirty_ratio_min,
        lag_ms_min: milliseconds(config.compaction_lag_ms_min),
        lag_ms_max: milliseconds(config.compaction_lag_ms_max),
        delete_retention_ms: milliseconds(config.delete_retention_ms),
    }
}
