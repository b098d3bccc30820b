//! Options of topics, brokers and groups: what they are, where each comes from, and changes to them (KIP-226, KIP-339).

use super::cluster::Client;
use super::error::ClientError;
use crate::wire::Text;
use crate::wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use crate::wire::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};

/// What has options, by Kafka's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

impl ResourceKind {
    pub fn name(self) -> &'static str {
        match self {
            ResourceKind::Topic => "topic",
            ResourceKind::Broker => "broker",
            ResourceKind::BrokerLogger => "broker logger",
            ResourceKind::ClientMetrics => "client metrics",
            ResourceKind::Group => "group",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub kind: ResourceKind,
    /// A topic, a group, a broker's id; empty are the defaults of all brokers.
    pub name: String,
}

impl Resource {
    pub fn topic(name: &str) -> Resource {
        Resource { kind: ResourceKind::Topic, name: name.to_owned() }
    }

    /// The broker that answers for it, where not every one does.
    fn node(&self) -> Result<Option<i32>, ClientError> {
        match self.kind {
            ResourceKind::Broker | ResourceKind::BrokerLogger if !self.name.is_empty() => {
                let id = self.name.parse();
                id.map(Some).map_err(|_| ClientError::NoBroker(self.name.clone()))
            }
            _ => Ok(None),
        }
    }

    fn shown(&self) -> String {
        match (self.kind, self.name.as_str()) {
            (ResourceKind::Broker, "") => "the brokers' defaults".to_owned(),
            (kind, name) => format!("{} {name}", kind.name()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub name: String,
    /// None where it is sensitive, or has no value.
    pub value: Option<String>,
    pub source: ConfigSource,
    pub is_read_only: bool,
    pub is_sensitive: bool,
    pub kind: &'static str,
    pub documentation: Option<String>,
    /// Where its value could come from, the strongest first.
    pub synonyms: Vec<Synonym>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: String,
    pub value: Option<String>,
    pub source: ConfigSource,
}

/// Where a value comes from, by Kafka's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigSource(pub i8);

impl ConfigSource {
    pub const DEFAULT: ConfigSource = ConfigSource(5);

    /// As Kafka's `DescribeConfigsResponse.ConfigSource` has them, in lower case.
    pub fn name(self) -> &'static str {
        match self.0 {
            1 => "topic",
            2 => "dynamic-broker",
            3 => "dynamic-default-broker",
            4 => "static-broker",
            5 => "default",
            6 => "broker-logger",
            7 => "client-metrics",
            8 => "group",
            _ => "unknown",
        }
    }
}

fn kind_name(code: i8) -> &'static str {
    match code {
        1 => "boolean",
        2 => "string",
        3 => "int",
        4 => "short",
        5 => "long",
        6 => "double",
        7 => "list",
        8 => "class",
        9 => "password",
        _ => "unknown",
    }
}

/// One change of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Set(String),
    /// Back to what it is without.
    Delete,
    /// Of lists.
    Append(String),
    /// Of lists.
    Subtract(String),
}

/// Whether a change is made or only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    Apply,
    Validate,
}

impl Intent {
    pub(super) fn is_validation(self) -> bool {
        self == Intent::Validate
    }
}

impl Client {
    /// All options of a resource, by name, with their documentation and synonyms where the broker tells them.
    pub fn describe_configs(&mut self, resource: &Resource) -> Result<Vec<Config>, ClientError> {
        let asked = DescribeConfigsResource {
            resource_type: resource.kind as i8,
            resource_name: Text::from(&resource.name),
            configuration_keys: None,
        };
        let node = resource.node()?;
        self.retrying(|client| {
            let mut request = DescribeConfigsRequest { resources: vec![asked.clone()], ..Default::default() };
            let version = client.at(node)?.version::<DescribeConfigsRequest>()?;
            request.include_synonyms = version >= 1;
            request.include_documentation = version >= 3;
            let answer = client.call_at(node, &request)?;
            let found = answer.results.first().ok_or_else(|| missing("DescribeConfigs", resource))?;
            ClientError::check(found.error_code, found.error_message.as_deref(), || {
                format!("asking for the options of {}", resource.shown())
            })?;
            let mut configs: Vec<Config> = found.configs.iter().map(Config::of).collect();
            configs.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(configs)
        })
    }

    /// Changes some options of a resource and leaves the others as they are. Not retried: appending twice is not
    /// appending once.
    pub fn alter_configs(
        &mut self,
        resource: &Resource,
        changes: &[(String, Change)],
        intent: Intent,
    ) -> Result<(), ClientError> {
        let configs = changes.iter().map(|(name, change)| {
            let (config_operation, value) = match change {
                Change::Set(value) => (0, Some(value)),
                Change::Delete => (1, None),
                Change::Append(value) => (2, Some(value)),
                Change::Subtract(value) => (3, Some(value)),
            };
            AlterableConfig { name: Text::from(name), config_operation, value: value.map(Text::from) }
        });
        let altered = AlterConfigsResource {
            resource_type: resource.kind as i8,
            resource_name: Text::from(&resource.name),
            configs: configs.collect(),
        };
        let validate_only = intent.is_validation();
        let request = IncrementalAlterConfigsRequest { resources: vec![altered], validate_only };
        let answer = self.call_at(resource.node()?, &request)?;
        let found = answer.responses.first().ok_or_else(|| missing("IncrementalAlterConfigs", resource))?;
        ClientError::check(found.error_code, found.error_message.as_deref(), || {
            format!("changing options of {}", resource.shown())
        })
    }
}

impl Config {
    fn of(found: &DescribeConfigsResourceResult) -> Config {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.to_string());
        // Version 0 only says whether a value is the default.
        let source = match (found.config_source, found.is_default) {
            (-1, true) => ConfigSource::DEFAULT,
            (source, _) => ConfigSource(source),
        };
        let synonyms = found.synonyms.iter().map(|synonym| Synonym {
            name: synonym.name.to_string(),
            value: text(&synonym.value),
            source: ConfigSource(synonym.source),
        });
        Config {
            name: found.name.to_string(),
            value: text(&found.value),
            source,
            is_read_only: found.read_only,
            is_sensitive: found.is_sensitive,
            kind: kind_name(found.config_type),
            documentation: text(&found.documentation).filter(|text| !text.is_empty()),
            synonyms: synonyms.collect(),
        }
    }
}

fn missing(operation: &'static str, resource: &Resource) -> ClientError {
    ClientError::Incomplete { operation, what: resource.shown() }
}
