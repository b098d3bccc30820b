//! Ranges of made-up segments, searched as a fetch does it.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::{
    base::Timestamp,
    log::segment::BatchFacts,
    op::OpenedFile,
    record::{BatchBuilder, Codec, RecordData},
    shard::cold::Cold,
};

const READ_BYTES: u32 = 64 << 10;

/// A segment and its files.
struct Files {
    segment: Segment,
    log: Vec<u8>,
    index: Vec<u8>,
    /// Where each batch begins, and its first offset; at last where the log ends.
    batches: Vec<(u32, Offset)>,
}

fn files(random: &mut fastrand::Rng, interval: u32, gaps: bool) -> Files {
    let mut segment = Segment::empty(Offset(1000));
    let (mut log, mut index, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    let mut next = Offset(1000);
    for _ in 0..random.usize(1..120) {
        let value = vec![7; [1, 100, 1000, 6000, 20_000][random.usize(0..5)]];
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
        for _ in 0..random.usize(1..4) {
            assert!(builder.push(RecordData { value: Some(&value), ..RecordData::default() }));
        }
        let mut batch = builder.build().expect("a batch").to_vec();
        if gaps && random.bool() {
            next = next.plus(random.i64(1..50));
        }
        batch[..8].copy_from_slice(&next.0.to_be_bytes());
        let header = BatchHeader::parse(&batch).expect("a header");
        batches.push((log.len() as u32, next));
        let facts = BatchFacts {
            base: next,
            next: header.next_offset(),
            size: batch.len() as u32,
            max_timestamp: Timestamp(0),
        };
        if let Some(entry) = segment.apply(&facts, interval).index {
            entry.encode(segment.base, &mut index);
        }
        next = header.next_offset();
        log.extend(batch);
    }
    batches.push((log.len() as u32, next));
    // Space that is allocated behind the last batch.
    log.resize(log.len() + 10_000, 0);
    Files { segment, log, index, batches }
}

impl Files {
    fn perform(&self, op: &Op) -> Bytes {
        let Op::Read { file, position, length, path, .. } = op else { panic!("{op:?}") };
        assert_eq!(*path, Path::Buffered);
        let bytes = if file.as_str().ends_with(".index") { &self.index } else { &self.log };
        let start = (*position as usize).min(bytes.len());
        Bytes::copy_from_slice(&bytes[start..(start + *length as usize).min(bytes.len())])
    }

    fn begin(&self, target: Offset, bytes_max: u32, known: Option<(FilePosition, u32)>) -> Cold {
        let next_at_end = self.batches[self.batches.len() - 1].1;
        let cold = Cold::at_offset("t-0".into(), self.segment, target, READ_BYTES).by(Path::Buffered);
        cold.ranging(target, Ranging { bytes_max, next_at_end }, known)
    }

    /// What comes of a search, and how many bytes it read.
    fn search(&self, mut cold: Cold) -> (Progress, usize) {
        let mut read = 0;
        for _ in 0..100 {
            let op = cold.op();
            let progress = match &op {
                Op::Open { .. } => cold.opened(OpenedFile(Arc::new(()))),
                _ => {
                    let bytes = self.perform(&op);
                    read += bytes.len();
                    cold.feed(bytes)
                }
            };
            if !matches!(progress, Progress::More) {
                return (progress, read);
            }
        }
        panic!("the search does not end");
    }

    fn number_at(&self, position: u32) -> usize {
        let found = self.batches.binary_search_by_key(&position, |(at, _)| *at);
        found.unwrap_or_else(|_| panic!("{position} is within a batch"))
    }
}

#[test]
fn a_range_is_the_whole_batches_from_the_target_on_that_the_index_knows_within_the_limit() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut ranges, mut chunks) = (0, 0);
    for round in 0..600 {
        let interval = [0, 4096, 4096, 16 << 10][random.usize(0..4)];
        let files = files(&mut random, interval, round % 3 == 0);
        let bytes_max = [5_000, 40_000, 200_000, u32::MAX][random.usize(0..4)];
        let last = files.batches.len() - 1;
        let first = random.usize(0..last);
        let target = Offset(random.i64(files.batches[first].1.0..files.batches[first + 1].1.0));
        let (progress, read) = files.search(files.begin(target, bytes_max, None));
        let header = |number: usize| {
            BatchHeader::parse(&files.log[files.batches[number].0 as usize..]).expect("a header")
        };
        match progress {
            Progress::Range { range, next, behind } => {
                ranges += 1;
                let start = files.number_at(range.position as u32);
                let end = files.number_at(range.position as u32 + range.length);
                assert!(header(start).next_offset() > target);
                assert!(start == 0 || header(start - 1).next_offset() <= target);
                assert!(start < end && range.length <= bytes_max);
                assert_eq!(next, files.batches[end].1);
                assert_eq!(
                    behind.map(|(position, _)| position.0),
                    (end < last).then(|| files.batches[end].0)
                );
                assert!(read < 20 * BLOCK_BYTES, "{read} bytes read");
                // A reader that goes on there finds its way without the search for the beginning.
                if let Some(known) = behind {
                    let (progress, read) = files.search(files.begin(next, u32::MAX, Some(known)));
                    let Progress::Range { range, behind: None, .. } = progress else { panic!("to the end") };
                    assert_eq!((range.position as u32, read), (files.batches[end].0, 0));
                    let (progress, _) = files.search(files.begin(next, 40_000, Some(known)));
                    if let Progress::Range { range, .. } = progress {
                        assert_eq!(range.position as u32, files.batches[end].0);
                        files.number_at(range.position as u32 + range.length);
                    }
                }
            }
            Progress::Chunk { position, .. } => {
                chunks += 1;
                let whole = files.number_at(position.0);
                assert!(whole == 0 || header(whole - 1).next_offset() <= target);
            }
            Progress::More | Progress::Damaged(_) => panic!("nothing comes of it"),
        }
    }
    assert!(ranges > chunks && chunks > 10, "{ranges} ranges, {chunks} chunks");
}

#[test]
fn no_range_goes_beyond_what_the_segment_is_known_to_hold() {
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..50 {
        let mut files = files(&mut random, 4096, false);
        // Behind a flush that came later: batches and entries of which the search knows nothing.
        let (size, entries) = (files.segment.size.0, files.segment.index_entries);
        let later = files.log.clone();
        files.log.truncate(size as usize);
        files.log.extend(later);
        files.index.extend_from_within(..);
        assert!(files.index.len() >= entries as usize * INDEX_ENTRY_BYTES);
        let (progress, _) = files.search(files.begin(Offset(1000), u32::MAX, None));
        let Progress::Range { range, .. } = progress else { panic!("no range") };
        assert_eq!((range.position, range.length), (0, size));
    }
}

#[test]
fn where_the_bounds_are_damaged_the_log_is_read() {
    let mut random = fastrand::Rng::with_seed(9);
    let mut gave_up = 0;
    for _ in 0..50 {
        let mut files = files(&mut random, 4096, false);
        let begin = files.begin(Offset(1000), 40_000, None);
        let (Progress::Range { behind: Some((position, _)), .. }, _) = files.search(begin) else { continue };
        // The magic of the batch behind the range.
        files.log[position.0 as usize + 16] = 9;
        let (progress, _) = files.search(files.begin(Offset(1000), 40_000, None));
        assert!(matches!(progress, Progress::Chunk { .. }), "what is wrong is told by who reads it");
        gave_up += 1;
    }
    assert!(gave_up > 5);
}
