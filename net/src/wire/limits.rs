//! The limits of the codec, by name, with their reasons.

/// The longest string of the protocol: legacy lengths are an i16, and Kafka holds compact strings to the same bound.
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// What the arrays of one decoded message may occupy in memory. A small element on the wire is a large one in memory
/// (an empty string is one byte there and 32 here), so the frame's size alone does not bound what a frame can cost.
/// Records are slices of the frame and do not count. Fits a Fetch of half a million partitions.
pub const DECODED_BYTES_MAX: usize = 64 << 20;

/// Records up to this size are copied next to their neighbours; longer ones become a chunk of their own. Below it one
/// more entry in a gathering write, with its reference count, costs more than the copy.
pub const RECORDS_COPIED_BYTES_MAX: usize = 1024;

/// A writer's first allocation: holds a typical Produce response or Fetch request whole.
pub const WRITER_BYTES_INITIAL: usize = 512;

/// The largest frame that the four-byte length can announce.
pub const FRAME_BYTES_MAX: usize = i32::MAX as usize;

const _: () = assert!(RECORDS_COPIED_BYTES_MAX < FRAME_BYTES_MAX);
