//! The options that bind groups: `group.*` and `offsets.*`, resolved. Plain data, the same on every core.

use super::consumer::Settings;
use crate::base::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: u64,
    /// `group.min.session.timeout.ms`
    pub session_timeout_ms_min: u64,
    /// `group.max.session.timeout.ms`
    pub session_timeout_ms_max: u64,
    /// `group.max.size`
    pub size_max: usize,
    /// `offset.metadata.max.bytes`
    pub metadata_bytes_max: usize,
    /// `offsets.commit.timeout.ms`: how long any answer waits for its records, as in Kafka.
    pub commit_timeout_ms: u64,
    /// `offsets.retention.minutes`, in milliseconds.
    pub retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub retention_check_interval_ms: u64,
    pub consumer: Settings,
    /// Memory of one core for its groups. Beyond it there are no new groups, members or offsets; what is there goes on.
    pub bytes_max: usize,
}

impl Default for GroupConfig {
    /// Kafka's defaults.
    fn default() -> GroupConfig {
        GroupConfig {
            initial_rebalance_delay_ms: 3_000,
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            size_max: i32::MAX as usize,
            metadata_bytes_max: 4096,
            commit_timeout_ms: 5_000,
            retention_ms: 10_080 * 60_000,
            retention_check_interval_ms: 600_000,
            consumer: Settings::default(),
            bytes_max: 64 << 20,
        }
    }
}

impl GroupConfig {
    pub fn allows_session(&self, timeout_ms: i32) -> bool {
        u64::try_from(timeout_ms)
            .is_ok_and(|ms| (self.session_timeout_ms_min..=self.session_timeout_ms_max).contains(&ms))
    }

    /// Whether the retention time has passed since then.
    pub fn is_past(&self, now: Timestamp, since: Timestamp) -> bool {
        now.0.saturating_sub(since.0) >= self.retention_ms
    }
}
