//! The metadata image as consumer groups see it: names, ids and sizes of topics.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    base::TopicId,
    config::GroupOptions,
    controller::{ConfigResource, Image},
    group::consumer::Topics,
};

#[derive(Debug)]
pub(super) struct ImageTopics {
    image: Arc<Image>,
    /// Groups with options of their own: few, and asked for with every heartbeat.
    options: BTreeMap<String, GroupOptions>,
}

impl ImageTopics {
    pub fn new(image: Arc<Image>) -> ImageTopics {
        let groups = image.configured().filter_map(|resource| match resource {
            ConfigResource::Group(name) => {
                Some((name.clone(), GroupOptions::read(image.overrides(resource))))
            }
            _ => None,
        });
        let options = groups.collect();
        ImageTopics { image, options }
    }
}

impl Topics for ImageTopics {
    fn version(&self) -> i64 {
        self.image.offset().0
    }

    fn by_name(&self, name: &str) -> Option<(TopicId, i32)> {
        let topic = self.image.topic(name)?;
        Some((topic.id, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
    }

    fn name(&self, id: TopicId) -> Option<Arc<str>> {
        Some(self.image.topic_by_id(id)?.name.clone())
    }

    fn names_after(&self, name: Option<&str>, count_max: usize) -> Vec<Arc<str>> {
        let from = self.image.topics_from(name.unwrap_or_default());
        let behind = from.filter(|topic| Some(&*topic.name) != name);
        behind.map(|topic| topic.name.clone()).take(count_max).collect()
    }

    fn options(&self, group: &str) -> GroupOptions {
        self.options.get(group).copied().unwrap_or_default()
    }
}
