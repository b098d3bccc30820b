//! Sequence numbers count a producer's records modulo 2^31: after `i32::MAX` comes 0, within a batch too. Arithmetic
//! is done on i64, so that no hostile number overflows. Pure words.

use crate::base::Sequence;

const MODULUS: i64 = 1 << 31;

/// The sequence `delta` records on.
pub(super) fn after(sequence: Sequence, delta: i32) -> Sequence {
    Sequence((i64::from(sequence.0) + i64::from(delta)).rem_euclid(MODULUS) as i32)
}

/// The sequence `delta` records back.
pub(super) fn before(sequence: Sequence, delta: i32) -> Sequence {
    Sequence((i64::from(sequence.0) - i64::from(delta)).rem_euclid(MODULUS) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_largest_sequence_comes_zero() {
        let largest = Sequence(i32::MAX);
        assert_eq!(after(largest, 0), largest);
        assert_eq!(after(largest, 1), Sequence(0));
        assert_eq!(after(Sequence(i32::MAX - 2), 5), Sequence(2));
        assert_eq!(before(Sequence(2), 5), Sequence(i32::MAX - 2));
        assert_eq!(before(after(Sequence(7), i32::MAX), i32::MAX), Sequence(7));
    }
}
