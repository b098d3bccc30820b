//! The options of a topic or broker as this core's image and the broker's start know them: what DescribeConfigs shows, and
//! what CreateTopics tells of a new topic. Pure.

use engine::{
    config::{BROKER_KEYS, Described, GROUP_KEYS, Layers, Overrides, TOPIC_KEYS},
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
        BROKER_KEYS.iter().filter_map(|key| layers.describe_broker(key.name)).collect()
    })
}

/// Every option of a group, whether there is one or not.
pub(super) fn of_group(image: &Image, broker: &Broker, group: &Overrides) -> Vec<Described> {
    with_layers(image, broker, &Overrides::new(), |layers| {
        GROUP_KEYS.iter().filter_map(|known| layers.describe_group(known.key.name, group)).collect()
    })
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
