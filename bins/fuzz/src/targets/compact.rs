//! Compaction of batches as they may lie on a disk: what stays is a sound batch of the same offsets, whose records were there and
//! are the newest of their keys, and a second run over it takes nothing away from a key's newest record.
//!
//! ```text
//! keys u8 · rules' end u16 · keep empty u8 · then per batch: mode u8 (see `batch`) · base offset u16 · length u16 · batch
//! ```

use engine::base::{LeaderEpoch, Offset, Timestamp};
use engine::compact::{Kept, OffsetMap, Rules, filter, learn};
use engine::limits::EXPANSION_BYTES_MAX;
use engine::record::{CheckedBatch, UncheckedBatch, place};

use super::batch;
use crate::{Reached, input::Input};

/// One record as far as compaction may not change it.
type Record = (Offset, Option<Vec<u8>>, Option<Vec<u8>>);

pub fn run(bytes: &[u8]) -> Reached {
    let mut input = Input::new(bytes);
    let mut map = OffsetMap::new(input.u8().into(), 1 << 16, 7);
    let end = Offset(input.u16().into());
    let keep_empty = input.u8() % 2 == 1;
    let mut batches = Vec::new();
    while !input.is_empty() && batches.len() < 16 {
        let mode = input.u8();
        let base = Offset(input.u16().into());
        let mut made = batch::made(mode, input.chunk());
        place(&mut made, base, LeaderEpoch(1));
        batches.push(made);
    }
    let checked: Vec<CheckedBatch<'_>> = batches.iter().filter_map(|bytes| check(bytes)).collect();
    let mut full = None;
    for batch in &checked {
        if let Ok(Some(offset)) = learn(batch, Offset(0), &mut map, EXPANSION_BYTES_MAX) {
            full = Some(offset);
            break;
        }
    }
    let end = full.map_or(end, |full| full.min(end));
    let rules = Rules {
        end,
        now: Timestamp(1_700_000_000_000),
        delete_retention_ms: 1000,
        opening_bytes_max: EXPANSION_BYTES_MAX,
        marks_stay: false,
    };
    let mut reached = Reached::Refused;
    for batch in &checked {
        let Ok(kept) = filter(batch, &map, &rules, keep_empty) else { continue };
        reached = Reached::Taken;
        if let Kept::Rewritten(rewritten) = &kept {
            is_a_part_of(batch, rewritten, &map, &rules, keep_empty);
        }
    }
    reached
}

fn check(bytes: &[u8]) -> Option<CheckedBatch<'_>> {
    UncheckedBatch::split_first(bytes).ok()?.0.check().ok()
}

fn records(batch: &CheckedBatch<'_>) -> Vec<Record> {
    let records = batch.records(1 << 30).expect("it was read by the filter");
    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let record = |record: engine::record::Record<'_>| (record.offset, owned(record.key), owned(record.value));
    records.iter().map(|read| record(read.expect("it was read by the filter"))).collect()
}

fn is_a_part_of(batch: &CheckedBatch<'_>, bytes: &[u8], map: &OffsetMap, rules: &Rules, keep_empty: bool) {
    let kept = check(bytes).expect("what the cleaner writes is a batch");
    assert_eq!(kept.bytes().len(), bytes.len());
    let (before, after) = (batch.header(), kept.header());
    assert_eq!((before.base_offset, before.last_offset()), (after.base_offset, after.last_offset()));
    assert_eq!((before.producer_id, before.producer_epoch), (after.producer_id, after.producer_epoch));
    assert_eq!(before.last_sequence(), after.last_sequence());
    let mut there = records(batch).into_iter();
    for record in records(&kept) {
        assert!(there.any(|other| other == record), "a record out of nowhere: {record:?}");
    }
    // Deleted keys may go at their time; nothing else goes twice.
    match filter(&kept, map, rules, keep_empty).expect("what the cleaner wrote it can read") {
        Kept::Whole | Kept::Nothing => {}
        Kept::Rewritten(again) => assert!(check(&again).is_some()),
    }
}
