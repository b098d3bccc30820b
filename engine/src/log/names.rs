//! Kafka's names for a partition's directory and files, relative to the data directory. Pure.

use crate::{
    base::{Offset, PartitionIndex, TopicId},
    op::FileName,
};

/// `<topic>-<partition>`
pub fn directory(topic: &str, partition: PartitionIndex) -> String {
    format!("{topic}-{partition}")
}

/// Where a deleted partition's directory waits for its removal; Kafka's form.
pub fn deleted_directory(directory: &str, topic: TopicId) -> FileName {
    let id: String = topic.0.iter().map(|byte| format!("{byte:02x}")).collect();
    // Kafka cuts the name so that the whole stays below 255 bytes.
    let keep: String = directory.chars().take(255 - 8 - id.len()).collect();
    FileName::new(format!("{keep}.{id}-delete"))
}

/// Whether a directory name is a partition's, present or deleted: what start-up may remove when no topic claims it.
pub fn is_partition_directory(name: &str) -> bool {
    if let Some(rest) = name.strip_suffix("-delete") {
        return rest.rsplit_once('.').is_some_and(|(_, id)| id.len() == 32);
    }
    name.rsplit_once('-').is_some_and(|(topic, number)| {
        !topic.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

pub fn log(directory: &str, segment: Offset) -> FileName {
    FileName::new(format!("{directory}/{:020}.log", segment.0))
}

pub fn index(directory: &str, segment: Offset) -> FileName {
    FileName::new(format!("{directory}/{:020}.index", segment.0))
}

pub fn time_index(directory: &str, segment: Offset) -> FileName {
    FileName::new(format!("{directory}/{:020}.timeindex", segment.0))
}

/// Where the leader epochs of a partition are written for Kafka's tools.
pub fn leader_epochs(directory: &str) -> FileName {
    FileName::new(format!("{directory}/leader-epoch-checkpoint"))
}

/// The producers as of this offset.
pub fn snapshot(directory: &str, at: Offset) -> FileName {
    FileName::new(format!("{directory}/{:020}.snapshot", at.0))
}

/// Every file that holds a segment's records or leads to them.
pub fn segment_files(directory: &str, segment: Offset) -> [FileName; 3] {
    [log(directory, segment), index(directory, segment), time_index(directory, segment)]
}

/// Where a file that is out of use waits for its removal; Kafka's form.
pub fn deleted(file: &FileName) -> FileName {
    FileName::new(format!("{}{DELETED}", file.as_str()))
}

/// Where a file that compaction writes stays until it takes the place of another; Kafka's form.
pub fn cleaned(file: &FileName) -> FileName {
    FileName::new(format!("{}{CLEANED}", file.as_str()))
}

/// The name that a file of a partition's directory will have once compaction's work counts; none if it is no such file.
pub fn of_cleaned(name: &str) -> Option<&str> {
    name.strip_suffix(CLEANED).filter(|name| segment_of(name).is_some())
}

const CLEANED: &str = ".cleaned";
const DELETED: &str = ".deleted";

/// Whether a file of a partition's directory was on its way out.
pub fn is_deleted(name: &str) -> bool {
    name.strip_suffix(DELETED).is_some_and(|name| segment_of(name).or(snapshot_of(name)).is_some())
}

/// The offset that a producer snapshot is of, by its name; none for any other file.
pub fn snapshot_of(name: &str) -> Option<Offset> {
    let at = name.strip_suffix(".snapshot").filter(|at| at.len() == 20)?;
    at.parse().ok().map(Offset)
}

/// The segment that a file of a partition's directory belongs to, by its name; none for any other file.
pub fn segment_of(name: &str) -> Option<Offset> {
    let (base, kind) = name.split_once('.')?;
    let is_segment = base.len() == 20 && matches!(kind, "log" | "index" | "timeindex" | "txnindex");
    is_segment.then(|| base.parse().ok().map(Offset))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_partition_directories_are_taken_for_such() {
        for name in ["a-0", "with-dash-12", "a-0.00000000000000000000000000000001-delete"] {
            assert!(is_partition_directory(name), "{name}");
        }
        for name in ["journal", "metadata", "-1", "a-", "a-b", "meta.properties", "x-delete"] {
            assert!(!is_partition_directory(name), "{name}");
        }
    }
}
