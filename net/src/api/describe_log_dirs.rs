//! DescribeLogDirs (35), versions 0–5 (an error for the whole from 3; sizes of volumes: KIP-827, from 4; cordoned
//! directories: KIP-1066, from 5): the one data directory, with the bytes of every partition's log as of its last batch.

use std::{collections::BTreeMap, path::Path, rc::Rc};

use engine::{
    base::{CoreId, TopicPartition},
    controller::Image,
    io::space::Space,
    shard::{
        command::{Command, Reply},
        inspect::{Inspect, Inspected},
    },
};

use super::Api;
use crate::wire::{
    Text,
    describe_log_dirs::{
        DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
        DescribeLogDirsResult, DescribeLogDirsTopic,
    },
};

pub(super) async fn handle(api: Rc<Api>, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let cores = (0..api.node.cores()).map(CoreId);
    let calls: Vec<_> = cores.map(|core| api.node.call(core, Command::Inspect(Inspect::Sizes))).collect();
    let mut sizes = BTreeMap::new();
    for call in calls {
        match call.await {
            Reply::Inspected(Inspected::Sizes(found)) => sizes.extend(found),
            _ => unreachable!("Sizes is answered with Sizes"),
        }
    }
    let topics = api.node.with_image(|image| topics(image, request.topics.as_deref(), &sizes));
    let mut result =
        DescribeLogDirsResult { log_dir: api.broker.data_dir.clone(), topics, ..Default::default() };
    match Space::of(Path::new(api.broker.data_dir.as_str())) {
        Ok(space) => {
            result.total_bytes = i64::try_from(space.total_bytes).unwrap_or(i64::MAX);
            result.usable_bytes = i64::try_from(space.usable_bytes).unwrap_or(i64::MAX);
        }
        // -1: not known.
        Err(error) => tracing::warn!(%error, "the size of the data directory's volume cannot be read"),
    }
    DescribeLogDirsResponse { results: vec![result], ..Default::default() }
}

/// All topics, or those asked for as far as they exist.
fn topics(
    image: &Image,
    asked: Option<&[DescribableLogDirTopic]>,
    sizes: &BTreeMap<TopicPartition, u64>,
) -> Vec<DescribeLogDirsTopic> {
    let mut topics: Vec<DescribeLogDirsTopic> = Vec::new();
    for topic in image.topics() {
        let wanted = match asked {
            None => None,
            Some(asked) => match asked.iter().find(|asked| *asked.topic == *topic.name) {
                Some(asked) => Some(&asked.partitions),
                None => continue,
            },
        };
        let of_topic =
            |index: i32| TopicPartition { topic: topic.id, partition: engine::base::PartitionIndex(index) };
        let indexes = (0..topic.partitions.len() as i32)
            .filter(|index| wanted.is_none_or(|wanted| wanted.contains(index)));
        let partitions: Vec<_> = indexes
            .filter_map(|index| Some((index, sizes.get(&of_topic(index))?)))
            .map(|(partition_index, size)| DescribeLogDirsPartition {
                partition_index,
                partition_size: i64::try_from(*size).unwrap_or(i64::MAX),
                ..Default::default()
            })
            .collect();
        if !partitions.is_empty() {
            topics.push(DescribeLogDirsTopic { name: Text::from(&*topic.name), partitions });
        }
    }
    topics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::image_of;

    #[test]
    fn only_partitions_that_are_asked_for_and_have_a_log_are_told() {
        let image = image_of(&[("a", 2), ("b", 1)]);
        let id = |name: &str, partition| TopicPartition {
            topic: image.topic(name).unwrap().id,
            partition: engine::base::PartitionIndex(partition),
        };
        let sizes = BTreeMap::from([(id("a", 0), 5), (id("a", 1), 6), (id("b", 0), 7)]);
        let told = |asked: Option<&[DescribableLogDirTopic]>| -> Vec<(String, i32, i64)> {
            let topics = topics(&image, asked, &sizes).into_iter();
            topics
                .flat_map(|topic| {
                    let name: String = topic.name.into();
                    topic
                        .partitions
                        .into_iter()
                        .map(move |one| (name.clone(), one.partition_index, one.partition_size))
                })
                .collect()
        };
        let all =
            [("a", 0, 5), ("a", 1, 6), ("b", 0, 7)].map(|(name, index, size)| (name.to_owned(), index, size));
        assert_eq!(told(None), all);
        let asked = [("a", vec![1, 9]), ("c", vec![0])]
            .map(|(name, partitions)| DescribableLogDirTopic { topic: name.into(), partitions });
        assert_eq!(told(Some(&asked)), all[1..2]);
        assert_eq!(told(Some(&[])), []);
    }
}
