//! Sends against the real kernel: files in a temporary directory, sockets on this host.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::*;
use crate::io::limits::PIPES_MAX;
use crate::io::{Device, RingConfig};
use crate::op::{Done, FileName, FileRange, Op, OpId, OpenedFile};

const PATIENCE: Duration = Duration::from_secs(60);
/// Larger than what a socket takes while nobody reads, and than a pipe.
const LONG: usize = 24 << 20;

struct Bench {
    device: Device,
    directory: tempfile::TempDir,
    told: Vec<(SendId, Progress)>,
}

impl Bench {
    fn new() -> Bench {
        let directory = tempfile::tempdir().expect("tempdir");
        let device = Device::open(&RingConfig::default(), directory.path(), None).expect("device");
        Bench { device, directory, told: Vec::new() }
    }

    fn file(&mut self, name: &str, content: &[u8]) -> OpenedFile {
        std::fs::write(self.directory.path().join(name), content).expect("write");
        self.device.push(OpId(1), Op::Open { file: FileName::new(name) });
        self.device.submit();
        let mut out = Vec::new();
        self.device.drain(&mut out);
        match out.pop() {
            Some((_, Done::Opened(file))) => file,
            other => panic!("{other:?}"),
        }
    }

    fn send(&mut self, id: u64, file: &OpenedFile, position: u64, length: usize, socket: &TcpStream) {
        let range = FileRange { file: file.clone(), position, length: length as u32 };
        self.device.send(SendId(id), &range, socket).expect("send");
        self.device.submit();
    }

    fn step(&mut self) {
        self.device.wait_blocking(Some(Duration::from_millis(20))).expect("wait");
        let mut out = Vec::new();
        self.device.drain(&mut out);
        assert!(out.is_empty());
        self.device.take_sent(&mut self.told);
    }

    fn until(&mut self, enough: impl Fn(&Bench) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(self) {
            assert!(Instant::now() < deadline, "told: {:?}", self.told);
            self.step();
        }
    }

    fn sent(&self, id: u64) -> usize {
        let of = self.told.iter().filter(|(one, _)| *one == SendId(id));
        of.map(|(_, progress)| match progress {
            Progress::Sent(count) | Progress::All(count) => *count,
            Progress::FileFailed(_) | Progress::PeerGone(_) => 0,
        })
        .sum()
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let theirs = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    (listener.accept().expect("accept").0, theirs)
}

fn noise(count: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(count as u64);
    let mut bytes = vec![0; count];
    random.fill(&mut bytes);
    bytes
}

/// Length and checksum.
fn seal(bytes: &[u8]) -> (usize, u32) {
    (bytes.len(), crc32c::crc32c(bytes))
}

/// Reads to the end of the stream.
fn reader(mut theirs: TcpStream) -> std::thread::JoinHandle<(usize, u32)> {
    std::thread::spawn(move || {
        let (mut received, mut buffer) = ((0, 0), vec![0; 1 << 20]);
        loop {
            let count = theirs.read(&mut buffer).expect("read");
            if count == 0 {
                return received;
            }
            received = (received.0 + count, crc32c::crc32c_append(received.1, &buffer[..count]));
        }
    })
}

#[test]
fn a_reader_gets_the_bytes_of_the_range_and_no_others_though_the_file_has_lost_its_name() {
    let mut bench = Bench::new();
    let content = noise(LONG);
    let file = bench.file("log", &content);
    std::fs::remove_file(bench.directory.path().join("log")).expect("unlink");
    let mut expected = b"head".to_vec();
    let (mut ours, theirs) = pair();
    let reader = reader(theirs);
    ours.write_all(b"head").expect("write");
    for (id, (position, length)) in
        [(0, 1), (4095, 4098), (7, LONG - 7), (LONG - 1, 1)].into_iter().enumerate()
    {
        bench.send(id as u64, &file, position as u64, length, &ours);
        bench.until(|bench| bench.device.in_flight() == 0);
        assert_eq!(bench.sent(id as u64), length);
        assert!(matches!(bench.told.last(), Some((_, Progress::All(_)))));
        expected.extend_from_slice(&content[position..position + length]);
    }
    drop(ours);
    assert_eq!(reader.join().expect("reader"), seal(&expected));
}

#[test]
fn peers_that_do_not_read_hold_up_nobody_who_does() {
    let mut bench = Bench::new();
    let content = noise(LONG);
    let file = bench.file("log", &content);
    // Twice as many as there are pipes, and none of them reads.
    let stuck: Vec<_> = (0..2 * PIPES_MAX as u64).map(|id| (id, pair())).collect();
    for (id, (ours, _)) in &stuck {
        bench.send(*id, &file, 0, LONG, ours);
    }
    bench.until(|bench| stuck.iter().all(|(id, _)| bench.sent(*id) > 0));
    let (ours, theirs) = pair();
    let quick = reader(theirs);
    bench.send(1000, &file, 0, LONG, &ours);
    bench.until(|bench| bench.sent(1000) == LONG);
    drop(ours);
    assert_eq!(quick.join().expect("reader"), seal(&content));
    // And they get all of it when they come to it, though their pipes were taken away meanwhile.
    let late: Vec<_> = stuck
        .into_iter()
        .map(|(id, (ours, theirs))| {
            let reader = reader(theirs);
            (id, ours, reader)
        })
        .collect();
    bench.until(|bench| bench.device.in_flight() == 0);
    for (id, ours, reader) in late {
        assert_eq!(bench.sent(id), LONG);
        drop(ours);
        assert_eq!(reader.join().expect("reader"), seal(&content));
    }
}

#[test]
fn what_a_file_has_lost_is_never_made_up() {
    let mut bench = Bench::new();
    let content = noise(10_000);
    let file = bench.file("log", &content);
    let cut = std::fs::OpenOptions::new().write(true).open(bench.directory.path().join("log"));
    cut.expect("open").set_len(6_000).expect("cut");
    let (ours, theirs) = pair();
    let reader = reader(theirs);
    bench.send(1, &file, 1_000, 9_000, &ours);
    bench.until(|bench| bench.device.in_flight() == 0);
    let Some((_, Progress::FileFailed(error))) = bench.told.last() else { panic!("{:?}", bench.told) };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(bench.sent(1), 5_000);
    drop(ours);
    assert_eq!(reader.join().expect("reader"), seal(&content[1_000..6_000]));
}

#[test]
fn a_peer_that_goes_and_a_send_that_is_cancelled_end_at_once() {
    let mut bench = Bench::new();
    let file = bench.file("log", &noise(LONG));
    let (left, theirs) = pair();
    let (cancelled, _unread) = pair();
    bench.send(1, &file, 0, LONG, &left);
    bench.send(2, &file, 0, LONG, &cancelled);
    bench.until(|bench| bench.sent(1) > 0 && bench.sent(2) > 0);
    drop(theirs);
    bench.device.cancel_send(SendId(2));
    bench.until(|bench| bench.device.in_flight() == 0);
    for id in [1, 2] {
        let last = bench.told.iter().rev().find(|(one, _)| *one == SendId(id));
        assert!(matches!(last, Some((_, Progress::PeerGone(_)))), "{last:?}");
    }
}

#[test]
fn a_device_that_is_dropped_waits_for_no_peer() {
    let mut bench = Bench::new();
    let file = bench.file("log", &noise(LONG));
    let (ours, _unread) = pair();
    bench.send(1, &file, 0, LONG, &ours);
    bench.until(|bench| bench.sent(1) > 0);
    let Bench { device, .. } = bench;
    drop(device);
    assert_eq!(Arc::strong_count(&file.0), 1, "nothing of it is left with the kernel");
}
