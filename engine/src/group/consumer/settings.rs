//! The options of consumer groups: the broker's, and of one group where its own say otherwise. Plain data.

use std::borrow::Cow;

use super::assignor::Assignor;
use crate::config::GroupOptions;

/// `group.consumer.migration.policy`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    Disabled,
    Upgrade,
    Downgrade,
    Bidirectional,
}

impl MigrationPolicy {
    pub fn named(name: &str) -> Option<MigrationPolicy> {
        Some(match name.to_ascii_lowercase().as_str() {
            "disabled" => MigrationPolicy::Disabled,
            "upgrade" => MigrationPolicy::Upgrade,
            "downgrade" => MigrationPolicy::Downgrade,
            "bidirectional" => MigrationPolicy::Bidirectional,
            _ => return None,
        })
    }

    pub fn upgrades(self) -> bool {
        matches!(self, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional)
    }

    pub fn downgrades(self) -> bool {
        matches!(self, MigrationPolicy::Downgrade | MigrationPolicy::Bidirectional)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub session_timeout_ms: u64,
    /// Told to the members.
    pub heartbeat_interval_ms: i32,
    /// Between two targets of one group (KIP-1263).
    pub assignment_interval_ms: i64,
    pub size_max: usize,
    /// The first is the default.
    pub assignors: Vec<Assignor>,
    pub regex_refresh_interval_ms: i64,
    pub migration: MigrationPolicy,
    /// `group.max.size`: a group that would be larger stays a consumer group.
    pub classic_size_max: usize,
}

impl Settings {
    /// With what was set on one group.
    pub fn with(&self, own: GroupOptions) -> Cow<'_, Settings> {
        if own == GroupOptions::default() {
            return Cow::Borrowed(self);
        }
        let mut settings = self.clone();
        if let Some(ms) = own.session_timeout_ms {
            settings.session_timeout_ms = ms;
        }
        if let Some(ms) = own.heartbeat_interval_ms {
            settings.heartbeat_interval_ms = i32::try_from(ms).unwrap_or(i32::MAX);
        }
        if let Some(ms) = own.assignment_interval_ms {
            settings.assignment_interval_ms = i64::try_from(ms).unwrap_or(i64::MAX);
        }
        Cow::Owned(settings)
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 5_000,
            assignment_interval_ms: 1_000,
            size_max: usize::MAX,
            assignors: Assignor::ALL.to_vec(),
            regex_refresh_interval_ms: 600_000,
            migration: MigrationPolicy::Bidirectional,
            classic_size_max: usize::MAX,
        }
    }
}
