//! What members make of their coordinators' answers: each is judged, then the member goes on. And what the journals say of groups. Lives
//! in the simulator.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    base::{Offset, PartitionIndex, TopicPartition},
    error::{ErrorCode, Refusal},
    group::{
        consumer::ConsumerHeartbeatReply,
        request::{Joined, Reply, Synced},
    },
    record::BatchHeader,
};

use super::{
    checkers::{Promise, Verdict, Violation, failure, groups},
    compacted::Keyed,
    coordinated::{self, Holding, Part},
    members::{State, Wish, decode_parts},
    model::{Fate, Sent, SentNumber},
    world::World,
};

impl World {
    /// A group's request is answered.
    pub fn told(&mut self, client: usize, life: u64, wish: Wish, reply: Reply) -> Verdict {
        let number = client - self.members.first;
        let member = &self.members.members[number];
        let group = member.group.clone();
        let lives = member.life == life;
        match (wish, reply) {
            (Wish::Join { floor }, Reply::Joined(joined)) => {
                if joined.error == ErrorCode::None {
                    groups::joined(&group, joined.generation, floor)?;
                }
                if lives { self.joined(number, &joined) } else { Ok(()) }
            }
            (Wish::Sync { generation, member }, Reply::Synced(synced)) => {
                self.synced(number, lives, (generation, member), &synced)
            }
            (Wish::Heartbeat, Reply::Heartbeat(code)) => {
                if lives && self.members.members[number].state == State::In {
                    self.heard(number, code)?;
                }
                Ok(())
            }
            (Wish::Leave { member }, Reply::Left(left)) => {
                if left.error == ErrorCode::None && left.members == [ErrorCode::None] {
                    self.model.groups.departed.insert((group, member));
                }
                Ok(())
            }
            (Wish::Leave { member }, Reply::ConsumerHeartbeat(answer)) => {
                if answer.is_ok() && self.members.members[number].instance().is_none() {
                    self.model.groups.departed.insert((group, member));
                }
                Ok(())
            }
            (Wish::Commit { positions, stale }, Reply::Committed(topics)) => {
                for (position, value) in positions {
                    let topic = topics.iter().find(|topic| topic.name == position.1);
                    let code = topic.and_then(|topic| {
                        topic.partitions.iter().find(|(partition, _)| *partition == position.2)
                    });
                    match code {
                        Some((_, ErrorCode::None)) => {
                            groups::committed(&self.model, &position, value, stale)?;
                        }
                        Some((_, code)) => self.group_error("a commit", *code)?,
                        None => return Promise::Answers.broken(format!("{position:?} is not answered")),
                    }
                }
                Ok(())
            }
            (Wish::Offsets { durable }, Reply::OffsetsFetched(found)) => match found.first() {
                Some(found) if found.error == ErrorCode::None => {
                    groups::fetched(&self.model, &group, &found.topics, durable)
                }
                Some(found) => self.group_error("OffsetFetch", found.error),
                None => Promise::Answers.broken("OffsetFetch is answered with nothing"),
            },
            (Wish::Consumer { member, epoch, at }, Reply::ConsumerHeartbeat(answer)) => {
                if lives {
                    self.led(number, (member, epoch, at), answer)
                } else {
                    Ok(())
                }
            }
            (wish, reply) => Promise::Answers.broken(format!("{wish:?} is answered with {reply:?}")),
        }
    }

    /// Codes that a member meets while others come and go and the node starts.
    fn group_error(&self, what: &str, code: ErrorCode) -> Verdict {
        use ErrorCode::{
            CoordinatorLoadInProgress, CoordinatorNotAvailable, FencedInstanceId, FencedMemberEpoch,
            GroupIdNotFound, IllegalGeneration, KafkaStorageError, MemberIdRequired, NotCoordinator,
            RebalanceInProgress, StaleMemberEpoch, UnknownMemberId, UnknownServerError, UnreleasedInstanceId,
            UnsupportedVersion,
        };
        match code {
            CoordinatorLoadInProgress
            | NotCoordinator
            | MemberIdRequired
            | RebalanceInProgress
            | IllegalGeneration
            | UnknownMemberId
            | FencedInstanceId
            | FencedMemberEpoch
            | StaleMemberEpoch
            | UnreleasedInstanceId
            | GroupIdNotFound => Ok(()),
            CoordinatorNotAvailable | UnknownServerError | KafkaStorageError | UnsupportedVersion => {
                failure::storage_error(what, self.faults)
            }
            code => Promise::Answers.broken(format!("{what} is refused with {code}")),
        }
    }

    fn joined(&mut self, number: usize, joined: &Joined) -> Verdict {
        if joined.error == ErrorCode::None {
            let others: Vec<String> = joined.members.iter().map(|member| member.id.to_string()).collect();
            let leads = *joined.leader == *joined.member && !joined.skip_assignment;
            let parts = if leads { self.deal(&others) } else { Vec::new() };
            let member = &mut self.members.members[number];
            (member.id, member.generation) = (joined.member.to_string(), joined.generation);
            member.state = State::Joined(parts);
            return Ok(());
        }
        self.group_error("JoinGroup", joined.error)?;
        let member = &mut self.members.members[number];
        match joined.error {
            ErrorCode::MemberIdRequired => member.id = joined.member.to_string(),
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => member.falls_out(false),
            _ => {}
        }
        Ok(())
    }

    fn synced(
        &mut self,
        number: usize,
        lives: bool,
        (generation, id): (i32, String),
        synced: &Synced,
    ) -> Verdict {
        let group = self.members.members[number].group.clone();
        let instance = self.members.members[number].instance().map(str::to_owned);
        if synced.error != ErrorCode::None {
            self.group_error("SyncGroup", synced.error)?;
            if lives {
                self.heard(number, synced.error)?;
            }
            return Ok(());
        }
        let parts = decode_parts(&synced.assignment);
        // A static member that came back has the part of who it was.
        let who = instance.unwrap_or(id);
        groups::synced(&self.model.groups, &group, generation, &who, &parts)?;
        let known = &mut self.model.groups;
        for part in &parts {
            known.parts.insert((group.clone(), generation, *part), who.clone());
        }
        let told = known.told.entry(group).or_insert(-1);
        *told = generation.max(*told);
        let member = &mut self.members.members[number];
        if lives && member.generation == generation {
            member.state = State::In;
        }
        Ok(())
    }

    /// A classic member learns whether it still is one.
    fn heard(&mut self, number: usize, code: ErrorCode) -> Verdict {
        let member = &mut self.members.members[number];
        match code {
            ErrorCode::None => {}
            ErrorCode::UnknownMemberId => {
                self.model.groups.departed.insert(member.key());
                member.falls_out(false);
            }
            ErrorCode::FencedInstanceId => member.falls_out(false),
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => member.falls_out(true),
            code => return self.group_error("a heartbeat", code),
        }
        Ok(())
    }

    /// A member of KIP-848 is led on.
    fn led(
        &mut self,
        number: usize,
        (id, epoch, at): (String, i32, u64),
        answer: Result<ConsumerHeartbeatReply, Refusal>,
    ) -> Verdict {
        let member = &mut self.members.members[number];
        if member.id != id {
            return Ok(());
        }
        let reply = match answer {
            Ok(reply) => reply,
            Err(refusal) => {
                match refusal.code {
                    ErrorCode::UnknownMemberId => {
                        self.model.groups.departed.insert(member.key());
                        self.model.groups.holdings.remove(&member.key());
                        member.falls_out(false);
                    }
                    ErrorCode::FencedMemberEpoch | ErrorCode::FencedInstanceId => {
                        self.model.groups.holdings.remove(&member.key());
                        member.falls_out(false);
                    }
                    _ => {}
                }
                return self.group_error("a heartbeat of KIP-848", refusal.code);
            }
        };
        groups::epoch_told(&member.group, &id, reply.epoch.0, epoch)?;
        (member.state, member.generation) = (State::In, reply.epoch.0);
        member.unanswered = false;
        if let Some(assignment) = reply.assignment {
            let parts = assignment.iter().flat_map(|(topic, partitions)| {
                partitions.iter().map(|partition| (*topic, partition.0)).collect::<Vec<Part>>()
            });
            let parts: BTreeSet<Part> = parts.collect();
            let all: Vec<Part> = parts.iter().copied().collect();
            let who = (&*member.group, &*id, member.instance());
            groups::assigned(&self.model.groups, who, &all, self.clock)?;
            member.tells |= member.parts != parts;
            member.parts = parts;
        }
        let holding = Holding {
            instance: member.instance().map(str::to_owned),
            parts: member.parts.clone(),
            heard: at,
        };
        self.model.groups.holdings.insert(member.key(), holding);
        Ok(())
    }

    /// A coordinator's batch goes into the journal: the model learns it as if a client had sent it.
    pub fn coordinator_wrote(
        &mut self,
        id: TopicPartition,
        base: Offset,
        bytes: &Bytes,
    ) -> Result<SentNumber, Violation> {
        let records = match coordinated::records(bytes) {
            Ok(records) => records,
            Err(error) => {
                return Promise::NoStaleContent.broken(format!("{id:?}: the batch at {base}: {error}"));
            }
        };
        let mut keys = Vec::new();
        for (offset, record) in &records {
            groups::written(&self.model.groups, record)?;
            self.model.groups.write(id.partition, *offset, record);
            let key = record.encode_key();
            // Two hashes: no two keys of a world have both.
            let key = u64::from(crc32c::crc32c(&key)) << 32 | u64::from(crc32c::crc32c_append(7, &key));
            keys.push(Keyed { key, tombstone: record.encode_value().is_none() });
        }
        let time = BatchHeader::parse(bytes).map_or(0, |header| header.base_timestamp.0);
        Ok(self.model.send(Sent {
            partition: id,
            bytes: bytes.clone(),
            records: records.len() as i64,
            keys,
            time,
            fate: Fate::Unknown,
            repeated: false,
            order: (usize::MAX, base.0 as u64),
        }))
    }

    /// Coordinators know what their logs say, whenever nothing is on its way. A device that fails refuses what they would have written.
    pub fn compare_groups(&self) -> Verdict {
        if self.faults > 0 {
            return Ok(());
        }
        let (Some(process), Some(topic)) = (&self.process, self.model.groups.topic) else { return Ok(()) };
        let image = process.shards[0].image();
        let Some(topic) = image.topic_by_id(topic) else { return Ok(()) };
        for (index, partition) in topic.partitions.iter().enumerate() {
            let Some(shard) = process.shards.get(partition.core.0 as usize) else { continue };
            if shard.groups_are_at_rest() {
                groups::equal(&self.model.groups, shard.groups(), PartitionIndex(index as i32))?;
            }
        }
        Ok(())
    }
}
