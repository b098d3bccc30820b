//! The options of one group (KIP-1043's GROUP resource): Kafka's names. What a group does not set is the broker's.

use crate::config::error::ConfigError;
use crate::config::key::Check::AtLeast;
use crate::config::key::Type::{Boolean, Int, String as Text};
use crate::config::key::{Check, Effect, Key, Update};
use crate::config::layers::{Layers, Reader};
use crate::config::topic::Overrides;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupKey {
    pub key: Key,
    /// The broker's option that it stands before, and those that bound it.
    pub synonym: Option<&'static str>,
    least: Option<&'static str>,
    most: Option<&'static str>,
}

macro_rules! group_keys {
    ($($effect:ident $name:literal $kind:ident $default:literal, $check:expr, $synonym:expr, $least:expr, $most:expr, $doc:literal;)*) => {
        pub const GROUP_KEYS: &[GroupKey] = &[$(GroupKey {
            key: Key {
                name: $name, kind: $kind, default: Some($default), check: $check, update: Update::ClusterWide,
                effect: Effect::$effect, doc: $doc,
            },
            synonym: $synonym, least: $least, most: $most,
        },)*];
    };
}

group_keys! {
    Works "consumer.assignment.interval.ms" Int "1000", AtLeast(0), Some("group.consumer.assignment.interval.ms"),
        Some("group.consumer.min.assignment.interval.ms"), Some("group.consumer.max.assignment.interval.ms"),
        "The time between two assignments of the group.";
    Works "consumer.heartbeat.interval.ms" Int "5000", AtLeast(0), Some("group.consumer.heartbeat.interval.ms"),
        Some("group.consumer.min.heartbeat.interval.ms"), Some("group.consumer.max.heartbeat.interval.ms"),
        "How often a member of the group reports.";
    Works "consumer.session.timeout.ms" Int "45000", AtLeast(0), Some("group.consumer.session.timeout.ms"),
        Some("group.consumer.min.session.timeout.ms"), Some("group.consumer.max.session.timeout.ms"),
        "A member of the group that is silent for so long leaves.";
    Planned "share.assignment.interval.ms" Int "1000", AtLeast(0), Some("group.share.assignment.interval.ms"),
        Some("group.share.min.assignment.interval.ms"), Some("group.share.max.assignment.interval.ms"),
        "The time between two assignments of the share group.";
    Planned "share.auto.offset.reset" Text "latest", Check::OffsetReset, None, None, None,
        "Where a share group begins: earliest, latest or by_duration:<ISO 8601 duration>.";
    Planned "share.delivery.count.limit" Int "5", AtLeast(1), Some("group.share.delivery.count.limit"),
        Some("group.share.min.delivery.count.limit"), Some("group.share.max.delivery.count.limit"),
        "How often a record is given out before it counts as done with.";
    Planned "share.heartbeat.interval.ms" Int "5000", AtLeast(1), Some("group.share.heartbeat.interval.ms"),
        Some("group.share.min.heartbeat.interval.ms"), Some("group.share.max.heartbeat.interval.ms"),
        "How often a member of the share group reports.";
    Planned "share.isolation.level" Text "read_uncommitted",
        Check::OneOf(&["read_committed", "read_uncommitted"]), None, None, None,
        "Whether a share group sees records of transactions that are not committed.";
    Planned "share.partition.max.record.locks" Int "2000", AtLeast(1), Some("group.share.partition.max.record.locks"),
        Some("group.share.min.partition.max.record.locks"), Some("group.share.max.partition.max.record.locks"),
        "Records of a partition that are given out at once.";
    Planned "share.record.lock.duration.ms" Int "30000", AtLeast(1), Some("group.share.record.lock.duration.ms"),
        Some("group.share.min.record.lock.duration.ms"), Some("group.share.max.record.lock.duration.ms"),
        "How long a record is its consumer's.";
    Planned "share.renew.acknowledge.enable" Boolean "true", Check::Any, None, None, None,
        "Whether a consumer may keep a record for longer.";
    Planned "share.session.timeout.ms" Int "45000", AtLeast(1), Some("group.share.session.timeout.ms"),
        Some("group.share.min.session.timeout.ms"), Some("group.share.max.session.timeout.ms"),
        "A member of the share group that is silent for so long leaves.";
    Planned "streams.assignment.interval.ms" Int "1000", AtLeast(0), Some("group.streams.assignment.interval.ms"),
        Some("group.streams.min.assignment.interval.ms"), Some("group.streams.max.assignment.interval.ms"),
        "The time between two assignments of the streams group.";
    Planned "streams.heartbeat.interval.ms" Int "5000", AtLeast(1), Some("group.streams.heartbeat.interval.ms"),
        Some("group.streams.min.heartbeat.interval.ms"), Some("group.streams.max.heartbeat.interval.ms"),
        "How often a member of the streams group reports.";
    Planned "streams.initial.rebalance.delay.ms" Int "3000", AtLeast(0), Some("group.streams.initial.rebalance.delay.ms"),
        None, None,
        "How long the first rebalance of a streams group waits for more members.";
    Planned "streams.num.standby.replicas" Int "0", AtLeast(0), Some("group.streams.num.standby.replicas"),
        None, Some("group.streams.max.standby.replicas"),
        "Standby copies of each task.";
    Planned "streams.session.timeout.ms" Int "45000", AtLeast(1), Some("group.streams.session.timeout.ms"),
        Some("group.streams.min.session.timeout.ms"), Some("group.streams.max.session.timeout.ms"),
        "A member of the streams group that is silent for so long leaves.";
}

pub fn group_key(name: &str) -> Option<&'static GroupKey> {
    GROUP_KEYS.iter().find(|group| group.key.name == name)
}

/// What was set on one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupOptions {
    pub session_timeout_ms: Option<u64>,
    pub heartbeat_interval_ms: Option<u64>,
    pub assignment_interval_ms: Option<u64>,
}

impl GroupOptions {
    /// Values that are none are left out: they were refused when they were set.
    pub fn read(overrides: &Overrides) -> GroupOptions {
        let number = |name: &str| overrides.get(name)?.trim().parse().ok();
        GroupOptions {
            session_timeout_ms: number("consumer.session.timeout.ms"),
            heartbeat_interval_ms: number("consumer.heartbeat.interval.ms"),
            assignment_interval_ms: number("consumer.assignment.interval.ms"),
        }
    }

    /// Names, values, and what they make of each other over the broker's.
    pub fn check(layers: &Layers<'_>, overrides: &Overrides) -> Result<(), ConfigError> {
        let refuse = |key: &str, message: String| Err(ConfigError { key: key.to_owned(), message });
        let read = Reader::new(layers);
        for (name, value) in overrides {
            let Some(group) = group_key(name) else {
                return refuse(name, format!("Unknown group config name: {name}"));
            };
            group.key.check(value)?;
            let value: i64 = value.trim().parse().unwrap_or(0);
            if let Some(least) = group.least
                && value < read.required(least)?
            {
                return refuse(name, format!("{name} must be greater than or equal to {least}"));
            }
            if let Some(most) = group.most
                && value > read.required(most)?
            {
                return refuse(name, format!("{name} must be less than or equal to {most}"));
            }
        }
        for kind in ["consumer", "share", "streams"] {
            let (session, heartbeat) =
                (format!("{kind}.session.timeout.ms"), format!("{kind}.heartbeat.interval.ms"));
            let value = |name: &str| -> Result<i64, ConfigError> {
                let own = overrides.get(name).and_then(|value| value.trim().parse().ok());
                let synonym = group_key(name).and_then(|group| group.synonym).unwrap_or_default();
                own.map_or_else(|| read.required(synonym), Ok)
            };
            if value(&session)? <= value(&heartbeat)? {
                return refuse(&session, format!("{session} must be greater than {heartbeat}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)]) -> Result<(), String> {
        let overrides = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        GroupOptions::check(&Layers::EMPTY, &overrides).map_err(|error| error.message)
    }

    #[test]
    fn a_group_takes_what_the_broker_allows() {
        assert_eq!(check(&[("consumer.session.timeout.ms", "50000")]), Ok(()));
        let refused = |message: &str| Err(message.to_owned());
        assert_eq!(
            check(&[("consumer.session.timeout.ms", "44999")]),
            refused(
                "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"
            )
        );
        assert_eq!(
            check(&[("consumer.heartbeat.interval.ms", "15001")]),
            refused(
                "consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms"
            )
        );
        assert_eq!(check(&[("retention.ms", "1")]), refused("Unknown group config name: retention.ms"));
        assert!(check(&[("consumer.session.timeout.ms", "soon")]).is_err());
        assert_eq!(
            check(&[("streams.num.standby.replicas", "3")]),
            refused(
                "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas"
            )
        );
        for reset in ["earliest", "latest", "by_duration:PT1H", "by_duration:P3DT2H0.5S"] {
            assert_eq!(check(&[("share.auto.offset.reset", reset)]), Ok(()));
        }
        for reset in ["never", "by_duration:", "by_duration:-PT1H", "by_duration:P", "by_duration:1h"] {
            assert!(check(&[("share.auto.offset.reset", reset)]).is_err(), "{reset}");
        }
    }

    #[test]
    fn a_groups_default_is_the_brokers() {
        for group in GROUP_KEYS {
            let Some(synonym) = group.synonym else { continue };
            let broker = crate::config::broker_key(synonym).unwrap();
            assert_eq!(group.key.default, broker.default, "{}", group.key.name);
        }
    }
}
