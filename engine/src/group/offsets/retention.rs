//! Which offsets are old (`offsets.retention.minutes`; KIP-211): from when a group became empty, or from the commit where nobody
//! is a member or nobody reads the topic any more.

use super::Offsets;
use super::delete::tombstone;
use crate::base::{Now, Timestamp};
use crate::group::config::GroupConfig;
use crate::group::record::GroupRecord;

/// From when on an offset ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// It does not: the group is at work.
    Stopped,
    SinceCommit,
    /// Since the group has no members.
    Since(Timestamp),
}

/// What is old.
pub struct Old {
    pub records: Vec<GroupRecord>,
    /// Nothing else is left.
    pub all: bool,
}

impl Offsets {
    pub fn old(
        &self,
        now: Now,
        config: &GroupConfig,
        group: &str,
        clock: Clock,
        is_read: impl Fn(&str) -> bool,
    ) -> Old {
        if clock == Clock::Stopped && !self.is_empty() {
            return Old { records: Vec::new(), all: false };
        }
        let mut old = Old { records: Vec::new(), all: true };
        for (topic, partitions) in &self.topics {
            if is_read(topic) {
                old.all = false;
                continue;
            }
            for (partition, committed) in partitions {
                let is_old = match (committed.expires_at, clock) {
                    (Some(at), _) => now.wall >= at,
                    (None, Clock::Since(since)) => config.is_past(now.wall, since),
                    (None, Clock::SinceCommit | Clock::Stopped) => {
                        config.is_past(now.wall, committed.committed_at)
                    }
                };
                if is_old {
                    old.records.push(tombstone(group, topic, *partition));
                } else {
                    old.all = false;
                }
            }
        }
        old
    }
}
