//! The journal's promises: whole groups come back in order, a torn tail is cut, stale groups are strangers, and damage below what
//! is proven durable is reported.

use bytes::Bytes;

use super::{
    format::{ExtentHeader, FrameKind, padded},
    layout,
    reader::{Damage, ExtentBytes, Replay, order},
    writer::{Frame, GroupWrite, Journal},
};
use crate::{
    base::{
        Codec, CoreId, FilePosition, Incarnation, JournalSequence, LeaderEpoch, Offset, OwnerEpoch,
        PartitionIndex, TopicPartition,
    },
    limits::BLOCK_BYTES,
    record::{BatchBuilder, RecordData},
};

const EXTENT_BYTES: usize = 16 * BLOCK_BYTES;

/// The extents as a device would hold them.
struct Disk(Vec<Vec<u8>>);

impl Disk {
    fn new(extents: usize) -> Disk {
        Disk(vec![vec![0; EXTENT_BYTES]; extents])
    }

    fn write(&mut self, group: &GroupWrite) {
        let number: usize =
            group.file.as_str().rsplit('-').next().and_then(|digits| digits.parse().ok()).expect("number");
        let at = group.position as usize;
        self.0[number][at..at + group.data.len()].copy_from_slice(&group.data);
    }

    fn replay(&self, incarnation: u64, start: u64) -> Result<Vec<i64>, Damage> {
        let headers = self.0.iter().filter_map(|extent| ExtentHeader::decode(extent)).collect();
        let start = JournalSequence(start);
        let mut replay = Replay::new(start);
        let mut found = Vec::new();
        for header in order(headers, Incarnation(incarnation), start) {
            let bytes = Bytes::copy_from_slice(&self.0[header.extent as usize]);
            replay.extent::<Damage>(&ExtentBytes { header, bytes }, &mut |frame| {
                found.push(frame.header.base.0);
                Ok(())
            })?;
        }
        Ok(found)
    }
}

fn frame(number: i64, bytes: usize) -> Frame {
    Frame {
        kind: FrameKind::TailImage,
        partition: TopicPartition::default(),
        owner_epoch: OwnerEpoch(0),
        segment: Offset(0),
        position: FilePosition(0),
        base: Offset(number),
        next: Offset(number),
        leader_epoch: LeaderEpoch(0),
        payload: Bytes::from(vec![number as u8; bytes]),
    }
}

fn journal(incarnation: u64, extents: usize) -> Journal {
    Journal::new(CoreId(0), Incarnation(incarnation), EXTENT_BYTES as u64, extents, 99)
}

/// Commits groups `from..to` of one frame each.
fn fill(journal: &mut Journal, disk: &mut Disk, from: i64, to: i64) -> GroupWrite {
    let mut last = None;
    for number in from..to {
        let group = journal.build(&[frame(number, 5000)]);
        disk.write(&group);
        journal.committed(group.sequence);
        last = Some(group);
    }
    last.expect("a group")
}

#[test]
fn groups_come_back_in_order_over_extents_and_from_any_start() {
    let (mut journal, mut disk) = (journal(1, 4), Disk::new(4));
    fill(&mut journal, &mut disk, 1, 20);
    for start in 1..20 {
        assert_eq!(disk.replay(1, start as u64), Ok((start..20).collect::<Vec<_>>()));
    }
    assert_eq!(disk.replay(1, 20), Ok(Vec::new()));
}

#[test]
fn a_torn_last_group_is_cut_whatever_is_left_of_it() {
    let (mut journal, mut disk) = (journal(1, 4), Disk::new(4));
    fill(&mut journal, &mut disk, 1, 12);
    let torn = journal.build(&[frame(12, 5000)]);
    for kept in (0..torn.data.len()).step_by(512) {
        let mut after = Disk(disk.0.clone());
        let part = GroupWrite { data: torn.data.slice(..kept), ..torn.clone() };
        after.write(&part);
        let found = after.replay(1, 1).expect("no damage");
        assert!(found.len() == 11 || found.len() == 12, "{kept} bytes kept: {found:?}");
    }
}

#[test]
fn a_damaged_group_below_a_durable_one_is_reported() {
    let (mut journal, mut disk) = (journal(1, 4), Disk::new(4));
    fill(&mut journal, &mut disk, 1, 5);
    let victim = journal.build(&[frame(5, 5000)]);
    disk.write(&victim);
    journal.committed(victim.sequence);
    for later in 6..12 {
        fill(&mut journal, &mut disk, later, later + 1);
        let mut damaged = Disk(disk.0.clone());
        let at = victim.position as usize + victim.data.len() - BLOCK_BYTES;
        damaged.0[0][at] ^= 1;
        assert!(matches!(damaged.replay(1, 1), Err(Damage::Group { sequence: 5, .. })), "with group {later}");
    }
}

#[test]
fn an_extent_that_vanished_between_others_is_reported() {
    let (mut journal, mut disk) = (journal(1, 4), Disk::new(4));
    fill(&mut journal, &mut disk, 1, 20);
    disk.0[1].fill(0);
    assert!(disk.replay(1, 1).is_err());
}

/// A damaged checkpoint may say so; it was a panic.
#[test]
fn a_start_before_the_first_group_is_a_gap() {
    let (mut journal, mut disk) = (journal(1, 2), Disk::new(2));
    fill(&mut journal, &mut disk, 0, 3);
    assert_eq!(disk.replay(1, 0), Err(Damage::Gap { last: 0, next: 1 }));
}

#[test]
fn groups_of_a_recycled_extent_and_of_an_earlier_start_are_strangers() {
    let (mut journal_, mut disk) = (journal(1, 3), Disk::new(3));
    fill(&mut journal_, &mut disk, 1, 15);
    journal_.release(JournalSequence(14));
    // The first extent is opened again; behind its new group stand whole groups of its first life.
    fill(&mut journal_, &mut disk, 15, 24);
    let found = disk.replay(1, 20).expect("no damage");
    assert_eq!(found, (20..24).collect::<Vec<_>>());
    let mut next = journal(2, 3);
    fill(&mut next, &mut disk, 1, 2);
    assert_eq!(disk.replay(2, 1), Ok(vec![1]));
}

#[test]
fn a_journal_says_what_a_group_would_leave_free() {
    let (mut journal, mut disk) = (journal(1, 2), Disk::new(2));
    assert_eq!(journal.extents_free_after(6000), Some(1));
    let mut number = 0;
    while journal.extents_free_after(6000) == Some(1) {
        fill(&mut journal, &mut disk, number, number + 1);
        number += 1;
    }
    assert!(journal.bytes_left() < 8192);
    assert_eq!(journal.extents_free_after(6000), Some(0), "it would open the last extent");
    fill(&mut journal, &mut disk, number, number + 1);
    while journal.has_room(6000) {
        number += 1;
        fill(&mut journal, &mut disk, number, number + 1);
    }
    assert_eq!(journal.extents_free_after(6000), None);
}

/// Batches of some partitions, each behind the one before it in its segment.
fn batches(random: &mut fastrand::Rng, count: usize) -> Vec<Frame> {
    let mut positions = [random.u32(0..9000), random.u32(0..9000)];
    let mut which = 0;
    let mut frames = Vec::new();
    for number in 0..count {
        if random.u8(0..4) == 0 {
            which = random.usize(0..2);
        }
        let value = vec![number as u8; random.usize(0..3000)];
        let mut builder = BatchBuilder::new(Codec::None, 8000);
        assert!(builder.push(RecordData { value: Some(&value), ..RecordData::default() }));
        let payload = builder.build().expect("a batch");
        let position = FilePosition(positions[which]);
        positions[which] += payload.len() as u32;
        let base = Offset(number as i64);
        let partition =
            TopicPartition { partition: PartitionIndex(which as i32), ..TopicPartition::default() };
        frames.push(Frame {
            kind: FrameKind::Batch,
            partition,
            position,
            payload,
            base,
            next: base,
            ..frame(0, 0)
        });
    }
    frames
}

#[test]
fn aligned_runs_come_back_whole_and_stand_as_in_their_segment() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut aligned = 0;
    for _ in 0..300 {
        let run_bytes_min = [1, 4096, 8000][random.usize(0..3)];
        let count = random.usize(1..12);
        let frames = batches(&mut random, count);
        let mut journal = journal(1, 4).aligning(run_bytes_min);
        let size = frames.iter().fold(journal.empty_group(), |size, frame| size.with(frame));
        let group = journal.build(&frames);
        assert!(
            group.data.len() <= BLOCK_BYTES + padded(size.bytes()),
            "a group is no larger than was foreseen"
        );
        let mut disk = Disk::new(4);
        disk.write(&group);
        let found: Vec<_> = frames.iter().map(|frame| frame.base.0).collect();
        assert_eq!(disk.replay(1, 1), Ok(found));
        let places = layout::places(&frames, run_bytes_min);
        for ((place, payload), frame) in places.iter().zip(&group.payloads).zip(&frames) {
            if place.aligned {
                aligned += 1;
                assert_eq!(payload.as_ptr() as usize % BLOCK_BYTES, frame.position.0 as usize % BLOCK_BYTES);
            }
        }
    }
    assert!(aligned > 100, "{aligned} runs were aligned");
}
