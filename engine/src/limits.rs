//! Every limit of the engine, by name, with its reason; relations between limits are checked when this file compiles.

/// The unit of O_DIRECT: position, length and memory of such an I/O are multiples of it.
pub const BLOCK_BYTES: usize = 4096;

/// A group commit's largest size on disk, header and padding included: four of them in flight fill a device.
pub const GROUP_BYTES_MAX: usize = 512 << 10;

/// A turn that has copied so much into groups leaves what else there is to the next one: everybody on the core waits for it.
pub const TURN_BUILT_BYTES: usize = 512 << 10;

/// A batch of this many compressed bytes may expand to this many times as much before it is refused.
pub const EXPANSION_RATIO_MAX: usize = 1024;

/// Up to this many bytes the ratio does not count: a batch of one repeated value compresses ten thousand to one.
pub const EXPANSION_BYTES_FREE: usize = 16 << 20;

/// And never beyond this many bytes.
pub const EXPANSION_BYTES_MAX: usize = 256 << 20;

/// Records of one refused batch that a Produce reply names; beyond them only their number is given.
pub const RECORD_ERRORS_MAX: usize = 100;

/// Decompressed bytes at hand while a batch's records are walked.
pub const WALK_WINDOW_BYTES: usize = 64 << 10;

/// Work that opening batches may take of one turn, in bytes that lz4 would put out: about a quarter of a millisecond. A batch that
/// needs more is gone on with in the next turn, behind whatever came in meanwhile.
pub const WALK_BUDGET_PER_TURN: usize = 256 << 10;

/// Memory for opening batches, however little there is in all: the window of zstd's levels up to 19, and what else it takes.
pub const WALK_BYTES_MIN: usize = 9 << 20;

const _: () = assert!(WALK_WINDOW_BYTES <= WALK_BUDGET_PER_TURN);
// What a small extent takes can be recompressed.
const _: () = assert!(WALK_BYTES_MIN as u64 > EXTENT_BYTES_MIN);

/// How often silent producers are looked for; Kafka's `producer.id.expiration.check.interval.ms`.
pub const PRODUCER_CHECK_MS: u64 = 600_000;

/// Batches of producers between two counts of the memory that producers take: what it may exceed its bound by.
pub const PRODUCERS_UNCOUNTED_MAX: usize = 1024;

/// The cleaner reads and writes in pieces of this size, one at a time per core.
pub const CLEAN_IO_BYTES: usize = 1 << 20;

/// Bytes of batches that the cleaner looks into in one turn, compressed ones counted fourfold; at least one batch.
pub const CLEAN_BUDGET_PER_TURN: usize = 512 << 10;

/// Compaction opens batches up to this size however little memory there is: four times what a topic takes by default.
pub const CLEAN_OPENING_BYTES_MIN: usize = 4 << 20;

const _: () = assert!(CLEAN_IO_BYTES.is_multiple_of(BLOCK_BYTES));

/// Journal extents: small enough for a small memory budget, large enough that opening one is rare.
pub const EXTENT_BYTES_MIN: u64 = 4 << 20;
pub const EXTENT_BYTES_MAX: u64 = 64 << 20;
/// One active, one full and on its way to its segments, one free.
pub const EXTENTS_MIN: usize = 3;
pub const EXTENTS_DEFAULT: usize = 8;

/// The first space allocated for a segment; doubled each time, by at most `SEGMENT_STEP_BYTES_MAX`.
pub const SEGMENT_STEP_BYTES_MIN: u64 = 64 << 10;
pub const SEGMENT_STEP_BYTES_MAX: u64 = 64 << 20;

/// Groups in flight at a time, per core, and how many bytes must be staged for a further one (`shard::settings::Pacing`).
pub const COMMITS_IN_FLIGHT_MAX: usize = 4;
pub const COMMIT_AHEAD_BYTES: u64 = 256 << 10;

/// See `shard::settings::Pacing`.
pub const FLUSH_WRITE_BYTES: usize = 512 << 10;
/// See `shard::settings::Pacing`.
pub const SHARED_RUN_BYTES: usize = 64 << 10;
/// Writes under way of one partition's flush: the device has the next one when it is done with the first.
pub const FLUSH_WRITES_MAX: u32 = 2;
/// Flush buffers alive at a time, per core.
pub const FLUSH_BYTES_IN_FLIGHT_MAX: usize = 4 << 20;
/// See `shard::settings::Pacing`.
pub const FLUSH_BYTES_PER_SECOND: u64 = 64 << 20;
/// What a turn gives back of the cache at most: freeing tens of megabytes in small buffers takes milliseconds.
pub const EVICTED_GROUPS_PER_TURN: usize = 128;
/// Partitions flushing at a time, per core.
pub const FLUSH_JOBS_MAX: usize = 64;

/// Partitions whose retention is looked at in one turn of a core: some ten microseconds.
pub const RETENTION_CHECKS_PER_TURN: usize = 256;

/// Cold reads under way at a time, per core; the rest wait their turn.
pub const COLD_READS_MAX: usize = 16;
/// The part of the memory for cold reads that read-ahead may have: with all of it, readers that are too many would each drop what was
/// read for another just before it is asked for.
pub const READ_AHEAD_DIVISOR: u64 = 2;
/// What was read ahead is given up when nobody asks for it in this time: clients that still read come back in milliseconds.
pub const READ_AHEAD_HELD_MS: u64 = 1000;
/// Places per core at which something is read ahead, or shall be; the oldest goes for a new one.
pub const READ_AHEADS_MAX: usize = 64;
/// Less is read, and not sent from the file: looking for the bounds of a range would cost more than it saves.
pub const RANGE_BYTES_MIN: usize = 16 << 10;
/// Reads for the batch that a range begins with: at the usual interval of index entries it is found by the first.
pub const RANGE_HOPS_MAX: u8 = 16;

const _: () = assert!(GROUP_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(FLUSH_WRITE_BYTES.is_multiple_of(BLOCK_BYTES));
// A group of the common size finds room in the smallest extent beside the header block.
const _: () = assert!(GROUP_BYTES_MAX as u64 + BLOCK_BYTES as u64 <= EXTENT_BYTES_MIN);

/// The largest record batch that any topic may allow (`max.message.bytes`). A batch travels in one journal group, so a small
/// memory budget, whose extents are smaller, lowers it further.
pub const BATCH_BYTES_MAX: usize = 63 << 20;

const _: () = assert!((BATCH_BYTES_MAX as u64) < EXTENT_BYTES_MAX - BLOCK_BYTES as u64);
