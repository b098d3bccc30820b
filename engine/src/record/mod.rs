//! The v2 record batch (Kafka's `DefaultRecordBatch`, KIP-98): the unit that a client sends, the log stores and a
//! fetch returns. Batches stay opaque: the broker reads the 61-byte header, checks the CRC and patches the two fields
//! that the CRC does not cover; only validation, time look-ups and recompression look at the records inside.
//! Pure functions over bytes; any core. Must never panic, and never allocate more than the caller's limit.

mod batch;
mod body;
mod builder;
mod codec;
mod crc;
mod error;
mod faults;
mod header;
mod reader;
mod seal;
mod time;
mod varint;
mod walk;

#[cfg(test)]
mod tests;

pub use crate::base::{Codec, Compression, TimestampType};
pub use batch::{CheckedBatch, UncheckedBatch, headers, place, stamp_time};
pub use builder::{BatchBuilder, RecordData};
pub use crc::crc32c;
pub use error::RecordError;
pub use faults::{Faults, RecordFault};
pub use header::{Attributes, BatchHeader, HEADER_BYTES, LOG_OVERHEAD, MAGIC};
pub use reader::{Headers, Record, RecordHeader, RecordIter, Records};
pub use seal::seal;
pub use walk::{Keys, Rules, Walk, Walked};
