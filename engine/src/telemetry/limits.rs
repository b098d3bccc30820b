//! The limits of clients' metrics, by name.

/// Clients that one core remembers; beyond it the one silent longest is forgotten.
pub const INSTANCES_MAX: usize = 16_384;

/// Series of one client: a Java consumer with twenty partitions has about 200.
pub const SERIES_OF_ONE_MAX: usize = 500;

/// Series of all clients of a core: each is 200 bytes in memory and in a scrape.
pub const SERIES_MAX: usize = 5_000;

/// What a push may expand to, unless `telemetry.max.bytes` is more: it is expanded and read in one turn. A Java consumer with
/// twenty partitions sends 50 KiB.
pub const EXPANDED_BYTES_MAX: usize = 2 << 20;

/// Of a metric's name, and of an attribute's key or value; what is longer is cut.
pub const TEXT_BYTES_MAX: usize = 200;

/// Attributes of one series.
pub const ATTRIBUTES_MAX: usize = 16;

/// Points that are looked at in one push, whether or not they are kept.
pub const POINTS_MAX: usize = 20_000;

/// However short its interval, a client may be silent for so long.
pub const SILENCE_NS_MIN: u64 = 30_000_000_000;

/// What one pattern of a subscription may take when it is compiled.
pub const PATTERN_BYTES_MAX: usize = 256 << 10;

const _: () = assert!(SERIES_OF_ONE_MAX <= SERIES_MAX && SERIES_MAX <= POINTS_MAX);
