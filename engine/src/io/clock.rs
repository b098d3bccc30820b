//! The one place that reads a clock. Copies share a start, so deadlines may travel between cores.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

use crate::base::{Now, Timestamp};

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// One per process; every core takes a copy.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The monotonic part alone.
    pub fn mono_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub fn now(&self) -> Now {
        // A wall clock set before 1970 reads as 0; u64 nanoseconds last 584 years.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Now { mono_ns: self.mono_ns(), wall: Timestamp(i64::try_from(wall).unwrap_or(i64::MAX)) }
    }
}

/// CPU time of the calling thread since it began, in nanoseconds. A system call: 0.3 µs where the monotonic clock takes 0.03.
pub fn thread_cpu_ns() -> u64 {
    let read = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    read.map_or(0, |time| u64::try_from(time.num_nanoseconds()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_part_never_goes_back_and_the_wall_is_of_this_age() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now();
        let second = copy.now();
        assert!(second.mono_ns >= first.mono_ns);
        assert!(first.wall.0 > 1_700_000_000_000);
    }

    #[test]
    fn a_threads_cpu_clock_runs_while_it_runs() {
        let before = thread_cpu_ns();
        let mut sum = 0u64;
        while thread_cpu_ns() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(before > 0 && thread_cpu_ns() > before);
    }
}
