//! Bytes of batches to writes of a segment: whole blocks, of a bounded size. Pure: gives out Ops.

use bytes::Bytes;

use crate::{
    base::FilePosition,
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
    /// What is still to come, at most: sizes the buffers.
    bytes_left: usize,
    /// `Pacing::flush_write_bytes`
    write_max: usize,
    pushed: bool,
}

impl SegmentWriter {
    pub(super) fn new(
        directory: &str,
        segment: &Segment,
        tail: &Bytes,
        bytes_left: usize,
        write_max: usize,
    ) -> SegmentWriter {
        let partial = partial(segment.size);
        let mut buffer = AlignedBuf::with_capacity(0);
        // A segment that was rolled away from is not written again: its tail may not be kept.
        buffer.extend_from_slice(tail.get(..partial).unwrap_or(&[]));
        let position = u64::from(segment.size.0) - partial as u64;
        SegmentWriter {
            file: names::log(directory, segment.base),
            position,
            buffer,
            bytes_left,
            write_max,
            pushed: false,
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], ops: &mut Vec<Op>) {
        self.pushed = true;
        while !bytes.is_empty() {
            let room = self.write_max - self.buffer.len();
            self.buffer.reserve(self.bytes_left.min(room));
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            self.bytes_left = self.bytes_left.saturating_sub(now.len());
            if self.buffer.len() == self.write_max {
                self.emit(ops);
            }
        }
    }

    fn emit(&mut self, ops: &mut Vec<Op>) {
        let data = std::mem::replace(&mut self.buffer, AlignedBuf::with_capacity(0)).freeze();
        let (file, position) = (self.file.clone(), self.position);
        self.position += data.len() as u64;
        ops.push(Op::Write {
            file,
            position,
            data,
            path: Path::Direct,
            sync: Sync::Later,
            class: Class::Background,
        });
    }

    /// Writes what is left; answers the bytes of the last, partial block.
    pub(super) fn finish(mut self, ops: &mut Vec<Op>) -> Bytes {
        let partial = self.buffer.len() % BLOCK_BYTES;
        let tail = Bytes::copy_from_slice(&self.buffer.as_slice()[self.buffer.len() - partial..]);
        if self.pushed && !self.buffer.is_empty() {
            self.buffer.pad_to_block();
            self.emit(ops);
        }
        tail
    }

    pub(super) fn bytes_left(&self) -> usize {
        self.bytes_left
    }

    pub(super) fn write_max(&self) -> usize {
        self.write_max
    }
}

/// What of a segment of this size stands in its last, partial block.
pub(super) fn partial(size: FilePosition) -> usize {
    size.0 as usize % BLOCK_BYTES
}
