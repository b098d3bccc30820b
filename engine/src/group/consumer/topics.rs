//! The topics that exist, as a consumer group sees them. The flow answers from the metadata image; a machine does not know it.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use crate::base::TopicId;
use crate::config::GroupOptions;

pub trait Topics: Debug {
    /// Changes whenever a topic or a partition comes or goes; it may change more often.
    fn version(&self) -> i64;
    /// Id and number of partitions.
    fn by_name(&self, name: &str) -> Option<(TopicId, i32)>;
    fn name(&self, id: TopicId) -> Option<Arc<str>>;
    /// Names behind this one, in their order, at most so many; none: from the first.
    fn names_after(&self, name: Option<&str>, count_max: usize) -> Vec<Arc<str>>;

    /// What was set on this group.
    fn options(&self, _group: &str) -> GroupOptions {
        GroupOptions::default()
    }
}

/// None at all: before the first image.
#[derive(Debug)]
pub struct NoTopics;

impl Topics for NoTopics {
    fn version(&self) -> i64 {
        -1
    }

    fn by_name(&self, _: &str) -> Option<(TopicId, i32)> {
        None
    }

    fn name(&self, _: TopicId) -> Option<Arc<str>> {
        None
    }

    fn names_after(&self, _: Option<&str>, _: usize) -> Vec<Arc<str>> {
        Vec::new()
    }
}

/// What a group's assignment depends on, as one number: which of the subscribed topics exist, under which ids, with how many
/// partitions. 0: none. It is stored, so it never changes its meaning: FNV-1a over the topics in the order of their names.
pub fn hash(names: &BTreeSet<Arc<str>>, topics: &dyn Topics) -> i64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = BASIS;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    };
    let mut any = false;
    for name in names {
        let Some((id, partitions)) = topics.by_name(name) else { continue };
        any = true;
        add(&id.0);
        add(&partitions.to_be_bytes());
    }
    if any { hash as i64 } else { 0 }
}
