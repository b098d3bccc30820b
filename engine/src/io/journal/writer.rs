//! The writing side of one core's journal: which extent takes the next group, and when an extent is free again. Builds bytes
//! and names files; performs no I/O. Lives on its core.
//!
//! An extent goes Free → Active → Full → Free. It becomes Free only by `release`, which the caller may call once the
//! checkpoint that covers the extent's groups is durable (rule 2).

use bytes::Bytes;

use super::{
    format::{
        ExtentHeader, FRAME_HEADER_BYTES, FrameHeader, FrameKind, GROUP_HEADER_BYTES, GroupHeader, padded,
    },
    layout::{self, GroupSize},
};
use crate::{
    base::{
        CoreId, FilePosition, Incarnation, JournalSequence, LeaderEpoch, Offset, OwnerEpoch, TopicPartition,
    },
    io::arena::Arena,
    limits::BLOCK_BYTES,
    op::FileName,
    record,
};

/// A frame on its way into a group.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: FrameKind,
    pub partition: TopicPartition,
    pub owner_epoch: OwnerEpoch,
    pub segment: Offset,
    pub position: FilePosition,
    pub base: Offset,
    pub next: Offset,
    /// Written into a batch when it is copied; of no meaning to other kinds.
    pub leader_epoch: LeaderEpoch,
    pub payload: Bytes,
}

/// A group ready to be written with O_DIRECT and RWF_DSYNC.
#[derive(Clone, Debug)]
pub struct GroupWrite {
    pub file: FileName,
    pub position: u64,
    pub data: Bytes,
    /// What `data` takes of memory, with what could not be used for it.
    pub memory_bytes: usize,
    pub sequence: JournalSequence,
    /// The payload of each frame, as slices of `data`, placed: base offset and leader epoch patched.
    pub payloads: Vec<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Active,
    Full { last: JournalSequence },
}

#[derive(Debug)]
struct Extent {
    file: FileName,
    generation: u64,
    state: State,
}

#[derive(Debug)]
struct Active {
    index: usize,
    header: ExtentHeader,
    /// Where the next group goes.
    position: u64,
}

#[derive(Debug)]
pub struct Journal {
    core: CoreId,
    incarnation: Incarnation,
    extent_bytes: u64,
    /// Batches that follow each other in their segment and have so many bytes are laid out as there.
    run_bytes_min: usize,
    extents: Vec<Extent>,
    active: Option<Active>,
    next: JournalSequence,
    durable: JournalSequence,
    secrets: u64,
    memory: Arena,
}

/// Where a core's journal and checkpoints live.
pub fn directory(core: CoreId) -> String {
    format!("journal/core-{}", core.0)
}

pub fn extent_file(core: CoreId, extent: usize) -> FileName {
    FileName::new(format!("{}/extent-{extent:04}", directory(core)))
}

impl Journal {
    /// A journal over `count` filled extents of `extent_bytes`, all free. `seed` is random: the secrets follow from it.
    pub fn new(
        core: CoreId,
        incarnation: Incarnation,
        extent_bytes: u64,
        count: usize,
        seed: u64,
    ) -> Journal {
        assert!(
            count >= 2 && extent_bytes.is_multiple_of(BLOCK_BYTES as u64),
            "extents come in blocks, two at least"
        );
        let extent = |index| Extent { file: extent_file(core, index), generation: 0, state: State::Free };
        Journal {
            core,
            incarnation,
            extent_bytes,
            run_bytes_min: usize::MAX,
            extents: (0..count).map(extent).collect(),
            active: None,
            next: JournalSequence(1),
            durable: JournalSequence(0),
            secrets: seed,
            memory: Arena::default(),
        }
    }

    /// Lays out batches that follow each other in their segment as they are there, from this many bytes on.
    pub fn aligning(mut self, run_bytes_min: usize) -> Journal {
        self.run_bytes_min = run_bytes_min;
        self
    }

    /// The largest payload that one group can carry, be it aligned or not.
    pub fn payload_bytes_max(extent_bytes: u64) -> usize {
        extent_bytes as usize - 2 * BLOCK_BYTES - GROUP_HEADER_BYTES - FRAME_HEADER_BYTES
    }

    /// The size of a group without frames.
    pub fn empty_group<'a>(&self) -> GroupSize<'a> {
        GroupSize::new(self.run_bytes_min)
    }

    /// The number of the group that will be built next.
    pub fn next_sequence(&self) -> JournalSequence {
        self.next
    }

    pub fn durable(&self) -> JournalSequence {
        self.durable
    }

    pub fn extents_free(&self) -> usize {
        self.extents.iter().filter(|extent| extent.state == State::Free).count()
    }

    pub fn extents_total(&self) -> usize {
        self.extents.len()
    }

    /// The largest group that an extent takes.
    pub fn group_bytes_max(&self) -> usize {
        self.extent_bytes as usize - BLOCK_BYTES
    }

    /// What the active extent still takes.
    pub fn bytes_left(&self) -> usize {
        self.active.as_ref().map_or(0, |active| (self.extent_bytes - active.position) as usize)
    }

    /// How many extents are free once a group of this many bytes (header included) is written; none: it finds no room now.
    pub fn extents_free_after(&self, group_bytes: usize) -> Option<usize> {
        if padded(group_bytes) <= self.bytes_left() {
            Some(self.extents_free())
        } else {
            self.extents_free().checked_sub(1)
        }
    }

    /// Whether a group of this many bytes (header included) finds room now.
    pub fn has_room(&self, group_bytes: usize) -> bool {
        self.extents_free_after(group_bytes).is_some()
    }

    /// Lays the frames out as the next group. The caller has asked `has_room`; a group that opens an extent is built
    /// when all before it are durable.
    pub fn build(&mut self, frames: &[Frame]) -> GroupWrite {
        let places = layout::places(frames, self.run_bytes_min);
        let length = places.last().map_or(GROUP_HEADER_BYTES, |place| place.range.end);
        let opened = self.make_room(length);
        let active = self.active.as_mut().expect("make_room leaves an active extent");
        let group_at = if opened { BLOCK_BYTES } else { 0 };
        let (mut data, memory_bytes) = self.memory.take(group_at + padded(length));
        for (frame, place) in frames.iter().zip(&places) {
            // Headers, which are written below, and padding.
            data.extend_zeros(group_at + place.range.start - data.len());
            data.extend_from_slice(&frame.payload);
        }
        data.pad_to_block();
        if opened {
            active.header.encode(&mut data.as_mut_slice()[..BLOCK_BYTES]);
        }
        let group = &mut data.as_mut_slice()[group_at..];
        for (number, (frame, place)) in frames.iter().zip(&places).enumerate() {
            let payload = &mut group[place.range.clone()];
            if frame.kind == FrameKind::Batch {
                record::place(payload, frame.base, frame.leader_epoch);
            }
            let header = FrameHeader {
                kind: frame.kind,
                aligned: place.aligned,
                partition: frame.partition,
                owner_epoch: frame.owner_epoch,
                length: frame.payload.len() as u32,
                segment: frame.segment,
                position: frame.position,
                payload_crc: FrameHeader::crc_of(frame.kind, payload),
                base: frame.base,
                next: frame.next,
            };
            header
                .encode(&mut group[GROUP_HEADER_BYTES + number * FRAME_HEADER_BYTES..][..FRAME_HEADER_BYTES]);
        }
        let header = GroupHeader {
            length: length as u32,
            sequence: self.next,
            durable: self.durable,
            frames: frames.len() as u32,
        };
        header.encode(&active.header, active.position, group);
        let position = active.position - group_at as u64;
        active.position += padded(length) as u64;
        self.next = JournalSequence(self.next.0 + 1);
        let data = data.freeze();
        let payloads = places
            .into_iter()
            .map(|place| data.slice(group_at + place.range.start..group_at + place.range.end))
            .collect();
        let file = self.extents[active.index].file.clone();
        GroupWrite { file, position, data, memory_bytes, sequence: header.sequence, payloads }
    }

    /// The group of this number is in stable storage, and with it all before it.
    pub fn committed(&mut self, sequence: JournalSequence) {
        assert_eq!(sequence.0, self.durable.0 + 1, "groups commit in order");
        self.durable = sequence;
    }

    /// Gives back to the kernel what groups that are gone have left.
    pub fn trim_memory(&mut self) {
        self.memory.trim();
    }

    /// Frees the extents whose groups all end at or below `sequence`. Only after the checkpoint that covers them is durable.
    pub fn release(&mut self, sequence: JournalSequence) {
        for extent in &mut self.extents {
            if matches!(extent.state, State::Full { last } if last <= sequence) {
                extent.state = State::Free;
            }
        }
    }

    /// Makes sure that the active extent has room for a group; true: it was opened for it, and its header goes in front.
    fn make_room(&mut self, length: usize) -> bool {
        if let Some(active) = &self.active {
            if active.position + padded(length) as u64 <= self.extent_bytes {
                return false;
            }
            self.extents[active.index].state = State::Full { last: JournalSequence(self.next.0 - 1) };
        }
        let is_free = |extent: &Extent| extent.state == State::Free;
        // The extent that was used longest ago.
        let free = self.extents.iter().enumerate().filter(|(_, extent)| is_free(extent));
        let index = free.min_by_key(|(_, extent)| extent.generation).map(|(index, _)| index);
        let index = index.expect("the caller asked has_room");
        let newest = self.extents.iter().map(|extent| extent.generation).max().unwrap_or(0);
        let secret = self.next_secret();
        let extent = &mut self.extents[index];
        extent.generation = newest + 1;
        extent.state = State::Active;
        let header = ExtentHeader {
            core: self.core.0,
            incarnation: self.incarnation,
            extent: index as u32,
            generation: extent.generation,
            secret,
            first_sequence: self.next,
        };
        self.active = Some(Active { index, header, position: BLOCK_BYTES as u64 });
        true
    }

    /// SplitMix64: the seed is random and secret, so the numbers are as good as that.
    fn next_secret(&mut self) -> u64 {
        self.secrets = self.secrets.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.secrets;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
