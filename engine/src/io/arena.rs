//! Memory of one core's journal groups: taken from the kernel in chunks of the size of a huge page, and used again and again. Groups
//! come and go in order, so a chunk's are given back together: nothing is left between them, no freed memory waits for an
//! allocator to return it, and no page is zeroed a second time. Lives on its core; what was taken may be dropped anywhere.

use std::{collections::VecDeque, io, ptr::NonNull, sync::Arc};

use super::{
    buffer::AlignedBuf,
    limits::{CHUNK_BYTES, CHUNKS_LOOKED_AT, CHUNKS_SPARE_MAX},
};
use crate::limits::BLOCK_BYTES;

/// Anonymous memory, aligned to its size; given back to the kernel when the last buffer in it is gone.
pub struct Chunk {
    start: NonNull<u8>,
}

// SAFETY: a chunk has no interior mutability; its bytes are reached only through the buffers that `Arena::take` cut from it, no two of
// which overlap while both live.
unsafe impl Send for Chunk {}
// SAFETY: see `Send`.
unsafe impl Sync for Chunk {}

impl Chunk {
    fn new() -> io::Result<Chunk> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // Twice the size holds an aligned one; the rest goes back at once.
        // SAFETY: a new mapping at an address of the kernel's choice.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), 2 * CHUNK_BYTES, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = start.cast::<u8>();
        let before = start.align_offset(CHUNK_BYTES);
        // SAFETY: both ends are parts of the mapping that was just made, and nobody uses them.
        let aligned = unsafe {
            let aligned = start.add(before);
            if before > 0 {
                libc::munmap(start.cast(), before);
            }
            libc::munmap(aligned.add(CHUNK_BYTES).cast(), CHUNK_BYTES - before);
            // Fewer faults, and one piece for the device. Refused where the host has none: then pages are small.
            libc::madvise(aligned.cast(), CHUNK_BYTES, libc::MADV_HUGEPAGE);
            aligned
        };
        NonNull::new(aligned).map(|start| Chunk { start }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: the whole of what `new` kept, and every buffer in it is gone.
        unsafe { libc::munmap(self.start.as_ptr().cast(), CHUNK_BYTES) };
    }
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chunk({:p})", self.start)
    }
}

#[derive(Debug, Default)]
pub struct Arena {
    /// In the order of use: the last one is cut from now.
    chunks: VecDeque<Arc<Chunk>>,
    /// Bytes of the last one that were not cut.
    left: usize,
}

impl Arena {
    /// An empty buffer with room for `bytes`, and what it takes of memory: with what is left over of the chunk before, if it begins one.
    pub fn take(&mut self, bytes: usize) -> (AlignedBuf, usize) {
        let bytes = bytes.next_multiple_of(BLOCK_BYTES);
        let left_over = if bytes > self.left { self.left } else { 0 };
        let Some(chunk) = self.chunk_for(bytes) else {
            return (AlignedBuf::with_capacity(bytes), AlignedBuf::memory_of(bytes));
        };
        let at = CHUNK_BYTES - self.left;
        self.left -= bytes;
        // SAFETY: `at + bytes` is within the chunk, and the range was not cut from it since it was nobody's.
        let buffer = unsafe { AlignedBuf::within(chunk.clone(), chunk.start.add(at), bytes) };
        (buffer, left_over + bytes)
    }

    /// The chunk that has so many bytes left; none: it would not fit one, or the kernel has none.
    fn chunk_for(&mut self, bytes: usize) -> Option<Arc<Chunk>> {
        if bytes > CHUNK_BYTES {
            return None;
        }
        if bytes > self.left {
            let chunk = self.next_chunk().ok()?;
            self.chunks.push_back(chunk);
            self.left = CHUNK_BYTES;
        }
        self.chunks.back().cloned()
    }

    /// Gives back to the kernel what has become free beyond a few chunks.
    pub fn trim(&mut self) {
        while self.chunks.len() > CHUNKS_SPARE_MAX
            && self.chunks.iter().take(CHUNKS_SPARE_MAX + 1).all(is_free)
        {
            self.chunks.pop_front();
        }
    }

    /// The free one that was used longest ago. One that a slow reader still holds is passed over.
    fn next_chunk(&mut self) -> io::Result<Arc<Chunk>> {
        let free = self.chunks.iter().take(CHUNKS_LOOKED_AT).position(is_free);
        match free.and_then(|free| self.chunks.remove(free)) {
            Some(chunk) => Ok(chunk),
            None => Chunk::new().map(Arc::new),
        }
    }
}

/// Has every buffer in it gone? Nobody else can make one, so it stays free.
fn is_free(chunk: &Arc<Chunk>) -> bool {
    if Arc::strong_count(chunk) > 1 {
        return false;
    }
    // What other threads have done with its bytes is done, before somebody writes there.
    std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn filled(arena: &mut Arena, bytes: usize, with: u8) -> (Bytes, usize) {
        let (mut buffer, taken) = arena.take(bytes);
        buffer.extend_from_slice(&vec![with; bytes]);
        (buffer.freeze(), taken)
    }

    /// The memory that it has of the kernel.
    fn bytes(arena: &Arena) -> usize {
        arena.chunks.len() * CHUNK_BYTES
    }

    #[test]
    fn memory_of_groups_that_are_gone_is_that_of_the_next_ones() {
        let mut arena = Arena::default();
        let mut held = VecDeque::new();
        // What another group would write into it stays to be seen until it goes.
        let is_whole = |(group, with): (Bytes, u8)| {
            super::super::is_aligned(&group.slice(..4_096)) && group == vec![with; group.len()]
        };
        for number in 0..1_000u32 {
            let size = [4_096, 70_000, 900_000, 300_000][number as usize % 4];
            held.push_back((filled(&mut arena, size, number as u8).0, number as u8));
            if held.len() > 16 {
                assert!(held.pop_front().is_some_and(is_whole));
            }
        }
        assert!(held.into_iter().all(is_whole));
        assert!(bytes(&arena) <= 8 * CHUNK_BYTES, "{}", bytes(&arena));
    }

    #[test]
    fn what_is_taken_and_what_is_left_over_add_up_to_the_chunks() {
        let mut arena = Arena::default();
        let mut held = Vec::new();
        for size in [700_000, 1 << 20, CHUNK_BYTES, 4_096, 1_500_000, 700_000] {
            held.push(filled(&mut arena, size, 1));
        }
        let taken: usize = held.iter().map(|(_, taken)| taken).sum();
        assert_eq!(taken, bytes(&arena) - arena.left);
    }

    #[test]
    fn a_slice_that_somebody_keeps_keeps_its_chunk_from_being_used() {
        let mut arena = Arena::default();
        let kept = filled(&mut arena, CHUNK_BYTES, 7).0.slice(100..200);
        for _ in 0..10 {
            drop(filled(&mut arena, CHUNK_BYTES, 9));
        }
        assert!(kept.iter().all(|byte| *byte == 7));
        assert_eq!(bytes(&arena), 2 * CHUNK_BYTES);
    }

    #[test]
    fn what_is_free_for_good_goes_back_to_the_kernel() {
        let mut arena = Arena::default();
        let held: Vec<_> = (0..20).map(|_| filled(&mut arena, CHUNK_BYTES, 1)).collect();
        arena.trim();
        assert_eq!(bytes(&arena), 20 * CHUNK_BYTES);
        drop(held);
        arena.trim();
        assert_eq!(bytes(&arena), CHUNKS_SPARE_MAX * CHUNK_BYTES);
    }

    #[test]
    fn a_group_larger_than_a_chunk_has_memory_of_its_own() {
        let mut arena = Arena::default();
        let (group, taken) = filled(&mut arena, CHUNK_BYTES + 1, 3);
        assert!(taken >= group.len() && bytes(&arena) == 0);
    }
}
