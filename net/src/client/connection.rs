//! One connection to one broker: requests go out in order, answers come back in the same order, and several may be on
//! their way at once. Blocking sockets with timeouts; a connection can be split so that one thread sends and another
//! receives. Never retries: after an error that `ends_connection` it is good for nothing.

use std::io::{self, IoSlice, Read, Write};
use std::marker::PhantomData;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use super::address::Address;
use super::error::ClientError;
use super::limits::{ANSWER_BYTES_MAX, READ_BYTES_MAX};
use super::versions::Versions;
use crate::wire::{Message, Reader, Request, ResponseHeader, Text, frame, request_frame};

/// A request whose answer has not been read. Tickets of one connection are redeemed in the order they were given.
#[derive(Debug)]
pub struct Ticket<R> {
    correlation_id: i32,
    version: i16,
    answers: PhantomData<fn(R)>,
}

/// The sending half.
pub struct Outgoing {
    stream: Arc<TcpStream>,
    address: Arc<str>,
    client_id: Text,
    correlation_id: i32,
    versions: Versions,
    timeout: Duration,
}

/// The receiving half.
pub struct Incoming {
    stream: Arc<TcpStream>,
    address: Arc<str>,
    received: BytesMut,
    timeout: Duration,
}

pub struct Connection {
    outgoing: Outgoing,
    incoming: Incoming,
}

impl Connection {
    /// Connects and agrees on versions. `timeout` bounds the connect, each write, and each answer.
    pub fn open(address: &Address, client_id: &str, timeout: Duration) -> Result<Connection, ClientError> {
        let stream = Arc::new(connect(address, timeout)?);
        let name: Arc<str> = address.to_string().into();
        let outgoing = Outgoing {
            stream: stream.clone(),
            address: name.clone(),
            client_id: Text::from(client_id),
            correlation_id: 0,
            versions: Versions::unknown(),
            timeout,
        };
        let incoming = Incoming { stream, address: name, received: BytesMut::new(), timeout };
        let mut connection = Connection { outgoing, incoming };
        connection.outgoing.versions = Versions::negotiate(&mut connection)?;
        Ok(connection)
    }

    pub fn address(&self) -> &str {
        &self.outgoing.address
    }

    pub fn versions(&self) -> &Versions {
        &self.outgoing.versions
    }

    /// The highest version of `R` that both sides speak.
    pub fn version<R: Request>(&self) -> Result<i16, ClientError> {
        self.outgoing.version::<R>(i16::MAX)
    }

    pub fn send<R: Request>(&mut self, request: &R) -> Result<Ticket<R>, ClientError> {
        self.outgoing.send(request)
    }

    pub fn receive<R: Request>(&mut self, ticket: Ticket<R>) -> Result<R::Response, ClientError> {
        self.incoming.receive(ticket)
    }

    /// As `receive`, and waits for `within` at most; none: not yet, and the ticket is as good as before.
    pub fn receive_within<R: Request>(
        &mut self,
        ticket: &Ticket<R>,
        within: Duration,
    ) -> Result<Option<R::Response>, ClientError> {
        self.incoming.receive_within(ticket, within)
    }

    /// Sends and waits for the answer; nothing else may be on its way.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        let ticket = self.send(request)?;
        self.receive(ticket)
    }

    /// As `call`, in a version that is not above `at_most`.
    pub fn call_at_most<R: Request>(
        &mut self,
        request: &R,
        at_most: i16,
    ) -> Result<R::Response, ClientError> {
        let version = self.outgoing.version::<R>(at_most)?;
        let ticket = self.outgoing.send_version(request, version)?;
        self.receive(ticket)
    }

    /// One half for a thread that sends and one for a thread that receives.
    pub fn split(self) -> (Outgoing, Incoming) {
        (self.outgoing, self.incoming)
    }

    pub(super) fn halves(&mut self) -> (&mut Outgoing, &mut Incoming) {
        (&mut self.outgoing, &mut self.incoming)
    }
}

impl Outgoing {
    /// The highest common version that is not above `at_most`.
    pub fn version<R: Request>(&self, at_most: i16) -> Result<i16, ClientError> {
        let found = self.versions.highest(R::API, at_most);
        found.ok_or_else(|| ClientError::NoCommonVersion { address: self.address.to_string(), api: R::API })
    }

    pub fn send<R: Request>(&mut self, request: &R) -> Result<Ticket<R>, ClientError> {
        let version = self.version::<R>(i16::MAX)?;
        self.send_version(request, version)
    }

    pub fn send_version<R: Request>(&mut self, request: &R, version: i16) -> Result<Ticket<R>, ClientError> {
        let operation = R::API.name();
        let correlation_id = self.correlation_id;
        self.correlation_id = correlation_id.wrapping_add(1);
        let chunks = request_frame(request, version, correlation_id, Some(self.client_id.clone()))
            .map_err(|source| ClientError::Unsayable { operation, source })?;
        match write_all(&self.stream, chunks) {
            Ok(()) => Ok(Ticket { correlation_id, version, answers: PhantomData }),
            Err(error) => Err(failure(error, &self.address, operation, self.timeout)),
        }
    }

    /// Says that nothing more will be sent; answers still come.
    pub fn finish(&self) {
        // A connection that is gone already is as finished as it can be.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }
}

impl Incoming {
    pub fn receive<R: Request>(&mut self, ticket: Ticket<R>) -> Result<R::Response, ClientError> {
        let answer = self.frame(R::API.name())?;
        self.open::<R>(answer, &ticket, ticket.version)
    }

    fn receive_within<R: Request>(
        &mut self,
        ticket: &Ticket<R>,
        within: Duration,
    ) -> Result<Option<R::Response>, ClientError> {
        let usual = self.timeout;
        self.wait_for(within)?;
        let frame = self.frame(R::API.name());
        self.wait_for(usual)?;
        match frame {
            Err(ClientError::TimedOut { .. }) => Ok(None),
            frame => self.open::<R>(frame?, ticket, ticket.version).map(Some),
        }
    }

    /// What a read may take from now on; what has been read of an answer stays.
    fn wait_for(&mut self, timeout: Duration) -> Result<(), ClientError> {
        // Zero would mean for ever.
        self.timeout = timeout.max(Duration::from_millis(1));
        let set = self.stream.set_read_timeout(Some(self.timeout));
        set.map_err(|source| ClientError::Unreachable { address: self.address.to_string(), source })
    }

    /// Reads an answer of a version that need not be the ticket's: ApiVersions is answered in v0 to who asks for too much.
    pub(super) fn open<R: Request>(
        &self,
        answer: Bytes,
        ticket: &Ticket<R>,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        let operation = R::API.name();
        let garbled = |source| ClientError::Garbled { address: self.address.to_string(), operation, source };
        let mut reader = Reader::new(answer);
        let header = ResponseHeader::decode(&mut reader, R::API, version).map_err(garbled)?;
        if header.correlation_id != ticket.correlation_id {
            return Err(ClientError::OutOfOrder {
                address: self.address.to_string(),
                expected: ticket.correlation_id,
                found: header.correlation_id,
            });
        }
        R::Response::decode(&mut reader, version).map_err(garbled)
    }

    /// The next frame, without its length.
    pub(super) fn frame(&mut self, operation: &'static str) -> Result<Bytes, ClientError> {
        let give_up = Instant::now() + self.timeout;
        loop {
            let next = frame::next(&mut self.received, ANSWER_BYTES_MAX).map_err(|source| {
                ClientError::Garbled { address: self.address.to_string(), operation, source }
            })?;
            let missing = match next {
                frame::Next::Frame(frame) => return Ok(frame),
                frame::Next::Missing(missing) => missing,
            };
            if Instant::now() >= give_up {
                return Err(failure(io::ErrorKind::TimedOut.into(), &self.address, operation, self.timeout));
            }
            self.fill(missing, operation)?;
        }
    }

    fn fill(&mut self, missing: usize, operation: &'static str) -> Result<(), ClientError> {
        let have = self.received.len();
        self.received.resize(have + missing.clamp(4096, READ_BYTES_MAX), 0);
        let outcome = (&*self.stream).read(&mut self.received[have..]);
        self.received.truncate(have + outcome.as_ref().copied().unwrap_or(0));
        match outcome {
            Ok(0) => Err(ClientError::Closed { address: self.address.to_string(), operation }),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(failure(error, &self.address, operation, self.timeout)),
        }
    }
}

fn connect(address: &Address, timeout: Duration) -> Result<TcpStream, ClientError> {
    let unreachable = |source| ClientError::Unreachable { address: address.to_string(), source };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for target in (address.host.as_str(), address.port).to_socket_addrs().map_err(unreachable)? {
        match TcpStream::connect_timeout(&target, timeout) {
            Ok(stream) => {
                let options = stream
                    .set_nodelay(true)
                    .and_then(|()| stream.set_read_timeout(Some(timeout)))
                    .and_then(|()| stream.set_write_timeout(Some(timeout)));
                return options.map(|()| stream).map_err(unreachable);
            }
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}

fn write_all(mut stream: &TcpStream, chunks: Vec<Bytes>) -> io::Result<()> {
    let mut left = &mut chunks.into_iter().collect::<Vec<_>>()[..];
    while !left.is_empty() {
        let slices: Vec<IoSlice<'_>> = left.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let mut written = match stream.write_vectored(&slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        while let Some(first) = left.first_mut() {
            let step = written.min(first.len());
            first.advance(step);
            written -= step;
            if !first.is_empty() {
                break;
            }
            left = &mut left[1..];
        }
    }
    Ok(())
}

/// A socket's timeout shows as `WouldBlock`.
fn failure(source: io::Error, address: &str, operation: &'static str, timeout: Duration) -> ClientError {
    let address = address.to_owned();
    match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            ClientError::TimedOut { address, operation, timeout }
        }
        _ => ClientError::Broken { address, operation, source },
    }
}
