//! One core's receive buffers for large frames, reused: a frame's buffer returns here when its answer is made and nobody
//! holds a slice of it. Saves the page faults and the zeroing of a fresh megabyte per request. Lives on one core.

use std::cell::{Cell, RefCell};

use bytes::{Bytes, BytesMut};

use crate::limits;

pub struct Buffers {
    /// The most that is kept.
    bytes_max: usize,
    free: RefCell<Vec<BytesMut>>,
    held_bytes: Cell<usize>,
}

impl Buffers {
    /// `bytes_max`: what may be kept for reuse; never more than `POOL_BYTES_MAX`.
    pub fn new(bytes_max: usize) -> Buffers {
        let bytes_max = bytes_max.min(limits::POOL_BYTES_MAX);
        Buffers { bytes_max, free: RefCell::default(), held_bytes: Cell::default() }
    }

    /// Bytes kept for reuse, and the most that may be.
    pub fn held_bytes(&self) -> (usize, usize) {
        (self.held_bytes.get(), self.bytes_max)
    }

    /// A buffer with room for at least `bytes`; as many as its length tells are initialised, with whatever content. The rest is not
    /// touched yet: zeroing a large one at once would hold the core, and take memory for bytes that perhaps never come.
    pub fn take(&self, bytes: usize) -> BytesMut {
        let mut free = self.free.borrow_mut();
        let best = free
            .iter()
            .enumerate()
            .filter(|(_, buffer)| buffer.capacity() >= bytes && buffer.capacity() / 2 <= bytes)
            .min_by_key(|(_, buffer)| buffer.capacity())
            .map(|(index, _)| index);
        match best {
            Some(index) => {
                let buffer = free.swap_remove(index);
                self.held_bytes.set(self.held_bytes.get() - buffer.capacity());
                buffer
            }
            // Rounded up, so that the next frame of about this size fits.
            None if (limits::POOLED_BYTES_MIN..=limits::POOLED_BYTES_MAX).contains(&bytes) => {
                BytesMut::with_capacity(bytes.next_multiple_of(limits::SCRATCH_BYTES))
            }
            None => BytesMut::with_capacity(bytes),
        }
    }

    /// Takes a buffer back, if nobody else holds a part of it.
    pub fn give(&self, whole: Bytes) {
        if whole.len() < limits::POOLED_BYTES_MIN || whole.len() > limits::POOLED_BYTES_MAX {
            return;
        }
        let Ok(buffer) = whole.try_into_mut() else { return };
        let mut free = self.free.borrow_mut();
        let held = self.held_bytes.get() + buffer.capacity();
        if free.len() < limits::POOL_BUFFERS_MAX && held <= self.bytes_max {
            self.held_bytes.set(held);
            free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buffers: &Buffers, bytes: usize) -> Bytes {
        let mut buffer = buffers.take(bytes);
        buffer.resize(bytes, 7);
        buffer.freeze()
    }

    #[test]
    fn a_buffer_returns_only_when_nobody_holds_a_slice_of_it() {
        let buffers = Buffers::new(usize::MAX);
        let whole = filled(&buffers, 1_000_000);
        let slice = whole.slice(10..20);
        buffers.give(whole);
        assert_eq!(buffers.held_bytes.get(), 0);
        drop(slice);

        let whole = filled(&buffers, 1_000_000);
        drop(whole.slice(10..20));
        let address = whole.as_ptr();
        buffers.give(whole);
        assert_eq!(buffers.held_bytes.get(), 1_000_000usize.next_multiple_of(limits::SCRATCH_BYTES));
        let again = buffers.take(900_000);
        assert_eq!((again.as_ptr(), again.len()), (address, 1_000_000));
        assert_eq!(buffers.held_bytes.get(), 0);
    }

    #[test]
    fn a_small_frame_never_takes_a_much_larger_buffer() {
        let buffers = Buffers::new(usize::MAX);
        buffers.give(filled(&buffers, 4 << 20));
        assert!(buffers.take(40_000).capacity() < 200_000);
    }

    #[test]
    fn a_fresh_buffer_is_not_touched_before_bytes_come() {
        assert!(Buffers::new(usize::MAX).take(64 << 20).is_empty());
    }
}
