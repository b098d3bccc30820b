//! Every limit of the engine, by name, with its reason; relations between limits are checked when this file compiles.

/// The unit of O_DIRECT: position, length and memory of such an I/O are multiples of it.
pub const BLOCK_BYTES: usize = 4096;

/// A group commit's largest size on disk, header and padding included.
pub const GROUP_BYTES_MAX: usize = 1 << 20;

/// The largest record batch that any topic may allow (`max.message.bytes`): a batch travels in one journal group.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// A batch of this many compressed bytes may expand to this many times as much before it is refused.
pub const EXPANSION_RATIO_MAX: usize = 1024;

/// Up to this many bytes the ratio does not count: a batch of one repeated value compresses ten thousand to one.
pub const EXPANSION_BYTES_FREE: usize = 16 << 20;

/// And never beyond this many bytes.
pub const EXPANSION_BYTES_MAX: usize = 256 << 20;
