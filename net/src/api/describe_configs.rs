//! DescribeConfigs (32), versions 0–4 (synonyms and sources: KIP-226, from 1; types and documentation: KIP-569, from 3):
//! the options of topics, of this broker, of groups and of client metrics, with the chain of places that a value may come from;
//! and the levels of log lines.
//!
//! A broker is named by its number. The empty name is the cluster's default: only what was set on it. A null or empty list of
//! keys asks for all.

use std::rc::Rc;

use engine::{
    config::{Described, Source},
    controller::{ConfigResource, Image, check_topic_name},
    error::{ErrorCode, Refusal},
};

use super::{Api, Broker, loggers, options, resources::BROKER_LOGGER};
use crate::wire::{
    Text,
    describe_configs::{
        DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
        DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
    },
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

pub(super) fn answer(
    api: &Rc<Api>,
    request: &DescribeConfigsRequest,
    version: i16,
) -> DescribeConfigsResponse {
    let results = api.node.with_image(|image| {
        request
            .resources
            .iter()
            .map(|resource| describe(image, &api.broker, resource, request, version))
            .collect()
    });
    DescribeConfigsResponse { results, ..Default::default() }
}

fn describe(
    image: &Image,
    broker: &Broker,
    resource: &DescribeConfigsResource,
    request: &DescribeConfigsRequest,
    version: i16,
) -> DescribeConfigsResult {
    let mut result = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
        error_message: None,
        ..Default::default()
    };
    let found = if resource.resource_type == BROKER_LOGGER {
        loggers::describe(broker, &resource.resource_name)
    } else {
        let found = find(image, broker, resource);
        found.map(|found| found.into_iter().map(|one| show(one, request, version)).collect())
    };
    match found {
        Ok(mut configs) => {
            let wanted = resource.configuration_keys.as_deref().unwrap_or_default();
            configs.retain(|config| wanted.is_empty() || wanted.contains(&config.name));
            result.configs = configs;
        }
        Err(refusal) => {
            result.error_code = refusal.code.code();
            result.error_message = Some(refusal.message.into());
        }
    }
    result
}

fn find(
    image: &Image,
    broker: &Broker,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Described>, Refusal> {
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => {
            check_topic_name(name)?;
            // Kafka has no words for it.
            let topic =
                image.topic(name).ok_or_else(|| Refusal::new(ErrorCode::UnknownTopicOrPartition, ""))?;
            Ok(options::of_topic(image, broker, &topic.overrides))
        }
        BROKER if name.is_empty() => Ok(options::of_cluster(image, broker)),
        BROKER if name.parse() == Ok(broker.node.0) => Ok(options::of_broker(image, broker)),
        BROKER if name.parse::<i32>().is_err() => {
            Err(invalid(format!("Broker id must be an integer, but it is: {name}")))
        }
        BROKER => Err(invalid(format!(
            "Unexpected broker id, expected {} or empty string, but received {name}",
            broker.node
        ))),
        GROUP if name.is_empty() => Err(invalid("Group name must not be empty".to_owned())),
        GROUP => {
            let set = image.overrides(&ConfigResource::Group(name.to_owned()));
            Ok(options::of_group(image, broker, set))
        }
        CLIENT_METRICS if name.is_empty() => {
            Err(invalid("Client metrics subscription name must not be empty".to_owned()))
        }
        CLIENT_METRICS => Ok(options::of_client_metrics(image, name)),
        other => Err(invalid(format!("Unsupported resource type: {other}"))),
    }
}

fn invalid(message: String) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

fn show(
    described: Described,
    request: &DescribeConfigsRequest,
    version: i16,
) -> DescribeConfigsResourceResult {
    let synonyms = described.synonyms.into_iter().map(|synonym| DescribeConfigsSynonym {
        name: synonym.name.into(),
        value: synonym.value.map(Text::from),
        source: synonym.source.id(),
    });
    DescribeConfigsResourceResult {
        name: described.key.name.into(),
        value: described.value.map(Text::from),
        read_only: described.read_only,
        // Later versions tell the source instead.
        is_default: version == 0 && described.source == Source::Default,
        config_source: described.source.id(),
        is_sensitive: described.key.is_sensitive(),
        synonyms: if request.include_synonyms { synonyms.collect() } else { Vec::new() },
        config_type: described.key.kind.id(),
        documentation: request.include_documentation.then(|| described.key.doc.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::tests::broker, wire::response_frame};

    fn resource(resource_type: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
        DescribeConfigsResource {
            resource_type,
            resource_name: name.into(),
            configuration_keys: keys.map(|keys| keys.iter().map(|key| Text::from(*key)).collect()),
        }
    }

    fn ask(resource: DescribeConfigsResource) -> DescribeConfigsResult {
        ask_version(resource, 4)
    }

    fn ask_version(resource: DescribeConfigsResource, version: i16) -> DescribeConfigsResult {
        let request = DescribeConfigsRequest {
            include_synonyms: version >= 1,
            include_documentation: version >= 3,
            ..Default::default()
        };
        describe(&Image::default(), &broker(), &resource, &request, version)
    }

    #[test]
    fn every_version_can_carry_the_answer() {
        for version in 0..=4 {
            let results = vec![ask_version(resource(BROKER, "1", None), version)];
            let response = DescribeConfigsResponse { results, ..Default::default() };
            assert!(response_frame(&response, version, 1).is_ok(), "version {version}");
        }
    }

    #[test]
    fn a_broker_shows_the_options_that_are_asked_for_with_their_source() {
        let result = ask(resource(BROKER, "1", Some(&["num.partitions"])));
        let [config] = &result.configs[..] else { panic!("one option: {result:?}") };
        assert_eq!((config.value.as_deref(), config.config_source), (Some("1"), 5));
        assert!(ask(resource(BROKER, "1", None)).configs.len() > 50);
    }

    #[test]
    fn the_levels_of_log_lines_are_shown_as_kafka_shows_them() {
        let result = ask(resource(BROKER_LOGGER, "1", Some(&["root"])));
        let [config] = &result.configs[..] else { panic!("one logger: {result:?}") };
        assert_eq!(
            (config.value.as_deref(), config.config_source, config.read_only),
            (Some("INFO"), 6, false)
        );
        assert_eq!(ask(resource(BROKER_LOGGER, "1", None)).configs.len(), 2);
        assert_eq!(ask(resource(BROKER_LOGGER, "2", None)).error_code, 42);
    }

    #[test]
    fn what_does_not_exist_has_an_error_of_its_own() {
        let codes = [(TOPIC, "nowhere", 3), (BROKER, "2", 42), (99, "x", 42)];
        for (kind, name, code) in codes {
            assert_eq!(ask(resource(kind, name, None)).error_code, code, "{kind} {name}");
        }
    }
}
