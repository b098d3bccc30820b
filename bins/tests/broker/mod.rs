//! A corelogd of its own for a test: a free port, a temporary directory, killed when dropped. Shared by the tests that run
//! the real process.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use engine::record::{BatchBuilder, Codec, RecordData};
use net::wire::{
    ApiKey, Message, Reader, Request, ResponseHeader,
    api_versions::ApiVersionsRequest,
    produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData},
    request_frame,
};

/// Far beyond what a start or an answer takes; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Broker {
    pub child: Child,
    pub address: SocketAddr,
}

/// Starts corelogd and waits until it listens; otherwise what it said.
pub fn try_start(directory: &Path, flags: &[&str]) -> Result<Broker, String> {
    try_start_by(directory, flags, |command| command)
}

/// `by` may change how it is started.
fn try_start_by(
    directory: &Path,
    flags: &[&str],
    by: impl FnOnce(Command) -> Command,
) -> Result<Broker, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelogd"));
    command
        .arg("--data-dir")
        .arg(directory)
        .args(["--listen", "127.0.0.1:0", "--memory", "64M", "--cores", "0", "--journal-extents", "3"])
        .args(flags);
    let mut child = by(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("corelogd does not start: {error}"))?;
    let stderr = child.stderr.take().ok_or("no stderr")?;
    let (lines, told) = mpsc::channel();
    // Goes on reading to the end: a full pipe would stop the broker.
    thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
    });
    let mut said = String::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match told.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let address = line.split_once("listening on ").and_then(|(_, rest)| rest.split(',').next());
                if let Some(address) = address.and_then(|address| address.parse().ok()) {
                    thread::spawn(move || told.iter().count());
                    return Ok(Broker { child, address });
                }
                said = said + &line + "\n";
            }
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(said);
            }
        }
    }
}

/// Starts it with a limit of its own for file descriptors.
pub fn start_with_descriptors(directory: &Path, descriptors: u64) -> Broker {
    let limited = |command: Command| {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
        shell
    };
    try_start_by(directory, &[], limited)
        .unwrap_or_else(|said| panic!("corelogd does not listen; it said:\n{said}"))
}

pub fn start(directory: &Path, flags: &[&str]) -> Broker {
    try_start(directory, flags).unwrap_or_else(|said| panic!("corelogd does not listen; it said:\n{said}"))
}

impl Broker {
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).expect("the broker accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        stream
    }

    /// A round trip on a connection of its own.
    pub fn served_apis(&self) -> Vec<i16> {
        let request =
            ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
        self.ask(&request, 3).api_keys.iter().map(|range| range.api_key).collect()
    }

    /// Until the kernel takes no more of what the broker sends to this stream: what there is to read stays the same.
    pub fn wait_until_stuck(&self, stream: &TcpStream) {
        // More than a socket takes.
        let (mut before, mut buffer) = (usize::MAX, vec![0; 40 << 20]);
        loop {
            // The broker had turns enough to go on.
            (0..200).for_each(|_| drop(self.served_apis()));
            let unread = stream.peek(&mut buffer).expect("what there is");
            if unread == before {
                return;
            }
            before = unread;
        }
    }

    /// One request on a connection of its own.
    pub fn ask<R: Request>(&self, request: &R, version: i16) -> R::Response {
        let mut stream = self.connect();
        send(&mut stream, request, version, 1);
        receive(&mut stream, version, 1)
    }

    /// The broker's resident memory.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
        kib.unwrap_or(0) << 10
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, signal).expect("the broker runs");
    }

    /// Stops it as an operator does.
    pub fn stop(mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(self.wait().success());
    }

    /// Waits for the end of the process, which somebody else has asked for.
    pub fn wait(&mut self) -> ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let (ended, end) = mpsc::channel::<()>();
        let killer = thread::spawn(move || {
            if end.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
        });
        let status = self.child.wait().expect("a child");
        drop(ended);
        killer.join().expect("killer");
        status
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request as bytes, length included.
pub fn frame<R: Request>(request: &R, version: i16, correlation: i32) -> Vec<u8> {
    request_frame(request, version, correlation, Some("test".into()))
        .expect("a request that can be written")
        .concat()
}

pub fn send<R: Request>(stream: &mut TcpStream, request: &R, version: i16, correlation: i32) {
    stream.write_all(&frame(request, version, correlation)).expect("the broker reads");
}

/// The next answer on a connection, which must be this one.
pub fn receive<M: Message>(stream: &mut TcpStream, version: i16, correlation: i32) -> M {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).expect("the whole answer");
    let mut reader = Reader::new(body.into());
    let header = ResponseHeader::decode(&mut reader, M::API, version).expect("a header");
    assert_eq!(header.correlation_id, correlation, "answers come in request order");
    M::decode(&mut reader, version).unwrap_or_else(|error| panic!("{}: {error}", ApiKey::name(M::API)))
}

/// Has the broker closed this connection? Reads what it still sends.
pub fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = [0; 4096];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// One record for the topic's partition 0, as a batch of its own that is acknowledged.
pub fn produce_request(topic: &str, value: &[u8]) -> ProduceRequest {
    let mut builder = BatchBuilder::new(Codec::None, 2 << 20);
    assert!(builder.push(RecordData { value: Some(value), ..RecordData::default() }));
    let records = Some(builder.build().expect("a batch").into());
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let topic = TopicProduceData { name: topic.into(), partition_data, ..Default::default() };
    ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }
}

/// Writes one record to the topic's partition 0.
pub fn produce(stream: &mut TcpStream, topic: &str, value: &[u8], correlation: i32) {
    send(stream, &produce_request(topic, value), 9, correlation);
    let produced: ProduceResponse = receive(stream, 9, correlation);
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
}
