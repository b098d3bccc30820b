//! The options of a topic or broker as this core's image and the broker's start know them: what DescribeConfigs shows, and
//! what CreateTopics tells of a new topic. Pure.

use std::collections::BTreeSet;

use engine::{
    config::{CLIENT_METRICS_KEYS, Described, GROUP_KEYS, Layers, Overrides, TOPIC_KEYS, listed_keys},
    controller::{ConfigResource, Image},
};

use super::Broker;

/// Every option of a topic with these overrides, by name.
pub(super) fn of_topic(image: &Image, broker: &Broker, topic: &Overrides) -> Vec<Described> {
    with_layers(image, broker, topic, |layers| {
        TOPIC_KEYS.iter().filter_map(|topic| layers.describe_topic(topic.key.name)).collect()
    })
}

/// Every option of this broker.
pub(super) fn of_broker(image: &Image, broker: &Broker) -> Vec<Described> {
    with_layers(image, broker, &Overrides::new(), |layers| {
        let set = layers.dynamic_broker.keys().chain(layers.dynamic_cluster.keys());
        let given = set.chain(layers.static_broker.keys()).map(String::as_str);
        let known = listed_keys().map(|key| key.name);
        let names: BTreeSet<&str> = known.chain(given).collect();
        names.into_iter().filter_map(|name| layers.describe_broker(name)).collect()
    })
}

/// Every option of a group, whether there is one or not.
pub(super) fn of_group(image: &Image, broker: &Broker, group: &Overrides) -> Vec<Described> {
    with_layers(image, broker, &Overrides::new(), |layers| {
        GROUP_KEYS.iter().filter_map(|known| layers.describe_group(known.key.name, group)).collect()
    })
}

/// What was set on the cluster's default.
pub(super) fn of_cluster(image: &Image, broker: &Broker) -> Vec<Described> {
    with_layers(image, broker, &Overrides::new(), |layers| {
        layers.dynamic_cluster.keys().filter_map(|name| layers.describe_cluster(name)).collect()
    })
}

/// Every option of a subscription to client metrics, whether or not it exists.
pub(super) fn of_client_metrics(image: &Image, name: &str) -> Vec<Described> {
    let subscription = image.overrides(&ConfigResource::ClientMetrics(name.to_owned()));
    let keys = CLIENT_METRICS_KEYS.iter();
    keys.filter_map(|key| Layers::describe_client_metrics(subscription, key.name)).collect()
}

fn with_layers<T>(
    image: &Image,
    broker: &Broker,
    topic: &Overrides,
    look: impl FnOnce(&Layers<'_>) -> T,
) -> T {
    let own = ConfigResource::Broker(broker.node.to_string());
    let all = ConfigResource::Broker(String::new());
    look(&Layers {
        topic,
        dynamic_broker: image.overrides(&own),
        dynamic_cluster: image.overrides(&all),
        static_broker: &broker.options,
    })
}
