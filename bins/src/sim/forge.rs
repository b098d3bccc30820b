//! Forgeries for canaries: rewrites journals at rest so that a sound reader takes what it must not take, as a reader with a rule
//! missing would. Never part of an honest run.

use std::collections::BTreeMap;

use bytes::Bytes;
use engine::{
    base::{FilePosition, Incarnation, JournalSequence},
    io::journal::{
        format::{
            ExtentHeader, FRAME_HEADER_BYTES, FrameHeader, FrameKind, GROUP_HEADER_BYTES, GROUP_MAGIC,
            GroupHeader, padded,
        },
        layout,
    },
    limits::BLOCK_BYTES,
};

use super::{disk::Disk, journal};

/// Every extent: its path and bytes.
pub fn extents(disk: &Disk) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for core in disk.names("journal").into_iter().filter(|name| name.starts_with("core-")) {
        for name in disk.names(&format!("journal/{core}")) {
            let path = format!("journal/{core}/{name}");
            if let Some(bytes) = disk.bytes(&path).filter(|_| name.starts_with("extent-")) {
                found.push((path.clone(), bytes.to_vec()));
            }
        }
    }
    found
}

/// A group whose table of frames has landed and whose payloads have not becomes whole.
pub fn seal_torn_groups(disk: &mut Disk) {
    for (path, mut bytes) in extents(disk) {
        let Some(extent) = ExtentHeader::decode(&bytes) else { continue };
        let mut position = BLOCK_BYTES;
        while let Some(group) = bytes.get_mut(position..) {
            let Some(length) = seal(&extent, position as u64, group) else { break };
            position += padded(length);
        }
        disk.forge(&path, 0, &Bytes::from(bytes));
    }
}

/// Makes the group at the start of `group` whole if it can be; answers its length.
fn seal(extent: &ExtentHeader, position: u64, group: &mut [u8]) -> Option<usize> {
    let head = group.get(..GROUP_HEADER_BYTES)?;
    let number =
        |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    if head[..4] != GROUP_MAGIC {
        return None;
    }
    let (length, count) = (number(4), number(24));
    let table = GROUP_HEADER_BYTES + count.checked_mul(FRAME_HEADER_BYTES)?;
    if length > group.len() || table > length {
        return None;
    }
    let header = GroupHeader::decode(extent, position, group)?;
    let mut payload_at = table;
    for number in 0..count {
        let frame_at = GROUP_HEADER_BYTES + number * FRAME_HEADER_BYTES;
        let mut frame = FrameHeader::decode(&group[frame_at..frame_at + FRAME_HEADER_BYTES])?;
        payload_at = layout::payload_at(payload_at, &frame);
        let payload = group.get_mut(payload_at..payload_at + frame.length as usize)?;
        payload_at += frame.length as usize;
        if frame.kind == FrameKind::Batch {
            seal_batch(&frame, payload);
        }
        frame.payload_crc = FrameHeader::crc_of(frame.kind, payload);
        frame.encode(&mut group[frame_at..frame_at + FRAME_HEADER_BYTES]);
    }
    header.encode(extent, position, group);
    Some(length)
}

/// A batch with the right header and whatever bytes there are.
fn seal_batch(frame: &FrameHeader, payload: &mut [u8]) {
    let length = payload.len() as u32;
    payload[..8].copy_from_slice(&frame.base.0.to_be_bytes());
    payload[8..12].copy_from_slice(&(length - 12).to_be_bytes());
    payload[16] = 2;
    let count = (frame.next.0 - frame.base.0) as i32;
    payload[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    payload[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&payload[21..]);
    payload[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// As the start records say.
fn newest_incarnation(disk: &Disk) -> Option<Incarnation> {
    let record = |slot: u32| disk.bytes(&format!("journal/start-{slot}")).and_then(|bytes| bytes.get(8..16));
    let incarnations =
        (0..2).filter_map(record).filter_map(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
    incarnations.max().map(Incarnation)
}

/// The newest start's journals lose their last whole group, as if a reader stopped one too early.
pub fn cut_last_groups(disk: &mut Disk) {
    let newest = newest_incarnation(disk);
    let mut last: BTreeMap<u16, (JournalSequence, String, u64)> = BTreeMap::new();
    for (path, bytes) in extents(disk) {
        let Some(extent) = ExtentHeader::decode(&bytes).filter(|header| Some(header.incarnation) == newest)
        else {
            continue;
        };
        let bytes = Bytes::from(bytes);
        let mut position = BLOCK_BYTES;
        while let Some(group) = journal::parse(&extent, position as u64, position, &bytes) {
            let sequence = group.header.sequence;
            if last.get(&extent.core).is_none_or(|(known, ..)| *known < sequence) {
                last.insert(extent.core, (sequence, path.clone(), position as u64));
            }
            position += padded(group.header.length as usize);
        }
    }
    for (_, path, position) in last.into_values() {
        disk.forge(&path, position, &Bytes::from_static(&[0; GROUP_HEADER_BYTES]));
    }
}

/// Extents that earlier starts left behind pass for the newest start's.
pub fn renew_stale_extents(disk: &mut Disk) {
    let Some(newest) = newest_incarnation(disk) else { return };
    for (path, bytes) in extents(disk) {
        let Some(old) = ExtentHeader::decode(&bytes).filter(|header| header.incarnation < newest) else {
            continue;
        };
        let renewed = ExtentHeader { incarnation: newest, ..old };
        let original = Bytes::from(bytes.clone());
        let mut bytes = bytes;
        renewed.encode(&mut bytes[..BLOCK_BYTES]);
        let mut position = FilePosition(BLOCK_BYTES as u32);
        while let Some(group) = journal::parse(&old, u64::from(position.0), position.0 as usize, &original) {
            group.header.encode(&renewed, group.position, &mut bytes[group.offset..]);
            position = FilePosition(position.0 + padded(group.header.length as usize) as u32);
        }
        disk.forge(&path, 0, &Bytes::from(bytes));
    }
}
