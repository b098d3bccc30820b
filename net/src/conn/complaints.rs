//! Log lines about misbehaving peers, bounded per second and core: a hostile peer must not fill the disk through the log.
//! Lives on one core.

use std::{cell::Cell, net::SocketAddr};

use crate::limits;

#[derive(Default)]
pub struct Complaints {
    second: Cell<u64>,
    lines: Cell<u32>,
    suppressed: Cell<u64>,
}

impl Complaints {
    /// Logs why a connection is closed, unless this second has had its share. `mono_ns`: the monotonic clock.
    pub fn closed(&self, mono_ns: u64, peer: SocketAddr, reason: &str) {
        let Some(suppressed) = self.admit(mono_ns) else { return };
        if suppressed > 0 {
            tracing::info!("{suppressed} lines about closed connections were left out");
        }
        tracing::info!("closed the connection from {peer}: {reason}");
    }

    /// How many lines were left out since the last one that was admitted; none: this one is left out as well.
    fn admit(&self, mono_ns: u64) -> Option<u64> {
        let second = mono_ns / 1_000_000_000;
        if self.second.replace(second) != second {
            self.lines.set(0);
        }
        if self.lines.get() >= limits::COMPLAINTS_PER_SECOND {
            self.suppressed.set(self.suppressed.get() + 1);
            return None;
        }
        self.lines.set(self.lines.get() + 1);
        Some(self.suppressed.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_bounded_number_of_lines_and_the_rest_is_counted() {
        let complaints = Complaints::default();
        let admitted = (0..100).filter(|_| complaints.admit(5).is_some()).count();
        assert_eq!(admitted, limits::COMPLAINTS_PER_SECOND as usize);
        assert_eq!(complaints.admit(1_000_000_005), Some(90));
        assert_eq!(complaints.admit(1_000_000_006), Some(0));
    }
}
