//! Memory for O_DIRECT: starts on a block boundary, ends on one. Filled like a `Vec`, then frozen into `Bytes` that
//! travel as slices without a copy. Lives on the core that fills it; frozen, it may be dropped anywhere.
//! Must never hand out a byte that was not written first.

use std::alloc::{self, Layout};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use bytes::Bytes;

use super::{arena::Chunk, pool};
use crate::limits::BLOCK_BYTES;

/// A growable byte buffer whose memory is aligned to `BLOCK_BYTES` and whose capacity is a multiple of it.
pub struct AlignedBuf {
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
    /// Where the memory is a part of somebody else's, that.
    home: Option<Arc<Chunk>>,
}

// SAFETY: the buffer owns its memory alone and has no interior mutability; moving or sharing it moves or shares plain
// bytes, as with `Vec<u8>`.
unsafe impl Send for AlignedBuf {}
// SAFETY: see `Send`: `&AlignedBuf` gives `&[u8]` only.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// Empty, with room for at least `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> AlignedBuf {
        let mut buffer = AlignedBuf { start: dangling(), len: 0, capacity: 0, home: None };
        if capacity > 0 {
            buffer.reallocate(capacity);
        }
        buffer
    }

    /// `len` zero bytes, rounded up to whole blocks.
    pub fn zeroed(len: usize) -> AlignedBuf {
        let len = len.next_multiple_of(BLOCK_BYTES);
        if len == 0 {
            return AlignedBuf::with_capacity(0);
        }
        let layout = layout(len);
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { alloc::handle_alloc_error(layout) };
        AlignedBuf { start, len, capacity: len, home: None }
    }

    /// Empty, over a part of a chunk.
    ///
    /// # Safety
    /// `start` is aligned to a block; the `capacity` bytes from there, whole blocks, lie in the chunk, and nobody else reaches them as long
    /// as the buffer lives.
    pub(super) unsafe fn within(home: Arc<Chunk>, start: NonNull<u8>, capacity: usize) -> AlignedBuf {
        AlignedBuf { start, len: 0, capacity, home: Some(home) }
    }

    /// A copy of `bytes`, padded with zeros to whole blocks.
    pub fn padded_copy(bytes: &[u8]) -> AlignedBuf {
        let mut buffer = AlignedBuf::with_capacity(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer.pad_to_block();
        buffer
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory that a buffer of so many bytes takes.
    pub fn memory_of(bytes: usize) -> usize {
        pool::class(bytes).next_multiple_of(BLOCK_BYTES)
    }

    /// What fits before the memory moves.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Shortens to `len`; does nothing when it is shorter already.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Room for `more` further bytes; grows by doubling, so a caller that knows its size reserves it first.
    pub fn reserve(&mut self, more: usize) {
        let Some(needed) = self.len.checked_add(more) else { capacity_overflow() };
        if needed > self.capacity {
            self.reallocate(needed.max(self.capacity.saturating_mul(2)));
        }
    }

    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: `reserve` made room behind `len`; the source is a borrow of something else than this exclusively
        // borrowed buffer, so the two do not overlap.
        unsafe { self.start.as_ptr().add(self.len).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.len += bytes.len();
    }

    /// Appends `count` zero bytes.
    pub fn extend_zeros(&mut self, count: usize) {
        self.reserve(count);
        // SAFETY: `reserve` made room behind `len`.
        unsafe { self.start.as_ptr().add(self.len).write_bytes(0, count) };
        self.len += count;
    }

    /// Appends zeros up to the next block boundary.
    pub fn pad_to_block(&mut self) {
        self.extend_zeros(self.len.next_multiple_of(BLOCK_BYTES) - self.len);
    }

    pub fn as_slice(&self) -> &[u8] {
        self
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self
    }

    /// Gives the bytes up for sharing; slices keep the whole memory alive.
    pub fn freeze(self) -> Bytes {
        if self.len == 0 { Bytes::new() } else { Bytes::from_owner(self) }
    }

    /// Where the kernel reads into; `capacity` bytes are writable, bytes behind `len` may be uninitialised.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Says that the first `len` bytes have been written.
    ///
    /// # Safety
    /// `len` is within the capacity, and somebody (the kernel) has initialised those bytes.
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity);
        self.len = len;
    }

    fn reallocate(&mut self, capacity: usize) {
        let Some(capacity) = capacity.checked_next_multiple_of(BLOCK_BYTES) else { capacity_overflow() };
        let capacity = AlignedBuf::memory_of(capacity);
        let wanted = layout(capacity);
        if self.home.is_some() {
            let mut larger = AlignedBuf::with_capacity(capacity);
            larger.extend_from_slice(self);
            *self = larger;
            return;
        }
        let start = if self.capacity == 0 {
            if let Some(start) = pool::take(capacity) {
                self.start = start;
                self.capacity = capacity;
                return;
            }
            // SAFETY: the size is not zero: callers ask for at least one byte.
            unsafe { alloc::alloc(wanted) }
        } else {
            // SAFETY: `start` was allocated with `layout(self.capacity)`; the new size is not zero and `layout` has
            // checked that it does not overflow.
            unsafe { alloc::realloc(self.start.as_ptr(), layout(self.capacity), capacity) }
        };
        let Some(start) = NonNull::new(start) else { alloc::handle_alloc_error(wanted) };
        self.start = start;
        self.capacity = capacity;
    }
}

/// Whether memory and length fit an O_DIRECT write. An empty slice does.
pub fn is_aligned(bytes: &Bytes) -> bool {
    bytes.is_empty()
        || (bytes.as_ptr() as usize).is_multiple_of(BLOCK_BYTES) && bytes.len().is_multiple_of(BLOCK_BYTES)
}

fn dangling() -> NonNull<u8> {
    NonNull::dangling()
}

fn layout(size: usize) -> Layout {
    match Layout::from_size_align(size, BLOCK_BYTES) {
        Ok(layout) => layout,
        Err(_) => capacity_overflow(),
    }
}

#[cold]
fn capacity_overflow() -> ! {
    panic!("a buffer of more than isize::MAX bytes was asked for")
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        if self.capacity > 0 && self.home.is_none() && !pool::give(self.start, self.capacity) {
            // SAFETY: the memory was allocated with this layout and nobody borrows it any more.
            unsafe { alloc::dealloc(self.start.as_ptr(), layout(self.capacity)) };
        }
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are initialised and live as long as the borrow; empty, the pointer dangles but
        // is not null.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the exclusive borrow of the buffer is exclusive for its bytes.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl std::fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlignedBuf({} of {})", self.len, self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_aligned_and_bytes_stay_whole_while_it_grows() {
        let mut buffer = AlignedBuf::with_capacity(1);
        let mut expected = Vec::new();
        for round in 0..200u32 {
            let piece = vec![round as u8; (round as usize * 37) % 1000];
            buffer.extend_from_slice(&piece);
            expected.extend_from_slice(&piece);
            assert_eq!(buffer.as_ptr() as usize % BLOCK_BYTES, 0);
            assert_eq!(buffer.capacity() % BLOCK_BYTES, 0);
        }
        assert_eq!(buffer.as_slice(), expected.as_slice());
        assert!(!is_aligned(&Bytes::copy_from_slice(&expected[1..])));
        buffer.pad_to_block();
        let frozen = buffer.freeze();
        assert!(is_aligned(&frozen));
        assert_eq!(&frozen[..expected.len()], expected.as_slice());
        assert!(frozen[expected.len()..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn zeroed_and_padded_buffers_are_whole_blocks() {
        assert_eq!(AlignedBuf::zeroed(1).len(), BLOCK_BYTES);
        assert!(AlignedBuf::zeroed(0).freeze().is_empty());
        let padded = AlignedBuf::padded_copy(&[7; 4097]);
        assert_eq!((padded.len(), padded[4096], padded[4097]), (2 * BLOCK_BYTES, 7, 0));
    }

    #[test]
    fn slices_of_frozen_bytes_outlive_each_other() {
        let frozen = AlignedBuf::padded_copy(b"record").freeze();
        let slice = frozen.slice(2..4);
        drop(frozen);
        assert_eq!(std::thread::spawn(move || slice.to_vec()).join().ok(), Some(b"co".to_vec()));
    }
}
