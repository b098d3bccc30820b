//! Dynamic options change: AlterConfigs (all at once) and IncrementalAlterConfigs, for topics, brokers, groups and client
//! metrics, by Kafka's rules and in its words (kafka.server.ConfigAdminManager,
//! org.apache.kafka.controller.ConfigurationControlManager). Which options exist and what they may be is asked of the
//! context. Runs on core 0.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{ConfigAltered, ConfigChange, ConfigEdit, ConfigOperation, ConfigStep, Context};
use super::image::Image;
use super::limits::{CONFIG_NAME_BYTES_MAX, CONFIG_VALUE_BYTES_MAX};
use super::record::{ConfigResource, MetadataRecord};
use super::{names, registry};
use crate::config::{list_append, list_subtract};
use crate::error::{ErrorCode, Refusal};

type Overrides = BTreeMap<String, String>;

fn invalid_request(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

fn invalid_config(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidConfig, message)
}

/// The overrides of a topic that is being created; of a key given twice the last value counts.
pub(super) fn of_new_topic(
    name: &str,
    configs: &[(String, Option<String>)],
    context: &Context,
) -> Result<Overrides, Refusal> {
    let valueless: Vec<&str> =
        configs.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.as_str()).collect();
    if !valueless.is_empty() {
        return Err(invalid_config(format!(
            "Null value not supported for topic configs: {}",
            valueless.join(",")
        )));
    }
    let overrides: Overrides =
        configs.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    check_overrides(&ConfigResource::Topic(name.to_owned()), &overrides, context)?;
    Ok(overrides)
}

pub(super) fn alter(
    image: &Image,
    changes: Vec<ConfigChange>,
    context: &Context,
) -> (Vec<MetadataRecord>, Vec<ConfigAltered>) {
    let mut times: BTreeMap<ConfigResource, usize> = BTreeMap::new();
    for change in &changes {
        *times.entry(change.resource.clone()).or_default() += 1;
    }
    let mut records = Vec::new();
    let mut altered = Vec::with_capacity(changes.len());
    for ConfigChange { resource, edit } in changes {
        let result = if times[&resource] > 1 {
            Err(invalid_request("Each resource must appear at most once."))
        } else {
            alter_one(image, &resource, &edit, context).map(|changed| records.extend(changed))
        };
        altered.push(ConfigAltered { resource, result });
    }
    (records, altered)
}

fn alter_one(
    image: &Image,
    resource: &ConfigResource,
    edit: &ConfigEdit,
    context: &Context,
) -> Result<Vec<MetadataRecord>, Refusal> {
    check_edit(edit)?;
    check_resource(image, resource, context)?;
    let before = image.overrides(resource);
    let after = match edit {
        ConfigEdit::Replace(pairs) => {
            pairs.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect()
        }
        ConfigEdit::Increment(steps) => {
            let mut after = before.clone();
            for step in steps {
                take_step(&mut after, resource, step, context)?;
            }
            after
        }
    };
    check_overrides(resource, &after, context)?;
    Ok(difference(resource, before, &after))
}

fn check_edit(edit: &ConfigEdit) -> Result<(), Refusal> {
    let (keys, valueless): (Vec<&str>, Vec<&str>) = match edit {
        ConfigEdit::Replace(pairs) => (
            pairs.iter().map(|(key, _)| key.as_str()).collect(),
            pairs.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key.as_str()).collect(),
        ),
        ConfigEdit::Increment(steps) => (
            steps.iter().map(|step| step.key.as_str()).collect(),
            steps
                .iter()
                .filter(|step| step.operation != ConfigOperation::Delete && step.value.is_none())
                .map(|step| step.key.as_str())
                .collect(),
        ),
    };
    if !valueless.is_empty() {
        return Err(invalid_request(format!("Null value not supported for : {}", valueless.join(", "))));
    }
    if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
        return Err(invalid_request("Error due to duplicate config keys"));
    }
    Ok(())
}

fn check_resource(image: &Image, resource: &ConfigResource, context: &Context) -> Result<(), Refusal> {
    match resource {
        ConfigResource::Topic(name) if name.is_empty() => {
            Err(invalid_request("Default topic resources are not allowed."))
        }
        ConfigResource::Topic(name) => {
            names::check(name)?;
            match image.topic(name) {
                None => Err(Refusal::new(
                    ErrorCode::UnknownTopicOrPartition,
                    format!("The topic '{name}' does not exist."),
                )),
                Some(_) => Ok(()),
            }
        }
        ConfigResource::Broker(name) if name.is_empty() => Ok(()),
        ConfigResource::Broker(name) => match name.parse::<i32>() {
            Err(_) => Err(invalid_request(format!("Node id must be an integer, but it is: {name}"))),
            Ok(node) if node != context.node.0 => Err(invalid_request(format!(
                "Unexpected broker id, expected {}, but received {name}",
                context.node
            ))),
            // "+1" and "01" are this broker too, but another resource's name.
            Ok(_) if *name != context.node.to_string() => {
                Err(invalid_request(format!("Node id must be an integer, but it is: {name}")))
            }
            Ok(_) => Ok(()),
        },
        ConfigResource::Group(name) if name.is_empty() => {
            Err(invalid_request("Default group resources are not allowed."))
        }
        ConfigResource::ClientMetrics(name) if name.is_empty() => {
            Err(invalid_request("Subscription name can't be empty"))
        }
        ConfigResource::Group(name) | ConfigResource::ClientMetrics(name) => {
            if name.len() > CONFIG_NAME_BYTES_MAX {
                return Err(invalid_request(format!(
                    "A resource's name has at most {CONFIG_NAME_BYTES_MAX} bytes, not {}.",
                    name.len()
                )));
            }
            Ok(())
        }
    }
}

fn take_step(
    overrides: &mut Overrides,
    resource: &ConfigResource,
    step: &ConfigStep,
    context: &Context,
) -> Result<(), Refusal> {
    let value = step.value.clone().unwrap_or_default();
    let verb = match step.operation {
        ConfigOperation::Set => {
            overrides.insert(step.key.clone(), value);
            return Ok(());
        }
        ConfigOperation::Delete => {
            overrides.remove(&step.key);
            return Ok(());
        }
        ConfigOperation::Append => "APPEND",
        ConfigOperation::Subtract => "SUBTRACT",
    };
    let Some(default) = (context.options.list_default)(resource, &step.key) else {
        return Err(not_a_list(resource, &step.key, verb));
    };
    let current = overrides.get(&step.key).unwrap_or(&default);
    let joined = match step.operation {
        ConfigOperation::Subtract => list_subtract(current, &value),
        _ => list_append(current, &value),
    };
    overrides.insert(step.key.clone(), joined);
    Ok(())
}

/// Kafka's broker and its controller have different words for it.
fn not_a_list(resource: &ConfigResource, key: &str, verb: &str) -> Refusal {
    invalid_config(match resource {
        ConfigResource::Broker(_) if registry::key_of(resource, key).is_none() => {
            format!("Unknown config name: {key}")
        }
        ConfigResource::Broker(_) => {
            format!("Config value {} is not allowed for config key: {key}", verb.to_lowercase())
        }
        _ => format!("Can't {verb} to key {key} because its type is not LIST."),
    })
}

fn check_overrides(
    resource: &ConfigResource,
    overrides: &Overrides,
    context: &Context,
) -> Result<(), Refusal> {
    for (key, value) in overrides {
        if value.len() > CONFIG_VALUE_BYTES_MAX {
            return Err(invalid_config(format!(
                "The configuration value cannot be added because it exceeds the maximum value size of \
                 {CONFIG_VALUE_BYTES_MAX} bytes."
            )));
        }
        if key.len() > CONFIG_NAME_BYTES_MAX {
            return Err(invalid_config(format!(
                "A configuration's name has at most {CONFIG_NAME_BYTES_MAX} bytes."
            )));
        }
    }
    (context.options.check)(resource, overrides)
}

/// What turns one set of overrides into another; nothing for what stays.
fn difference(resource: &ConfigResource, before: &Overrides, after: &Overrides) -> Vec<MetadataRecord> {
    let record = |key: &String, value: Option<&String>| MetadataRecord::Config {
        resource: resource.clone(),
        key: key.clone(),
        value: value.cloned(),
    };
    let removed = before.keys().filter(|key| !after.contains_key(*key)).map(|key| record(key, None));
    let set = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    removed.chain(set.map(|(key, value)| record(key, Some(value)))).collect()
}
