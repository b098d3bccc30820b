//! The metadata image as consumer groups see it: names, ids and sizes of topics.

use std::sync::Arc;

use crate::{base::TopicId, controller::Image, group::consumer::Topics};

#[derive(Debug)]
pub(super) struct ImageTopics(pub Arc<Image>);

impl Topics for ImageTopics {
    fn version(&self) -> i64 {
        self.0.offset().0
    }

    fn by_name(&self, name: &str) -> Option<(TopicId, i32)> {
        let topic = self.0.topic(name)?;
        Some((topic.id, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)))
    }

    fn name(&self, id: TopicId) -> Option<Arc<str>> {
        Some(self.0.topic_by_id(id)?.name.clone())
    }

    fn each_name(&self, visit: &mut dyn FnMut(&Arc<str>)) {
        for topic in self.0.topics() {
            visit(&topic.name);
        }
    }
}
