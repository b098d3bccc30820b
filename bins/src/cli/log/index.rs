//! A segment's `.index` and `.timeindex` files, as Kafka has them (big-endian):
//!
//! ```text
//! .index       offset - base   i32     position in the .log file   i32
//! .timeindex   timestamp       i64     offset - base               i32
//! ```
//!
//! An active segment's index is allocated in full and zero behind its entries; neither file begins with a zero entry, because
//! a segment's first batch is never indexed and offsets and times only grow.

use std::fs;
use std::path::Path;

use engine::base::{Offset, Timestamp};

use crate::cli::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    pub offset: Offset,
    pub position: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    pub timestamp: Timestamp,
    pub offset: Offset,
}

/// The entries of a file, and what is not one.
pub struct Entries<E> {
    pub entries: Vec<E>,
    /// Zeros behind the last entry.
    pub zero_bytes: usize,
    /// Bytes behind the last whole entry.
    pub odd_bytes: usize,
}

pub fn read_offsets(path: &Path, base: Offset) -> Result<Entries<OffsetEntry>, Failure> {
    read(path, |bytes: &[u8; 8]| {
        let [a, b, c, d, e, f, g, h] = *bytes;
        let offset = base.plus(i32::from_be_bytes([a, b, c, d]).into());
        OffsetEntry { offset, position: u32::from_be_bytes([e, f, g, h]).into() }
    })
}

pub fn read_times(path: &Path, base: Offset) -> Result<Entries<TimeEntry>, Failure> {
    read(path, |bytes: &[u8; 12]| {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        let timestamp = Timestamp(i64::from_be_bytes([a, b, c, d, e, f, g, h]));
        TimeEntry { timestamp, offset: base.plus(i32::from_be_bytes([i, j, k, l]).into()) }
    })
}

/// An index is bounded by its segment (10 MiB by default): it is read whole.
fn read<E, const N: usize>(path: &Path, entry: impl Fn(&[u8; N]) -> E) -> Result<Entries<E>, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    let (whole, odd) = bytes.as_chunks::<N>();
    let used = whole.iter().rposition(|bytes| bytes.iter().any(|byte| *byte != 0)).map_or(0, |last| last + 1);
    let odd_bytes = if odd.iter().all(|byte| *byte == 0) { 0 } else { odd.len() };
    Ok(Entries {
        entries: whole[..used].iter().map(entry).collect(),
        zero_bytes: bytes.len() - used * N - odd_bytes,
        odd_bytes,
    })
}
