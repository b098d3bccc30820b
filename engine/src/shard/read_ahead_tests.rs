//! The machine of read-ahead by itself: what begins, what goes, and what memory it has.

use super::*;
use crate::log::segment::Segment;

const SLOT: Slot = Slot(7);

fn cold() -> Cold {
    let segment = Segment { size: FilePosition(1 << 20), ..Segment::empty(Offset(0)) };
    Cold::at_position("t-0".into(), segment, FilePosition(0), 4096)
}

/// One at each of these offsets, which is its deadline too.
fn waiting(offsets: std::ops::Range<i64>, turns: &mut ColdTurns) -> ReadAhead {
    let mut aheads = ReadAhead::default();
    for offset in offsets {
        let (removals, bytes, deadline) = (0, 4096, Deadline(offset as u64));
        let (offset, state) = (Offset(offset), State::Waiting(cold()));
        aheads.add(Ahead { number: 0, slot: SLOT, offset, removals, bytes, deadline, state }, turns);
    }
    aheads
}

fn started(aheads: &mut ReadAhead, turns: &mut ColdTurns) -> Vec<u64> {
    std::iter::from_fn(|| aheads.start(turns)).map(|(number, ..)| number).collect()
}

#[test]
fn what_waits_begins_oldest_first_within_its_part_of_the_memory() {
    let mut turns = ColdTurns::new(4 * 4096);
    let mut aheads = waiting(1..5, &mut turns);
    assert_eq!(started(&mut aheads, &mut turns), [1, 2]);
    assert!(matches!(aheads.take(SLOT, Offset(1), 9, &mut turns), Taken::Reading(_)));
    assert!(matches!(aheads.take(SLOT, Offset(1), 9, &mut turns), Taken::Nothing), "it is another's");
    assert_eq!(started(&mut aheads, &mut turns), [3], "what is awaited is no read-ahead any more");
    assert!(matches!(aheads.take(SLOT, Offset(4), 9, &mut turns), Taken::Nothing), "not begun");
    assert_eq!(started(&mut aheads, &mut turns), []);
}

#[test]
fn places_are_bounded_and_the_oldest_goes() {
    let mut turns = ColdTurns::new(0);
    let aheads = waiting(0..READ_AHEADS_MAX as i64 + 3, &mut turns);
    assert_eq!(aheads.aheads.len(), READ_AHEADS_MAX);
    assert_eq!(aheads.wanted(SLOT, Offset(2)), None);
    assert_eq!(aheads.wanted(SLOT, Offset(3)), Some(0));
}

#[test]
fn memory_under_a_read_is_given_back_when_it_is_over_and_not_before() {
    let mut turns = ColdTurns::new(1 << 20);
    let mut aheads = waiting(1..4, &mut turns);
    assert_eq!(started(&mut aheads, &mut turns), [1, 2, 3]);
    assert!(!aheads.drop_oldest(&mut turns), "nothing is held");
    assert!(!aheads.forget(&mut turns, |ahead| ahead.deadline <= Deadline(2)));
    assert_eq!((aheads.next_deadline(), turns.bytes().0), (Some(Deadline(3)), 3 * 4096));
    turns.ahead_read();
    let chunk = Chunk { position: FilePosition(0), bytes: Bytes::new() };
    aheads.aheads[2].state = State::Held(cold(), chunk);
    assert!(aheads.drop_oldest(&mut turns));
    assert_eq!((aheads.next_deadline(), turns.bytes().0), (None, 2 * 4096));
}
