//! Sends without a copy against the real kernel: sockets on this host, over which it copies after all, but when it says.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::*;
use crate::io::{Device, RingConfig};

const PATIENCE: Duration = Duration::from_secs(60);
/// More than what a socket takes while nobody reads.
const LENT_MAX: usize = 24 << 20;

struct Bench {
    device: Device,
    _directory: tempfile::TempDir,
    told: Vec<(SendId, Told)>,
}

impl Bench {
    fn new() -> Bench {
        let directory = tempfile::tempdir().expect("tempdir");
        let config = RingConfig { zero_copy_bytes: LENT_MAX, ..RingConfig::default() };
        let device = Device::open(&config, directory.path(), None).expect("device");
        Bench { device, _directory: directory, told: Vec::new() }
    }

    fn step(&mut self) {
        self.device.wait_blocking(Some(Duration::from_millis(20))).expect("wait");
        let mut out = Vec::new();
        self.device.drain(&mut out);
        assert!(out.is_empty());
        self.device.take_lent(&mut self.told);
    }

    fn until(&mut self, enough: impl Fn(&Bench) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(self) {
            assert!(Instant::now() < deadline, "told: {:?}", self.told);
            self.step();
        }
    }

    /// What was told of a piece before its release.
    fn answer(&self, id: u64) -> Option<&Told> {
        let of =
            self.told.iter().filter(|(one, told)| *one == SendId(id) && !matches!(told, Told::Released(_)));
        of.map(|(_, told)| told).next()
    }

    fn is_released(&self, id: u64) -> bool {
        self.told.iter().any(|(one, told)| *one == SendId(id) && matches!(told, Told::Released(_)))
    }

    fn lend(&mut self, id: u64, slices: &[Bytes], socket: &Socket) -> bool {
        let taken = self.device.lend(SendId(id), slices.to_vec(), socket);
        self.device.submit();
        taken
    }

    /// Lends copies of it until one finds no room in the socket; its number, its memory, and how much was taken before.
    fn fill(&mut self, content: &Bytes, socket: &Socket) -> (u64, Bytes, usize) {
        let mut taken = 0;
        for id in 1.. {
            let piece = Bytes::copy_from_slice(content);
            assert!(self.lend(id, std::slice::from_ref(&piece), socket));
            for _ in 0..5 {
                self.step();
            }
            match self.answer(id) {
                Some(Told::Sent(bytes)) => taken += bytes,
                None => return (id, piece, taken),
                other => panic!("{other:?}"),
            }
        }
        unreachable!()
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let theirs = TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
    (listener.accept().expect("accept").0, theirs)
}

fn noise(count: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(count as u64);
    let mut bytes = vec![0; count];
    random.fill(&mut bytes);
    bytes.into()
}

#[test]
fn bytes_arrive_whole_and_in_order_at_a_reader_who_is_slow() {
    let mut bench = Bench::new();
    let (ours, mut theirs) = pair();
    let socket = Socket::of(&ours).expect("socket");
    let content = noise(12 << 20);
    let expected = content.clone();
    let reader = std::thread::spawn(move || {
        let (mut received, mut buffer) = (Vec::new(), vec![0; 100_000]);
        loop {
            let count = theirs.read(&mut buffer).expect("read");
            if count == 0 {
                return received == expected;
            }
            received.extend_from_slice(&buffer[..count]);
            (0..1000).for_each(|_| std::thread::yield_now());
        }
    });
    let (mut sent, mut short) = (0, 0);
    for id in 1.. {
        // Pieces of many slices, of sizes that meet no page.
        let piece = content.slice(sent..content.len().min(sent + 700_001));
        let slices: Vec<_> = (0..piece.len())
            .step_by(30_011)
            .map(|at| piece.slice(at..piece.len().min(at + 30_011)))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        // Refused while too much is lent.
        while !bench.lend(id, &slices, &socket) {
            assert!(Instant::now() < deadline);
            bench.step();
        }
        bench.until(|bench| bench.answer(id).is_some());
        let Some(Told::Sent(bytes)) = bench.answer(id) else { panic!("{:?}", bench.answer(id)) };
        short += usize::from(*bytes < piece.len());
        sent += bytes;
        if sent == content.len() {
            break;
        }
    }
    assert!(short > 0, "the socket took less than it was given, now and then");
    bench.until(|bench| bench.device.in_flight() == 0);
    drop((ours, socket));
    assert!(reader.join().expect("reader"));
    drop(bench);
    assert!(content.is_unique());
}

#[test]
fn memory_is_held_until_the_kernel_has_let_go_of_it_and_no_longer() {
    let mut bench = Bench::new();
    let (ours, mut theirs) = pair();
    let socket = Socket::of(&ours).expect("socket");
    let content = noise(64 << 10);
    assert!(bench.lend(1, std::slice::from_ref(&content), &socket));
    assert!(!content.is_unique());
    bench.until(|bench| bench.answer(1).is_some());
    theirs.read_exact(&mut vec![0; content.len()]).expect("read");
    bench.until(|bench| bench.is_released(1));
    assert!(content.is_unique());
    assert_eq!(bench.device.in_flight(), 0);
    let way = bench.told.last();
    assert!(
        matches!(way, Some((_, Told::Released(Way::Copied)))),
        "over loopback the kernel copies: {way:?}"
    );
}

/// What the kernel says, by hand: the result first, the notification later, or the other way round; and refusals owe one too.
#[test]
fn no_piece_is_released_before_its_notification() {
    const MORE: u32 = 2;
    const NOTIFICATION: u32 = 8;
    let (ours, _theirs) = pair();
    let socket = Socket::of(&ours).expect("socket");
    let content = noise(50_000);
    let mut zero_copy = ZeroCopy::new(2 * ZERO_COPY_SLICE_COST_BYTES);
    let begin = |zero_copy: &mut ZeroCopy, id| {
        assert!(zero_copy.push(SendId(id), vec![content.clone()], &socket));
        zero_copy.next_entry().expect("an entry").0
    };
    let key = begin(&mut zero_copy, 1);
    zero_copy.completed(key, 20_000, MORE);
    assert!(matches!(zero_copy.told[..], [(SendId(1), Told::Sent(20_000))]));
    assert!(!content.is_unique() && zero_copy.is_in_kernel());
    assert!(zero_copy.push(SendId(2), vec![content.clone()], &socket), "the rest of what may be lent");
    assert!(!zero_copy.push(SendId(3), vec![content.clone()], &socket), "too much");
    zero_copy.cancel(SendId(2));
    zero_copy.told.clear();
    zero_copy.completed(key, 0, NOTIFICATION);
    assert!(matches!(zero_copy.told[..], [(SendId(1), Told::Released(Way::FromMemory))]));
    assert!(content.is_unique() && !zero_copy.is_in_kernel());

    let key = begin(&mut zero_copy, 4);
    zero_copy.told.clear();
    zero_copy.completed(key, USAGE_COPIED as i32, NOTIFICATION);
    assert!(zero_copy.told.is_empty() && !content.is_unique());
    zero_copy.completed(key, 50_000, MORE);
    assert!(matches!(zero_copy.told[1], (_, Told::Released(Way::Copied))) && content.is_unique());

    let key = begin(&mut zero_copy, 5);
    zero_copy.told.clear();
    zero_copy.completed(key, -libc::ENOMEM, MORE);
    assert!(matches!(zero_copy.told[..], [(_, Told::Refused(Refusal::Memory(_)))]) && !content.is_unique());
    zero_copy.completed(key, 0, NOTIFICATION);
    assert!(content.is_unique());
}

#[test]
fn a_kernel_that_makes_no_reports_is_asked_for_none_and_one_that_refuses_still_is_done_with() {
    let (ours, _theirs) = pair();
    let socket = Socket::of(&ours).expect("socket");
    let mut zero_copy = ZeroCopy::new(100_000);
    assert!(zero_copy.push(SendId(1), vec![noise(10)], &socket));
    let (key, _) = zero_copy.next_entry().expect("an entry");
    zero_copy.completed(key, -libc::EINVAL, 0);
    assert!(zero_copy.told.is_empty() && !zero_copy.reports);
    let (key, _) = zero_copy.next_entry().expect("once more");
    zero_copy.completed(key, -libc::EINVAL, 0);
    assert!(matches!(zero_copy.told[0].1, Told::Refused(Refusal::Unsupported(_))));
    assert_eq!(zero_copy.count(), 0);
}

#[test]
fn what_waits_for_room_can_go_from_elsewhere() {
    let mut bench = Bench::new();
    let (ours, mut theirs) = pair();
    let socket = Socket::of(&ours).expect("socket");
    let content = noise(200_000);
    let (waits, piece, taken) = bench.fill(&content, &socket);
    assert!(!piece.is_unique());
    let copy = Bytes::copy_from_slice(&content);
    bench.device.replace_lent(SendId(waits), vec![copy.clone()]);
    bench.until(|_| piece.is_unique());
    assert!(!copy.is_unique());
    let mut received = vec![0; taken];
    theirs.read_exact(&mut received).expect("read");
    bench.until(|bench| bench.answer(waits).is_some());
    let Some(Told::Sent(bytes)) = bench.answer(waits) else { panic!("{:?}", bench.answer(waits)) };
    let mut last = vec![0; *bytes];
    theirs.read_exact(&mut last).expect("read");
    assert!(content.starts_with(&last), "the same bytes");
}

#[test]
fn a_peer_that_goes_and_a_piece_that_is_cancelled_end_at_once() {
    let mut bench = Bench::new();
    let content = noise(200_000);
    let (left, theirs) = pair();
    let (waits, piece, _) = bench.fill(&content, &Socket::of(&left).expect("socket"));
    drop(theirs);
    bench.until(|bench| bench.is_released(waits));
    assert!(matches!(bench.answer(waits), Some(Told::Refused(Refusal::PeerGone(_)))));
    assert!(piece.is_unique());
    bench.until(|bench| bench.device.in_flight() == 0);
    bench.told.clear();
    let (cancelled, _unread) = pair();
    let socket = Socket::of(&cancelled).expect("socket");
    let (waits, piece, _) = bench.fill(&content, &socket);
    bench.device.cancel_lent(SendId(waits));
    bench.until(|bench| bench.is_released(waits));
    assert!(matches!(bench.answer(waits), Some(Told::Refused(Refusal::PeerGone(_)))));
    assert!(piece.is_unique());
    assert!(bench.device.in_flight() > 0 && !bench.is_released(1), "what the socket has is still to be read");
}

#[test]
fn a_socket_that_is_aborted_gives_back_what_its_peer_has_not_read() {
    let mut bench = Bench::new();
    let (ours, mut theirs) = pair();
    let socket = Socket::of(&ours).expect("socket");
    let content = noise(200_000);
    let (_, piece, _) = bench.fill(&content, &socket);
    assert!(bench.device.in_flight() > 1);
    socket.abort();
    bench.until(|bench| bench.device.in_flight() == 0);
    assert!(piece.is_unique());
    let end =
        std::iter::repeat_with(|| theirs.read(&mut [0; 64 << 10])).find(|read| !matches!(read, Ok(1..)));
    let reset = matches!(end, Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset);
    assert!(reset, "the peer is told that something is missing");
}

#[test]
fn a_socket_that_cannot_says_so_and_nothing_stays_lent() {
    let mut bench = Bench::new();
    let (ours, _theirs) = UnixStream::pair().expect("a pair");
    let content = noise(50_000);
    assert!(bench.lend(1, std::slice::from_ref(&content), &Socket::of(&ours).expect("socket")));
    bench.until(|bench| bench.is_released(1));
    assert!(matches!(bench.answer(1), Some(Told::Refused(Refusal::Unsupported(_)))), "{:?}", bench.told);
    assert!(content.is_unique());
}

#[test]
fn a_device_that_is_dropped_waits_for_the_kernel_but_for_no_peer() {
    let mut bench = Bench::new();
    let (ours, _unread) = pair();
    let content = noise(200_000);
    let socket = Socket::of(&ours).expect("socket");
    assert!(bench.lend(0, std::slice::from_ref(&content), &socket));
    let (_, piece, _) = bench.fill(&content, &socket);
    assert!(!content.is_unique() && !piece.is_unique());
    drop(bench);
    assert!(content.is_unique() && piece.is_unique());
}
