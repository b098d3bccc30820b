//! What a shard is told at its start, and what it follows from a topic's options. Plain data.

use crate::{base::CoreId, limits, log::Layout};

/// One core's share of the machine and its habits.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    pub core: CoreId,
    pub cores: u16,
    pub budget: Budget,
    /// Largest cold read (`--read-size`), a multiple of the block size.
    pub read_bytes: u32,
    /// A checkpoint is due this long after the first change that it would save.
    pub checkpoint_interval_ms: u64,
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
}

impl Budget {
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
        }
    }
}

/// When a batch is acknowledged and visible (`durability`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once it is in stable storage.
    Sync,
    /// Once it is on its way there.
    Async,
}

/// Who stamps records (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    CreateTime,
    LogAppendTime,
}

/// A topic's options as the shard's flows need them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub layout: Layout,
    /// `max.message.bytes`: the whole batch with its header.
    pub batch_bytes_max: u32,
    pub durability: Durability,
    pub stamp: Stamp,
}
