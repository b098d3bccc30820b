//! The operator's HTTP, as tests ask it. Shared by the tests that start a broker with `--admin-listen`.

#![allow(dead_code, reason = "each test uses a part")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// Far beyond what an answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// An address that nobody listens on.
pub fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream
}

/// Whatever is answered to these bytes.
pub fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).expect("sent");
    let mut answer = Vec::new();
    // What came before a reset counts.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}

pub fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
}

/// The value of one series, added up over its cores and all labels that are not named.
pub fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let lines = text.lines().filter(|line| {
        let series = line.split([' ', '{']).next();
        series == Some(name) && labels.iter().all(|label| line.contains(label))
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The same, as it is now.
pub fn figure(address: SocketAddr, name: &str, labels: &[&str]) -> f64 {
    value(&get(address, "/metrics"), name, labels)
}
