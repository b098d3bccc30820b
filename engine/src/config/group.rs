//! The options of one group (KIP-1043's GROUP resource): Kafka's names. What a group does not set is the broker's.

use crate::config::error::ConfigError;
use crate::config::key::Type::Int;
use crate::config::key::{Check, Effect, Key, Update};
use crate::config::layers::{Layers, Reader};
use crate::config::topic::Overrides;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupKey {
    pub key: Key,
    /// The broker's option that it stands before, and those that bound it.
    pub synonym: &'static str,
    least: &'static str,
    most: &'static str,
}

macro_rules! group_keys {
    ($($name:literal $default:literal, $synonym:literal in $least:literal to $most:literal, $doc:literal;)*) => {
        pub const GROUP_KEYS: &[GroupKey] = &[$(GroupKey {
            key: Key {
                name: $name, kind: Int, default: Some($default), check: Check::AtLeast(0), update: Update::ClusterWide,
                effect: Effect::Works, doc: $doc,
            },
            synonym: $synonym, least: $least, most: $most,
        },)*];
    };
}

group_keys! {
    "consumer.assignment.interval.ms" "1000", "group.consumer.assignment.interval.ms"
        in "group.consumer.min.assignment.interval.ms" to "group.consumer.max.assignment.interval.ms",
        "The time between two assignments of the group.";
    "consumer.heartbeat.interval.ms" "5000", "group.consumer.heartbeat.interval.ms"
        in "group.consumer.min.heartbeat.interval.ms" to "group.consumer.max.heartbeat.interval.ms",
        "How often a member of the group reports.";
    "consumer.session.timeout.ms" "45000", "group.consumer.session.timeout.ms"
        in "group.consumer.min.session.timeout.ms" to "group.consumer.max.session.timeout.ms",
        "A member of the group that is silent for so long leaves.";
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
            let (least, most): (i64, i64) = (read.required(group.least)?, read.required(group.most)?);
            if value < least {
                return refuse(name, format!("{name} must be greater than or equal to {}", group.least));
            }
            if value > most {
                return refuse(name, format!("{name} must be less than or equal to {}", group.most));
            }
        }
        let own = GroupOptions::read(overrides);
        let session =
            own.session_timeout_ms.map_or_else(|| read.required("group.consumer.session.timeout.ms"), Ok)?;
        let heartbeat = own
            .heartbeat_interval_ms
            .map_or_else(|| read.required("group.consumer.heartbeat.interval.ms"), Ok)?;
        if session <= heartbeat {
            let (session, heartbeat) = ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms");
            return refuse(session, format!("{session} must be greater than {heartbeat}"));
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
    }

    #[test]
    fn a_groups_default_is_the_brokers() {
        for group in GROUP_KEYS {
            let broker = crate::config::broker_key(group.synonym).unwrap();
            assert_eq!(group.key.default, broker.default, "{}", group.key.name);
        }
    }
}
