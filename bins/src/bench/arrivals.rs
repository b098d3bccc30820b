//! Checks what arrives: whole, once, in the order it was sent, nothing left out.

use std::collections::HashMap;

use super::content::Mark;

/// What was wrong with what arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Left out between others.
    pub skipped: u64,
    /// Twice, or after a later one.
    pub disordered: u64,
    /// Not as they were sent.
    pub damaged: u64,
}

impl Faults {
    pub fn add(&mut self, other: Faults) {
        self.skipped += other.skipped;
        self.disordered += other.disordered;
        self.damaged += other.damaged;
    }

    pub fn total(&self) -> u64 {
        self.skipped + self.disordered + self.damaged
    }
}

/// The next number of every writer in every partition of one reader.
#[derive(Debug, Default)]
pub struct Arrivals {
    next: HashMap<(usize, u16), u64>,
    pub faults: Faults,
}

impl Arrivals {
    /// `true` for a record that has not come before.
    pub fn take(&mut self, target: usize, mark: &Mark) -> bool {
        self.faults.damaged += u64::from(!mark.is_whole);
        let next = self.next.entry((target, mark.writer)).or_default();
        if mark.number < *next {
            self.faults.disordered += 1;
            return false;
        }
        self.faults.skipped += mark.number - *next;
        *next = mark.number + 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_is_skipped_repeated_or_damaged_is_counted() {
        let mut arrivals = Arrivals::default();
        let due = Instant::now();
        let mut take =
            |target, writer, number, is_whole| arrivals.take(target, &Mark { due, writer, number, is_whole });
        let taken = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 1), (0, 0, 4)];
        let fresh = taken.map(|(target, writer, number)| take(target, writer, number, true));
        assert_eq!(fresh, [true, true, true, true, false, true]);
        take(1, 0, 1, false);
        assert_eq!(arrivals.faults, Faults { skipped: 2, disordered: 1, damaged: 1 });
    }
}
