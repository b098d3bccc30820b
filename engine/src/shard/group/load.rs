//! The groups of a partition from its log: read a chunk at a time, so that a start with millions of offsets serves everything
//! else meanwhile.

use std::collections::BTreeSet;

use super::{Home, Phase, append::InFlight};
use crate::{
    base::{Now, Offset, PartitionIndex, TopicId},
    error::ErrorCode,
    group::{
        record::{GroupRecord, RecordError},
        timers::GroupId,
        walk::Wanted,
    },
    limits::BATCH_BYTES_MAX,
    record::UncheckedBatch,
    shard::{
        Shard,
        command::{Bearer, Fetch, FetchPartition, Fetched},
    },
};

/// Partitions that one core reads at a time.
const LOADS_MAX: usize = 4;

/// One read: what a turn replays of a partition. A larger batch comes whole.
const LOAD_BYTES: u32 = 256 << 10;

/// Groups that go to work in one turn: each has its members' alarms set, and its offsets looked through. A core with
/// 10,000 of them serves everything else in between.
pub(super) const GROUPS_STARTED_PER_TURN: usize = 256;

impl Shard {
    pub(super) fn load_on(&mut self, now: Now) {
        let loading = |phase: Phase| matches!(phase, Phase::Loading { .. });
        let mut free = LOADS_MAX
            .saturating_sub(self.coordinator.homes.values().filter(|home| loading(home.phase)).count());
        let waiting: Vec<PartitionIndex> = self
            .coordinator
            .homes
            .iter()
            .filter(|(_, home)| home.phase == Phase::Waiting && home.appends == 0)
            .map(|(partition, _)| *partition)
            .collect();
        for partition in waiting {
            if free == 0 {
                return;
            }
            let Some(home) = self.coordinator.homes.get_mut(&partition) else { continue };
            // Its partition is opened with the image; until then there is nothing to read.
            let Some((_, log)) = self.table.lookup(home.id) else { continue };
            home.phase = Phase::Loading { next: log.live.start(), end: log.live.next() };
            self.read_on(now, partition);
            // An empty one, as all of a new topic are, is done already.
            let is_reading = |home: &Home| matches!(home.phase, Phase::Loading { .. });
            free -= usize::from(self.coordinator.homes.get(&partition).is_some_and(is_reading));
        }
    }

    /// Asks for the next chunk, or is done.
    fn read_on(&mut self, now: Now, partition: PartitionIndex) {
        let Some(home) = self.coordinator.homes.get_mut(&partition) else { return };
        let Phase::Loading { next, end } = home.phase else { return };
        let id = home.id;
        if next >= end {
            home.phase = Phase::Starting;
            return;
        }
        let (ticket, call) = self.ticket();
        self.coordinator.in_flight.insert(ticket, InFlight::Read { partition });
        let part = FetchPartition { partition: id, offset: next, bytes_max: LOAD_BYTES, leader_epoch: None };
        let bearer = Bearer::Memory;
        self.fetch(now, call, Fetch { partitions: vec![part], bytes_max: LOAD_BYTES, bearer });
    }

    pub(super) fn loaded_chunk(&mut self, now: Now, partition: PartitionIndex, mut answers: Vec<Fetched>) {
        let Some(home) = self.coordinator.homes.get_mut(&partition) else { return };
        let Phase::Loading { next, end } = home.phase else { return };
        let Some(answer) = answers.pop() else { return };
        match answer.error {
            ErrorCode::None => {}
            // Retention or compaction was faster: what is gone is not needed.
            ErrorCode::OffsetOutOfRange if answer.log_start > next => {
                home.phase = Phase::Loading { next: answer.log_start, end };
                self.read_on(now, partition);
                return;
            }
            error => {
                home.phase = Phase::Unreadable;
                let partition = partition.0;
                tracing::error!(partition, %error, "groups cannot be read: they have no coordinator until a start");
                return;
            }
        }
        let mut reached = next;
        for bytes in &answer.records {
            let mut rest: &[u8] = bytes;
            while let Ok((batch, behind)) = UncheckedBatch::split_first(rest) {
                rest = behind;
                reached = reached.max(batch.header().next_offset());
                self.replay(partition, batch);
            }
        }
        // Nothing behind this offset: what was there is compacted away.
        let reached = if reached == next { end } else { reached };
        if let Some(home) = self.coordinator.homes.get_mut(&partition) {
            home.phase = Phase::Loading { next: reached, end };
        }
        self.read_on(now, partition);
    }

    /// A record that is not understood is passed over and told: the others are worth having.
    fn replay(&mut self, partition: PartitionIndex, batch: UncheckedBatch<'_>) {
        let base = batch.header().base_offset;
        let records = batch.check().and_then(|batch| batch.records(BATCH_BYTES_MAX));
        let records = match records {
            Ok(records) if !records.header().is_control() => records,
            Ok(_) => return,
            Err(error) => return damaged(partition, base, &error.to_string()),
        };
        for record in &records {
            let record = match record {
                Ok(record) => record,
                Err(error) => return damaged(partition, base, &error.to_string()),
            };
            match GroupRecord::decode(record.key.unwrap_or_default(), record.value) {
                Ok(record) => self.coordinator.groups.apply(partition, &record),
                Err(RecordError::UnknownType(_)) => {}
                Err(error) => damaged(partition, record.offset, &error.to_string()),
            }
        }
    }

    /// The next groups of partitions that are read go to work.
    pub(super) fn start_on(&mut self, now: Now) {
        let mut left = GROUPS_STARTED_PER_TURN;
        let starts = |(_, home): &(&PartitionIndex, &Home)| home.phase == Phase::Starting;
        while let Some((&partition, home)) = self.coordinator.homes.iter().find(starts) {
            if left == 0 {
                self.wake = true;
                return;
            }
            let after = home.started.clone();
            let (started, effects) = self.coordinator.groups.start(now, partition, after, left);
            self.carry_out(now, effects);
            let gone = self.unknown_topics(&started);
            let Some(home) = self.coordinator.homes.get_mut(&partition) else { return };
            home.gone.extend(gone);
            if started.len() == left {
                home.started = started.last().cloned();
                left = 0;
                continue;
            }
            left -= started.len();
            (home.phase, home.started) = (Phase::Loaded, None);
            let gone = std::mem::take(&mut home.gone);
            if !gone.is_empty() {
                self.coordinator.groups.walk(Wanted::OfTopics(gone.into_iter().collect()));
                self.wake = true;
            }
        }
    }

    /// A stop may have come between a topic's end and that of its offsets.
    fn unknown_topics(&self, groups: &[GroupId]) -> BTreeSet<(String, TopicId)> {
        let mut gone = BTreeSet::new();
        for group in groups.iter().filter_map(|id| self.coordinator.groups.group(id)) {
            for (name, partitions) in group.offsets.topics() {
                let ids = partitions.values().map(|committed| committed.topic).filter(|id| !id.is_zero());
                let unknown = ids.filter(|id| self.image.topic_by_id(*id).is_none());
                gone.extend(unknown.map(|id| (name.to_string(), id)));
            }
        }
        gone
    }
}

fn damaged(partition: PartitionIndex, offset: Offset, reason: &str) {
    let (partition, offset) = (partition.0, offset.0);
    tracing::error!(partition, offset, reason, "a record of groups is not understood and passed over");
}
