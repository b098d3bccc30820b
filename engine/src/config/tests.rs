//! Promises of the options that no single file of them owns.

use super::*;
use crate::base::{Codec, Compression, TimestampType};

fn map(pairs: &[(&str, &str)]) -> Overrides {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn refused(name: &str, value: &str) -> String {
    TopicConfig::from_overrides(&map(&[(name, value)])).unwrap_err().message
}

#[test]
fn every_default_is_valid_and_every_name_is_known_once() {
    let mut names: Vec<&str> = Vec::new();
    for key in broker_keys::BROKER_KEYS.iter().chain(inert::INERT_KEYS) {
        if let Some(value) = key.default {
            key.check(value).unwrap();
        }
        assert!(!key.doc.is_empty());
        names.push(key.name);
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for topic in TOPIC_KEYS {
        topic.key.check(topic.key.default.unwrap()).unwrap();
        for synonym in topic.synonyms {
            let broker = broker_key(synonym.name).unwrap_or_else(|| panic!("{} is unknown", synonym.name));
            assert!(
                broker.default.is_none() || broker.default == topic.key.default || synonym.factor != 1,
                "{}",
                broker.name
            );
        }
    }
}

#[test]
fn a_topic_without_options_has_kafkas_defaults() {
    let config = TopicConfig::default();
    assert_eq!(config.retention_ms, Some(7 * 24 * 3_600_000));
    assert_eq!(config.retention_bytes, None);
    assert_eq!(config.segment_bytes, 1 << 30);
    assert_eq!(config.segment_ms, 7 * 24 * 3_600_000);
    assert_eq!(config.message_bytes_max, 1_048_588);
    assert_eq!(config.compression, TopicCompression::Keep);
    assert_eq!(config.cleanup, CleanupPolicy { delete: true, compact: false });
    assert_eq!(config.durability, Durability::Sync);
    assert_eq!(config.timestamp_type, TimestampType::CreateTime);
    assert_eq!(config.timestamp_after_ms_max, 3_600_000);
}

#[test]
fn a_topics_own_options_win() {
    let topic = map(&[
        ("cleanup.policy", "compact, delete"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "7"),
        ("retention.ms", "-1"),
        ("durability", "async"),
        ("preallocate", "TRUE"),
    ]);
    let static_broker = map(&[("log.retention.hours", "1"), ("log.segment.bytes", "4096")]);
    let config =
        TopicConfig::resolve(&Layers { topic: &topic, static_broker: &static_broker, ..Layers::EMPTY })
            .unwrap();
    assert_eq!(config.cleanup, CleanupPolicy { delete: true, compact: true });
    assert_eq!(
        config.compression,
        TopicCompression::Recompress(Compression { codec: Codec::Zstd, level: Some(7) })
    );
    assert_eq!((config.retention_ms, config.segment_bytes), (None, 4096));
    assert_eq!((config.durability, config.preallocate), (Durability::Async, true));
}

#[test]
fn the_finest_unit_wins_whatever_its_layer() {
    let static_broker =
        map(&[("log.retention.minutes", "2"), ("log.retention.hours", "9"), ("log.roll.hours", "3")]);
    let dynamic_cluster = map(&[("log.roll.ms", "77")]);
    let layers = Layers { static_broker: &static_broker, dynamic_cluster: &dynamic_cluster, ..Layers::EMPTY };
    let config = TopicConfig::resolve(&layers).unwrap();
    assert_eq!((config.retention_ms, config.segment_ms), (Some(120_000), 77));

    let described = layers.describe_topic("retention.ms").unwrap();
    assert_eq!(described.value.as_deref(), Some("120000"));
    // As Kafka: what stands under no name before the one that was asked for is not shown.
    assert_eq!((described.source, described.synonyms.len()), (Source::Default, 0));
    let described = layers.describe_topic("segment.ms").unwrap();
    let chain: Vec<_> =
        described.synonyms.iter().map(|link| (link.name, link.value.as_deref().unwrap())).collect();
    assert_eq!(chain, [("log.roll.ms", "77"), ("log.roll.hours", "3"), ("log.roll.hours", "168")]);
    let minutes = layers.describe_broker("log.retention.minutes").unwrap();
    assert_eq!((minutes.source, minutes.read_only), (Source::StaticBroker, false));
}

#[test]
fn the_chain_of_synonyms_runs_from_topic_to_default() {
    let (topic, broker) = (map(&[("segment.bytes", "100")]), map(&[("log.segment.bytes", "300")]));
    let dynamic = map(&[("log.segment.bytes", "200")]);
    let layers =
        Layers { topic: &topic, dynamic_broker: &dynamic, dynamic_cluster: &dynamic, static_broker: &broker };
    let described = layers.describe_topic("segment.bytes").unwrap();
    let sources: Vec<i8> = described.synonyms.iter().map(|link| link.source.id()).collect();
    assert_eq!(sources, [1, 2, 3, 4, 5]);
    assert_eq!(described.value.as_deref(), Some("100"));
    assert!(!described.is_default() && !described.read_only);
    assert!(layers.describe_topic("no.such").is_none());
    let described = layers.describe_broker("log.segment.bytes").unwrap();
    assert_eq!((described.value.as_deref(), described.source), (Some("200"), Source::DynamicBroker));
}

#[test]
fn a_secret_is_never_described() {
    let broker = map(&[("ssl.key.password", "hunter2")]);
    let layers = Layers { static_broker: &broker, ..Layers::EMPTY };
    let described = layers.describe_broker("ssl.key.password").unwrap();
    assert_eq!(described.value, None);
    assert!(described.synonyms.iter().all(|link| link.value.is_none()));
}

#[test]
fn refusals_are_kafkas_sentences() {
    for (name, value, sentence) in [
        (
            "retention.ms",
            "soon",
            "Invalid value soon for configuration retention.ms: Not a number of type LONG",
        ),
        ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
        (
            "segment.bytes",
            "4294967296",
            "Invalid value 4294967296 for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "cleanup.policy",
            "shred",
            "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "preallocate",
            "1",
            "Invalid value 1 for configuration preallocate: Expected value to be either true or false",
        ),
        ("no.such", "1", "Unknown topic config name: no.such"),
        ("retention", "1", "Unknown topic config name: retention; did you mean retention.ms?"),
    ] {
        assert_eq!(refused(name, value), sentence);
    }
    for (name, value) in [
        ("min.compaction.lag.ms", "9223372036854775808"),
        ("compression.gzip.level", "0"),
        ("compression.zstd.level", "23"),
        ("min.cleanable.dirty.ratio", "NaN"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("leader.replication.throttled.replicas", "1-2"),
        ("remote.storage.enable", "true"),
        ("durability", "maybe"),
    ] {
        refused(name, value);
    }
    let conflict = map(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "9")]);
    assert_eq!(
        TopicConfig::from_overrides(&conflict).unwrap_err().code(),
        crate::error::ErrorCode::InvalidConfig
    );
}

#[test]
fn lists_grow_and_shrink_by_entries() {
    assert_eq!(list_append("delete", "compact,delete"), "delete,compact");
    assert_eq!(list_append("", "compact"), "compact");
    assert_eq!(list_subtract("delete,compact", "delete"), "compact");
}

#[test]
fn a_value_is_shown_as_kafka_has_read_it() {
    for (kind, given, shown) in [
        (Type::Double, "5e-1", "0.5"),
        (Type::Double, "1000", "1000.0"),
        (Type::Double, "1e7", "1.0E7"),
        (Type::Double, "1.7976931348623157e308", "1.7976931348623157E308"),
        (Type::Double, "0.0001", "1.0E-4"),
        (Type::Boolean, "FALSE", "false"),
        (Type::Int, "+07", "7"),
        (Type::List, "a, b,", "a,b"),
        (Type::String, " x y ", "x y"),
    ] {
        assert_eq!(kind.show(given), shown);
    }
}
