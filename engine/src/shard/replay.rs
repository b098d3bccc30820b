//! Redo: journal frames become log state and segment writes, as if flushed. The same `Log::apply` as live. Idempotent: a
//! start that is killed in the middle is simply done again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};

use super::{produce::producer_facts, recover::BootError, snapshots::has_snapshots};
use crate::{
    base::{Offset, OwnerEpoch, TopicPartition},
    io::journal::{format::FrameKind, reader::ReplayFrame},
    log::{
        Log, Placement, names,
        segment::{BatchFacts, INDEX_ENTRY_BYTES, Segment, TIME_ENTRY_BYTES},
    },
    op::{Class, Done, FileName, Op, Path, Perform, Sync},
    producer::Producers,
    record::BatchHeader,
};

/// Redone bytes that wait for their write, at most.
const PENDING_BYTES_MAX: usize = 32 << 20;

/// One partition as start-up knows it.
#[derive(Clone, Debug)]
pub struct Recovered {
    pub owner_epoch: OwnerEpoch,
    pub directory: String,
    pub log: Log,
    /// As in the checkpoint: segments that begin before this were sealed there, and may be gone already.
    pub sealed_below: Offset,
    pub index_interval: u32,
    pub producers: Producers,
}

/// Bytes that go to one place of one file.
#[derive(Debug, Default)]
struct Pending {
    position: u64,
    bytes: BytesMut,
}

/// What redo does to the partitions that it is given.
pub struct Redo {
    pub partitions: BTreeMap<TopicPartition, Recovered>,
    pending: BTreeMap<FileName, Pending>,
    pending_bytes: usize,
    /// Partition directories that are there.
    pub existing: BTreeSet<String>,
    /// First files of partitions that have no directory yet.
    creates: Vec<Op>,
    ready: Vec<Op>,
    cuts: Vec<Op>,
    pub frames: u64,
    pub bytes: u64,
}

impl Redo {
    pub fn new(partitions: BTreeMap<TopicPartition, Recovered>) -> Redo {
        Redo {
            partitions,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            existing: BTreeSet::new(),
            creates: Vec::new(),
            ready: Vec::new(),
            cuts: Vec::new(),
            frames: 0,
            bytes: 0,
        }
    }

    /// Every frame is redone: logs hold nothing of segments that went with a move of their start.
    pub fn drop_breached(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.log.take_breached(partition.sealed_below);
        }
    }

    /// Takes a frame in sequence order. Frames of partitions that do not exist (any more) are passed over.
    pub fn take(&mut self, frame: ReplayFrame) -> Result<(), BootError> {
        let header = frame.header;
        let Some(partition) = self.partitions.get_mut(&header.partition) else { return Ok(()) };
        if header.owner_epoch < partition.owner_epoch {
            return Ok(());
        }
        match header.kind {
            FrameKind::Batch => self.batch(frame),
            // Of a segment that was whole at the checkpoint: compaction may have rewritten it since.
            FrameKind::TailImage if header.segment < partition.sealed_below => Ok(()),
            FrameKind::TailImage => {
                let file = names::log(&partition.directory, header.segment);
                self.write(file, u64::from(header.position.0), &frame.payload);
                Ok(())
            }
            FrameKind::LogStart => {
                partition.log.advance_start(header.base);
                Ok(())
            }
            kind => Err(BootError::NewerFrame(format!("{kind:?}"))),
        }
    }

    fn batch(&mut self, frame: ReplayFrame) -> Result<(), BootError> {
        let header = frame.header;
        let Some(partition) = self.partitions.get_mut(&header.partition) else { return Ok(()) };
        if header.next <= partition.log.next() {
            return Ok(());
        }
        let damaged =
            |reason: String| BootError::Partition { directory: partition.directory.clone(), reason };
        let batch = BatchHeader::parse(&frame.payload).map_err(|error| damaged(error.to_string()))?;
        let facts = BatchFacts {
            base: header.base,
            next: header.next,
            size: frame.payload.len() as u32,
            max_timestamp: batch.max_timestamp,
        };
        let before = *partition.log.active();
        let placement = Placement { segment: header.segment, position: header.position };
        let applied = partition.log.apply(&facts, batch.leader_epoch, placement, partition.index_interval);
        let applied = applied.map_err(|error| BootError::Partition {
            directory: partition.directory.clone(),
            reason: error.to_string(),
        })?;
        let producer = producer_facts(&batch);
        let rolls = applied.sealed.is_some() && has_snapshots(header.partition.topic, header.base);
        let snapshot = rolls.then(|| partition.producers.encode_snapshot());
        partition.producers.apply(&producer, header.base, batch.max_timestamp);
        let directory = partition.directory.clone();
        if self.existing.insert(directory.clone()) {
            self.creates.push(Op::Create { file: names::log(&directory, before.base), allocate: 0 });
        }
        self.frames += 1;
        self.bytes += frame.payload.len() as u64;
        let mut segment = before;
        if let Some((sealed, closing)) = applied.sealed {
            if let Some(entry) = closing {
                let mut bytes = Vec::new();
                entry.encode(before.base, &mut bytes);
                self.write_entry(
                    names::time_index(&directory, before.base),
                    before.time_entries,
                    TIME_ENTRY_BYTES,
                    &bytes,
                );
            }
            self.cut(&directory, &sealed, closing.is_some());
            if let Some(bytes) = snapshot {
                let file = names::snapshot(&directory, header.base);
                self.write(file.clone(), 0, &bytes);
                self.cuts.push(Op::Truncate { file, size: bytes.len() as u64 });
            }
            segment = Segment::empty(header.segment);
        }
        let mut bytes = Vec::new();
        if let Some(entry) = applied.entries.index {
            entry.encode(segment.base, &mut bytes);
            self.write_entry(
                names::index(&directory, segment.base),
                segment.index_entries,
                INDEX_ENTRY_BYTES,
                &bytes,
            );
        }
        if let Some(entry) = applied.entries.time {
            bytes.clear();
            entry.encode(segment.base, &mut bytes);
            self.write_entry(
                names::time_index(&directory, segment.base),
                segment.time_entries,
                TIME_ENTRY_BYTES,
                &bytes,
            );
        }
        self.write(names::log(&directory, header.segment), u64::from(header.position.0), &frame.payload);
        Ok(())
    }

    fn cut(&mut self, directory: &str, sealed: &Segment, closed: bool) {
        let times = sealed.time_entries + u32::from(closed);
        let file = |file: FileName, size: u64| Op::Truncate { file, size };
        self.cuts.push(file(names::log(directory, sealed.base), u64::from(sealed.size.0)));
        self.write(
            names::index(directory, sealed.base),
            u64::from(sealed.index_entries) * INDEX_ENTRY_BYTES as u64,
            &[],
        );
        self.write(
            names::time_index(directory, sealed.base),
            u64::from(times) * TIME_ENTRY_BYTES as u64,
            &[],
        );
    }

    fn write_entry(&mut self, file: FileName, entries: u32, width: usize, bytes: &[u8]) {
        self.write(file, u64::from(entries) * width as u64, bytes);
    }

    /// Collects bytes; what continues earlier ones joins them.
    fn write(&mut self, file: FileName, position: u64, bytes: &[u8]) {
        self.pending_bytes += bytes.len();
        let pending =
            self.pending.entry(file.clone()).or_insert_with(|| Pending { position, bytes: BytesMut::new() });
        if pending.position + pending.bytes.len() as u64 != position {
            let earlier = std::mem::replace(pending, Pending { position, bytes: BytesMut::new() });
            self.ready.push(buffered(file, earlier.position, earlier.bytes.freeze()));
        }
        pending.bytes.extend_from_slice(bytes);
    }

    pub fn is_full(&self) -> bool {
        self.pending_bytes >= PENDING_BYTES_MAX
    }

    /// Writes what was collected. Earlier writes to a file come first; then whatever continues them.
    pub fn write_out(&mut self, perform: Perform<'_>) -> Result<(), BootError> {
        let creates = std::mem::take(&mut self.creates);
        all(perform, creates)?;
        let earlier = std::mem::take(&mut self.ready);
        all(perform, earlier)?;
        let pending = std::mem::take(&mut self.pending);
        let writes =
            pending.into_iter().map(|(file, write)| buffered(file, write.position, write.bytes.freeze()));
        let writes = writes.collect();
        self.pending_bytes = 0;
        all(perform, writes)?;
        let cuts = std::mem::take(&mut self.cuts);
        all(perform, cuts)
    }
}

pub fn buffered(file: FileName, position: u64, data: Bytes) -> Op {
    Op::Write { file, position, data, path: Path::Buffered, sync: Sync::Later, class: Class::Background }
}

/// Performs all, or says which one failed.
pub fn all(perform: Perform<'_>, ops: Vec<Op>) -> Result<(), BootError> {
    if ops.is_empty() {
        return Ok(());
    }
    for done in perform(ops) {
        if let Done::Failed(failure) = done {
            return Err(BootError::Io(failure));
        }
    }
    Ok(())
}
