//! The part of a start that removes what no log claims: directories of topics that are gone, segment files that a roll had prepared
//! and no durable batch reached, and those that lie below the log start or were waiting for their removal. Runs before any core; must never touch a file that holds a batch.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    control::{METADATA_LOG, METADATA_TOPIC},
    recover::{BootError, list},
    replay::{Redo, all},
};
use crate::{
    base::{Offset, PartitionIndex},
    controller::Image,
    log::{
        names,
        segment::{INDEX_ENTRY_BYTES, Segment, TIME_ENTRY_BYTES},
    },
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

/// Gives compacted segments their names, where the checkpoint counts them and the last process did not come to it.
fn finish_swaps(perform: Perform<'_>, redo: &mut Redo) -> Result<(), BootError> {
    for partition in redo.partitions.values_mut().filter(|partition| partition.log.has_unsettled()) {
        let unsettled: BTreeSet<Offset> =
            partition.log.segments().filter(|one| one.unsettled).map(|one| one.base).collect();
        let (mut removes, mut renames) = (Vec::new(), Vec::new());
        for entry in list(perform, &partition.directory)? {
            let Some(name) = names::of_cleaned(&entry.name) else { continue };
            if names::segment_of(name).is_some_and(|base| unsettled.contains(&base)) {
                let to = FileName::new(format!("{}/{name}", partition.directory));
                removes.push(Op::Remove { file: to.clone() });
                renames.push(Op::Rename { from: names::cleaned(&to), to });
            }
        }
        all(perform, removes)?;
        all(perform, renames)?;
        for base in unsettled {
            partition.log.settle(base);
        }
    }
    Ok(())
}

/// Removes the files of segments that no redone log has, since their first batch was never durable; and cuts index files to the
/// entries that the redone logs have: an earlier start may have redone a group that was lost before it came to its end.
pub fn remove_segments(perform: Perform<'_>, redo: &mut Redo) -> Result<(), BootError> {
    finish_swaps(perform, redo)?;
    let partitions: Vec<_> = redo.partitions.iter().filter(|(id, _)| **id != METADATA_LOG).collect();
    for some in partitions.chunks(LISTS_MAX) {
        let lists = some.iter().map(|(_, one)| Op::List { directory: FileName::new(one.directory.clone()) });
        let mut doomed = Vec::new();
        for ((_, partition), done) in some.iter().zip(perform(lists.collect())) {
            let entries = match done {
                Done::Listed(entries) => entries,
                Done::Failed(failure) => return Err(BootError::Io(failure)),
                Done::Completed | Done::Read(_) | Done::Opened(_) => continue,
            };
            let held: BTreeMap<Offset, &Segment> =
                partition.log.segments().filter(|one| one.size.0 > 0).map(|one| (one.base, one)).collect();
            let at = entries.iter().filter_map(|entry| names::snapshot_of(&entry.name));
            let newest = at.filter(|at| *at <= partition.log.next()).max();
            for entry in entries {
                let file = FileName::new(format!("{}/{}", partition.directory, entry.name));
                if names::is_deleted(&entry.name) || names::of_cleaned(&entry.name).is_some() {
                    doomed.push(Op::Remove { file });
                    continue;
                }
                if let Some(at) = names::snapshot_of(&entry.name) {
                    if Some(at) != newest && !held.contains_key(&at) {
                        doomed.push(Op::Remove { file });
                    }
                    continue;
                }
                let Some(base) = names::segment_of(&entry.name) else { continue };
                match held.get(&base).map(|segment| index_bytes(segment, &entry.name)) {
                    None => doomed.push(Op::Remove { file }),
                    Some(Some(size)) if entry.size > size => doomed.push(Op::Truncate { file, size }),
                    Some(_) => {}
                }
            }
        }
        all(perform, doomed)?;
    }
    Ok(())
}

/// How long one of the segment's index files is; none for its other files.
fn index_bytes(segment: &Segment, name: &str) -> Option<u64> {
    match name.rsplit_once('.')?.1 {
        "index" => Some(u64::from(segment.index_entries) * INDEX_ENTRY_BYTES as u64),
        "timeindex" => Some(u64::from(segment.time_entries) * TIME_ENTRY_BYTES as u64),
        _ => None,
    }
}
