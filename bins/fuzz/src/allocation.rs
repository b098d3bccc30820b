//! The allocator of the fuzz targets: it counts, and a run that asked for more than its input is worth fails, be it ever so short
//! a time. What C libraries allocate for themselves (zstd) is not seen here; libFuzzer's `-rss_limit_mb` bounds it.

use std::alloc::System;
use std::sync::{Mutex, PoisonError};

use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The count is the process's: one at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Panics where the run allocates more than `bytes_max`, all its allocations together.
pub fn within<T>(bytes_max: usize, run: impl FnOnce() -> T) -> T {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let before = ALLOCATOR.total_allocated();
    let result = run();
    let bytes = ALLOCATOR.total_allocated() - before;
    assert!(bytes <= bytes_max, "{bytes} bytes were allocated, {bytes_max} are what the input is worth");
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "are what the input is worth")]
    fn canary_of_the_limit() {
        within(1 << 20, || drop(std::hint::black_box(Vec::<u8>::with_capacity(2 << 20))));
    }

    #[test]
    fn what_is_within_the_limit_is_allowed() {
        within(1 << 20, || drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 18))));
    }
}
