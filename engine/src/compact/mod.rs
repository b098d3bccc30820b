//! Log compaction, the part that looks at records: which key has its newest record where (`map`), and what stays of a batch (`filter`). Rules are Kafka's
//! (its `Cleaner` and `MemoryRecords.filterTo`, KIP-534). Pure; lives on the partition's core. Knows no segment, no file and no clock.

mod filter;
mod map;

pub use filter::{Kept, Rules, filter, learn};
pub use map::OffsetMap;
