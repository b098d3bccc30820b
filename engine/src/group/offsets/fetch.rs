//! OffsetFetch: what is committed, for the partitions asked or for all.

use super::{Committed, Offsets};
use crate::base::{PartitionIndex, TopicId};
use crate::error::ErrorCode;
use crate::group::request::{OffsetFound, TopicFound, TopicWanted};

impl Offsets {
    pub fn find_all(&self) -> Vec<TopicFound> {
        let topic =
            |(name, partitions): (&std::sync::Arc<str>, &std::collections::BTreeMap<_, Committed>)| {
                TopicFound {
                    name: name.to_string(),
                    id: partitions.values().next().map_or(TopicId::ZERO, |committed| committed.topic),
                    partitions: partitions
                        .iter()
                        .map(|(at, committed)| found(*at, Some(committed)))
                        .collect(),
                }
            };
        self.topics.iter().map(topic).collect()
    }

    pub fn find(&self, topic: TopicWanted) -> TopicFound {
        // A topic that came again under its name has another id: what was committed for the first is nothing to it.
        let same = |committed: &&Committed| {
            topic.id.is_zero() || committed.topic.is_zero() || committed.topic == topic.id
        };
        let partitions = topic.partitions.iter();
        let partitions = partitions.map(|at| found(*at, self.get(&topic.name, *at).filter(same))).collect();
        TopicFound { name: topic.name, id: topic.id, partitions }
    }
}

fn found(partition: PartitionIndex, committed: Option<&Committed>) -> OffsetFound {
    let error = ErrorCode::None;
    match committed {
        Some(committed) => OffsetFound {
            partition,
            offset: committed.offset.0,
            leader_epoch: committed.leader_epoch.0,
            metadata: committed.metadata.clone(),
            error,
        },
        None => OffsetFound { partition, offset: -1, leader_epoch: -1, metadata: "".into(), error },
    }
}
