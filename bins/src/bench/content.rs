//! What the records hold: sixteen bytes that say which run made them and when they were due, then text-like filling.

use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::limits::BATCH_BYTES_MAX;
use engine::record::{BatchBuilder, Codec, RecordData};

use crate::cli::failure::Failure;
use crate::cli::time;

const MARK_BYTES: usize = 16;

/// Marks the records of one run, so that a reader passes over those of others.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    id: u64,
    start: Instant,
}

impl Run {
    /// Both ends of a run are in one process: its start is a name.
    pub fn new(start: Instant) -> Run {
        Run { id: u64::from(std::process::id()) << 32 | 0x000c_07e1, start }
    }

    fn mark(&self, due: Instant) -> [u8; MARK_BYTES] {
        let ns = due.saturating_duration_since(self.start).as_nanos() as u64;
        let mut mark = [0; MARK_BYTES];
        mark[..8].copy_from_slice(&self.id.to_be_bytes());
        mark[8..].copy_from_slice(&ns.to_be_bytes());
        mark
    }

    /// When a record was due, if it is one of this run.
    pub fn due(&self, value: &[u8]) -> Option<Instant> {
        let (id, rest) = value.split_first_chunk::<8>()?;
        let (ns, _) = rest.split_first_chunk::<8>()?;
        let ours = u64::from_be_bytes(*id) == self.id;
        ours.then(|| self.start.checked_add(Duration::from_nanos(u64::from_be_bytes(*ns)))).flatten()
    }
}

/// Makes batches of marked records.
pub struct Content {
    run: Run,
    codec: Codec,
    value: Vec<u8>,
    filling: Vec<u8>,
    random: fastrand::Rng,
}

impl Content {
    pub fn new(run: Run, codec: Codec, record_bytes: usize, seed: u64) -> Content {
        let mut random = fastrand::Rng::with_seed(seed);
        // Letters of which a codec saves about a quarter; cut at random places, so that no two records are alike.
        let filling = (0..record_bytes + 4096).map(|_| random.alphanumeric() as u8).collect();
        Content { run, codec, value: vec![0; record_bytes], filling, random }
    }

    /// One batch of the records that are due at `due`.
    pub fn batch(&mut self, due: impl Iterator<Item = Instant>) -> Result<Bytes, Failure> {
        let mut builder = BatchBuilder::new(self.codec, BATCH_BYTES_MAX);
        let timestamp = time::now();
        for due in due {
            let from = self.random.usize(..4096);
            let filling = &self.filling[from..from + self.value.len()];
            self.value.copy_from_slice(filling);
            self.value[..MARK_BYTES].copy_from_slice(&self.run.mark(due));
            let record = RecordData { timestamp, value: Some(&self.value), ..RecordData::default() };
            if !builder.push(record) {
                return Err(Failure::Usage(format!("a batch would exceed {BATCH_BYTES_MAX} bytes")));
            }
        }
        Ok(builder.build()?)
    }
}

#[cfg(test)]
mod tests {
    use engine::record::UncheckedBatch;

    use super::*;

    #[test]
    fn a_reader_learns_when_each_record_was_due() {
        let start = Instant::now();
        let run = Run::new(start);
        let due = |ms| start + Duration::from_millis(ms);
        let batch = Content::new(run, Codec::Lz4, 100, 1).batch([due(0), due(7)].into_iter()).unwrap();
        let (batch, _) = UncheckedBatch::split_first(&batch).unwrap();
        let records = batch.check().unwrap().records(1 << 20).unwrap();
        let found: Vec<_> = records.iter().map(|record| run.due(record.unwrap().value.unwrap())).collect();
        assert_eq!(found, [Some(due(0)), Some(due(7))]);
        assert_eq!(run.due(b"somebody else's record"), None);
        assert_eq!(run.due(b"short"), None);
    }
}
