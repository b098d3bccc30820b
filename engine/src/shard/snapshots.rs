//! Kafka's `.snapshot` files, as its tools expect them: the producers of a partition as of the offset in the name, written where Kafka
//! writes them: with a roll, at the new segment's base, and at a clean stop, at the log's end. Nothing here reads them: a start goes by the
//! checkpoint and the journal. They go with the segment of their name; a start removes others, but for the newest.
//!
//! Taken when the live log rolls, since later batches push earlier ones out of what is remembered; kept until the flush comes
//! to that roll.

use std::collections::VecDeque;

use bytes::Bytes;

use super::partition::Partition;
use crate::{
    base::{Offset, TopicId},
    limits::BLOCK_BYTES,
    log::names,
    op::{Class, Op, Path, Sync},
    producer::Producers,
};

/// Of rolls that no flush has come to yet, oldest first.
#[derive(Debug, Default)]
pub struct Snapshots {
    taken: VecDeque<(Offset, Bytes)>,
    bytes: usize,
}

impl Snapshots {
    /// Holds no more than the producers themselves take, and at least one: where rolls outrun the flush, the older ones go unwritten.
    fn take(&mut self, at: Offset, producers: &Producers) {
        let snapshot = Bytes::from(producers.encode_snapshot());
        self.bytes += snapshot.len();
        self.taken.push_back((at, snapshot));
        while self.bytes > producers.bytes().max(BLOCK_BYTES) && self.taken.len() > 1 {
            self.drop_oldest();
        }
    }

    fn at(&self, at: Offset) -> Option<Bytes> {
        self.taken.iter().find(|(taken, _)| *taken == at).map(|(_, bytes)| bytes.clone())
    }

    /// What lies up to there is written.
    pub fn written(&mut self, up_to: Offset) {
        while self.taken.front().is_some_and(|(at, _)| *at <= up_to) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, bytes)) = self.taken.pop_front() {
            self.bytes -= bytes.len();
        }
    }
}

impl Partition {
    /// The live log has rolled, or is about to: a segment begins at `base`, which no batch has reached yet.
    pub fn take_snapshot(&mut self, base: Offset) {
        if has_snapshots(self.id.topic, base) {
            self.snapshots.take(base, &self.producers);
        }
    }

    /// The file for a roll to `base`, as Ops: the write, and the cut that follows it.
    pub fn snapshot_of_roll(&self, base: Offset) -> Option<(Op, Op)> {
        self.snapshots.at(base).map(|bytes| file(&self.directory, base, bytes))
    }

    /// The file of a clean stop, when every batch is flushed up to `end`.
    pub fn closing_snapshot(&self, end: Offset) -> Option<(Op, Op)> {
        has_snapshots(self.id.topic, end)
            .then(|| file(&self.directory, end, Bytes::from(self.producers.encode_snapshot())))
    }
}

/// The metadata log has no producers; and before the first record there is nothing to say, as in Kafka.
pub fn has_snapshots(topic: TopicId, at: Offset) -> bool {
    topic != TopicId::METADATA && at > Offset(0)
}

fn file(directory: &str, at: Offset, data: Bytes) -> (Op, Op) {
    let (file, size) = (names::snapshot(directory, at), data.len() as u64);
    let (path, sync, class) = (Path::Buffered, Sync::Later, Class::Background);
    let write = Op::Write { file: file.clone(), position: 0, data, path, sync, class };
    (write, Op::Truncate { file, size })
}
