//! A wake-up between threads that a poll can wait for: an eventfd. Raised by any thread, or by the kernel for a data ring;
//! waited for and cleared by the core that owns it. Raising it twice wakes once.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Clones share one eventfd.
#[derive(Clone, Debug)]
pub struct Signal(Arc<EventFd>);

impl Signal {
    pub fn new() -> io::Result<Signal> {
        // Not EFD_NONBLOCK: io_uring would fail a read of zero instead of waiting with it (`pump`).
        Ok(Signal(Arc::new(EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC)?)))
    }

    /// Wakes the waiter, now or when it next waits.
    pub fn raise(&self) {
        // EAGAIN is the one possible failure, of a counter near 2^64: it is raised all the more then.
        let _ = self.0.write(1);
    }

    /// Takes the wake-up back; whether there was one. Clear first, then look at what it announces: the other order loses
    /// wake-ups.
    pub fn clear(&self) -> bool {
        // Only the owner reads: what is readable stays so until it has read.
        let readable = poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO);
        readable == Ok(1) && self.0.read().is_ok()
    }

    /// Blocks the thread until raised or until the time is up; whether it was raised. Not for a core that runs tasks.
    pub fn wait_blocking(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout = match timeout {
            None => PollTimeout::NONE,
            Some(duration) => PollTimeout::try_from(duration).unwrap_or(PollTimeout::MAX),
        };
        loop {
            match poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raise_is_seen_once_however_often_it_was_raised() {
        let signal = Signal::new().expect("eventfd");
        assert!(!signal.clear());
        let other = signal.clone();
        std::thread::spawn(move || (0..3).for_each(|_| other.raise())).join().expect("thread");
        assert!(signal.wait_blocking(Some(Duration::from_secs(5))).expect("poll"));
        assert!(signal.clear());
        assert!(!signal.clear());
        assert!(!signal.wait_blocking(Some(Duration::ZERO)).expect("poll"));
    }
}
