//! Bytes of batches to writes of a segment: whole blocks, of a bounded size. Pure: gives out Ops.
//!
//! A long run of batches that stands in one group as in the segment is written from the group's memory, but for the blocks at its
//! ends, which it shares with what is before and behind it; everything else is copied together.

use std::ops::Range;

use bytes::Bytes;

use super::settings::Pacing;
use crate::{
    base::{FilePosition, Offset},
    io::buffer::AlignedBuf,
    limits::BLOCK_BYTES,
    log::{names, segment::Segment},
    op::{Class, FileName, Op, Path, Sync},
};

/// Builds a segment's writes: whole blocks of at most `write_max`.
#[derive(Debug)]
pub(super) struct SegmentWriter {
    file: FileName,
    /// Where `buffer` goes; a multiple of the block size.
    position: u64,
    buffer: AlignedBuf,
    /// Behind `buffer`: neither copied nor written yet.
    run: Option<Run>,
    /// What is still to come, at most: sizes the buffers.
    bytes_left: usize,
    sizes: Sizes,
    path: Path,
    pushed: bool,
}

/// Of `Pacing`.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// `flush_write_bytes`
    write_max: usize,
    /// `shared_run_bytes`
    run_min: usize,
}

/// Batches one behind the other in the memory of a group.
#[derive(Debug)]
struct Run {
    group: Bytes,
    range: Range<usize>,
}

impl Run {
    fn new(group: &Bytes, batch: &Bytes) -> Option<Run> {
        let range = place_of(group, batch)?;
        Some(Run { group: group.clone(), range })
    }

    /// Whether the batch stands right behind the run; it is part of it then.
    fn takes(&mut self, group: &Bytes, batch: &Bytes) -> bool {
        let place = if self.group.as_ptr() == group.as_ptr() { place_of(group, batch) } else { None };
        let Some(place) = place.filter(|place| place.start == self.range.end) else { return false };
        self.range.end = place.end;
        true
    }

    /// How many of its bytes are in the block that it shares with what is before it, if it stands in its blocks as it does in the
    /// segment from `position` on.
    fn head(&self, position: u64) -> Option<usize> {
        let address = self.group.as_ptr() as u64 + self.range.start as u64;
        let block = BLOCK_BYTES as u64;
        (address % block == position % block).then(|| (position.next_multiple_of(block) - position) as usize)
    }
}

/// Where in `group` the slice `batch` of it is.
fn place_of(group: &Bytes, batch: &Bytes) -> Option<Range<usize>> {
    let start = (batch.as_ptr() as usize).checked_sub(group.as_ptr() as usize)?;
    let end = start.checked_add(batch.len())?;
    (end <= group.len()).then_some(start..end)
}

impl SegmentWriter {
    pub(super) fn new(
        directory: &str,
        segment: &Segment,
        tail: &Bytes,
        bytes_left: usize,
        pacing: &Pacing,
        path: Path,
    ) -> SegmentWriter {
        let sizes = Sizes { write_max: pacing.flush_write_bytes, run_min: pacing.shared_run_bytes };
        let partial = partial(segment.size);
        let mut buffer = AlignedBuf::with_capacity(0);
        // A segment that was rolled away from is not written again: its tail may not be kept.
        buffer.extend_from_slice(tail.get(..partial).unwrap_or(&[]));
        let position = u64::from(segment.size.0) - partial as u64;
        let file = names::log(directory, segment.base);
        SegmentWriter { file, position, buffer, run: None, bytes_left, sizes, path, pushed: false }
    }

    /// Goes on in another segment, which is empty.
    pub(super) fn roll(self, directory: &str, base: Offset, ops: &mut Vec<Op>) -> SegmentWriter {
        let (bytes_left, sizes, path) = (self.bytes_left, self.sizes, self.path);
        self.finish(ops);
        SegmentWriter {
            file: names::log(directory, base),
            position: 0,
            buffer: AlignedBuf::with_capacity(0),
            run: None,
            bytes_left,
            sizes,
            path,
            pushed: false,
        }
    }

    /// The next batch, and the group's memory that it is a slice of.
    pub(super) fn push(&mut self, batch: &Bytes, group: Option<&Bytes>, ops: &mut Vec<Op>) {
        self.pushed = true;
        self.bytes_left = self.bytes_left.saturating_sub(batch.len());
        let group = group.filter(|group| group.len() >= self.sizes.run_min);
        if let (Some(run), Some(group)) = (&mut self.run, group)
            && run.takes(group, batch)
        {
            return;
        }
        self.settle(ops);
        self.run = group.and_then(|group| Run::new(group, batch));
        if self.run.is_none() {
            self.copy(batch, ops);
        }
    }

    /// Writes or copies the run.
    fn settle(&mut self, ops: &mut Vec<Op>) {
        let Some(run) = self.run.take() else { return };
        let bytes = run.group.slice(run.range.clone());
        let head = run.head(self.position + self.buffer.len() as u64);
        let Some(head) = head.filter(|head| bytes.len() >= self.sizes.run_min.max(head + BLOCK_BYTES)) else {
            self.copy(&bytes, ops);
            return;
        };
        self.buffer.extend_from_slice(&bytes[..head]);
        if !self.buffer.is_empty() {
            self.emit_buffer(ops);
        }
        let whole = (bytes.len() - head) / BLOCK_BYTES * BLOCK_BYTES;
        for from in (head..head + whole).step_by(self.sizes.write_max) {
            let piece = bytes.slice(from..(head + whole).min(from + self.sizes.write_max));
            self.emit(piece, ops);
        }
        self.buffer.extend_from_slice(&bytes[head + whole..]);
    }

    fn copy(&mut self, mut bytes: &[u8], ops: &mut Vec<Op>) {
        while !bytes.is_empty() {
            let room = self.sizes.write_max - self.buffer.len();
            self.buffer.reserve(room.min(bytes.len() + self.bytes_left));
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == self.sizes.write_max {
                self.emit_buffer(ops);
            }
        }
    }

    fn emit_buffer(&mut self, ops: &mut Vec<Op>) {
        let data = std::mem::replace(&mut self.buffer, AlignedBuf::with_capacity(0)).freeze();
        self.emit(data, ops);
    }

    fn emit(&mut self, data: Bytes, ops: &mut Vec<Op>) {
        let (file, position, path) = (self.file.clone(), self.position, self.path);
        self.position += data.len() as u64;
        ops.push(Op::Write { file, position, data, path, sync: Sync::Later, class: Class::Background });
    }

    /// Writes what is left; answers the bytes of the last, partial block.
    pub(super) fn finish(mut self, ops: &mut Vec<Op>) -> Bytes {
        self.settle(ops);
        let partial = self.buffer.len() % BLOCK_BYTES;
        let tail = Bytes::copy_from_slice(&self.buffer.as_slice()[self.buffer.len() - partial..]);
        if self.pushed && !self.buffer.is_empty() {
            self.buffer.pad_to_block();
            self.emit_buffer(ops);
        }
        tail
    }
}

/// What of a segment of this size stands in its last, partial block.
pub(super) fn partial(size: FilePosition) -> usize {
    size.0 as usize % BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::settings::Pacing;

    /// Groups whose memory holds one run of batches each, some of it placed as in the segment.
    struct Written {
        bytes: Vec<u8>,
        shared: usize,
        copied: usize,
    }

    fn write(random: &mut fastrand::Rng, run_min: usize, groups: usize) -> (Vec<u8>, Written) {
        let pacing =
            Pacing { flush_write_bytes: 2 * BLOCK_BYTES, shared_run_bytes: run_min, ..Pacing::default() };
        let tail: Vec<u8> = (0..random.usize(0..BLOCK_BYTES)).map(|_| random.u8(..)).collect();
        let mut segment = Segment::empty(Offset(0));
        segment.size = FilePosition((BLOCK_BYTES + tail.len()) as u32);
        let (tail_bytes, path) = (Bytes::from(tail.clone()), Path::Direct);
        let mut writer = SegmentWriter::new("t-0", &segment, &tail_bytes, 1 << 20, &pacing, path);
        let (mut expected, mut ops, mut memory) = (tail, Vec::new(), Vec::new());
        for _ in 0..groups {
            let at = if random.bool() { expected.len() % BLOCK_BYTES } else { random.usize(0..BLOCK_BYTES) };
            let run: Vec<u8> = (0..random.usize(1..6 * BLOCK_BYTES)).map(|_| random.u8(..)).collect();
            let mut group = AlignedBuf::with_capacity(at + run.len());
            group.extend_zeros(at);
            group.extend_from_slice(&run);
            let group = group.freeze();
            memory.push(group.clone());
            let middle = at + random.usize(0..run.len());
            for batch in [group.slice(at..middle), group.slice(middle..)] {
                writer.push(&batch, Some(&group), &mut ops);
            }
            expected.extend(run);
        }
        let partial = writer.finish(&mut ops);
        assert_eq!(partial, expected[expected.len() - expected.len() % BLOCK_BYTES..]);
        let mut written = Written { bytes: Vec::new(), shared: 0, copied: 0 };
        for op in ops {
            let Op::Write { position, data, .. } = op else { panic!("only writes") };
            assert_eq!(position, (BLOCK_BYTES + written.bytes.len()) as u64, "one write behind the other");
            assert!(crate::io::buffer::is_aligned(&data) && data.len() <= 2 * BLOCK_BYTES);
            let is_shared = memory.iter().any(|group| place_of(group, &data).is_some());
            *(if is_shared { &mut written.shared } else { &mut written.copied }) += data.len();
            written.bytes.extend_from_slice(&data);
        }
        (expected, written)
    }

    #[test]
    fn a_segment_has_the_same_bytes_whether_runs_are_shared_or_copied() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..400 {
            let run_min = [1, BLOCK_BYTES, 3 * BLOCK_BYTES, usize::MAX][random.usize(0..4)];
            let groups = random.usize(1..6);
            let (expected, written) = write(&mut random, run_min, groups);
            assert_eq!(written.bytes[..expected.len()], expected);
            assert!(written.bytes[expected.len()..].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn a_long_run_that_stands_as_in_its_segment_is_not_copied() {
        let mut random = fastrand::Rng::with_seed(4);
        let (mut shared, mut copied) = (0, 0);
        for _ in 0..100 {
            let (_, written) = write(&mut random, BLOCK_BYTES, 4);
            (shared, copied) = (shared + written.shared, copied + written.copied);
            assert_eq!(write(&mut random, usize::MAX, 4).1.shared, 0);
        }
        assert!(shared > copied / 4, "{shared} bytes shared, {copied} copied");
    }
}
