//! One partition on its core: its log, its cached batches, its place on disk, and who waits for it. Plain state; the flows
//! change it.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    flush::FlushJob,
    measure::Traffic,
    produce::{FrameNumber, Waiting},
    settings::Settings,
    snapshots::Snapshots,
};
use crate::{
    base::{FilePosition, JournalSequence, LeaderEpoch, Offset, OwnerEpoch, TopicPartition},
    log::{Layout, Log, Placement},
    producer::Producers,
    shard::command::CallId,
};

/// A partition's place in its shard; never reused, so a late completion cannot meet another partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u32);

/// A batch in memory. Unflushed ones are pinned, flushed ones go when memory is wanted.
#[derive(Clone, Debug)]
pub struct CachedBatch {
    pub base: Offset,
    pub next: Offset,
    pub placement: Placement,
    pub epoch: LeaderEpoch,
    /// The group that made it durable.
    pub sequence: JournalSequence,
    pub bytes: Bytes,
}

/// Disk space behind the active segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// The segment whose file exists; none before the first batch since start.
    pub segment: Option<Offset>,
    /// Bytes of it that are allocated.
    pub allocated: u64,
    /// A Create or Allocate is under way.
    pub preparing: bool,
}

/// Where a sequential reader will come back to.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    pub offset: Offset,
    pub segment: Offset,
    pub position: FilePosition,
    /// The number of the index entry at `position`, where it is known.
    pub entry: Option<u32>,
}

#[derive(Debug)]
pub struct Partition {
    pub id: TopicPartition,
    /// Below the data directory.
    pub directory: Arc<str>,
    pub settings: Settings,
    pub leader_epoch: LeaderEpoch,
    pub owner_epoch: OwnerEpoch,
    /// With every batch placed.
    pub live: Log,
    /// With every batch that its segment holds: the recovery point.
    pub flushed: Log,
    /// Where the active segment begins in the newest durable checkpoint: segments before it are sealed there, and wholly below its
    /// recovery point (rule 6).
    pub sealed_below: Offset,
    /// Likewise, in the checkpoint that is being written.
    pub sealed_below_next: Offset,
    /// A move of the log start that is not durable yet, and its frame.
    pub moving_start: Option<(Offset, FrameNumber)>,
    /// Counts removals and replacements of segments: a read of files that spans one begins anew.
    pub removals: u64,
    /// Files of segments are changing places: what is read of them does not count.
    pub swapping: bool,
    /// End of what the journal has in stable storage.
    pub durable: Offset,
    /// The high watermark: end of what readers see.
    pub visible: Offset,
    /// Oldest first, without gaps, up to the last group built.
    pub cache: VecDeque<CachedBatch>,
    /// The flushed bytes of the last, partial block of the active segment; empty: not kept.
    pub tail: Bytes,
    pub space: Space,
    /// Batches that wait for space, in order.
    pub waiting: VecDeque<Waiting>,
    /// As of the live log: staged batches count (KIP-98).
    pub producers: Producers,
    pub snapshots: Snapshots,
    /// Ops under way on its files.
    pub ops_in_flight: u32,
    pub flush: Option<FlushJob>,
    pub watchers: Vec<CallId>,
    pub traffic: Traffic,
    pub cursors: VecDeque<Cursor>,
    /// Gone from the metadata; its files go when nothing is under way on them.
    pub deleted: bool,
    /// Its files cannot be written: offline until a restart.
    pub failed: bool,
}

/// Room for so many cached batches is kept, used or not.
pub const CACHE_ROOM_MIN: usize = 8;

/// Sequential readers of one partition that are remembered.
const CURSORS_MAX: usize = 8;

impl Partition {
    /// A partition whose log is what its segments hold: recovered, or empty.
    pub fn new(
        id: TopicPartition,
        directory: Arc<str>,
        settings: Settings,
        leader_epoch: LeaderEpoch,
        owner_epoch: OwnerEpoch,
        log: Log,
        producers: Producers,
    ) -> Partition {
        Partition {
            id,
            directory,
            settings,
            leader_epoch,
            owner_epoch,
            sealed_below: log.active().base,
            sealed_below_next: log.active().base,
            moving_start: None,
            removals: 0,
            swapping: false,
            durable: log.next(),
            visible: log.next(),
            live: log.clone(),
            flushed: log,
            cache: VecDeque::new(),
            tail: Bytes::new(),
            space: Space::default(),
            waiting: VecDeque::new(),
            producers,
            snapshots: Snapshots::default(),
            ops_in_flight: 0,
            flush: None,
            watchers: Vec::new(),
            traffic: Traffic::default(),
            cursors: VecDeque::new(),
            deleted: false,
            failed: false,
        }
    }

    /// Whether the journal holds something of it that its segments do not.
    pub fn is_dirty(&self) -> bool {
        self.flushed.next() < self.durable || self.is_rolled()
    }

    /// Whether its segment was sealed, and not yet on disk.
    fn is_rolled(&self) -> bool {
        let rolled = self.live.active().base;
        self.flushed.active().base < rolled && rolled <= self.durable
    }

    /// What the next batch's place follows: segments that began together do not all roll together.
    pub fn layout(&self) -> Layout {
        let layout = self.settings.layout;
        let jitter_ms = self.settings.segment_jitter_ms.min(layout.segment_ms.max(0) as u64);
        if jitter_ms == 0 {
            return layout;
        }
        let mut mixed = self.id.partition.0 as u64 ^ (self.live.active().base.0 as u64).rotate_left(32);
        for half in self.id.topic.0.as_chunks::<8>().0 {
            mixed = (mixed ^ u64::from_be_bytes(*half)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^= mixed >> 29;
        }
        Layout { segment_ms: layout.segment_ms - (mixed % jitter_ms) as i64, ..layout }
    }

    /// The oldest cached batch's offset, or the end.
    pub fn cached_from(&self) -> Offset {
        self.cache.front().map_or(self.live.next(), |batch| batch.base)
    }

    /// Takes the oldest batch out of the cache, and gives back the room of many.
    pub fn drop_oldest(&mut self) {
        self.cache.pop_front();
        if self.cache.capacity() > CACHE_ROOM_MIN && self.cache.len() * 3 < self.cache.capacity() {
            self.cache.shrink_to(self.cache.len() * 2);
        }
    }

    /// Index in the cache of the batch that contains `offset`, or of the first behind it.
    pub fn cache_index(&self, offset: Offset) -> usize {
        self.cache.partition_point(|batch| batch.next <= offset)
    }

    /// Whether what was read since it had lost `removals` segments may be something else than was meant.
    pub fn read_anew(&self, removals: u64) -> bool {
        self.swapping || self.removals != removals
    }

    pub fn cursor_at(&self, offset: Offset) -> Option<Cursor> {
        self.cursors.iter().find(|cursor| cursor.offset == offset).copied()
    }

    /// Moves the cursor that stood at `from`, or remembers a new one.
    pub fn remember(&mut self, from: Offset, cursor: Cursor) {
        self.cursors.retain(|known| known.offset != from && known.offset != cursor.offset);
        if self.cursors.len() == CURSORS_MAX {
            self.cursors.pop_front();
        }
        self.cursors.push_back(cursor);
    }
}
