//! What the simulator learns of compaction while the node runs: from checkpoints that the disk holds, and from the files that the
//! cleaner makes. Lives in the simulator; `checkers::compaction` judges.

use engine::{base::TopicPartition, io::journal::checkpoint::Checkpoint, log::names};

use super::{
    checkers::{Verdict, compaction},
    world::World,
};

impl World {
    /// The disk holds a checkpoint.
    pub fn checkpointed(&mut self, checkpoint: &Checkpoint) -> Verdict {
        let now = self.now().wall;
        for one in &checkpoint.partitions {
            let changes = if self.is_deleted(one.partition) {
                Vec::new()
            } else {
                compaction::checkpointed(&self.disk, &self.model, one.partition, &one.directory, &one.log)?
            };
            let changed = !changes.is_empty();
            self.learn(one.partition, changes);
            self.model.checkpointed(one.partition, &one.log, now);
            if changed {
                compaction::compacted(&self.model, one.partition, &one.log)?;
            }
        }
        Ok(())
    }

    /// The node knows that its topic is no more: the files go, whatever a checkpoint that is on its way says of them.
    fn is_deleted(&self, id: TopicPartition) -> bool {
        let image = self.process.as_ref().map(|process| process.shards[0].image());
        image.is_some_and(|image| image.topic_by_id(id.topic).is_none())
    }

    /// What compaction left of some batches of a partition.
    pub fn learn(&mut self, id: TopicPartition, changes: compaction::Changes) {
        for (base, version) in changes {
            self.say(|| format!("{id:?}: of the batch at {base} are left {:?}", version.offsets));
            let partition = self.model.partitions.get_mut(&id);
            if let Some(compacted) = partition.and_then(|partition| partition.compacted.as_mut()) {
                compacted.learn(base, version);
            }
        }
    }

    /// A file is made: perhaps the cleaner's.
    pub fn cleaning_begins(&mut self, file: &str) -> Verdict {
        let Some((directory, name)) = file.rsplit_once('/') else { return Ok(()) };
        let base = names::of_cleaned(name).and_then(names::segment_of);
        let (Some(base), Some(id)) = (base, self.model.in_directory(directory)) else { return Ok(()) };
        compaction::begins(&self.model, id, base)?;
        let now = self.now().wall;
        let partition = self.model.partitions.get_mut(&id);
        if let Some(compacted) = partition.and_then(|partition| partition.compacted.as_mut()) {
            compacted.run = now;
        }
        Ok(())
    }
}
