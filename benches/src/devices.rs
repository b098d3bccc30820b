//! The device of one core, measured through a real executor: what a small group commit costs alone, beside a flush, and in
//! depth; and what a start with many small files costs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::io::{AlignedBuf, Device, RingConfig, pump};
use engine::op::{Class, Done, FileName, Op, OpId, Path as Via, Sync};
use glommio::{LocalExecutorBuilder, Placement};

/// What the space was before that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Written, as a journal's extents are.
    Written,
    /// Allocated only, as a segment's end is: each synced write makes the file system note that it holds data now.
    Allocated,
}

/// How synced writes are timed.
#[derive(Clone, Copy, Debug)]
pub struct JournalLoad {
    pub writes: u64,
    pub write_bytes: usize,
    pub in_flight: u64,
    pub into: Space,
    /// Whether a flush of large segment writes runs all the while.
    pub beside_flush: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub median: Duration,
    pub p99: Duration,
    pub worst: Duration,
    /// Of the timed writes alone.
    pub bytes_per_second: f64,
}

const EXTENT_BYTES: u64 = 16 << 20;
const SEGMENT_BYTES: u64 = 64 << 20;
const FLUSH_BYTES: usize = 1 << 20;
/// Ids from here on are the flush's.
const FLUSH_IDS: u64 = 1 << 32;

/// Times O_DIRECT + DSYNC writes, from push to drained Done.
pub fn journal_writes(directory: &Path, load: JournalLoad) -> Latency {
    let executor = LocalExecutorBuilder::new(Placement::Unbound).make().expect("executor");
    executor.run(async {
        let mut device = Device::open(&RingConfig::default(), directory, None).expect("device");
        let (extent, segment) = (FileName::new("extent"), FileName::new("segment"));
        let (size, made) = match load.into {
            Space::Written => (EXTENT_BYTES, Op::Fill { file: extent.clone(), size: EXTENT_BYTES }),
            Space::Allocated => {
                let size = load.writes * load.write_bytes as u64;
                (size, Op::Create { file: extent.clone(), allocate: size })
            }
        };
        device.perform(vec![made, Op::Create { file: segment.clone(), allocate: SEGMENT_BYTES }]);
        let data = AlignedBuf::zeroed(load.write_bytes).freeze();
        let image = AlignedBuf::zeroed(FLUSH_BYTES).freeze();
        let write = |id: u64| Op::Write {
            file: extent.clone(),
            position: id * data.len() as u64 % size,
            data: data.clone(),
            path: Via::Direct,
            sync: Sync::Data,
            class: Class::Latency,
        };
        let flush = |id: u64| Op::Write {
            file: segment.clone(),
            position: id % FLUSH_IDS * FLUSH_BYTES as u64 % SEGMENT_BYTES,
            data: image.clone(),
            path: Via::Direct,
            sync: Sync::Later,
            class: Class::Background,
        };
        let started = Instant::now();
        let mut open = BTreeMap::new();
        let mut times = Vec::with_capacity(load.writes as usize);
        let (mut next, mut next_flush) = (0, FLUSH_IDS);
        while next < load.in_flight.min(load.writes) {
            open.insert(next, Instant::now());
            device.push(OpId(next), write(next));
            next += 1;
        }
        if load.beside_flush {
            for _ in 0..4 {
                device.push(OpId(next_flush), flush(next_flush));
                next_flush += 1;
            }
        }
        device.submit();
        let signal = device.signal().clone();
        let device = RefCell::new(device);
        let mut out = Vec::new();
        pump::run(&signal, || {
            let mut device = device.borrow_mut();
            device.drain(&mut out);
            for (OpId(id), done) in out.drain(..) {
                assert!(matches!(done, Done::Completed), "{done:?}");
                if let Some(pushed) = open.remove(&id) {
                    times.push(pushed.elapsed());
                    if next < load.writes {
                        open.insert(next, Instant::now());
                        device.push(OpId(next), write(next));
                        next += 1;
                    }
                } else {
                    device.push(OpId(next_flush), flush(next_flush));
                    next_flush += 1;
                }
            }
            device.submit();
            if open.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .await
        .expect("pump");
        let elapsed = started.elapsed();
        times.sort_unstable();
        Latency {
            median: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            worst: times[times.len() - 1],
            bytes_per_second: (load.writes * load.write_bytes as u64) as f64 / elapsed.as_secs_f64(),
        }
    })
}

/// What a start with this many small files takes: to create, to write, and to read them.
pub fn small_files(directory: &Path, count: u32) -> [Duration; 3] {
    let mut device = Device::open(&RingConfig::default(), directory, None).expect("device");
    let name = |i: u32| FileName::new(format!("topic-{}/{i}.index", i / 3));
    let create = |i| Op::Create { file: name(i), allocate: 0 };
    let write = |i| Op::Write {
        file: name(i),
        position: 0,
        data: Bytes::from_static(&[7; 120]),
        path: Via::Buffered,
        sync: Sync::Later,
        class: Class::Background,
    };
    let read = |i| Op::Read {
        file: name(i),
        position: 0,
        length: 4096,
        path: Via::Buffered,
        class: Class::Background,
    };
    let mut timed = |ops: Vec<Op>| {
        let started = Instant::now();
        for done in device.perform(ops) {
            assert!(!matches!(done, Done::Failed(_)), "{done:?}");
        }
        started.elapsed()
    };
    [
        timed((0..count).map(create).collect()),
        timed((0..count).map(write).collect()),
        timed((0..count).map(read).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_bench_runs_small() {
        for (into, beside_flush) in
            [(Space::Written, false), (Space::Allocated, false), (Space::Written, true)]
        {
            let directory = tempfile::tempdir().expect("tempdir");
            let load = JournalLoad { writes: 50, write_bytes: 4096, in_flight: 2, into, beside_flush };
            let latency = journal_writes(directory.path(), load);
            assert!(latency.median <= latency.p99 && latency.p99 <= latency.worst);
        }
        let directory = tempfile::tempdir().expect("tempdir");
        small_files(directory.path(), 100);
    }
}
