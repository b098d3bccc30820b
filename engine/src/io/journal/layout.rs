//! Where the payloads of a group stand. One follows the other; but where batches that follow each other in a segment make a long
//! run, the first of them stands at the same place of its block as in the segment, and so do the others: the blocks inside of
//! the run are then the segment's blocks, and a flush writes them from the group's own memory. Pure.

use std::ops::Range;

use super::{
    format::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, GROUP_HEADER_BYTES},
    writer::Frame,
};
use crate::{base::FilePosition, limits::BLOCK_BYTES};

/// The first byte from `at` on that stands at the same place of its block as `position` does.
fn aligned(at: usize, position: FilePosition) -> usize {
    at + (position.0 as usize).wrapping_sub(at) % BLOCK_BYTES
}

/// Where a frame's payload begins if the one before it ends at `at`.
pub fn payload_at(at: usize, frame: &FrameHeader) -> usize {
    if frame.aligned { aligned(at, frame.position) } else { at }
}

/// Whether `next` stands right behind `frame` in a segment.
fn goes_on(frame: &Frame, next: &Frame) -> bool {
    frame.kind == FrameKind::Batch
        && next.kind == FrameKind::Batch
        && frame.partition == next.partition
        && frame.segment == next.segment
        && u64::from(frame.position.0) + frame.payload.len() as u64 == u64::from(next.position.0)
}

/// What a group of some frames takes at most, frame by frame.
#[derive(Clone, Copy)]
pub struct GroupSize<'a> {
    bytes: usize,
    run_bytes_min: usize,
    run_bytes: usize,
    last: Option<&'a Frame>,
}

impl<'a> GroupSize<'a> {
    pub fn new(run_bytes_min: usize) -> GroupSize<'a> {
        GroupSize { bytes: GROUP_HEADER_BYTES, run_bytes_min, run_bytes: 0, last: None }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == GROUP_HEADER_BYTES
    }

    pub fn with(mut self, frame: &'a Frame) -> GroupSize<'a> {
        let payload = frame.payload.len();
        if !self.last.is_some_and(|last| goes_on(last, frame)) {
            self.run_bytes = 0;
        }
        let was_long = self.run_bytes >= self.run_bytes_min;
        self.run_bytes += if frame.kind == FrameKind::Batch { payload } else { 0 };
        let is_long = self.run_bytes >= self.run_bytes_min;
        let padding = if is_long && !was_long { BLOCK_BYTES - 1 } else { 0 };
        self.bytes = self.bytes.saturating_add(FRAME_HEADER_BYTES + payload + padding);
        self.last = Some(frame);
        self
    }
}

/// A payload's place in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub range: Range<usize>,
    /// It begins a long run: what is between it and the payload before is padding.
    pub aligned: bool,
}

/// The places of the frames' payloads in their group.
pub fn places(frames: &[Frame], run_bytes_min: usize) -> Vec<Place> {
    let mut at = GROUP_HEADER_BYTES + frames.len() * FRAME_HEADER_BYTES;
    let mut places = Vec::with_capacity(frames.len());
    for run in frames.chunk_by(goes_on) {
        let bytes: usize = run.iter().map(|frame| frame.payload.len()).sum();
        let aligned_run = run[0].kind == FrameKind::Batch && bytes >= run_bytes_min;
        if aligned_run {
            at = aligned(at, run[0].position);
        }
        for (number, frame) in run.iter().enumerate() {
            let range = at..at + frame.payload.len();
            at = range.end;
            places.push(Place { range, aligned: aligned_run && number == 0 });
        }
    }
    places
}
