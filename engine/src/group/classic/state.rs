//! The states of a classic group and which may follow which.
//!
//! ```text
//! Empty ──────────► PreparingRebalance ◄──────────────┐
//!   ▲                 │          │                    │
//!   └── nobody came ──┘          ▼                    │
//!                        CompletingRebalance ─────► Stable
//!                                │  ▲                 │
//!                                └──┴─ to Preparing ──┘
//! ```
//!
//! Dead is no state here: a group that is gone is not in the table.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No members; perhaps offsets.
    Empty,
    /// Members join.
    Preparing(Preparing),
    /// Members wait for the leader's assignment.
    Completing,
    /// Every member knows its part.
    Stable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preparing {
    /// An empty group's first rebalance waits for more members (`group.initial.rebalance.delay.ms`), longer while they come.
    Initial { delay_ms: u64, remaining_ms: u64, new_member: bool },
    /// It ends as soon as all members have joined.
    Again,
}

impl Phase {
    /// As Kafka spells it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Empty => "Empty",
            Phase::Preparing(_) => "PreparingRebalance",
            Phase::Completing => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    pub fn may_follow(self, before: Phase) -> bool {
        match self {
            Phase::Empty => matches!(before, Phase::Preparing(_)),
            Phase::Preparing(Preparing::Initial { .. }) => before == Phase::Empty,
            Phase::Preparing(Preparing::Again) => matches!(before, Phase::Stable | Phase::Completing),
            Phase::Completing => matches!(before, Phase::Preparing(_)),
            Phase::Stable => before == Phase::Completing,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_states_follows_or_does_not() {
        let initial =
            Phase::Preparing(Preparing::Initial { delay_ms: 1, remaining_ms: 1, new_member: false });
        let again = Phase::Preparing(Preparing::Again);
        let all = [Phase::Empty, initial, again, Phase::Completing, Phase::Stable];
        // Rows: before. Columns: after.
        let allowed = [
            [false, true, false, false, false],
            [true, false, false, true, false],
            [true, false, false, true, false],
            [false, false, true, false, true],
            [false, false, true, false, false],
        ];
        for (before, row) in all.iter().zip(allowed) {
            for (after, allowed) in all.iter().zip(row) {
                assert_eq!(after.may_follow(*before), allowed, "{before:?} to {after:?}");
            }
        }
    }
}
