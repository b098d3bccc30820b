//! The device against the real kernel, in a temporary directory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::io::buffer::AlignedBuf;
use crate::limits::BLOCK_BYTES;
use crate::op::{Class, Entry, FileName, Path as Via, Sync};

const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    device: Device,
    next: u64,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new(config: &RingConfig) -> Bench {
        let directory = tempfile::tempdir().expect("tempdir");
        let device = Device::open(config, directory.path(), None).expect("device");
        Bench { device, next: 0, _directory: directory }
    }

    /// Pushes all, waits for all, answers in the order asked.
    fn run(&mut self, ops: Vec<Op>) -> Vec<Done> {
        let first = self.next;
        for op in ops {
            self.device.push(OpId(self.next), op);
            self.next += 1;
        }
        self.device.submit();
        let deadline = Instant::now() + PATIENCE;
        let mut out = Vec::new();
        while self.device.in_flight() > 0 {
            assert!(Instant::now() < deadline, "{} Ops are lost", self.device.in_flight());
            self.device.wait_blocking(Some(Duration::from_secs(5))).expect("wait");
            self.device.drain(&mut out);
        }
        let by_id: BTreeMap<OpId, Done> = out.into_iter().collect();
        assert_eq!(by_id.len() as u64, self.next - first);
        by_id.into_values().collect()
    }

    fn one(&mut self, op: Op) -> Done {
        self.run(vec![op]).remove(0)
    }
}

fn block(fill: u8, count: usize) -> Bytes {
    AlignedBuf::padded_copy(&vec![fill; count * BLOCK_BYTES]).freeze()
}

fn write(file: &FileName, position: u64, data: Bytes, path: Via, sync: Sync, class: Class) -> Op {
    Op::Write { file: file.clone(), position, data, path, sync, class }
}

fn read(file: &FileName, position: u64, length: u32, path: Via, class: Class) -> Op {
    Op::Read { file: file.clone(), position, length, path, class }
}

fn bytes(done: &Done) -> &Bytes {
    match done {
        Done::Read(bytes) => bytes,
        other => panic!("not a read: {other:?}"),
    }
}

fn errno(done: &Done) -> i32 {
    match done {
        Done::Failed(failure) => failure.errno,
        other => panic!("did not fail: {other:?}"),
    }
}

fn completed(done: &[Done]) {
    for done in done {
        assert!(matches!(done, Done::Completed), "{done:?}");
    }
}

#[test]
fn what_every_class_wrote_every_class_reads_with_a_ring_far_too_small() {
    let config = RingConfig {
        entries: 8,
        background_bytes: 64 << 10,
        bulk_bytes: 64 << 10,
        open_files: 4,
        ..RingConfig::default()
    };
    let mut bench = Bench::new(&config);
    let names: Vec<FileName> = (0..20).map(|i| FileName::new(format!("topic-{i}/0.log"))).collect();
    let classes = [Class::Latency, Class::Bulk, Class::Background];
    completed(&bench.run(names.iter().map(|file| Op::Create { file: file.clone(), allocate: 0 }).collect()));
    let mut writes = Vec::new();
    for (i, name) in names.iter().enumerate() {
        for piece in 0..30u64 {
            let sync = if piece % 2 == 0 { Sync::Data } else { Sync::Later };
            let data = block((i as u64 * 30 + piece) as u8, 2);
            let class = classes[piece as usize % 3];
            writes.push(write(name, piece * 2 * BLOCK_BYTES as u64, data, Via::Direct, sync, class));
        }
    }
    completed(&bench.run(writes));
    completed(&bench.run(names.iter().map(|file| Op::SyncFile { file: file.clone() }).collect()));
    for via in [Via::Direct, Via::Buffered] {
        for class in classes {
            let reads = names.iter().map(|name| read(name, 0, 1 << 20, via, class)).collect();
            for (i, done) in bench.run(reads).iter().enumerate() {
                let bytes = bytes(done);
                assert_eq!(bytes.len(), 60 * BLOCK_BYTES);
                for (piece, chunk) in bytes.chunks(2 * BLOCK_BYTES).enumerate() {
                    assert!(chunk.iter().all(|byte| *byte == (i * 30 + piece) as u8));
                }
            }
        }
    }
}

#[test]
fn a_background_write_larger_than_its_cap_arrives_whole() {
    let config = RingConfig { background_bytes: 512 << 10, ..RingConfig::default() };
    let mut bench = Bench::new(&config);
    let name = FileName::new("segment");
    completed(&[bench.one(Op::Create { file: name.clone(), allocate: 8 << 20 })]);
    let mut image = AlignedBuf::with_capacity(5 << 20);
    while image.len() < 5 << 20 {
        let stamp = (image.len() as u64).to_le_bytes();
        image.extend_from_slice(&stamp);
    }
    let image = image.freeze();
    completed(&[bench.one(write(&name, 0, image.clone(), Via::Direct, Sync::Later, Class::Background))]);
    let got = bench.one(read(&name, 0, 5 << 20, Via::Direct, Class::Bulk));
    assert_eq!(bytes(&got), &image);
}

#[test]
fn reads_end_at_the_end_of_the_file_and_empty_ones_succeed() {
    let mut bench = Bench::new(&RingConfig::default());
    let name = FileName::new("index");
    completed(&[bench.one(Op::Create { file: name.clone(), allocate: 0 })]);
    let data = Bytes::from_static(b"twelve bytes");
    completed(&[bench.one(write(&name, 0, data.clone(), Via::Buffered, Sync::Data, Class::Latency))]);
    assert_eq!(bytes(&bench.one(read(&name, 0, 100, Via::Buffered, Class::Latency))), &data);
    assert_eq!(bytes(&bench.one(read(&name, 0, 8192, Via::Direct, Class::Latency))), &data);
    assert_eq!(bytes(&bench.one(read(&name, 7, 3, Via::Buffered, Class::Bulk))).as_ref(), b"byt");
    assert!(bytes(&bench.one(read(&name, 4096, 4096, Via::Direct, Class::Bulk))).is_empty());
    assert!(bytes(&bench.one(read(&name, 0, 0, Via::Buffered, Class::Bulk))).is_empty());
    completed(&[bench.one(write(&name, 0, Bytes::new(), Via::Direct, Sync::Data, Class::Latency))]);
}

#[test]
fn what_cannot_be_done_is_answered_and_leaves_the_device_working() {
    let mut bench = Bench::new(&RingConfig::default());
    let name = FileName::new("a");
    assert_eq!(errno(&bench.one(read(&name, 0, 1, Via::Buffered, Class::Latency))), libc::ENOENT);
    assert_eq!(errno(&bench.one(Op::SyncFile { file: name.clone() })), libc::ENOENT);
    assert_eq!(errno(&bench.one(Op::Truncate { file: name.clone(), size: 0 })), libc::ENOENT);
    completed(&[bench.one(Op::Create { file: name.clone(), allocate: 4096 })]);
    let crooked = [
        write(&name, 512, block(1, 1), Via::Direct, Sync::Data, Class::Latency),
        write(&name, 0, block(1, 1).slice(1..), Via::Direct, Sync::Data, Class::Latency),
        read(&name, 0, 4095, Via::Direct, Class::Latency),
        read(&FileName::new("../a"), 0, 1, Via::Buffered, Class::Latency),
        Op::Create { file: FileName::new("/tmp/x"), allocate: 0 },
    ];
    for done in bench.run(crooked.into()) {
        assert_eq!(errno(&done), libc::EINVAL);
    }
    // Position beyond what any file may have.
    let far = i64::MAX as u64 - (i64::MAX as u64 % 4096);
    assert_ne!(errno(&bench.one(write(&name, far, block(1, 1), Via::Direct, Sync::Later, Class::Bulk))), 0);
    completed(&[bench.one(write(&name, 0, block(1, 1), Via::Direct, Sync::Data, Class::Latency))]);
}

#[test]
fn files_are_created_filled_grown_cut_renamed_listed_and_removed() {
    let mut bench = Bench::new(&RingConfig::default());
    let name = |name: &str| FileName::new(name);
    completed(&[bench.one(Op::Fill { file: name("journal/0/extent-1"), size: 3 << 20 })]);
    assert!(
        bytes(&bench.one(read(&name("journal/0/extent-1"), 0, 4 << 20, Via::Direct, Class::Bulk))).len()
            == 3 << 20
    );
    completed(&[bench.one(Op::Create { file: name("t-0/0.log"), allocate: 65536 })]);
    completed(&[bench.one(Op::Allocate { file: name("t-0/0.log"), size: 131072 })]);
    completed(&[bench.one(Op::Allocate { file: name("t-0/0.log"), size: 4096 })]);
    completed(&[bench.one(Op::Create { file: name("t-0/0.index"), allocate: 0 })]);
    completed(&[bench.one(Op::Truncate { file: name("t-0/0.index"), size: 12 })]);
    let entry = |name: &str, size, is_directory| Entry { name: name.to_owned(), size, is_directory };
    match bench.one(Op::List { directory: name("t-0") }) {
        Done::Listed(entries) => {
            assert_eq!(entries, [entry("0.index", 12, false), entry("0.log", 131072, false)])
        }
        other => panic!("{other:?}"),
    }
    completed(&[bench.one(write(
        &name("t-0/0.log"),
        0,
        block(9, 1),
        Via::Direct,
        Sync::Data,
        Class::Latency,
    ))]);
    completed(&[bench.one(Op::Rename { from: name("t-0"), to: name("t-0-delete") })]);
    assert_eq!(errno(&bench.one(read(&name("t-0/0.log"), 0, 1, Via::Buffered, Class::Bulk))), libc::ENOENT);
    completed(&[bench.one(Op::Create { file: name("t-0/0.log"), allocate: 4096 })]);
    // The cached descriptor of the renamed file must not answer for the new one.
    assert_eq!(bytes(&bench.one(read(&name("t-0/0.log"), 0, 1, Via::Buffered, Class::Bulk))).as_ref(), [0]);
    assert_eq!(
        errno(&bench.one(Op::Rename { from: name("t-0"), to: name("t-0-delete") })),
        libc::EEXIST,
        "a rename never replaces"
    );
    completed(&bench.run(vec![
        Op::RemoveTree { directory: name("t-0-delete") },
        Op::RemoveTree { directory: name("never-was") },
        Op::Remove { file: name("t-0/0.log") },
        Op::Remove { file: name("t-0/never-was") },
        Op::SyncDir { directory: name("t-0") },
        Op::SyncDir { directory: name("") },
        Op::SyncFilesystem,
    ]));
    match bench.one(Op::List { directory: name("") }) {
        Done::Listed(entries) => assert_eq!(entries, [entry("journal", 0, true), entry("t-0", 0, true)]),
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(bench.one(Op::List { directory: name("never-was") }), Done::Listed(list) if list.is_empty())
    );
}

#[test]
fn a_batch_at_start_is_answered_in_the_order_asked() {
    let mut bench = Bench::new(&RingConfig::default());
    let name = |i: u32| FileName::new(format!("t-{}/{i}.log", i % 50));
    completed(&bench.device.perform((0..500).map(|i| Op::Create { file: name(i), allocate: 0 }).collect()));
    let stamp = |i: u32| Bytes::copy_from_slice(&i.to_le_bytes());
    let writes =
        (0..500).map(|i| write(&name(i), 0, stamp(i), Via::Buffered, Sync::Later, Class::Background));
    completed(&bench.device.perform(writes.collect()));
    let done =
        bench.device.perform((0..500).map(|i| read(&name(i), 0, 64, Via::Buffered, Class::Bulk)).collect());
    for (i, done) in done.iter().enumerate() {
        assert_eq!(bytes(done), &stamp(i as u32));
    }
    let odd = bench.device.perform(vec![
        write(&name(0), 0, block(3, 2), Via::Direct, Sync::Data, Class::Latency),
        read(&name(600), 0, 1, Via::Buffered, Class::Bulk),
        Op::List { directory: FileName::new("t-1") },
    ]);
    completed(&odd[..1]);
    assert_eq!(errno(&odd[1]), libc::ENOENT);
    assert!(matches!(&odd[2], Done::Listed(list) if list.len() == 10));
    let got = bench.device.perform(vec![read(&name(0), 4096, 1 << 20, Via::Direct, Class::Bulk)]);
    assert_eq!(bytes(&got[0]), &block(3, 1));
}

#[test]
fn a_dropped_device_has_finished_what_the_kernel_had() {
    let mut bench = Bench::new(&RingConfig::default());
    let name = FileName::new("late");
    completed(&[bench.one(Op::Create { file: name.clone(), allocate: 4 << 20 })]);
    for i in 0..64u64 {
        let op = write(&name, i * 65536, block(i as u8 + 1, 16), Via::Direct, Sync::Data, Class::Latency);
        bench.device.push(OpId(1000 + i), op);
    }
    bench.device.submit();
    let Bench { device, _directory, .. } = bench;
    drop(device);
    let image = std::fs::read(_directory.path().join("late")).expect("read");
    for (i, chunk) in image.chunks(65536).enumerate() {
        assert!(chunk.iter().all(|byte| *byte == i as u8 + 1));
    }
}
