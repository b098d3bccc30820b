//! The reading side of one core's journal: after a start, the groups of the last incarnation in sequence order, and the judgement
//! of where they end. Pure: bytes in, frames out.

use bytes::Bytes;

use super::{
    format::{
        ExtentHeader, FRAME_HEADER_BYTES, FrameHeader, FrameKind, GROUP_HEADER_BYTES, GroupHeader, padded,
    },
    layout,
};
use crate::{
    base::{Incarnation, JournalSequence},
    limits::BLOCK_BYTES,
    record::UncheckedBatch,
};

/// Acknowledged data that cannot be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error(
        "group {sequence} of the journal is damaged in extent {extent} at byte {position}, but a later group proves that it was \
         durable: the device lost acknowledged data"
    )]
    Group { sequence: u64, extent: u32, position: u64 },
    #[error(
        "the journal has groups up to {last} and from {next}, nothing between: an extent is missing or damaged"
    )]
    Gap { last: u64, next: u64 },
}

/// One extent's bytes with its header.
pub struct ExtentBytes {
    pub header: ExtentHeader,
    pub bytes: Bytes,
}

/// One frame with its payload, checked.
#[derive(Clone, Debug)]
pub struct ReplayFrame {
    pub header: FrameHeader,
    pub payload: Bytes,
}

/// What a replay found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The last whole group.
    pub last: JournalSequence,
}

/// Which extents belong to `incarnation` and hold groups from `start` on, oldest first.
pub fn order(
    mut headers: Vec<ExtentHeader>,
    incarnation: Incarnation,
    start: JournalSequence,
) -> Vec<ExtentHeader> {
    headers.retain(|header| header.incarnation == incarnation);
    headers.sort_by_key(|header| (header.first_sequence, header.generation));
    let begin = headers.partition_point(|header| header.first_sequence <= start).saturating_sub(1);
    headers.split_off(begin)
}

/// Walks groups in sequence order, starting at `start`.
pub struct Replay {
    /// The next group to find.
    expected: JournalSequence,
    /// Groups before this are walked but not handed out.
    start: JournalSequence,
    /// Where the chain broke off: anything that proves a later group durable is damage.
    broken: Option<(u32, u64)>,
    begun: bool,
}

impl Replay {
    pub fn new(start: JournalSequence) -> Replay {
        Replay { expected: start, start, broken: None, begun: false }
    }

    pub fn end(&self) -> End {
        End { last: JournalSequence(self.expected.0.saturating_sub(1)) }
    }

    /// Takes the next extent, in the order of `order`; hands each frame from `start` on to `take`.
    pub fn extent<E: From<Damage>>(
        &mut self,
        extent: &ExtentBytes,
        take: &mut dyn FnMut(ReplayFrame) -> Result<(), E>,
    ) -> Result<(), E> {
        let header = &extent.header;
        if !self.begun {
            self.begun = true;
            if header.first_sequence > self.expected {
                return Err(Damage::Gap { last: self.end().last.0, next: header.first_sequence.0 }.into());
            }
            self.expected = header.first_sequence;
        } else if let Some((broken, position)) = self.broken {
            if header.first_sequence > self.expected {
                let sequence = self.expected.0;
                return Err(Damage::Group { sequence, extent: broken, position }.into());
            }
            // The extent was opened for the very group that is missing in the one before: the writer moved on.
            self.broken = None;
        }
        if header.first_sequence != self.expected {
            return Err(Damage::Gap { last: self.end().last.0, next: header.first_sequence.0 }.into());
        }
        let mut position = BLOCK_BYTES as u64;
        while let Some(group) = self.group_at(extent, position) {
            let Some(frames) = checked_frames(&extent.bytes, position, &group) else { break };
            if group.sequence >= self.start {
                frames.into_iter().try_for_each(&mut *take)?;
            }
            self.expected = JournalSequence(group.sequence.0 + 1);
            position += padded(group.length as usize) as u64;
        }
        self.broken = Some((header.extent, position));
        self.refuse_proof_behind(extent, position).map_err(E::from)
    }

    fn group_at(&self, extent: &ExtentBytes, position: u64) -> Option<GroupHeader> {
        let bytes = extent.bytes.get(position as usize..)?;
        GroupHeader::decode(&extent.header, position, bytes).filter(|group| group.sequence == self.expected)
    }

    /// Any authentic group behind the break that names the missing one as durable turns a torn tail into damage.
    fn refuse_proof_behind(&self, extent: &ExtentBytes, broken_at: u64) -> Result<(), Damage> {
        let mut position = broken_at;
        while let Some(bytes) = extent.bytes.get(position as usize..) {
            if bytes.is_empty() {
                break;
            }
            if let Some(group) = GroupHeader::decode(&extent.header, position, bytes)
                && group.durable >= self.expected
            {
                let sequence = self.expected.0;
                return Err(Damage::Group { sequence, extent: extent.header.extent, position: broken_at });
            }
            position += BLOCK_BYTES as u64;
        }
        Ok(())
    }
}

/// The group's frames, if every payload is what its frame header says.
fn checked_frames(bytes: &Bytes, position: u64, group: &GroupHeader) -> Option<Vec<ReplayFrame>> {
    let start = position as usize;
    let end = start + group.length as usize;
    let mut frames = Vec::with_capacity(group.frames as usize);
    let mut payload_at = start + GROUP_HEADER_BYTES + group.frames as usize * FRAME_HEADER_BYTES;
    for number in 0..group.frames as usize {
        let header_at = start + GROUP_HEADER_BYTES + number * FRAME_HEADER_BYTES;
        let header = FrameHeader::decode(&bytes[header_at..header_at + FRAME_HEADER_BYTES])?;
        payload_at = layout::payload_at(payload_at, &header);
        let payload_end = payload_at.checked_add(header.length as usize).filter(|at| *at <= end)?;
        let payload = bytes.slice(payload_at..payload_end);
        if FrameHeader::crc_of(header.kind, &payload) != header.payload_crc {
            return None;
        }
        if header.kind == FrameKind::Batch {
            let (batch, rest) = UncheckedBatch::split_first(&payload).ok()?;
            if !rest.is_empty() || batch.check().is_err() {
                return None;
            }
        }
        frames.push(ReplayFrame { header, payload });
        payload_at = payload_end;
    }
    (payload_at == end).then_some(frames)
}
