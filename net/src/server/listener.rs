//! Listening sockets: one per core on the same address.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use glommio::{GlommioError, net::TcpListener};

/// Somebody who listens answers a local connection at once.
const PROBE: Duration = Duration::from_millis(300);

/// This core's socket on `address`. SO_REUSEPORT is set: all cores of one process may bind it, but so may another process
/// of the same user, see `is_taken`.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| match error {
        GlommioError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

/// Does somebody listen there already? To be asked before the first `bind`: the kernel would let both have the address
/// and spread the connections over them.
pub fn is_taken(address: SocketAddr) -> bool {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    address.port() != 0 && TcpStream::connect_timeout(&SocketAddr::new(ip, address.port()), PROBE).is_ok()
}

/// A descriptor kept back, so that one more connection can be accepted, to be closed, when there are none.
pub(super) struct Reserve(Option<File>);

impl Reserve {
    pub(super) fn take() -> Reserve {
        Reserve(File::open("/dev/null").ok())
    }

    /// Was there one to give up?
    pub(super) fn give_up(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Is it there, or to be had again?
    pub(super) fn restore(&mut self) -> bool {
        if self.0.is_none() {
            *self = Reserve::take();
        }
        self.0.is_some()
    }
}

/// Is it the process or the host that has no descriptor left?
pub(super) fn is_out_of_descriptors(error: &GlommioError<()>) -> bool {
    let GlommioError::IoError(error) = error else { return false };
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Is it this one connection's failure, and the next may come through?
pub(super) fn is_passing(error: &GlommioError<()>) -> bool {
    let GlommioError::IoError(error) = error else { return false };
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_listens_on_is_taken() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        assert!(is_taken(([127, 0, 0, 1], port).into()));
        assert!(is_taken(([0, 0, 0, 0], port).into()));
        drop(other);
        assert!(!is_taken(([127, 0, 0, 1], port).into()));
        assert!(!is_taken(([127, 0, 0, 1], 0).into()));
    }
}
