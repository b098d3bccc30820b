//! What a shard writes into its journal, read at the seam: the simulator learns from it what was placed where, and when the disk
//! holds it. Lives in the simulator; only reads.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use engine::{
    base::{Offset, TopicPartition},
    io::journal::{
        format::{ExtentHeader, FRAME_HEADER_BYTES, FrameHeader, GROUP_HEADER_BYTES, GroupHeader},
        layout,
    },
    limits::BLOCK_BYTES,
    op::{FileName, Op, OpId},
};

use super::disk::Ticket;

#[derive(Clone, Debug)]
pub struct Group {
    pub extent: ExtentHeader,
    /// Where it begins in its file, and in the write that carries it.
    pub position: u64,
    pub offset: usize,
    pub header: GroupHeader,
    pub frames: Vec<(FrameHeader, Bytes)>,
}

/// The extents as they were last opened.
#[derive(Debug, Default)]
pub struct Journals {
    opened: BTreeMap<FileName, ExtentHeader>,
}

pub fn is_extent(file: &FileName) -> bool {
    file.as_str().contains("/extent-")
}

impl Journals {
    /// The group that a write carries; none if it is no journal write.
    pub fn read(&mut self, op: &Op) -> Option<Group> {
        let Op::Write { file, position, data, .. } = op else { return None };
        if !is_extent(file) {
            return None;
        }
        let mut offset = 0;
        if *position == 0 {
            self.opened.insert(file.clone(), ExtentHeader::decode(data)?);
            offset = BLOCK_BYTES;
        }
        let extent = *self.opened.get(file)?;
        parse(&extent, *position + offset as u64, offset, data)
    }
}

/// The group at `offset` of `data`, which stands at `position` of its extent.
pub fn parse(extent: &ExtentHeader, position: u64, offset: usize, data: &Bytes) -> Option<Group> {
    let header = GroupHeader::decode(extent, position, data.get(offset..)?)?;
    let count = header.frames as usize;
    let mut payload_at = offset + GROUP_HEADER_BYTES + count * FRAME_HEADER_BYTES;
    let mut frames = Vec::with_capacity(count);
    for number in 0..count {
        let frame_at = offset + GROUP_HEADER_BYTES + number * FRAME_HEADER_BYTES;
        let frame = FrameHeader::decode(data.get(frame_at..frame_at + FRAME_HEADER_BYTES)?)?;
        payload_at = layout::payload_at(payload_at, &frame);
        let end = payload_at + frame.length as usize;
        data.get(payload_at..end)?;
        frames.push((frame, data.slice(payload_at..end)));
        payload_at = end;
    }
    Some(Group { extent: *extent, position, offset, header, frames })
}

/// What the disk holds once a group is done.
#[derive(Clone, Copy, Debug)]
pub enum Held {
    /// A partition's batches up to here.
    End(TopicPartition, Offset),
    /// A move of its log start.
    Start(TopicPartition, Offset),
}

/// The groups of one core that the disk has not promised yet, in sequence order.
#[derive(Debug, Default)]
pub struct GroupsInFlight {
    groups: VecDeque<GroupInFlight>,
}

#[derive(Debug)]
struct GroupInFlight {
    ticket: Ticket,
    /// Whom the shard shall hear of.
    op: OpId,
    held: Vec<Held>,
    is_done: bool,
}

impl GroupsInFlight {
    pub fn push(&mut self, ticket: Ticket, op: OpId, held: Vec<Held>) {
        self.groups.push_back(GroupInFlight { ticket, op, held, is_done: false });
    }

    /// Groups may be done in any order; what the disk holds is a prefix. Gives out what came to it.
    pub fn done(&mut self, ticket: Ticket) -> Vec<Held> {
        if let Some(group) = self.groups.iter_mut().find(|group| group.ticket == ticket) {
            group.is_done = true;
        }
        let mut held = Vec::new();
        while let Some(group) = self.groups.pop_front_if(|group| group.is_done) {
            held.extend(group.held);
        }
        held
    }

    /// For a canary: the oldest write trades its name with this one, so the shard takes the one for the other.
    pub fn trade(&mut self, ticket: Ticket) -> Option<OpId> {
        let at = self.groups.iter().position(|group| group.ticket == ticket)?;
        let oldest = self.groups.front()?.op;
        self.groups[0].op = self.groups[at].op;
        self.groups[at].op = oldest;
        Some(oldest)
    }
}
