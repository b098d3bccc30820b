//! Members of groups: consumers of the classic protocol, whose leader assigns, and of KIP-848, to whom the coordinator assigns; both
//! static or not. They join, hear, commit, leave, crash and come back, and now and then one that is no member any more commits as if it
//! were. What they are told is in `membership`. Lives in the simulator.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::{
    base::{CoreId, Offset, PartitionIndex, TopicId},
    group::{
        consumer::{ConsumerHeartbeat, Epoch},
        request::{
            Commit, CommitPartition, CommitTopic, Heartbeat, Join, Leave, Leaving, MemberIds, OffsetsWanted,
            Protocol, Request, SkipAssignment, Sync,
        },
    },
    shard::{command::Command, group::OFFSETS_TOPIC},
};

use super::{
    clients::Asked,
    coordinated::{Part, Position, REBALANCE_MS, SESSION_MS},
    world::World,
};

/// Numbers that the leader of a classic group deals out.
const PARTS: i32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Classic,
    Consumer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Out,
    /// It has joined and asks for its part; the leader says what each shall have.
    Joined(Vec<(String, Vec<i32>)>),
    In,
}

#[derive(Debug)]
pub struct Member {
    pub group: String,
    pub speaks: Speaks,
    instance: Option<String>,
    /// Crashes so far: an answer to an earlier life says nothing to this one.
    pub life: u64,
    pub state: State,
    /// Empty: none yet.
    pub id: String,
    /// Generation or epoch.
    pub generation: i32,
    pub parts: BTreeSet<Part>,
    /// It has not told the coordinator yet what it has.
    pub tells: bool,
    /// Its last heartbeat was not answered, or with an error.
    pub unanswered: bool,
    /// Who it was: member and generation.
    pub past: Option<(String, i32)>,
}

/// What a member asked.
#[derive(Clone, Debug)]
pub enum Wish {
    /// `floor`: a generation of which somebody had been told a part.
    Join {
        floor: i32,
    },
    Sync {
        generation: i32,
        member: String,
    },
    Heartbeat,
    Leave {
        member: String,
    },
    /// `stale`: why it must be refused.
    Commit {
        positions: Vec<(Position, i64)>,
        stale: Option<&'static str>,
    },
    /// `durable`: what the disk held of the group's log.
    Offsets {
        durable: Offset,
    },
    Consumer {
        member: String,
        epoch: i32,
        at: u64,
    },
}

#[derive(Debug, Default)]
pub struct Members {
    pub members: Vec<Member>,
    /// The client that is the first member.
    pub first: usize,
    value: i64,
    entropy: u64,
}

impl Members {
    pub fn new(first: usize, count: usize) -> Members {
        let member = |number: usize| {
            let speaks = if number.is_multiple_of(2) { Speaks::Classic } else { Speaks::Consumer };
            let kind = if speaks == Speaks::Classic { "classic" } else { "consumer" };
            let group = format!("{kind}-{}", number / 2 % 2);
            let instance = number.is_multiple_of(3).then(|| format!("instance-{number}"));
            let (id, parts) = (String::new(), BTreeSet::new());
            let (state, life, generation) = (State::Out, 0, -1);
            let (tells, unanswered, past) = (false, false, None);
            Member { group, speaks, instance, life, state, id, generation, parts, tells, unanswered, past }
        };
        Members { members: (0..count).map(member).collect(), first, value: 0, entropy: 0 }
    }

    fn entropy(&mut self) -> [u8; 16] {
        self.entropy += 1;
        let mut bytes = [0x5a; 16];
        bytes[8..].copy_from_slice(&self.entropy.to_be_bytes());
        bytes
    }
}

impl Member {
    pub fn key(&self) -> (String, String) {
        (self.group.clone(), self.id.clone())
    }

    pub fn instance(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    /// It begins anew, as nobody or as who it was.
    pub fn falls_out(&mut self, keeps_id: bool) {
        if !self.id.is_empty() && self.generation >= 0 {
            self.past = Some((self.id.clone(), self.generation));
        }
        (self.state, self.generation) = (State::Out, -1);
        self.parts.clear();
        if !keeps_id {
            self.id.clear();
        }
    }
}

/// What a leader assigns, as bytes.
pub fn encode_parts(parts: &[i32]) -> Bytes {
    parts.iter().map(|part| *part as u8).collect()
}

pub fn decode_parts(bytes: &[u8]) -> Vec<i32> {
    bytes.iter().map(|part| i32::from(*part)).collect()
}

impl World {
    /// A member does something.
    pub fn act(&mut self, client: usize) {
        let number = client - self.members.first;
        let group = self.members.members[number].group.clone();
        let Some(owner) = self.coordinator(&group) else { return };
        let member = &mut self.members.members[number];
        let luck = self.random.u8(0..100);
        if luck == 0 && member.state != State::Out {
            // It crashes: nobody is told.
            member.life += 1;
            member.falls_out(false);
            return;
        }
        let is_in = member.state == State::In;
        let speaks = member.speaks;
        match luck {
            1..=6 => self.ask_for_offsets(client, owner, &group),
            7..=30 if is_in => self.commit(client, owner),
            31..=34 => self.commit_as_it_was(client, owner),
            35..=37 if is_in => self.leave(client, owner),
            38 | 39 if is_in && speaks == Speaks::Classic => member.state = State::Out,
            _ if speaks == Speaks::Consumer => self.hear(client, owner),
            _ => match member.state.clone() {
                State::Out => self.join(client, owner),
                State::Joined(parts) => self.sync(client, owner, parts),
                State::In => {
                    let heartbeat = Heartbeat {
                        group,
                        generation: member.generation,
                        member: member.id.clone(),
                        instance: member.instance.clone(),
                    };
                    self.wish(client, owner, Wish::Heartbeat, Request::Heartbeat(heartbeat));
                }
            },
        }
    }

    /// The core that coordinates a group.
    fn coordinator(&self, group: &str) -> Option<CoreId> {
        let id = self.model.groups.partition_of(group)?;
        let image = self.process.as_ref()?.shards[0].image();
        let topic = image.topic(OFFSETS_TOPIC)?;
        topic.partitions.get(id.partition.0 as usize).map(|partition| partition.core)
    }

    fn wish(&mut self, client: usize, owner: CoreId, wish: Wish, request: Request) {
        let life = self.members.members[client - self.members.first].life;
        self.ask(client, owner, Asked::Group { life, wish }, Command::Group(request));
    }

    fn join(&mut self, client: usize, owner: CoreId) {
        let entropy = self.members.entropy();
        let member = &self.members.members[client - self.members.first];
        let known = &self.model.groups;
        let join = Join {
            group: member.group.clone(),
            member: member.id.clone(),
            instance: member.instance.clone(),
            client: Default::default(),
            session_timeout_ms: SESSION_MS as i32,
            rebalance_timeout_ms: REBALANCE_MS as i32,
            protocol_type: "sim".into(),
            protocols: vec![Protocol { name: "deal".into(), metadata: Bytes::from_static(b"m") }],
            reason: None,
            ids: MemberIds::Required,
            skip_assignment: SkipAssignment::Understood,
            entropy,
        };
        let floor = known.told.get(&member.group).copied().unwrap_or(-1);
        self.wish(client, owner, Wish::Join { floor }, Request::Join(join));
    }

    fn sync(&mut self, client: usize, owner: CoreId, parts: Vec<(String, Vec<i32>)>) {
        let member = &self.members.members[client - self.members.first];
        let assignments = parts.into_iter().map(|(id, parts)| (id, encode_parts(&parts))).collect();
        let sync = Sync {
            group: member.group.clone(),
            generation: member.generation,
            member: member.id.clone(),
            instance: member.instance.clone(),
            protocol_type: Some("sim".into()),
            protocol: Some("deal".into()),
            assignments,
        };
        let wish = Wish::Sync { generation: member.generation, member: member.id.clone() };
        self.wish(client, owner, wish, Request::Sync(sync));
    }

    /// What each of these members shall have.
    pub fn deal(&mut self, members: &[String]) -> Vec<(String, Vec<i32>)> {
        let shift = self.random.usize(0..members.len().max(1));
        let mut parts: Vec<(String, Vec<i32>)> = members.iter().map(|id| (id.clone(), Vec::new())).collect();
        for part in 0..PARTS {
            let count = parts.len().max(1);
            if let Some((_, own)) = parts.get_mut((part as usize + shift) % count) {
                own.push(part);
            }
        }
        parts
    }

    fn leave(&mut self, client: usize, owner: CoreId) {
        let number = client - self.members.first;
        let member = &mut self.members.members[number];
        let (group, id, instance) = (member.group.clone(), member.id.clone(), member.instance.clone());
        let wish = Wish::Leave { member: id.clone() };
        if member.speaks == Speaks::Consumer {
            self.model.groups.holdings.remove(&member.key());
            member.falls_out(false);
            let epoch = if instance.is_some() { Epoch::LEAVE_STATIC } else { Epoch::LEAVE };
            let heartbeat = self.heartbeat(number, id, epoch, None, None);
            self.wish(client, owner, wish, Request::ConsumerHeartbeat(Box::new(heartbeat)));
        } else {
            member.falls_out(false);
            let leaving = Leaving { member: id, instance, reason: None };
            self.wish(client, owner, wish, Request::Leave(Leave { group, members: vec![leaving] }));
        }
    }

    /// A heartbeat of KIP-848; one out of the group joins.
    fn hear(&mut self, client: usize, owner: CoreId) {
        let number = client - self.members.first;
        let at = self.clock;
        let entropy = self.members.entropy();
        let topics: Vec<String> =
            self.model.live_topics().iter().filter_map(|id| self.topic_name(*id)).collect();
        let member = &mut self.members.members[number];
        if member.id.is_empty() {
            member.id =
                format!("m-{}", entropy[8..].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }
        let joins = member.state == State::Out;
        let epoch = if joins { Epoch::JOIN } else { Epoch(member.generation) };
        // As clients do it: after an answer that was lost, or an error, it says all again, and is told all.
        let says_all = std::mem::replace(&mut member.unanswered, true) || joins;
        let owned = std::mem::take(&mut member.tells) || says_all;
        let owned = if joins { Some(Vec::new()) } else { owned.then(|| grouped(&member.parts)) };
        let wish = Wish::Consumer { member: member.id.clone(), epoch: member.generation, at };
        let id = member.id.clone();
        let heartbeat = self.heartbeat(number, id, epoch, says_all.then_some(topics), owned);
        self.wish(client, owner, wish, Request::ConsumerHeartbeat(Box::new(heartbeat)));
    }

    fn heartbeat(
        &mut self,
        number: usize,
        id: String,
        epoch: Epoch,
        topics: Option<Vec<String>>,
        owned: Option<Vec<(TopicId, Vec<PartitionIndex>)>>,
    ) -> ConsumerHeartbeat {
        let entropy = self.members.entropy();
        let member = &self.members.members[number];
        ConsumerHeartbeat {
            group: member.group.clone(),
            member: id,
            epoch,
            instance: member.instance.clone(),
            rack: None,
            rebalance_timeout_ms: if topics.is_some() { REBALANCE_MS as i32 } else { -1 },
            topics,
            regex: None,
            assignor: None,
            owned,
            client_id: "sim".into(),
            client_host: "/127.0.0.1".into(),
            version: 1,
            entropy,
        }
    }

    pub fn topic_name(&self, id: TopicId) -> Option<String> {
        self.model.topics.get(&id).map(|topic| topic.name.clone())
    }

    fn commit(&mut self, client: usize, owner: CoreId) {
        let member = &self.members.members[client - self.members.first];
        let (id, generation) = (member.id.clone(), member.generation);
        self.commit_as(client, owner, id, generation);
    }

    /// A member that is none any more, or of an earlier generation, and does not know.
    fn commit_as_it_was(&mut self, client: usize, owner: CoreId) {
        let past = self.members.members[client - self.members.first].past.clone();
        if let Some((id, generation)) = past {
            self.commit_as(client, owner, id, generation);
        }
    }

    fn commit_as(&mut self, client: usize, owner: CoreId, id: String, generation: i32) {
        let member = &self.members.members[client - self.members.first];
        let (group, instance, speaks) = (member.group.clone(), member.instance.clone(), member.speaks);
        let topics = self.model.live_topics();
        let Some(topic) = self.random.choice(topics) else { return };
        let Some(name) = self.topic_name(topic) else { return };
        let known = &self.model.groups;
        let stale = if known.is_departed(&group, &id, self.faults) {
            Some("its member was none any more when it was sent")
        } else if speaks == Speaks::Classic && known.told.get(&group).is_some_and(|told| *told > generation) {
            Some("a later generation had been told its parts when it was sent")
        } else {
            None
        };
        let mut positions = Vec::new();
        let mut partitions = Vec::new();
        for _ in 0..self.random.usize(1..=2) {
            self.members.value += 1;
            let partition = PartitionIndex(self.random.i32(0..3));
            if partitions.iter().any(|one: &CommitPartition| one.partition == partition) {
                continue;
            }
            let offset = self.members.value;
            positions.push(((group.clone(), name.clone(), partition), offset));
            partitions.push(CommitPartition { partition, offset, leader_epoch: -1, metadata: None });
        }
        let commit = Commit {
            group,
            generation,
            member: id,
            instance: instance.filter(|_| speaks == Speaks::Classic),
            retention_ms: None,
            topics: vec![CommitTopic { name, id: topic, partitions }],
            version: 9,
        };
        self.wish(client, owner, Wish::Commit { positions, stale }, Request::Commit(commit));
    }

    fn ask_for_offsets(&mut self, client: usize, owner: CoreId, group: &str) {
        let Some(id) = self.model.groups.partition_of(group) else { return };
        let durable = self.model.partitions.get(&id).map_or(Offset(0), |partition| partition.durable);
        let wanted = OffsetsWanted { group: group.to_owned(), member: None, member_epoch: -1, topics: None };
        self.wish(client, owner, Wish::Offsets { durable }, Request::FetchOffsets(vec![wanted]));
    }
}

/// By topic.
fn grouped(parts: &BTreeSet<Part>) -> Vec<(TopicId, Vec<PartitionIndex>)> {
    let mut topics: Vec<(TopicId, Vec<PartitionIndex>)> = Vec::new();
    for (topic, partition) in parts {
        match topics.last_mut().filter(|(last, _)| last == topic) {
            Some((_, partitions)) => partitions.push(PartitionIndex(*partition)),
            None => topics.push((*topic, vec![PartitionIndex(*partition)])),
        }
    }
    topics
}
