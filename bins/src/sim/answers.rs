//! What clients make of replies: each is checked against the model, then the model learns from it. Lives in the simulator.

use engine::{
    base::{Offset, Timestamp, TopicPartition},
    config::Durability,
    controller::Outcome,
    error::ErrorCode,
    shard::command::{Acks, CallId, Fetched, OffsetAnswer, OffsetSpec, Produced, RecordsDeleted, Reply},
};

use super::{
    checkers::{Promise, Verdict, acknowledged, compaction, durable, failure, offsets, stale, starts},
    clients::Asked,
    model::{Existence, Fate, SentNumber, TopicModel},
    world::World,
};

impl World {
    pub fn answered(&mut self, call: CallId, reply: Reply) -> Verdict {
        let Some((client, asked)) = self.clients.calls.remove(&call) else {
            return Promise::Answers
                .broken(format!("call {} is answered, and nobody waits for it", call.number));
        };
        self.clients.clients[client].under_way -= 1;
        match (asked, reply) {
            (Asked::Produce { acks, batches }, Reply::Produced(answers))
                if batches.len() == answers.len() =>
            {
                for (number, answer) in batches.into_iter().zip(answers) {
                    self.produced(client, acks, number, &answer)?;
                }
                Ok(())
            }
            (Asked::Fetch { partitions, at }, Reply::Fetched(answers))
                if partitions.len() == answers.len() =>
            {
                let mut anything = false;
                for ((id, offset, floor), answer) in partitions.into_iter().zip(answers) {
                    self.fetched(client, id, (offset, floor, at), &answer, anything)?;
                    anything |= !answer.is_empty();
                }
                Ok(())
            }
            (Asked::Offsets { partition, spec, floor, durable }, Reply::OffsetsListed(answers)) => {
                match answers.first() {
                    Some(answer) => self.listed(partition, spec, (floor, durable), answer),
                    None => Promise::Answers.broken("ListOffsets is answered with nothing"),
                }
            }
            (Asked::Deletion { partition, before, durable }, Reply::RecordsDeleted(answers)) => {
                match answers.first() {
                    Some(answer) => self.deleted(partition, before, durable, answer),
                    None => Promise::Answers.broken("DeleteRecords is answered with nothing"),
                }
            }
            (Asked::Watch, Reply::Watched) => Ok(()),
            (Asked::Create(id), Reply::Controlled(Outcome::TopicsCreated(created))) => {
                match created.first().map(|one| &one.result) {
                    Some(Ok(_)) => self.model.set_existence(id, Existence::Live),
                    other => {
                        return Promise::MetadataKept
                            .broken(format!("a topic with a free name is refused: {other:?}"));
                    }
                }
                Ok(())
            }
            (Asked::Delete(id), Reply::Controlled(Outcome::TopicsDeleted(deleted))) => {
                match deleted.first().map(|one| &one.result) {
                    Some(Ok(())) => self.model.set_existence(id, Existence::Gone),
                    other => {
                        return Promise::MetadataKept
                            .broken(format!("a live topic cannot be deleted: {other:?}"));
                    }
                }
                Ok(())
            }
            (Asked::Grow(id), Reply::Controlled(Outcome::PartitionsCreated(grown))) => {
                let wanted = self.model.topics.get(&id).and_then(|topic| topic.growing);
                match (grown.first().map(|one| &one.result), wanted) {
                    (Some(Ok(())), Some(count)) => self.model.has_partitions(id, count),
                    other => {
                        return Promise::MetadataKept.broken(format!("a live topic cannot grow: {other:?}"));
                    }
                }
                Ok(())
            }
            (
                Asked::Create(_) | Asked::Delete(_) | Asked::Grow(_),
                Reply::Controlled(Outcome::Refused(refusal)),
            ) => {
                // What was asked for is in doubt until the next start.
                failure::storage_error(
                    "a change of the metadata",
                    self.faults + u64::from(self.clients.resting),
                )?;
                self.say(|| format!("refused: {}", refusal.message));
                Ok(())
            }
            (Asked::Group { life, wish }, Reply::Group(reply)) => self.told(client, life, wish, reply),
            (asked, reply) => Promise::Answers.broken(format!("{asked:?} is answered with {reply:?}")),
        }
    }

    fn produced(&mut self, client: usize, acks: Acks, number: SentNumber, answer: &Produced) -> Verdict {
        let (id, records) = (self.model.sent[number].partition, self.model.sent[number].records);
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::KafkaStorageError => failure::storage_error("a produce", self.faults)?,
            ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownTopicOrPartition => {}
            ErrorCode::OutOfOrderSequenceNumber if self.may_miss_sequences(client, id, number) => {}
            other => {
                let why = answer.message.clone().unwrap_or_default();
                return Promise::Answers
                    .broken(format!("{id:?}: batch {number} is refused with {other}: {why}"));
            }
        }
        if answer.error != ErrorCode::None {
            self.clients.begin_anew(client, id, number);
            if self.model.sent[number].repeated {
                // A refusal now says nothing about an answer that never came.
                return Ok(());
            }
            self.model.sent[number].fate = Fate::Refused;
            let placed = self.model.partitions.get(&id).and_then(|partition| {
                partition.batches.iter().find(|(_, placed)| placed.sent == number).map(|(base, _)| *base)
            });
            return Promise::NoStaleContent.holds(placed.is_none(), || {
                format!("{id:?}: batch {number} is refused, and is at {placed:?}")
            });
        }
        self.model.sent[number].fate = Fate::Taken(answer.base_offset);
        self.clients.confirmed(client, id, number);
        acknowledged::placed_as_told(&self.model, number, answer)?;
        match acks {
            Acks::None => Ok(()),
            Acks::Leader | Acks::All => {
                durable::acknowledged(&self.model, id, answer.base_offset.plus(records))
            }
        }
    }

    /// A gap in the numbers of an idempotent producer is nobody's fault if what was acknowledged could be lost (durability async), or
    /// if a batch before this one was refused, perhaps for a failing device and not answered yet.
    fn may_miss_sequences(&self, client: usize, id: TopicPartition, number: SentNumber) -> bool {
        let durability = self.model.partitions.get(&id).map(|partition| partition.durability);
        durability != Some(Durability::Sync) || self.faults > 0 || !self.clients.waits_for(client, id, number)
    }

    fn fetched(
        &mut self,
        client: usize,
        id: TopicPartition,
        (asked, floor, asked_at): (Offset, Offset, u64),
        answer: &Fetched,
        anything: bool,
    ) -> Verdict {
        let Some(partition) = self.model.partitions.get(&id) else { return Ok(()) };
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::KafkaStorageError => return failure::storage_error("a fetch", self.faults),
            ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownTopicOrPartition => return Ok(()),
            // The batch that the client saw being written may still wait for its place.
            ErrorCode::OffsetOutOfRange if asked > partition.durable => return Ok(()),
            ErrorCode::OffsetOutOfRange if asked < partition.starts.durable => {
                self.clients.clients[client].positions.remove(&id);
                return Ok(());
            }
            other => {
                return Promise::Answers
                    .broken(format!("{id:?}: a fetch at {asked} is refused with {other}"));
            }
        }
        starts::fetched(&self.model, id, asked, floor, answer)?;
        durable::visible(&self.model, id, answer.high_watermark)?;
        let bytes = answer.records.concat();
        let nothing = bytes.is_empty() && asked < answer.high_watermark && !anything;
        Promise::Answers.holds(!nothing, || {
            format!(
                "{id:?}: a fetch at {asked} gets nothing below the high watermark {}",
                answer.high_watermark
            )
        })?;
        let compacted = partition.compacted.is_some();
        let batches = offsets::fetched(id, asked, answer.high_watermark, &bytes, compacted)?;
        if compacted {
            let read: Vec<_> = batches.iter().map(|(base, range)| (*base, &bytes[range.clone()])).collect();
            let shown = compaction::fetched(&self.model, id, (asked, asked_at), &read)?;
            let clock = self.clock;
            let partition = self.model.partitions.get_mut(&id);
            if let Some(compacted) = partition.and_then(|partition| partition.compacted.as_mut()) {
                shown.into_iter().for_each(|(base, version)| compacted.show(base, version, clock));
            }
        } else {
            for (base, range) in &batches {
                stale::unchanged(&self.model, id, *base, &bytes[range.clone()])?;
            }
        }
        if let Some((base, _)) = batches.last() {
            let next = partition_next(self, id, *base);
            self.clients.clients[client].positions.insert(id, next);
        }
        Ok(())
    }

    fn deleted(
        &mut self,
        id: TopicPartition,
        before: Option<Offset>,
        durable: Offset,
        answer: &RecordsDeleted,
    ) -> Verdict {
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::KafkaStorageError => return failure::storage_error("DeleteRecords", self.faults),
            ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownTopicOrPartition => return Ok(()),
            ErrorCode::PolicyViolation
                if self.model.topics.get(&id.topic).is_some_and(TopicModel::is_only_compacted) =>
            {
                return Ok(());
            }
            other => {
                return Promise::Answers.broken(format!(
                    "{id:?}: to delete up to {before:?} is refused with {other}, and the end was {durable}"
                ));
            }
        }
        starts::told(&self.model, id, before, answer)?;
        if let Some(partition) = self.model.partitions.get_mut(&id) {
            partition.starts.told = partition.starts.told.max(answer.low_watermark);
        }
        Ok(())
    }

    /// `floor` and `known`: where the partition was known to begin and to reach when it was asked.
    fn listed(
        &self,
        id: TopicPartition,
        spec: OffsetSpec,
        (floor, known): (Offset, Offset),
        answer: &OffsetAnswer,
    ) -> Verdict {
        let Some(partition) = self.model.partitions.get(&id) else { return Ok(()) };
        match answer.error {
            ErrorCode::None => {}
            ErrorCode::KafkaStorageError => return failure::storage_error("ListOffsets", self.faults),
            ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownTopicOrPartition => return Ok(()),
            other => return Promise::Answers.broken(format!("{id:?}: ListOffsets is refused with {other}")),
        }
        let wrong =
            |why: String| Promise::Answers.broken(format!("{id:?}: {spec:?} is answered {answer:?}: {why}"));
        let durable_start = partition.starts.durable;
        let first_written = |time: Timestamp, start: Offset, below: Offset| {
            let batches = partition.batches.range(..below).filter(|(_, placed)| placed.next > start);
            batches
                .filter_map(|(base, placed)| {
                    let sent = &self.model.sent[placed.sent];
                    let skip = (time.0 - sent.time).max(start.0 - base.0).max(0);
                    (skip < sent.records).then(|| (base.plus(skip), Timestamp(sent.time + skip)))
                })
                .next()
        };
        // What compaction took away meanwhile may have been found.
        let first_from = |time: Timestamp, start: Offset, below: Offset| {
            let Some(compacted) = &partition.compacted else { return first_written(time, start, below) };
            let batches = partition.batches.range(..below).filter(|(_, placed)| placed.next > start);
            let mut records = batches.flat_map(|(base, placed)| {
                let sent = &self.model.sent[placed.sent];
                let time = sent.time - base.0;
                let offsets = compacted.offsets(*base, sent.records).into_iter();
                offsets.map(move |offset| (offset, Timestamp(time + offset.0)))
            });
            records.find(|(offset, at)| *offset >= start && *at >= time)
        };
        match spec {
            OffsetSpec::Earliest if answer.offset < floor || answer.offset > durable_start => {
                wrong(format!("the log began at {floor}, and begins at {durable_start}"))
            }
            OffsetSpec::Latest if answer.offset < known => wrong(format!("it held {known} before")),
            OffsetSpec::Latest => durable::visible(&self.model, id, answer.offset),
            OffsetSpec::At(time) if answer.offset.0 < 0 => match first_from(time, durable_start, known) {
                Some(found) => wrong(format!("{found:?} is there")),
                None => Ok(()),
            },
            OffsetSpec::At(time) => match first_written(time, answer.offset, partition.built) {
                // Nothing before it either, but for what was deleted meanwhile.
                Some(found)
                    if found == (answer.offset, answer.timestamp)
                        && answer.offset >= floor
                        && first_from(time, durable_start, partition.built)
                            .is_none_or(|first| first.0 >= answer.offset) =>
                {
                    Ok(())
                }
                other => wrong(format!("the first record at or after the time is {other:?}")),
            },
            _ => Ok(()),
        }
    }
}

fn partition_next(world: &World, id: TopicPartition, base: Offset) -> Offset {
    let placed = world.model.partitions.get(&id).and_then(|partition| partition.batches.get(&base));
    placed.map_or(base, |placed| placed.next)
}
