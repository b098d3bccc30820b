//! When each record should be sent: at a steady rate from the start, whatever happens to those before it.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct Pace {
    start: Instant,
    records_per_second: f64,
}

impl Pace {
    /// The share of one of `count` connections in `rate`; `place` of them begins a little later than those before it, so
    /// that their records interleave.
    pub fn shared(start: Instant, rate: u64, place: usize, count: usize) -> Pace {
        let records_per_second = rate as f64 / count.max(1) as f64;
        let offset = Duration::from_secs_f64(place as f64 / rate.max(1) as f64);
        Pace { start: start + offset, records_per_second }
    }

    /// When record `number` (from 0) is due.
    pub fn due(&self, number: u64) -> Instant {
        self.start + Duration::from_secs_f64(number as f64 / self.records_per_second)
    }

    /// How many records are due at `now`.
    pub fn count_due(&self, now: Instant) -> u64 {
        match now.checked_duration_since(self.start) {
            None => 0,
            Some(passed) => (passed.as_secs_f64() * self.records_per_second) as u64 + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_counted_as_it_comes_due() {
        let start = Instant::now();
        let pace = Pace::shared(start, 2000, 0, 2);
        assert_eq!(pace.count_due(start), 1);
        assert_eq!(pace.count_due(start + Duration::from_micros(999)), 1);
        assert_eq!(pace.count_due(start + Duration::from_millis(10)), 11);
        assert_eq!(pace.due(10), start + Duration::from_millis(10));
        let second = Pace::shared(start, 2000, 1, 2);
        assert_eq!(second.count_due(start), 0);
        assert_eq!(second.due(0), start + Duration::from_micros(500));
    }
}
