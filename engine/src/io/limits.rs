//! Limits of the devices, each with its reason. One set per core unless it says otherwise.

use crate::limits::{BLOCK_BYTES, GROUP_BYTES_MAX};

/// Entries of a data ring (`--ring-entries`): Ops that the kernel works on at once. More wait their turn here.
pub const RING_ENTRIES_DEFAULT: u32 = 256;
pub const RING_ENTRIES_MIN: u32 = 8;
pub const RING_ENTRIES_MAX: u32 = 4096;

/// Bytes of background I/O in flight (`--io-depth`): enough to keep an NVMe drive writing, little enough that a journal
/// write waits behind it for well under a millisecond.
pub const BACKGROUND_BYTES_IN_FLIGHT: usize = 512 << 10;

/// Bytes of cold reads in flight: two or more 1 MiB reads overlap, so one slow one does not idle the drive.
pub const BULK_BYTES_IN_FLIGHT: usize = 4 << 20;

/// The largest single request that is handed to the kernel for background Ops; larger ones travel in pieces, so
/// that the caps above count what the device sees.
pub const PIECE_BYTES: usize = 512 << 10;
/// Likewise for cold reads: one request for the common fetch.
pub const BULK_PIECE_BYTES: usize = 1 << 20;

/// The largest single request of any class: below the kernel's own limit of 2 GiB less one page.
pub const REQUEST_BYTES_MAX: usize = 1 << 30;

/// How often an interrupted read is tried again. Writes never are.
pub const READ_RETRIES_MAX: u8 = 8;

/// Open descriptors kept by one core; files with an Op in flight come on top.
pub const OPEN_FILES_DEFAULT: usize = 2048;

/// `Fill` writes zeros in pieces of this size; each thread that fills has one.
pub const FILL_PIECE_BYTES: usize = 256 << 10;

/// Pipes of one core, for what goes from a file to a socket: so many ranges move at a time. Each may hold so many bytes of the page
/// cache; where the kernel refuses, what it gives.
pub const PIPES_MAX: usize = 16;
pub const PIPE_BYTES: usize = 1 << 20;

/// One connection may lend the kernel this part of what all may (one divided by it) for sends without a copy: a few that do not read must
/// not leave the others with copies only.
pub const ZERO_COPY_CONNECTION_DIVISOR: usize = 4;

/// A slice below this is copied into a piece: the kernel's price of pinning its pages is about that of such a copy, and it would keep all of the
/// buffer that it was cut from in memory until the peer has it.
pub const ZERO_COPY_SLICE_BYTES_MIN: usize = 12 << 10;
/// What a slice counts for at least: it may keep a whole chunk of `CHUNK_BYTES`. With a 64th of a core's memory to lend, a quarter of it
/// is kept so at the worst.
pub const ZERO_COPY_SLICE_COST_BYTES: usize = 128 << 10;

/// Threads that perform a batch of blocking Ops at start and stop: enough to overlap cold metadata reads.
pub const PERFORM_THREADS: usize = 8;

/// A batch below this is performed on the calling thread: starting threads would cost more than it saves.
pub const PERFORM_INLINE_OPS: usize = 32;

const _: () = {
    // Pieces of an O_DIRECT Op must stay whole blocks.
    assert!(PIECE_BYTES.is_multiple_of(BLOCK_BYTES));
    assert!(REQUEST_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
    assert!(FILL_PIECE_BYTES.is_multiple_of(BLOCK_BYTES));
    // A piece must fit its cap, or nothing but the exception for an idle lane would let it through.
    assert!(PIECE_BYTES <= BACKGROUND_BYTES_IN_FLIGHT && PIECE_BYTES <= BULK_BYTES_IN_FLIGHT);
};

/// Aligned memory of these sizes is kept when it is freed: smaller is cheap to allocate, larger is rare.
pub const POOLED_BYTES_MIN: usize = 64 << 10;
pub const POOLED_BYTES_MAX: usize = 2 << 20;
/// What one thread keeps of it, beside `--memory`: what a turn gives back, the next ones take.
pub const POOL_BYTES_MAX: usize = 4 << 20;

/// Memory of journal groups comes in chunks of so many bytes: a huge page, and room for two groups of `GROUP_BYTES_MAX`, so that what is
/// left over at its end is little.
pub const CHUNK_BYTES: usize = 2 << 20;
/// Free chunks that are kept: the next group's, and what a turn gives back at once.
pub const CHUNKS_SPARE_MAX: usize = 2;
/// So many are looked at for a free one: those that slow readers hold are few, and behind them it is younger memory.
pub const CHUNKS_LOOKED_AT: usize = 16;

const _: () = assert!(CHUNK_BYTES >= 2 * GROUP_BYTES_MAX && CHUNK_BYTES.is_power_of_two());
const _: () = assert!(CHUNKS_SPARE_MAX < CHUNKS_LOOKED_AT);
