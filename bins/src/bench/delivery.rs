//! What both ends of a run know of each other: how much was acknowledged, how much has arrived. Lets a reader end when it has
//! everything, and a person watch.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[derive(Debug, Default)]
pub struct Delivery {
    acknowledged: AtomicU64,
    read: AtomicU64,
    /// Connections that still wait for answers.
    writing: AtomicUsize,
}

impl Delivery {
    pub fn begin_writing(&self) {
        self.writing.fetch_add(1, Ordering::AcqRel);
    }

    pub fn end_writing(&self) {
        self.writing.fetch_sub(1, Ordering::AcqRel);
    }

    pub fn is_written(&self) -> bool {
        self.writing.load(Ordering::Acquire) == 0
    }

    pub fn acknowledge(&self, records: u64) {
        self.acknowledged.fetch_add(records, Ordering::AcqRel);
    }

    pub fn read(&self, records: u64) {
        self.read.fetch_add(records, Ordering::AcqRel);
    }

    pub fn counts(&self) -> (u64, u64) {
        (self.acknowledged.load(Ordering::Acquire), self.read.load(Ordering::Acquire))
    }

    /// Acknowledged records that no reader has seen.
    pub fn missing(&self) -> u64 {
        let (acknowledged, read) = self.counts();
        acknowledged.saturating_sub(read)
    }
}
