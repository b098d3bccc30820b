//! DescribeTopicPartitions (75), version 0 (KIP-966): topics in the order of their names, in pages of at most
//! `max.request.partition.size.limit` partitions; the cursor says where the next page begins. Replicas that stay eligible
//! beside the in-sync ones are not kept: their lists are empty.

use engine::{
    base::NodeId,
    controller::{Image, PartitionImage, TopicImage, check_topic_name},
    error::ErrorCode,
};

use super::{Broker, TOPIC_OPERATIONS};
use crate::wire::{
    Text,
    describe_topic_partitions::{
        Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
    },
};

pub(super) fn answer(
    image: &Image,
    broker: &Broker,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut page = Page {
        left: limit.min(broker.described_partitions_max).max(1),
        cursor: request.cursor.as_ref(),
        response: DescribeTopicPartitionsResponse::default(),
    };
    if request.topics.is_empty() {
        let from = request.cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
        for topic in image.topics_from(from) {
            if !page.turn(&topic.name, Some(topic)) {
                break;
            }
        }
        return page.response;
    }
    let mut names: Vec<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if let Some(cursor) = &request.cursor {
        if cursor.partition_index < 0 || names.binary_search(&cursor.topic_name.as_str()).is_err() {
            return refused(request);
        }
        names.retain(|name| *name >= cursor.topic_name.as_str());
    }
    for name in names {
        if !page.turn(name, image.topic(name).map(|topic| &**topic)) {
            break;
        }
    }
    page.response
}

/// A response as it fills.
struct Page<'a> {
    /// Partitions that still fit.
    left: usize,
    cursor: Option<&'a Cursor>,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    /// Takes one topic on; false: the page is full.
    fn turn(&mut self, name: &str, topic: Option<&TopicImage>) -> bool {
        if self.left == 0 {
            self.response.next_cursor = Some(Cursor { topic_name: name.into(), partition_index: 0 });
            return false;
        }
        let Some(topic) = topic else {
            self.response.topics.push(missing(name));
            return true;
        };
        let cursor = self.cursor.filter(|cursor| *cursor.topic_name == *name);
        let first = cursor.map_or(0, |cursor| usize::try_from(cursor.partition_index).unwrap_or(0));
        let partitions: Vec<_> =
            topic.partitions.iter().enumerate().skip(first).take(self.left).map(describe).collect();
        self.left -= partitions.len();
        let next = first + partitions.len();
        let is_whole = next >= topic.partitions.len();
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(name.into()),
            topic_id: topic.id,
            is_internal: topic.internal,
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..Default::default()
        });
        if !is_whole {
            self.response.next_cursor =
                Some(Cursor { topic_name: name.into(), partition_index: next as i32 });
        }
        is_whole
    }
}

fn missing(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error = match check_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(refusal) => refusal.code,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(name.into()),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..Default::default()
    }
}

/// A cursor that points nowhere.
fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topic = |name: &Text| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(name.clone()),
        ..Default::default()
    };
    let topics = request.topics.iter().map(|asked| topic(&asked.name)).collect();
    DescribeTopicPartitionsResponse { topics, ..Default::default() }
}

fn describe((index, partition): (usize, &PartitionImage)) -> DescribeTopicPartitionsResponsePartition {
    let ids = |nodes: &[NodeId]| nodes.iter().map(|node| node.0).collect();
    let error = if partition.leader.0 < 0 { ErrorCode::LeaderNotAvailable } else { ErrorCode::None };
    DescribeTopicPartitionsResponsePartition {
        error_code: error.code(),
        // As many partitions as an i32 counts: the controller's limit is far below.
        partition_index: index as i32,
        leader_id: partition.leader.0,
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: ids(&partition.replicas),
        isr_nodes: ids(&partition.isr),
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::tests::{broker, image_of},
        wire::describe_topic_partitions::TopicRequest,
    };

    /// Topic, its error, and its partitions; then where the next page begins.
    type Told = (Vec<(String, i16, Vec<i32>)>, Option<(String, i32)>);

    fn ask(topics: &[&str], limit: i32, cursor: Option<(&str, i32)>) -> Told {
        let image = image_of(&[("a", 3), ("b", 2), ("c", 1)]);
        let request = DescribeTopicPartitionsRequest {
            topics: topics.iter().map(|name| TopicRequest { name: (*name).into() }).collect(),
            response_partition_limit: limit,
            cursor: cursor.map(|(name, partition_index)| Cursor { topic_name: name.into(), partition_index }),
        };
        let response = answer(&image, &broker(), &request);
        let topics = response.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| partition.partition_index).collect();
            (topic.name.unwrap_or_default().into(), topic.error_code, partitions)
        });
        let next = response.next_cursor.map(|cursor| (cursor.topic_name.into(), cursor.partition_index));
        (topics.collect(), next)
    }

    fn topic(name: &str, error: i16, partitions: &[i32]) -> (String, i16, Vec<i32>) {
        (name.to_owned(), error, partitions.to_vec())
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let next = |name: &str, index| Some((name.to_owned(), index));
        assert_eq!(ask(&[], 2, None), (vec![topic("a", 0, &[0, 1])], next("a", 2)));
        assert_eq!(
            ask(&[], 2, Some(("a", 2))),
            (vec![topic("a", 0, &[2]), topic("b", 0, &[0])], next("b", 1))
        );
        assert_eq!(ask(&[], 2, Some(("b", 1))), (vec![topic("b", 0, &[1]), topic("c", 0, &[0])], None));
        // A page that ends with a topic points at the next one's beginning.
        assert_eq!(ask(&[], 3, None), (vec![topic("a", 0, &[0, 1, 2])], next("b", 0)));
        assert_eq!(ask(&[], 0, None), (vec![topic("a", 0, &[0])], next("a", 1)));
        assert_eq!(ask(&[], i32::MAX, Some(("bb", 5))), (vec![topic("c", 0, &[0])], None));
    }

    #[test]
    fn named_topics_come_in_order_with_an_error_each() {
        assert_eq!(
            ask(&["c", "a", "nowhere", "bad name", "a"], 2000, None).0,
            [
                topic("a", 0, &[0, 1, 2]),
                topic("bad name", 17, &[]),
                topic("c", 0, &[0]),
                topic("nowhere", 3, &[])
            ]
        );
        assert_eq!(ask(&["a", "b"], 2000, Some(("b", 1))).0, [topic("b", 0, &[1])]);
        for cursor in [("c", 0), ("a", -1)] {
            assert_eq!(ask(&["a"], 2000, Some(cursor)).0, [topic("a", 42, &[])]);
        }
    }
}
