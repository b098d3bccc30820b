//! One thread's freed aligned memory, kept for the next buffer of its size: a fresh megabyte costs a page fault and zeroing for
//! each 4 KiB of it. Bounded; memory freed on another thread stays there. Must never hold more than `POOL_BYTES_MAX`.

use std::{
    alloc::{self, Layout},
    cell::RefCell,
    ptr::NonNull,
};

use super::limits::{POOL_BYTES_MAX, POOLED_BYTES_MAX, POOLED_BYTES_MIN};
use crate::limits::BLOCK_BYTES;

struct Pool {
    free: Vec<(NonNull<u8>, usize)>,
    bytes: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { free: Vec::new(), bytes: 0 }) };
}

/// The capacity to allocate for `wanted` bytes: four classes to a doubling, so at most a quarter is wasted.
pub(super) fn class(wanted: usize) -> usize {
    if !(POOLED_BYTES_MIN..=POOLED_BYTES_MAX).contains(&wanted) {
        return wanted;
    }
    let step = (wanted.next_power_of_two() / 8).max(POOLED_BYTES_MIN / 4);
    wanted.next_multiple_of(step)
}

/// Memory of exactly this capacity that was freed here before.
pub(super) fn take(capacity: usize) -> Option<NonNull<u8>> {
    POOL.try_with(|pool| {
        let mut pool = pool.try_borrow_mut().ok()?;
        let at = pool.free.iter().rposition(|(_, size)| *size == capacity)?;
        let (start, size) = pool.free.swap_remove(at);
        pool.bytes -= size;
        Some(start)
    })
    .ok()
    .flatten()
}

/// Keeps the memory, if there is room; false: the caller frees it. It was allocated with this capacity, aligned to a block.
pub(super) fn give(start: NonNull<u8>, capacity: usize) -> bool {
    if !(POOLED_BYTES_MIN..=POOLED_BYTES_MAX).contains(&capacity) || class(capacity) != capacity {
        return false;
    }
    let kept = POOL.try_with(|pool| {
        let Ok(mut pool) = pool.try_borrow_mut() else { return false };
        if pool.bytes + capacity > POOL_BYTES_MAX {
            return false;
        }
        pool.bytes += capacity;
        pool.free.push((start, capacity));
        true
    });
    kept.unwrap_or(false)
}

impl Drop for Pool {
    fn drop(&mut self) {
        for (start, capacity) in self.free.drain(..) {
            let Ok(layout) = Layout::from_size_align(capacity, BLOCK_BYTES) else { continue };
            // SAFETY: `give` took the memory over with this capacity and alignment, and nobody else has it.
            unsafe { alloc::dealloc(start.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::buffer::AlignedBuf;

    #[test]
    fn freed_memory_is_the_next_buffer_of_its_size() {
        let first = AlignedBuf::with_capacity(1_000_000);
        let address = first.as_ptr();
        drop(first.freeze());
        let mut second = AlignedBuf::with_capacity(990_000);
        second.extend_from_slice(&[7; 100_000]);
        let address_before = second.as_ptr();
        drop(second.freeze());
        assert_eq!(AlignedBuf::with_capacity(1_000_000).as_ptr(), address_before);
        assert_eq!(address, address_before);
    }

    #[test]
    fn a_class_wastes_a_quarter_at_most() {
        for wanted in (1..3 << 20).step_by(4096) {
            let class = class(wanted);
            assert!(
                class >= wanted && class <= wanted + wanted / 4 + POOLED_BYTES_MIN / 4,
                "{wanted}: {class}"
            );
        }
    }
}
