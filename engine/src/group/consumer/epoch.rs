//! The number that a consumer group counts its changes with. A member's epoch follows the assignment's, which follows the
//! group's: they are compared with each other, so they are one type.

use std::fmt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i32);

impl Epoch {
    /// A heartbeat with it joins, or joins again.
    pub const JOIN: Epoch = Epoch(0);
    /// A heartbeat with it leaves.
    pub const LEAVE: Epoch = Epoch(-1);
    /// A static member leaves for a while; kept as the member's epoch until it is back.
    pub const LEAVE_STATIC: Epoch = Epoch(-2);

    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
