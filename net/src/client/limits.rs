//! The limits of our own client, by name, with their reasons.

use std::time::Duration;

/// The largest answer that is read: above any batch that a topic may allow, with room for many partitions.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;

/// One read of a socket asks for no more than this: the buffer grows with what really comes, not with what was promised.
pub const READ_BYTES_MAX: usize = 256 << 10;

/// How long a connection, a write or an answer may take unless the caller says otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How long an operation is tried again before its error is told: a broker that restarts is back sooner.
pub const RETRY_FOR_DEFAULT: Duration = Duration::from_secs(30);

/// The pause after the first failed attempt; doubles with each up to the next limit.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(50);
pub const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Produce requests without an answer, over all connections.
pub const IN_FLIGHT_MAX: usize = 16;

/// Sealed batches that wait for their turn: beyond it `Producer::push` waits for answers.
pub const READY_BATCHES_MAX: usize = 64;

/// Between two heartbeats of a classic member: a third of the shortest session timeout that brokers allow by default, and half.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);

/// How old the leader's knowledge of its topics' partitions may be.
pub const METADATA_AGE_MAX: Duration = Duration::from_secs(30);

/// Between two heartbeats of a consumer group's member that has nothing to read yet: the coordinator may assign a moment later
/// (`group.consumer.assignment.interval.ms`), and its own interval is longer.
pub const HEARTBEAT_EMPTY_HANDED: Duration = Duration::from_millis(500);
