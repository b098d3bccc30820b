//! Where a value comes from: the topic, the broker's dynamic options (its own, then the cluster's), its file and command
//! line, the default. And the answer to DescribeConfigs, which shows the whole chain.

use std::borrow::Cow;

use crate::config::broker_keys::broker_key;
use crate::config::client_metrics::client_metrics_key;
use crate::config::error::ConfigError;
use crate::config::group::group_key;
use crate::config::key::Key;

use crate::config::topic::{Overrides, Synonym, TopicKey, topic_key};
use crate::config::value::FromValue;

/// DescribeConfigs' sources (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Topic,
    DynamicBroker,
    DynamicCluster,
    StaticBroker,
    Default,
    ClientMetrics,
    Group,
}

impl Source {
    pub fn id(self) -> i8 {
        match self {
            Source::Topic => 1,
            Source::DynamicBroker => 2,
            Source::DynamicCluster => 3,
            Source::StaticBroker => 4,
            Source::Default => 5,
            Source::ClientMetrics => 7,
            Source::Group => 8,
        }
    }
}

static NOTHING: Overrides = Overrides::new();

/// All that was given, strongest first.
#[derive(Clone, Copy, Debug)]
pub struct Layers<'a> {
    pub topic: &'a Overrides,
    pub dynamic_broker: &'a Overrides,
    pub dynamic_cluster: &'a Overrides,
    pub static_broker: &'a Overrides,
}

impl<'a> Layers<'a> {
    pub const EMPTY: Layers<'static> = Layers {
        topic: &NOTHING,
        dynamic_broker: &NOTHING,
        dynamic_cluster: &NOTHING,
        static_broker: &NOTHING,
    };

    fn broker_layers(&self) -> [(Source, &'a Overrides); 3] {
        [
            (Source::DynamicBroker, self.dynamic_broker),
            (Source::DynamicCluster, self.dynamic_cluster),
            (Source::StaticBroker, self.static_broker),
        ]
    }

    /// What was given for a broker key, strongest first, without the default.
    fn given(&self, name: &'static str) -> impl Iterator<Item = (Source, &'a str)> + use<'a> {
        self.broker_layers()
            .into_iter()
            .filter_map(move |(source, layer)| layer.get(name).map(|value| (source, value.as_str())))
    }

    /// The values behind a topic option, the one in force first.
    fn topic_chain(&self, topic: &TopicKey) -> Vec<Link<'a>> {
        let mut chain = Vec::new();
        if let Some(value) = self.topic.get(topic.key.name) {
            chain.push(Link { name: topic.key.name, raw: value, factor: 1, source: Source::Topic });
        }
        for &Synonym { name, factor } in topic.synonyms {
            chain.extend(self.given(name).map(|(source, raw)| Link { name, raw, factor, source }));
        }
        // A broker option's default speaks for the topic too; where all are null the topic has its own.
        let defaults = topic.synonyms.iter().filter_map(|synonym| {
            let raw = broker_key(synonym.name)?.default?;
            Some(Link { name: synonym.name, raw, factor: synonym.factor, source: Source::Default })
        });
        chain.extend(defaults);
        if chain.last().is_none_or(|link| link.source != Source::Default) {
            let raw = topic.key.default.unwrap_or_default();
            chain.push(Link { name: topic.key.name, raw, factor: 1, source: Source::Default });
        }
        chain
    }

    /// The values behind a broker option, the one in force first; empty where it is unset.
    fn broker_chain(&self, key: &Key) -> Vec<Link<'a>> {
        let name = key.name;
        let given = self.given(name).map(|(source, raw)| Link { name, raw, factor: 1, source });
        let default = key.default.map(|raw| Link { name, raw, factor: 1, source: Source::Default });
        given.chain(default).collect()
    }

    /// A topic option as DescribeConfigs shows it; `None` for a name that is none.
    pub fn describe_topic(&self, name: &str) -> Option<Described> {
        let topic = topic_key(name)?;
        let own = self.topic.get(topic.key.name).map(String::as_str);
        let own = own.map(|raw| Link { name: topic.key.name, raw, factor: 1, source: Source::Topic });
        let mut synonyms: Vec<Link<'_>> = own.into_iter().collect();
        if let Some(first) = topic.synonyms.first() {
            synonyms.extend(self.broker_synonyms(first.name));
        }
        Some(Described::new(&topic.key, false, self.topic_chain(topic).first(), &synonyms))
    }

    /// An option of a subscription to client metrics; `None` for a name that is none.
    pub fn describe_client_metrics(subscription: &'a Overrides, name: &str) -> Option<Described> {
        let key = client_metrics_key(name)?;
        let link = |raw, source| Link { name: key.name, raw, factor: 1, source };
        if let Some(raw) = subscription.get(key.name) {
            let given = link(raw, Source::ClientMetrics);
            return Some(Described::new(key, false, Some(&given), &[given]));
        }
        let default = key.default.map(|raw| link(raw, Source::Default));
        Some(Described::new(key, false, default.as_ref(), &[]))
    }

    /// A broker option as the cluster's default has it, nothing else; `None` where that says nothing.
    pub fn describe_cluster(&self, name: &str) -> Option<Described> {
        let key = broker_key(name)?;
        let raw = self.dynamic_cluster.get(key.name)?;
        let link = Link { name: key.name, raw, factor: 1, source: Source::DynamicCluster };
        Some(Described::new(key, is_read_only(key.name), Some(&link), &[link]))
    }

    /// An option of a group with these overrides, as DescribeConfigs shows it; `None` for a name that is none.
    pub fn describe_group(&self, name: &str, overrides: &Overrides) -> Option<Described> {
        let group = group_key(name)?;
        let own = overrides.get(group.key.name);
        let own = own.map(|raw| Link { name: group.key.name, raw, factor: 1, source: Source::Group });
        let mut chain: Vec<Link<'_>> = own.into_iter().collect();
        match group.synonym {
            Some(name) => chain.extend(self.broker_chain(broker_key(name)?)),
            None => {
                let default = group.key.default;
                let link = |raw| Link { name: group.key.name, raw, factor: 1, source: Source::Default };
                chain.extend(default.map(link));
            }
        }
        Some(Described::new(&group.key, false, chain.first(), &chain))
    }

    /// A broker option as DescribeConfigs shows it; `None` for a name that is none.
    pub fn describe_broker(&self, name: &str) -> Option<Described> {
        let key = broker_key(name)?;
        let synonyms = self.broker_synonyms(key.name);
        Some(Described::new(key, is_read_only(key.name), self.broker_chain(key).first(), &synonyms))
    }

    /// What DescribeConfigs lists behind a broker option, as Kafka does: by source, in each the finest unit first, and
    /// nothing above the first that has the name which was asked for.
    fn broker_synonyms(&self, name: &'static str) -> Vec<Link<'a>> {
        let units = units(&name);
        let mut links = Vec::new();
        for (source, layer) in self.broker_layers() {
            let given = units.iter().filter_map(|&name| layer.get(name).map(|raw| (name, raw.as_str())));
            links.extend(given.map(|(name, raw)| Link { name, raw, factor: 1, source }));
        }
        let defaults = units.iter().filter_map(|&name| Some((name, broker_key(name)?.default?)));
        links.extend(defaults.map(|(name, raw)| Link { name, raw, factor: 1, source: Source::Default }));
        links.into_iter().skip_while(|link| link.name != name).collect()
    }
}

/// The names of one quantity in several units, the finest first.
const UNITS: &[&[&str]] = &[
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
];

/// The names that stand for the same quantity as this one.
fn units<'n>(name: &'n &'static str) -> &'n [&'static str] {
    UNITS.iter().find(|units| units.contains(name)).map_or(std::slice::from_ref(name), |units| *units)
}

/// As Kafka: an option can be changed while the broker runs if it can be in any of its units.
fn is_read_only(name: &'static str) -> bool {
    units(&name).iter().all(|name| broker_key(name).is_none_or(Key::is_read_only))
}

/// One value on the way from a topic to the default.
#[derive(Clone, Copy, Debug)]
struct Link<'a> {
    name: &'static str,
    raw: &'a str,
    factor: i64,
    source: Source,
}

impl<'a> Link<'a> {
    /// In the unit of the option that is asked for. Negative is "no limit" in every unit.
    fn value(&self) -> Cow<'a, str> {
        let raw = self.raw.trim();
        match raw.parse::<i64>() {
            Ok(number) if self.factor != 1 && number < 0 => Cow::Borrowed("-1"),
            Ok(number) if self.factor != 1 => Cow::Owned(number.saturating_mul(self.factor).to_string()),
            _ => Cow::Borrowed(raw),
        }
    }
}

/// One option, as DescribeConfigs shows it. Sensitive values are `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    pub key: Key,
    pub value: Option<String>,
    pub source: Source,
    pub read_only: bool,
    pub synonyms: Vec<DescribedSynonym>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedSynonym {
    pub name: &'static str,
    pub value: Option<String>,
    pub source: Source,
}

impl Described {
    /// The value as it is read, the synonyms as they were given; the source is that of the first synonym.
    fn new(key: &Key, read_only: bool, in_force: Option<&Link<'_>>, synonyms: &[Link<'_>]) -> Described {
        let shown = |value: Cow<'_, str>| (!key.is_sensitive()).then(|| value.into_owned());
        Described {
            key: *key,
            value: in_force.and_then(|link| shown(key.kind.show(&link.value()).into())),
            source: synonyms.first().map_or(Source::Default, |link| link.source),
            read_only,
            synonyms: synonyms
                .iter()
                .map(|link| DescribedSynonym {
                    name: link.name,
                    value: shown(match link.source {
                        // What was set on a topic is kept as it was read.
                        Source::Topic => key.kind.show(link.raw).into(),
                        _ => Cow::Borrowed(link.raw),
                    }),
                    source: link.source,
                })
                .collect(),
        }
    }

    /// The value is the built-in one.
    pub fn is_default(&self) -> bool {
        self.source == Source::Default
    }
}

/// Reads typed values out of the layers.
pub(super) struct Reader<'l, 'a> {
    layers: &'l Layers<'a>,
}

impl<'l, 'a> Reader<'l, 'a> {
    pub(super) fn new(layers: &'l Layers<'a>) -> Reader<'l, 'a> {
        Reader { layers }
    }

    pub(super) fn topic<T: FromValue>(&self, name: &'static str) -> Result<T, ConfigError> {
        let topic = topic_key(name).unwrap_or_else(|| panic!("{name} is in no table"));
        let chain = self.layers.topic_chain(topic);
        let value = chain.first().map(Link::value).unwrap_or_default();
        read(&topic.key, &value)
    }

    /// A broker option whose default is not null.
    pub(super) fn required<T: FromValue>(&self, name: &'static str) -> Result<T, ConfigError> {
        let message = || format!("{name} is required and not set");
        self.optional(name)?.ok_or_else(|| ConfigError { key: name.to_owned(), message: message() })
    }

    /// A broker option; `None` where it is unset and has no default.
    pub(super) fn optional<T: FromValue>(&self, name: &'static str) -> Result<Option<T>, ConfigError> {
        let key = broker_key(name).unwrap_or_else(|| panic!("{name} is in no table"));
        self.layers.broker_chain(key).first().map(|link| read(key, &link.value())).transpose()
    }

    /// A broker option; `None` where nobody gave it, whatever its default.
    pub(super) fn given<T: FromValue>(&self, name: &'static str) -> Result<Option<T>, ConfigError> {
        let key = broker_key(name).unwrap_or_else(|| panic!("{name} is in no table"));
        self.layers.given(name).next().map(|(_, value)| read(key, value.trim())).transpose()
    }
}

fn read<T: FromValue>(key: &Key, value: &str) -> Result<T, ConfigError> {
    key.check(value)?;
    T::from_value(value).ok_or_else(|| ConfigError::invalid(key.name, value, "Not such a value"))
}
