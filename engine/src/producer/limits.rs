//! Limits of the producer state, by name, with their reasons.

/// Batches remembered per producer: Kafka's number, and the most that a producer keeps in flight.
pub const BATCHES_PER_PRODUCER: usize = 5;

/// Producers remembered per partition unless the shard asks for fewer: about 8 MiB when each has all its batches. Kafka has no such
/// bound and runs out of heap; the producer forgotten first is the one that was silent longest.
pub const PRODUCERS_PER_PARTITION_MAX: usize = 32_768;

/// What one producer costs in memory: its entry, its place in two ordered maps, and the heap block of its batches.
pub const PRODUCER_BYTES: usize = 120;

/// What each remembered batch adds to that.
pub const BATCH_BYTES: usize = 24;

const _: () =
    assert!(PRODUCERS_PER_PARTITION_MAX * (PRODUCER_BYTES + BATCHES_PER_PRODUCER * BATCH_BYTES) <= 8 << 20);
// A checkpoint counts a producer's batches in one byte.
const _: () = assert!(BATCHES_PER_PRODUCER <= u8::MAX as usize);
