//! The idempotent producer (KIP-98): what one partition remembers of each producer, so that a batch that is sent again
//! is answered with its first offset instead of being written again, and a missing one is noticed. Rules and formats are
//! Kafka's (org.apache.kafka.storage.internals.log.ProducerStateManager). Lives on the core that owns the partition.
//! Pure: knows offsets and sequences, no log and no clock. Transactions are not in it yet.

mod checkpoint;
mod entry;
mod error;
pub mod limits;
mod producers;
mod sequence;
mod snapshot;
#[cfg(test)]
mod tests;

pub use entry::{BatchFacts, ProducerState};
pub use error::StateError;
pub use producers::{Producers, Verdict};
