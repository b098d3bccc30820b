//! Every limit of the group coordinator, by name, with its reason.

/// A string of a stored record. Ids that the coordinator makes up must stay below it.
pub const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// A new member's id begins with this much of its client id: with a random part behind it, it stays a string.
pub const MEMBER_ID_PREFIX_BYTES_MAX: usize = 1024;

/// A member that waits for its first rebalance may be silent for so long (Kafka's `group.new.member.join.timeout.ms`).
pub const NEW_MEMBER_TIMEOUT_MS: u64 = 5 * 60 * 1000;

/// Static members that are not back are waited for at least so long, whatever they call their time to rebalance: with none, the wait for
/// them would be over and begin again without end, and keep its core busy.
pub const STATIC_MEMBERS_WAIT_MS_MIN: u64 = 1_000;

/// Groups that one turn looks at when it looks for old offsets: a walk over a million groups never holds a core.
pub const SWEEP_GROUPS_PER_TURN: usize = 256;

/// Tombstones that one step of the walk writes at most; what is left of a group is found by the next walk.
pub const SWEEP_RECORDS_PER_TURN: usize = 4096;

/// Comparisons of a topic's name with a regular expression that one turn makes. The worst expression that compiles may take
/// milliseconds for the longest name.
pub const COMPARISONS_PER_TURN: usize = 64;

/// Expressions of one group that are resolved together: what they match is in memory until the last name was looked at.
pub const EXPRESSIONS_PER_RESOLUTION: usize = 16;

/// Alarms that one turn answers; the rest ring in the next.
pub const ALARMS_PER_TURN: usize = 1024;

/// Groups of one answer to ListGroups between cores; the asking core asks again for the rest.
pub const LIST_GROUPS_MAX: usize = 1024;

/// What a map keeps beside a key and a value, roughly.
pub const MAP_ENTRY_BYTES: usize = 32;

const _: () = assert!(EXPRESSIONS_PER_RESOLUTION <= COMPARISONS_PER_TURN);
const _: () = assert!(MEMBER_ID_PREFIX_BYTES_MAX + 64 < STRING_BYTES_MAX);
