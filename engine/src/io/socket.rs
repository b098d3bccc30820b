//! A connection's socket as the data ring uses it: a descriptor of its own, because the connection may be over before the kernel is
//! done. Lives on one core.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use glommio::net::TcpStream;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{Shutdown, shutdown};

/// A descriptor of its own for the same socket.
pub fn duplicate(socket: &dyn AsRawFd) -> io::Result<OwnedFd> {
    // SAFETY: whoever has the descriptor is borrowed until this returns, and so keeps it open.
    unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) }.try_clone_to_owned()
}

/// The socket, or what else is polled like one, for this core's executor. Only within one.
pub fn adopt(socket: OwnedFd) -> TcpStream {
    // SAFETY: the descriptor is open and owned by nobody else from here on; the stream closes it.
    unsafe { TcpStream::from_raw_fd(socket.into_raw_fd()) }
}

#[derive(Clone, Debug)]
pub struct Socket(Rc<OwnedFd>);

impl Socket {
    /// From here on the socket refuses where it would wait: the kernel must never wait for a peer (glommio only ever sends and receives
    /// with MSG_DONTWAIT, so nothing changes for it).
    pub fn of(socket: &dyn AsRawFd) -> io::Result<Socket> {
        let socket = duplicate(socket)?;
        let flags = OFlag::from_bits_truncate(fcntl(&socket, FcntlArg::F_GETFL)?);
        if !flags.contains(OFlag::O_NONBLOCK) {
            fcntl(&socket, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        Ok(Socket(Rc::new(socket)))
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Ends it, behind what it has taken already. Whoever waits for it is woken.
    pub fn shut_down(&self) {
        // Fails where it is shut down already.
        let _ = shutdown(self.raw(), Shutdown::Both);
    }

    /// Ends it at once: what it has taken and the peer has not is thrown away, and the peer sees a reset. Closing would not do, where
    /// others have the socket too.
    pub fn abort(&self) {
        let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
        let length = size_of::<libc::sockaddr>() as libc::socklen_t;
        // SAFETY: the kernel reads `length` bytes of `nowhere`, which lives until this returns. To connect to nowhere is to disconnect.
        // It fails where there is no connection any more, or no TCP.
        let failed = unsafe { libc::connect(self.raw(), &raw const nowhere, length) } < 0;
        if failed {
            self.shut_down();
        }
    }
}
