//! Heartbeat, and the commits that count as one. The most frequent request: a look-up and a store, nothing else.

use super::{ClassicGroup, Phase, Turn};
use crate::error::ErrorCode;
use crate::group::request::Heartbeat;

impl ClassicGroup {
    pub fn heartbeat(&mut self, turn: &mut Turn<'_>, heartbeat: &Heartbeat) -> ErrorCode {
        if let Err(error) = self.check_member(&heartbeat.member, heartbeat.instance.as_deref()) {
            return error;
        }
        if heartbeat.generation != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        match self.phase {
            Phase::Empty => ErrorCode::UnknownMemberId,
            Phase::Preparing(_) => {
                self.touch(turn, &heartbeat.member);
                ErrorCode::RebalanceInProgress
            }
            Phase::Completing | Phase::Stable => {
                self.touch(turn, &heartbeat.member);
                ErrorCode::None
            }
        }
    }

    /// A commit shows that its member lives.
    pub fn has_committed(&mut self, turn: &mut Turn<'_>, member: &str) {
        if matches!(self.phase, Phase::Preparing(_) | Phase::Stable) {
            self.touch(turn, member);
        }
    }
}
