//! The options that exist, as the metadata machine asks for them: which overrides a resource may have, and what a list is
//! appended to. The tables are `config`'s; the codes and words are Kafka's (kafka.server.DynamicBrokerConfig,
//! org.apache.kafka.storage.internals.log.LogConfig). Runs on core 0.

use std::collections::BTreeMap;

use super::record::ConfigResource;
use crate::config::{
    BrokerConfig, ConfigError, GroupOptions, Key, Layers, TopicConfig, Update, broker_key,
    check_broker_change, check_client_metrics, client_metrics_key, group_key, topic_key,
};
use crate::error::{ErrorCode, Refusal};

/// Checks all overrides of a resource together: names, values, and what they make of each other over the other layers.
pub fn check_overrides(
    layers: &Layers,
    resource: &ConfigResource,
    overrides: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    match resource {
        ConfigResource::Topic(_) => {
            TopicConfig::resolve(&Layers { topic: overrides, ..*layers })?;
            Ok(())
        }
        ConfigResource::Broker(name) if name.is_empty() => {
            check_broker(overrides, &Layers { dynamic_cluster: overrides, ..*layers })?;
            // A listener is one broker's: a default for all of them would bind the same port everywhere.
            refuse_keys(overrides, Update::PerBroker, |names| {
                format!(
                    "Cannot update these configs at default cluster level, broker id must be specified: [{names}]"
                )
            })
        }
        ConfigResource::Broker(_) => {
            check_broker(overrides, &Layers { dynamic_broker: overrides, ..*layers })
        }
        ConfigResource::Group(_) => Ok(GroupOptions::check(layers, overrides)?),
        ConfigResource::ClientMetrics(_) => check_client_metrics(overrides),
    }
}

/// The built-in default of an option whose type is a list: what APPEND and SUBTRACT start from where nothing is set.
pub fn list_default(resource: &ConfigResource, name: &str) -> Option<String> {
    let key = key_of(resource, name)?;
    key.is_list().then(|| key.default.unwrap_or_default().to_owned())
}

pub(super) fn key_of(resource: &ConfigResource, name: &str) -> Option<&'static Key> {
    match resource {
        ConfigResource::Topic(_) => topic_key(name).map(|topic| &topic.key),
        ConfigResource::Broker(_) => broker_key(name),
        ConfigResource::ClientMetrics(_) => client_metrics_key(name),
        ConfigResource::Group(_) => group_key(name).map(|group| &group.key),
    }
}

fn check_broker(overrides: &BTreeMap<String, String>, layers: &Layers) -> Result<(), Refusal> {
    // Kafka keeps names that it does not know, for plugins. There are none here, so such a name is a slip of the pen.
    if let Some(unknown) = overrides.keys().find(|name| broker_key(name).is_none()) {
        return Err(Refusal::new(ErrorCode::InvalidConfig, format!("Unknown config name: {unknown}")));
    }
    refuse_keys(overrides, Update::ReadOnly, |names| {
        format!("Cannot update these configs dynamically: [{names}]")
    })?;
    for (name, value) in overrides {
        broker_key(name).map_or(Ok(()), |key| key.check(value)).map_err(invalid_request)?;
    }
    // What the broker, and a topic without options of its own, make of it together with the others.
    let layers = Layers { topic: Layers::EMPTY.topic, ..*layers };
    BrokerConfig::resolve(&layers).map_err(invalid_request)?;
    check_broker_change(overrides, &layers).map_err(invalid_request)
}

/// Kafka answers INVALID_REQUEST for a broker's value that a topic would get INVALID_CONFIG for.
fn invalid_request(error: ConfigError) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, error.message)
}

fn refuse_keys(
    overrides: &BTreeMap<String, String>,
    update: Update,
    message: impl Fn(String) -> String,
) -> Result<(), Refusal> {
    let names: Vec<&str> = overrides
        .keys()
        .map(String::as_str)
        .filter(|name| broker_key(name).is_some_and(|key| key.update == update))
        .collect();
    if names.is_empty() {
        Ok(())
    } else {
        Err(Refusal::new(ErrorCode::InvalidRequest, message(names.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resource: ConfigResource, overrides: &[(&str, &str)]) -> Result<(), (ErrorCode, String)> {
        let overrides = overrides.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        check_overrides(&Layers::EMPTY, &resource, &overrides)
            .map_err(|refusal| (refusal.code, refusal.message))
    }

    fn refused(code: ErrorCode, message: &str) -> Result<(), (ErrorCode, String)> {
        Err((code, message.to_owned()))
    }

    #[test]
    fn options_are_refused_in_kafkas_words() {
        let topic = || ConfigResource::Topic("orders".to_owned());
        let broker = || ConfigResource::Broker("1".to_owned());
        let cluster = || ConfigResource::Broker(String::new());
        assert_eq!(check(topic(), &[("retention.ms", "55"), ("cleanup.policy", "compact,delete")]), Ok(()));
        assert_eq!(
            check(topic(), &[("retention.ms", "abc")]),
            refused(
                ErrorCode::InvalidConfig,
                "Invalid value abc for configuration retention.ms: Not a number of type LONG"
            )
        );
        assert_eq!(
            check(topic(), &[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]),
            refused(
                ErrorCode::InvalidConfig,
                "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"
            )
        );
        assert_eq!(check(broker(), &[("log.retention.ms", "1000"), ("max.connections", "9")]), Ok(()));
        assert_eq!(check(broker(), &[("sasl.kerberos.min.time.before.relogin", "58000")]), Ok(()));
        assert_eq!(
            check(broker(), &[("num.partitions", "2")]),
            refused(ErrorCode::InvalidRequest, "Cannot update these configs dynamically: [num.partitions]")
        );
        assert_eq!(
            check(cluster(), &[("log.retention.ms", "x")]),
            refused(
                ErrorCode::InvalidRequest,
                "Invalid value x for configuration log.retention.ms: Not a number of type LONG"
            )
        );
        assert_eq!(
            check(cluster(), &[("ssl.client.auth", "none")]),
            refused(
                ErrorCode::InvalidRequest,
                "Cannot update these configs at default cluster level, broker id must be specified: [ssl.client.auth]"
            )
        );
        assert_eq!(
            check(cluster(), &[("foo", "1")]),
            refused(ErrorCode::InvalidConfig, "Unknown config name: foo")
        );
        // Sockets are bound at the start.
        assert_eq!(
            check(broker(), &[("listeners", "PLAINTEXT://:1")]),
            refused(ErrorCode::InvalidRequest, "Cannot update these configs dynamically: [listeners]")
        );
        assert!(check(broker(), &[("max.connections.per.ip.overrides", "127.0.0.1:x")]).is_err());
        assert!(check(broker(), &[("num.io.threads", "0")]).is_err());
        assert!(
            check(
                cluster(),
                &[("log.cleaner.max.compaction.lag.ms", "5"), ("log.cleaner.min.compaction.lag.ms", "9")]
            )
            .is_err()
        );
    }

    /// Each as Apache Kafka 4.3 answers it.
    #[test]
    fn what_would_stop_a_part_of_the_broker_is_refused() {
        let cluster = || ConfigResource::Broker(String::new());
        let unchangeable = [
            ("log.cleaner.threads", "0", "nobody would compact"),
            ("log.cleaner.threads", "128", "must be at least 1MB per cleaner thread"),
            ("log.cleaner.dedupe.buffer.size", "1048576", "must be at least 1MB per cleaner thread"),
            ("log.retention.ms", "0", "must be unlimited (-1) or, greater than or equal to 1"),
            ("max.connections", "0", "Invalid max.connections 0"),
            ("max.connection.creation.rate", "0", "Invalid max.connection.creation.rate 0"),
            ("remote.log.reader.threads", "0", "Value must be at least 1"),
            ("log.cleaner.io.buffer.size", "-1", "Value must be at least 0"),
            ("log.local.retention.ms", "-3", "Value must be at least -2"),
            ("group.coordinator.cached.buffer.max.bytes", "524287", "Value must be at least 524288"),
            ("cordoned.log.dirs", "/a", "broker id must be specified: [cordoned.log.dirs]"),
        ];
        for (name, value, part) in unchangeable {
            let (code, message) = check(cluster(), &[(name, value)]).unwrap_err();
            assert_eq!(code, ErrorCode::InvalidRequest, "{name}={value}");
            assert!(message.contains(part), "{name}={value}: {message}");
        }
        for (name, value) in [
            ("log.cleaner.threads", "2"),
            ("log.cleaner.dedupe.buffer.size", "1048577"),
            ("log.retention.ms", "-1"),
            ("max.connections", "1"),
            ("log.cleaner.io.buffer.size", "0"),
            ("log.local.retention.ms", "-2"),
        ] {
            assert_eq!(check(cluster(), &[(name, value)]), Ok(()), "{name}={value}");
        }
    }

    #[test]
    fn a_list_starts_from_its_built_in_default() {
        let topic = ConfigResource::Topic("orders".to_owned());
        assert_eq!(list_default(&topic, "cleanup.policy").as_deref(), Some("delete"));
        assert_eq!(list_default(&topic, "leader.replication.throttled.replicas").as_deref(), Some(""));
        assert_eq!(list_default(&topic, "retention.ms"), None);
        assert_eq!(list_default(&topic, "foo"), None);
    }
}
