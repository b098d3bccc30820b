//! What the records hold: a mark that says which run made them, when they were due, and where they stand among those of their writer
//! and partition; then filling, whose checksum the mark has.

use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::limits::BATCH_BYTES_MAX;
use engine::record::{BatchBuilder, Codec, RecordData, crc32c};

use super::shape::{Keys, RECORD_BYTES_MIN, Sizes, filling};
use crate::cli::failure::Failure;
use crate::cli::time;

/// Run u64, due u64, writer u16, number u48, checksum u32.
const MARK_BYTES: usize = 28;
const _: () = assert!(MARK_BYTES <= RECORD_BYTES_MIN);

/// A filling is cut from a longer one at so many places, so that no two records are alike.
const PLACES: usize = 4096;

/// Marks the records of one run, so that a reader passes over those of others.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    id: u64,
    pub start: Instant,
}

/// What a reader learns from a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub due: Instant,
    pub writer: u16,
    /// Among those that this writer sent to this partition.
    pub number: u64,
    pub is_whole: bool,
}

impl Run {
    /// Both ends of a run are in one process, which makes its runs one after the other.
    pub fn new(number: u32, start: Instant) -> Run {
        Run { id: u64::from(std::process::id()) << 32 | u64::from(number), start }
    }

    fn write_mark(&self, value: &mut [u8], due: Instant, writer: u16, number: u64) {
        let ns = due.saturating_duration_since(self.start).as_nanos() as u64;
        let checksum = crc32c(&value[MARK_BYTES..]);
        value[..8].copy_from_slice(&self.id.to_be_bytes());
        value[8..16].copy_from_slice(&ns.to_be_bytes());
        value[16..24].copy_from_slice(&(u64::from(writer) << 48 | number).to_be_bytes());
        value[24..28].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The mark of a record, if it is one of this run.
    pub fn mark(&self, value: &[u8]) -> Option<Mark> {
        let (id, rest) = value.split_first_chunk::<8>()?;
        let (ns, rest) = rest.split_first_chunk::<8>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        if u64::from_be_bytes(*id) != self.id {
            return None;
        }
        let number = u64::from_be_bytes(*number);
        Some(Mark {
            due: self.start.checked_add(Duration::from_nanos(u64::from_be_bytes(*ns)))?,
            writer: (number >> 48) as u16,
            number: number & (u64::MAX >> 16),
            is_whole: u32::from_be_bytes(*checksum) == crc32c(rest),
        })
    }
}

/// How records and requests are made.
#[derive(Clone, Copy, Debug)]
pub struct Make {
    pub codec: Codec,
    pub sizes: Sizes,
    pub saved_percent: u8,
    /// 0 is none.
    pub keys: u32,
    pub key_skew: f64,
}

/// One batch of a request.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which of the connection's targets.
    pub target: usize,
    pub batch: Bytes,
    pub records: u64,
}

/// Makes batches of marked records.
pub struct Content {
    run: Run,
    make: Make,
    writer: u16,
    keys: Option<Keys>,
    value: Vec<u8>,
    filling: Vec<u8>,
    /// Of the next record of each target.
    numbers: Vec<u64>,
    turn: usize,
    random: fastrand::Rng,
}

impl Content {
    pub fn new(run: Run, make: Make, writer: u16, target_count: usize) -> Content {
        let mut random = fastrand::Rng::with_seed(u64::from(writer));
        let filling = filling(make.sizes.max + PLACES, make.saved_percent, &mut random);
        Content {
            run,
            make,
            writer,
            keys: (make.keys > 0).then(|| Keys::new(make.keys, make.key_skew)),
            value: vec![0; make.sizes.max],
            filling,
            numbers: vec![0; target_count],
            turn: usize::from(writer),
            random,
        }
    }

    /// The records that are due at `due`: with keys each in its key's partition, otherwise `batch_records` to one after the other.
    pub fn parts(
        &mut self,
        due: impl Iterator<Item = Instant>,
        batch_records: u64,
    ) -> Result<Vec<Part>, Failure> {
        let mut open: Vec<(usize, BatchBuilder, u64)> = Vec::new();
        let timestamp = time::now();
        for due in due {
            let key = self.keys.as_ref().map(|keys| keys.draw(&mut self.random));
            let place = match key {
                Some(key) => {
                    let target =
                        net::client::partitioner::partition_of_key(&key.to_be_bytes(), self.numbers.len());
                    open.iter().position(|part| part.0 == target as usize).ok_or(target as usize)
                }
                None => match open.last() {
                    Some((_, _, records)) if *records < batch_records => Ok(open.len() - 1),
                    _ => Err(self.next_target()),
                },
            };
            let place = place.unwrap_or_else(|target| {
                open.push((target, BatchBuilder::new(self.make.codec, BATCH_BYTES_MAX), 0));
                open.len() - 1
            });
            let (target, builder, records) = &mut open[place];
            let size = self.make.sizes.draw(&mut self.random);
            let value = &mut self.value[..size];
            let from = self.random.usize(..PLACES);
            value.copy_from_slice(&self.filling[from..from + size]);
            self.run.write_mark(value, due, self.writer, self.numbers[*target]);
            let key = key.map(u32::to_be_bytes);
            let record = RecordData {
                timestamp,
                key: key.as_ref().map(|key| &key[..]),
                value: Some(value),
                ..RecordData::default()
            };
            if !builder.push(record) {
                return Err(Failure::Usage(format!("a batch would exceed {BATCH_BYTES_MAX} bytes")));
            }
            self.numbers[*target] += 1;
            *records += 1;
        }
        let parts = open
            .into_iter()
            .map(|(target, builder, records)| Ok(Part { target, batch: builder.build()?, records }));
        parts.collect()
    }

    pub fn next_target(&mut self) -> usize {
        let target = self.turn % self.numbers.len();
        self.turn += 1;
        target
    }

    pub fn has_keys(&self) -> bool {
        self.keys.is_some()
    }
}

#[cfg(test)]
mod tests {
    use engine::record::UncheckedBatch;

    use super::*;

    fn make(keys: u32) -> Make {
        let sizes = Sizes { min: 100, max: 120 };
        Make { codec: Codec::Lz4, sizes, saved_percent: 25, keys, key_skew: 0.0 }
    }

    fn marks(run: Run, part: &Part) -> Vec<Mark> {
        let (batch, _) = UncheckedBatch::split_first(&part.batch).unwrap();
        let records = batch.check().unwrap().records(1 << 20).unwrap();
        records.iter().map(|record| run.mark(record.unwrap().value.unwrap()).unwrap()).collect()
    }

    #[test]
    fn a_reader_learns_when_each_record_was_due_and_its_number() {
        let start = Instant::now();
        let run = Run::new(1, start);
        let due = |ms| start + Duration::from_millis(ms);
        let mut content = Content::new(run, make(0), 3, 2);
        let parts = content.parts([due(0), due(7), due(9)].into_iter(), 2).unwrap();
        assert_eq!(
            parts.iter().map(|part| (part.target, part.records)).collect::<Vec<_>>(),
            [(1, 2), (0, 1)]
        );
        let mark = |ms, number| Mark { due: due(ms), writer: 3, number, is_whole: true };
        assert_eq!(marks(run, &parts[0]), [mark(0, 0), mark(7, 1)]);
        let again = content.parts([due(11)].into_iter(), 2).unwrap();
        assert_eq!((again[0].target, marks(run, &again[0])), (1, vec![mark(11, 2)]));
        assert_eq!(run.mark(b"somebody else's record, which is long enough"), None);
        assert_eq!(run.mark(b"short"), None);
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let start = Instant::now();
        let run = Run::new(1, start);
        let mut value = vec![7; 64];
        run.write_mark(&mut value, start, 0, 0);
        assert!(run.mark(&value).unwrap().is_whole);
        value[40] ^= 1;
        assert!(!run.mark(&value).unwrap().is_whole);
    }

    #[test]
    fn a_key_always_goes_to_one_partition() {
        let start = Instant::now();
        let mut content = Content::new(Run::new(1, start), make(5), 0, 8);
        let parts = content.parts((0..100).map(|_| start), 10).unwrap();
        let mut targets: Vec<usize> = parts.iter().map(|part| part.target).collect();
        targets.sort_unstable();
        targets.dedup();
        assert!(targets.len() == parts.len() && parts.len() <= 5, "{targets:?}");
        assert_eq!(parts.iter().map(|part| part.records).sum::<u64>(), 100);
    }
}
