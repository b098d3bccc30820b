//! What the record batch costs: the CRC (against the crate that journal frames use), the walk over the records, each
//! codec both ways.

use std::hint::black_box;
use std::time::{Duration, Instant};

use engine::base::{Codec, Timestamp, TimestampType};
use engine::record::{BatchBuilder, Keys, RecordData, Rules, UncheckedBatch, Walk};

const BATCH_BYTES_MAX: usize = 64 << 20;

const RULES: Rules<'_> = Rules {
    partition: "bench-0",
    keys: Keys::Optional,
    timestamp_type: TimestampType::CreateTime,
    before_ms_max: i64::MAX,
    after_ms_max: i64::MAX,
    now: Timestamp(1),
};

/// One measured thing: so many bytes took so long.
pub struct Line {
    pub name: String,
    pub bytes: usize,
    pub each: Duration,
}

impl Line {
    pub fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.each.as_nanos().max(1) as f64
    }
}

/// Measures everything; each thing for about `time`.
pub fn run(time: Duration) -> Vec<Line> {
    let mut lines = Vec::new();
    for size in [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 1 << 20] {
        let bytes = text(size);
        lines.push(measure(format!("crc of {size}"), size, time, || {
            engine::record::crc32c(black_box(&bytes))
        }));
        let oracle = || crc32c::crc32c(black_box(&bytes));
        lines.push(measure(format!("crc of {size}, crc32c crate"), size, time, oracle));
    }
    for codec in Codec::ALL {
        let build = || batch(codec);
        let bytes = build();
        let records = 1024 * 1000;
        lines.push(measure(format!("build 1000 records, {}", codec.name()), records, time, build));
        lines.push(measure(format!("check and walk, {}", codec.name()), records, time, || {
            let (batch, _) = UncheckedBatch::split_first(black_box(&bytes)).expect("a batch");
            let records = batch.check().expect("its CRC").records(BATCH_BYTES_MAX).expect("its records");
            records.iter().filter(|record| record.is_ok()).count()
        }));
        let header = *UncheckedBatch::split_first(&bytes).expect("a batch").0.header();
        lines.push(measure(format!("validate as produced, {}", codec.name()), records, time, || {
            let mut walk = Walk::new(header, black_box(&bytes), None).expect("a codec");
            walk.step(&RULES, &mut usize::MAX.clone()).is_ok()
        }));
    }
    lines
}

/// How long one round of `work` takes, over at least `time`.
pub fn measure<T>(name: String, bytes: usize, time: Duration, mut work: impl FnMut() -> T) -> Line {
    black_box(work());
    let start = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || start.elapsed() < time {
        // The clock costs as much as a small CRC: look at it every 64 rounds.
        for _ in 0..64 {
            black_box(work());
        }
        rounds += 64;
    }
    Line { name, bytes, each: start.elapsed() / rounds }
}

/// A thousand records of 1 KiB.
fn batch(codec: Codec) -> bytes::Bytes {
    let value = text(1024);
    let mut builder = BatchBuilder::new(codec, BATCH_BYTES_MAX);
    for _ in 0..1000 {
        let record = RecordData { timestamp: Timestamp(1), value: Some(&value), ..RecordData::default() };
        assert!(builder.push(record));
    }
    builder.build().expect("it fits")
}

/// Compresses about three to one within itself.
fn text(size: usize) -> Vec<u8> {
    (0..size as u64).map(|at| b"abcdefgh"[(at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bench_runs() {
        assert_eq!(run(Duration::ZERO).len(), 29);
    }
}
