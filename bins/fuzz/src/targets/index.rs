//! A cold read over index, time index and log files that hold anything: it ends, reads within bounds, and over a sound index it
//! begins where a search of every entry would.
//!
//! ```text
//! by time u8 · base i64 · target i64 · index entries u16 · time entries u16 · size u32 · read blocks u8 · sorted u8 ·
//! index (chunk) · time index (chunk) · log (the rest)
//! ```

use std::sync::Arc;

use bytes::Bytes;
use engine::base::{FilePosition, Offset, Timestamp};
use engine::limits::BLOCK_BYTES;
use engine::log::segment::{INDEX_ENTRY_BYTES, IndexEntry, Segment, TIME_ENTRY_BYTES};
use engine::op::{Op, Path};
use engine::record;
use engine::shard::cold::{Cold, Progress, batch_size};

use crate::{Reached, input::Input};

/// Halving 65,535 entries a block at a time takes fewer.
const STEPS_MAX: usize = 64;

struct Files {
    index: Vec<u8>,
    times: Vec<u8>,
    log: Vec<u8>,
}

pub fn run(bytes: &[u8]) -> Reached {
    let mut input = Input::new(bytes);
    let by_time = input.u8() % 2 == 1;
    let (base, target) = (Offset(input.i64()), input.i64());
    let segment = Segment {
        index_entries: input.u16().into(),
        time_entries: input.u16().into(),
        size: FilePosition(input.u32()),
        ..Segment::empty(base)
    };
    let read_bytes = (1 + u32::from(input.u8() % 16)) * BLOCK_BYTES as u32;
    let sorted = input.u8() % 2 == 1;
    let mut files =
        Files { index: input.chunk().to_vec(), times: input.chunk().to_vec(), log: input.rest().to_vec() };
    if sorted {
        files.index.as_chunks_mut::<INDEX_ENTRY_BYTES>().0.sort_unstable();
    }
    let directory: Arc<str> = "t-0".into();
    let cold = match by_time {
        true => Cold::at_time(directory, segment, Timestamp(target), read_bytes),
        false => Cold::at_offset(directory, segment, Offset(target), read_bytes),
    };
    let is_whole = files.index.len() == segment.index_entries as usize * INDEX_ENTRY_BYTES;
    let expected = (sorted && is_whole && !by_time).then(|| searched(&files.index, base, Offset(target)));
    follow(cold, &files, expected)
}

/// Where the last entry at or before the target points.
fn searched(index: &[u8], base: Offset, target: Offset) -> FilePosition {
    let entries =
        index.as_chunks::<INDEX_ENTRY_BYTES>().0.iter().map(|bytes| IndexEntry::decode(bytes, base));
    entries.take_while(|entry| entry.offset <= target).last().map_or(FilePosition(0), |entry| entry.position)
}

/// Plays the device, as the flows above do, until the read has come to the end of its segment.
fn follow(mut cold: Cold, files: &Files, mut expected: Option<FilePosition>) -> Reached {
    let size = cold.segment().size;
    let mut reached = Reached::Refused;
    for _ in 0..STEPS_MAX + files.log.len() {
        let (position, read) = performed(cold.op(), files);
        match cold.feed(read) {
            Progress::More => {}
            Progress::Damaged(_) => return reached,
            Progress::Range { .. } => panic!("no range was asked for"),
            Progress::Chunk { position: at, bytes } => {
                if let Some(expected) = expected.take() {
                    assert_eq!(at, expected);
                }
                assert!(u64::from(at.0) >= position && !bytes.is_empty());
                assert!(u64::from(at.0) + bytes.len() as u64 <= u64::from(size.0), "behind what is known");
                let walked =
                    record::headers(&bytes).last().map_or(0, |(position, header)| position + header.size());
                let rest = &bytes[walked..];
                let whole = batch_size(rest);
                if walked > 0 {
                    reached = Reached::Taken;
                }
                if walked == 0 && whole.is_none_or(|whole| whole <= rest.len()) {
                    return reached;
                }
                let next = at.0 + walked as u32;
                if next >= size.0 || !cold.continue_at(FilePosition(next), whole.unwrap_or(0)) {
                    return reached;
                }
            }
        }
    }
    panic!("a cold read does not end");
}

fn performed(op: Op, files: &Files) -> (u64, Bytes) {
    let Op::Read { file, position, length, path, .. } = op else { panic!("a read that is none") };
    let (name, whole) = (file.as_str(), BLOCK_BYTES as u64);
    let bytes = if name.ends_with(".index") {
        assert!(length as usize <= BLOCK_BYTES && position % INDEX_ENTRY_BYTES as u64 == 0);
        &files.index
    } else if name.ends_with(".timeindex") {
        assert!(length as usize <= BLOCK_BYTES && position % TIME_ENTRY_BYTES as u64 == 0);
        &files.times
    } else {
        assert!(path == Path::Direct && position % whole == 0 && u64::from(length) % whole == 0);
        &files.log
    };
    let start = bytes.len().min(position as usize);
    let end = bytes.len().min(start + length as usize);
    (position, Bytes::copy_from_slice(&bytes[start..end]))
}
