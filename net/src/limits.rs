//! Every limit of the wire, by name, with its reason; relations between limits are checked when this file compiles.

/// One core's buffer that sockets are read into while no large frame is under way; never held across a wait, so one
/// serves all connections of the core.
pub const SCRATCH_BYTES: usize = 64 << 10;

/// The smallest frame that is a request: API key, version, correlation id.
pub const FRAME_BYTES_MIN: usize = 8;

/// A frame's receive buffer of at least this size comes from the core's pool and returns to it: fresh pages cost more than
/// the copy into them.
pub const POOLED_BYTES_MIN: usize = 32 << 10;

/// Receive buffers that one core keeps for reuse.
pub const POOL_BYTES_MAX: usize = 16 << 20;
pub const POOL_BUFFERS_MAX: usize = 32;

/// A buffer larger than this is given back to the allocator: one large request must not pin memory.
pub const POOLED_BYTES_MAX: usize = 4 << 20;

/// Requests read but not answered, per connection. Clients pipeline 5 (Java) to some hundreds (librdkafka).
pub const REQUESTS_IN_FLIGHT_MAX: usize = 256;

/// Answers of one connection that wait for its socket, or a quarter of what all may hold; beyond it the connection is not read: a slow
/// reader holds no more.
pub const RESPONSE_BYTES_QUEUED_MAX: usize = 8 << 20;

/// And of however little memory, this much.
pub const RESPONSE_BYTES_QUEUED_MIN: usize = 1 << 20;

/// Fetches of one connection under way. Each holds what it read until it is sent. Kafka works on one request of a connection at a
/// time, and clients have at most a few in flight.
pub const BULKY_IN_FLIGHT_MAX: usize = 4;

/// A peer whose requests or answers hold memory and have not got on for so long is ended, if that memory is wanted.
pub const HOLDER_STALL_MS: u64 = 5_000;

/// Bytes that move between two sweeps before it counts as getting on: a byte a second is not worth megabytes.
pub const HOLDER_PACE_BYTES: usize = 64 << 10;

/// The least that a Fetch is begun with, and what it is begun with where only small answers have memory left. One batch goes out
/// whatever its size, once there is memory for it.
pub const LEASE_BYTES_MIN: usize = 64 << 10;

/// A Fetch takes at most this part of the memory of answers (one divided by it), and a megabyte at least: what it takes, others lack until
/// it is known how much there is.
pub const LEASE_DIVISOR: usize = 8;
pub const LEASE_BYTES_MAX_MIN: usize = 1 << 20;

/// What a piece of an answer costs beside its bytes.
pub const PIECE_COST_BYTES: usize = 64;

/// Arrays that a request is decoded to are counted so many times: commands, answers and sentences follow from each element.
pub const DECODED_COST: usize = 3;

/// A connection reads about this much before it lets the others run: with what follows from it, well below half a millisecond.
pub const READ_BYTES_PER_POLL: usize = 256 << 10;

/// And it sends about this much.
pub const SEND_BYTES_PER_POLL: usize = 512 << 10;

/// Slices of one gathered send; more gain nothing.
pub const SEND_SLICES_MAX: usize = 64;

/// Neighbouring slices below this size are copied together: the kernel's price of a slice is about that of such a copy.
pub const SEND_COALESCED_BYTES: usize = 512;

/// Less than this is not lent to the kernel where little room is left for it: a copy is cheaper. So much is copied before room is looked for
/// again.
pub const LENT_BYTES_MIN: usize = 12 << 10;
pub const COPIED_FOR_ROOM_BYTES: usize = 64 << 10;

/// Even a tiny budget admits the largest batch that its journal takes, and small requests beside it.
pub const LARGE_BYTES_MIN: usize = (4 << 20) + SCRATCH_BYTES;
pub const SMALL_BYTES_MIN: usize = 1 << 20;

/// A frame beyond `SCRATCH_BYTES` waits for its memory once so much of it has come, which one read brings from a peer that sends.
pub const BEGUN_BYTES_MIN: usize = SCRATCH_BYTES / 2;

/// What one read brings of what is not known yet, where many large frames have begun and not got on.
pub const SHORT_READ_BYTES: usize = 4 << 10;

/// A peer who stops after the beginning of a large frame is ended where others wait to begin one, when for so long less than
/// `FRESH_BYTES_MIN` have come. A sender far away has had several round trips by then.
pub const BEGUN_STALL_MS: u64 = 500;

/// It gives its memory up to others who wait where its peer has sent less than `FRESH_BYTES_MIN` since, unless more than this had come.
pub const BEGUN_BYTES_MAX: usize = 2 * SCRATCH_BYTES;
pub const FRESH_BYTES_MIN: usize = 4 << 10;

/// A large frame's buffer is zeroed so far ahead of the bytes that arrive.
pub const FILL_BYTES: usize = 256 << 10;

/// A frame that has begun must make progress within this time: a half-sent frame holds memory.
pub const FRAME_STALL_MS: u64 = 30_000;

/// How often a core looks for idle and stalled connections.
pub const SWEEP_MS: u64 = 1_000;

/// How often it looks whether somebody waits for memory that stalled ones hold: a whole part of `SWEEP_MS`.
pub const RELIEF_MS: u64 = 250;

/// After this time a stopping broker no longer waits for requests in flight.
pub const DRAIN_MS: u64 = 5_000;

/// How often a connection that waits for a place asks for it again.
pub const SEAT_RETRY_MS: u64 = 50;

/// Between two log lines about descriptors that are used up.
pub const ACCEPT_COMPLAINT_MS: u64 = 60_000;

/// Waiting after accept failed for want of descriptors or memory: failing at once again would spin.
pub const ACCEPT_BACKOFF_MS: u64 = 100;

/// Lines per second that one core logs about misbehaving peers.
pub const COMPLAINTS_PER_SECOND: u32 = 10;

/// Completions and messages that one turn takes on before the connections run again.
pub const TURN_EVENTS_MAX: usize = 4096;

/// A connection moves to another core once so many more of its Produce and Fetch requests were for that core's partitions alone than
/// were not. Few enough to be over in a moment, and enough to make up for the move.
pub const MOVE_AFTER_REQUESTS: u32 = 64;
/// A connection that a core has sent back makes so many requests more before they count again: a move that comes to nothing is cheap beside them.
pub const MOVE_REST_REQUESTS: u32 = 512;

/// How long a core's load is measured, and from what part of the time on (in thousandths) it is so busy that it takes in no
/// connection of another core: there its requests are read by whoever has time.
pub const LOAD_WINDOW_NS: u64 = 250_000_000;
pub const LOAD_PERMILLE_MAX: u64 = 500;

/// Tasks of a core run no longer than this, and the rest of one step, before it looks for I/O again.
pub const ROUND_NS: u64 = 1_000_000;

/// A step of a task that takes longer has its CPU time measured; it is also how far off that may be.
pub const STEP_LONG_NS: u64 = 100_000;

/// A step of so much CPU time is said in the log: others on its core may wait as long. And once in how long it is said.
pub const STALL_NS: u64 = 10_000_000;
pub const STALL_COMPLAINT_NS: u64 = 10_000_000_000;

/// The least time that a Produce has to become durable, whatever its timeout_ms says. Where Kafka has no other replica to wait for it
/// answers at once, so there are clients that ask for nothing; a disk takes its milliseconds.
pub const PRODUCE_WAIT_MS_MIN: u64 = 1_000;

/// The longest wait that a Fetch may ask for, whatever its max_wait_ms says.
pub const FETCH_WAIT_MS_MAX: u64 = 10 * 60 * 1000;

// The smallest extent's largest payload is a large frame.
const _: () = assert!(LARGE_BYTES_MIN > engine::limits::EXTENT_BYTES_MIN as usize);
const _: () = assert!(SWEEP_MS.is_multiple_of(RELIEF_MS));
// A part for beginnings holds several of them.
const _: () = assert!(BEGUN_BYTES_MAX + SCRATCH_BYTES <= SMALL_BYTES_MIN && BEGUN_BYTES_MIN < SCRATCH_BYTES);
const _: () = assert!(SMALL_BYTES_MIN > 4 * SCRATCH_BYTES && LEASE_BYTES_MIN <= SCRATCH_BYTES);
const _: () = assert!(POOLED_BYTES_MIN < SCRATCH_BYTES && SCRATCH_BYTES < POOLED_BYTES_MAX);
const _: () = assert!(POOLED_BYTES_MAX < POOL_BYTES_MAX);
// A connection that may queue no answer could never make progress.
const _: () = assert!(RESPONSE_BYTES_QUEUED_MIN > SEND_BYTES_PER_POLL);

/// Operators' connections at a time: a scraper, a prober and a person, each twice; one more is closed at once.
pub const ADMIN_CONNECTIONS_MAX: usize = 16;

/// The head of an operator's request; browsers send about a kilobyte.
pub const ADMIN_HEAD_BYTES_MAX: usize = 8 << 10;
pub const ADMIN_HEADERS_MAX: usize = 64;

/// An operator's request is read, answered and sent within this time, or its connection is cut.
pub const ADMIN_REQUEST_MS_MAX: u64 = 15_000;

/// All cores have given their figures within this time, or none are told. A scraper waits 10 s by default.
pub const METRICS_WAIT_MS_MAX: u64 = 5_000;

/// Partitions that one turn of a core gives figures of.
pub const METRICS_PAGE_PARTITIONS: usize = 256;

/// With more partitions than these, partitions have no series of their own: eight each are a megabyte a scrape.
pub const METRICS_PARTITIONS_MAX: usize = 1_000;

/// With more topics than these, topics have none either.
pub const METRICS_TOPICS_MAX: usize = 1_000;

/// Groups that one turn of a coordinator gives figures of.
pub const METRICS_PAGE_GROUPS: usize = 64;

/// Groups beyond these have no series of their own.
pub const METRICS_GROUPS_MAX: usize = 1_000;

/// Offsets of groups beyond these are not told: two series each, and they are a megabyte a scrape.
pub const METRICS_GROUP_OFFSETS_MAX: usize = 5_000;

const _: () = assert!(METRICS_WAIT_MS_MAX < ADMIN_REQUEST_MS_MAX);
