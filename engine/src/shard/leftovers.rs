//! The part of a start that removes what no log claims: directories of topics that are gone, and segment files that a roll had prepared
//! and no durable batch reached. Runs before any core; must never touch a file that holds a batch.

use std::collections::BTreeSet;

use super::{
    control::{METADATA_LOG, METADATA_TOPIC},
    recover::{BootError, list},
    replay::{Redo, all},
};
use crate::{
    base::{Offset, PartitionIndex},
    controller::Image,
    log::names,
    op::{Done, FileName, Op, Perform},
};

/// Directories listed at a time.
const LISTS_MAX: usize = 256;

/// Removes partition directories that no topic claims; answers those that stay. A deletion makes its renames durable before the
/// name can be used again, so a directory that a topic claims is that topic's.
pub fn remove_directories(perform: Perform<'_>, image: &Image) -> Result<BTreeSet<String>, BootError> {
    let mut claimed = BTreeSet::from([names::directory(METADATA_TOPIC, METADATA_LOG.partition)]);
    for topic in image.topics() {
        let indexes = (0..topic.partitions.len() as i32).map(PartitionIndex);
        claimed.extend(indexes.map(|index| names::directory(&topic.name, index)));
    }
    let found = list(perform, ".")?.into_iter().filter(|entry| entry.is_directory).map(|entry| entry.name);
    let (kept, unclaimed): (BTreeSet<String>, BTreeSet<String>) =
        found.partition(|name| claimed.contains(name));
    let doomed = unclaimed.into_iter().filter(|name| names::is_partition_directory(name));
    all(perform, doomed.map(|name| Op::RemoveTree { directory: FileName::new(name) }).collect())?;
    Ok(kept)
}

/// Removes the files of segments that no redone log has: their first batch was never durable.
pub fn remove_segments(perform: Perform<'_>, redo: &Redo) -> Result<(), BootError> {
    let partitions: Vec<_> = redo.partitions.iter().filter(|(id, _)| **id != METADATA_LOG).collect();
    for some in partitions.chunks(LISTS_MAX) {
        let lists = some.iter().map(|(_, one)| Op::List { directory: FileName::new(one.directory.clone()) });
        let mut doomed = Vec::new();
        for ((_, partition), done) in some.iter().zip(perform(lists.collect())) {
            let entries = match done {
                Done::Listed(entries) => entries,
                Done::Failed(failure) => return Err(BootError::Io(failure)),
                Done::Completed | Done::Read(_) => continue,
            };
            let log = &partition.log;
            let held = log.segments().filter(|segment| segment.size.0 > 0).map(|segment| segment.base);
            let held: BTreeSet<Offset> = held.collect();
            let unheld = |name: &str| names::segment_of(name).is_some_and(|base| !held.contains(&base));
            let names = entries.into_iter().map(|entry| entry.name).filter(|name| unheld(name));
            let file = |name| FileName::new(format!("{}/{name}", partition.directory));
            doomed.extend(names.map(|name| Op::Remove { file: file(name) }));
        }
        all(perform, doomed)?;
    }
    Ok(())
}
