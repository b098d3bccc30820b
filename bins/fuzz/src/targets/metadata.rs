//! Records of the metadata log: what is read is written as the same, and an image takes any sequence of them or refuses one
//! without a change.
//!
//! ```text
//! again and again: length u16 · record
//! ```

use std::collections::BTreeSet;

use engine::base::{PartitionIndex, TopicPartition};
use engine::controller::{Image, MetadataRecord};

use crate::{Reached, input::Input};

pub fn run(bytes: &[u8]) -> Reached {
    let mut input = Input::new(bytes);
    let mut image = Image::default();
    let mut reached = Reached::Refused;
    while !input.is_empty() {
        let Ok(record) = MetadataRecord::decode(input.chunk()) else { continue };
        let mut written = Vec::new();
        record.encode(&mut written);
        assert_eq!(MetadataRecord::decode(&written).as_ref(), Ok(&record));
        let before = image.clone();
        match image.apply(&record) {
            Ok(_) => reached = Reached::Taken,
            Err(_) => assert_eq!(image, before, "a refused record changes nothing: {record:?}"),
        }
    }
    is_one(&image);
    reached
}

/// The image's ways of looking at the same topics agree.
fn is_one(image: &Image) {
    let (mut partitions, mut cores) = (0, BTreeSet::new());
    for topic in image.topics() {
        assert_eq!(image.topic(&topic.name), Some(topic));
        assert_eq!(image.topic_by_id(topic.id), Some(topic));
        for index in (0..topic.partitions.len() as i32).map(PartitionIndex) {
            assert!(image.partition(TopicPartition { topic: topic.id, partition: index }).is_some());
        }
        partitions += topic.partitions.len();
        cores.extend(topic.partitions.iter().map(|partition| partition.core));
    }
    assert_eq!(image.topics().count(), image.topic_count());
    assert_eq!(image.partition_count(), partitions);
    let loads: usize = cores.into_iter().map(|core| image.core_load(core)).sum();
    assert_eq!(loads, partitions);
}
