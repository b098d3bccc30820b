//! Clients of the simulated node: producers, consumers, and an administrator (`administrator`). Each has a home core, as a
//! connection has, and asks the core that owns a partition. Lives in the simulator.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use engine::{
    base::{
        CoreId, Deadline, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId,
        TopicPartition,
    },
    record::{BatchBuilder, Codec, RecordData, RecordHeader},
    shard::command::{
        Acks, Bearer, CallId, Command, DeleteBefore, Fetch, FetchPartition, Message, OffsetQuery, OffsetSpec,
        Produce, ProducePartition, RecordsDeletion, Watch,
    },
};

use super::{
    compacted::Keyed,
    members::Wish,
    model::{Fate, Sent, SentNumber, TopicModel},
    plan::{MICROSECOND, MILLISECOND, Plan},
    world::{Event, World},
};

/// Requests that one client has under way.
const REQUESTS_MAX: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Producer,
    Consumer,
    Administrator,
    /// Of a group (`members`).
    Member,
}

#[derive(Debug)]
pub struct Client {
    kind: Kind,
    core: CoreId,
    pub under_way: u32,
    /// Batches sent so far, by partition.
    sent: BTreeMap<TopicPartition, u64>,
    /// It numbers its batches, and repeats what was not answered.
    idempotent: bool,
    lines: BTreeMap<TopicPartition, Line>,
    /// Where it goes on reading.
    pub positions: BTreeMap<TopicPartition, Offset>,
}

/// An idempotent producer's batches to one partition.
#[derive(Debug)]
pub struct Line {
    producer: ProducerId,
    next: Sequence,
    /// Not acknowledged, oldest first.
    open: VecDeque<SentNumber>,
    /// Of those, sent to a process that died: they are sent again, as they were, before anything new.
    again: VecDeque<SentNumber>,
}

/// What was asked.
#[derive(Clone, Debug)]
pub enum Asked {
    Produce {
        acks: Acks,
        batches: Vec<SentNumber>,
    },
    /// Each with the offset asked for, and where the partition was known to begin then.
    Fetch {
        partitions: Vec<(TopicPartition, Offset, Offset)>,
        /// When.
        at: u64,
    },
    /// `floor` and `durable`: where the partition was known to begin and to reach when it was asked.
    Offsets {
        partition: TopicPartition,
        spec: OffsetSpec,
        floor: Offset,
        durable: Offset,
    },
    /// `before`: none is the high watermark. `durable`: where the partition was known to reach.
    Deletion {
        partition: TopicPartition,
        before: Option<Offset>,
        durable: Offset,
    },
    Watch,
    /// By a member in this of its lives.
    Group {
        life: u64,
        wish: Wish,
    },
    Create(TopicId),
    Delete(TopicId),
    Grow(TopicId),
}

#[derive(Debug, Default)]
pub struct Clients {
    pub clients: Vec<Client>,
    pub calls: BTreeMap<CallId, (usize, Asked)>,
    call_number: u64,
    pub topic_number: u64,
    producer_number: i64,
    /// They finish what they asked and ask nothing more.
    pub resting: bool,
}

impl Clients {
    pub fn new(plan: &Plan) -> Clients {
        let kinds = std::iter::once(Kind::Administrator)
            .chain(std::iter::repeat_n(Kind::Producer, plan.producers))
            .chain(std::iter::repeat_n(Kind::Consumer, plan.consumers))
            .chain(std::iter::repeat_n(Kind::Member, plan.members));
        let client = |(number, kind)| Client {
            kind,
            core: CoreId(0),
            under_way: 0,
            sent: BTreeMap::new(),
            idempotent: number % 2 == 1,
            lines: BTreeMap::new(),
            positions: BTreeMap::new(),
        };
        Clients { clients: kinds.enumerate().map(client).collect(), ..Clients::default() }
    }

    pub fn is_deleting(&self) -> bool {
        self.calls.values().any(|(_, asked)| matches!(asked, Asked::Delete(_)))
    }

    /// A batch was acknowledged.
    pub fn confirmed(&mut self, client: usize, partition: TopicPartition, number: SentNumber) {
        if let Some(line) = self.clients[client].lines.get_mut(&partition) {
            line.open.retain(|open| *open != number);
        }
    }

    /// Whether the producer still counts on an answer to this batch.
    pub fn waits_for(&self, client: usize, partition: TopicPartition, number: SentNumber) -> bool {
        self.clients[client].lines.get(&partition).is_some_and(|line| line.open.contains(&number))
    }

    /// A batch was refused: the producer begins anew.
    pub fn begin_anew(&mut self, client: usize, partition: TopicPartition, number: SentNumber) {
        if self.waits_for(client, partition, number) {
            self.clients[client].lines.remove(&partition);
        }
    }

    fn line(&mut self, client: usize, partition: TopicPartition) -> &mut Line {
        let numbers = &mut self.producer_number;
        self.clients[client].lines.entry(partition).or_insert_with(|| {
            *numbers += 1;
            let producer = ProducerId(*numbers);
            Line { producer, next: Sequence(0), open: VecDeque::new(), again: VecDeque::new() }
        })
    }
}

impl World {
    fn cores(&self) -> u16 {
        self.process.as_ref().map_or(0, |process| process.shards.len() as u16)
    }

    /// Everybody connects to the new process.
    pub fn start_clients(&mut self) {
        let cores = self.cores();
        self.clients.calls.clear();
        self.clients.resting = false;
        for number in 0..self.clients.clients.len() {
            let core = CoreId(self.random.u16(0..cores));
            let client = &mut self.clients.clients[number];
            (client.core, client.under_way) = (core, 0);
            for line in client.lines.values_mut() {
                line.again = line.open.clone();
            }
            client.positions.clear();
            let after = self.random.u64(0..200 * MICROSECOND);
            self.schedule(after, Event::Client(number));
        }
    }

    pub fn wake_client(&mut self, number: usize) {
        if self.clients.resting {
            return;
        }
        let (kind, under_way) = (self.clients.clients[number].kind, self.clients.clients[number].under_way);
        if under_way < REQUESTS_MAX {
            match kind {
                Kind::Producer => self.produce(number),
                Kind::Consumer => self.consume(number),
                Kind::Administrator if under_way == 0 => self.administer(number),
                Kind::Member if under_way == 0 => self.act(number),
                Kind::Administrator | Kind::Member => {}
            }
        }
        let pause = match kind {
            Kind::Administrator => 3 * MILLISECOND,
            Kind::Member => MILLISECOND,
            Kind::Producer | Kind::Consumer => 200 * MICROSECOND,
        };
        let after = self.random.u64(10 * MICROSECOND..pause);
        self.schedule(after, Event::Client(number));
    }

    /// Sends a command from the client's core to its owner.
    pub fn ask(&mut self, number: usize, owner: CoreId, asked: Asked, command: Command) {
        let origin = self.clients.clients[number].core;
        self.clients.call_number += 1;
        let call = CallId { origin, number: self.clients.call_number };
        self.say(|| {
            format!("client {number} on core {origin} asks core {owner}, call {}: {asked:?}", call.number)
        });
        self.clients.clients[number].under_way += 1;
        self.clients.calls.insert(call, (number, asked));
        self.send(origin.0, owner.0, Message::Command(call, command));
    }

    /// Partitions of live topics that one core owns, as the client's metadata has it.
    fn some_partitions(&mut self, count: usize) -> Option<(CoreId, Vec<TopicPartition>)> {
        let image = self.process.as_ref()?.shards[0].image().clone();
        let topics = self.model.live_topics();
        let mut all: Vec<(CoreId, TopicPartition)> = Vec::new();
        for id in topics {
            let topic = image.topic_by_id(id)?;
            for (index, partition) in topic.partitions.iter().enumerate() {
                let id = TopicPartition { topic: id, partition: PartitionIndex(index as i32) };
                all.push((partition.core, id));
            }
        }
        let core = self.random.choice(&all)?.0;
        let mut own: Vec<TopicPartition> =
            all.into_iter().filter(|(owner, _)| *owner == core).map(|(_, id)| id).collect();
        self.random.shuffle(&mut own);
        own.truncate(count);
        Some((core, own))
    }

    fn produce(&mut self, number: usize) {
        let count = self.random.usize(1..=2);
        let Some((owner, partitions)) = self.some_partitions(count) else { return };
        let idempotent = self.clients.clients[number].idempotent;
        let acks = match self.random.u8(0..8) {
            _ if idempotent => Acks::All,
            0 => Acks::None,
            1 | 2 => Acks::Leader,
            _ => Acks::All,
        };
        let (mut batches, mut parts) = (Vec::new(), Vec::new());
        for partition in partitions {
            if idempotent && self.window_is_full(number, partition) {
                continue;
            }
            let again = idempotent.then(|| self.clients.line(number, partition).again.pop_front()).flatten();
            let batch = match again {
                Some(batch) => {
                    self.model.sent[batch].repeated = true;
                    batch
                }
                None => self.new_batch(number, partition, idempotent),
            };
            let records = self.model.sent[batch].bytes.clone();
            batches.push(batch);
            parts.push(ProducePartition { partition, records });
        }
        if batches.is_empty() {
            return;
        }
        let produce = Produce { acks, deadline: None, partitions: parts };
        self.ask(number, owner, Asked::Produce { acks, batches }, Command::Produce(produce));
    }

    /// A broker remembers five batches of a producer: nothing new is sent while one that may have to be repeated is older.
    fn window_is_full(&mut self, number: usize, partition: TopicPartition) -> bool {
        let client = &self.clients.clients[number];
        let sent = client.sent.get(&partition).copied().unwrap_or(0);
        let Some(line) = client.lines.get(&partition).filter(|line| line.again.is_empty()) else {
            return false;
        };
        line.open.front().is_some_and(|oldest| self.model.sent[*oldest].order.1 + 4 <= sent)
    }

    fn new_batch(&mut self, number: usize, partition: TopicPartition, idempotent: bool) -> SentNumber {
        let sequence = idempotent.then(|| {
            let line = self.clients.line(number, partition);
            (line.producer, line.next)
        });
        let compacted = self.model.partitions.get(&partition).is_some_and(|one| one.compacted.is_some());
        let keyed = self.plan.cleaning.filter(|_| compacted).map(|cleaning| cleaning.keys);
        let (records, time, bytes, keys) = self.batch(sequence, keyed);
        let count = self.clients.clients[number].sent.entry(partition).or_default();
        *count += 1;
        let order = (number, *count);
        let sent = self.model.send(Sent {
            partition,
            bytes,
            records,
            keys,
            time,
            fate: Fate::Unknown,
            repeated: false,
            order,
        });
        if idempotent {
            let line = self.clients.line(number, partition);
            line.next = Sequence(line.next.0 + records as i32);
            line.open.push_back(sent);
        }
        sent
    }

    /// Records that nobody sent before; `keys`: of so many keys, some of them tombstones.
    fn batch(
        &mut self,
        sequence: Option<(ProducerId, Sequence)>,
        keys: Option<u8>,
    ) -> (i64, i64, Bytes, Vec<Keyed>) {
        let number = self.model.sent.len() as u64;
        let codec = match self.random.u8(0..10) {
            0 => Codec::Lz4,
            1..=4 if keys.is_some() => Codec::ALL[self.random.usize(0..Codec::ALL.len())],
            _ => Codec::None,
        };
        let mut keyed = Vec::new();
        let records = self.random.i64(1..=6);
        // Clocks of clients go back now and then.
        let time = self.now().wall.0 + self.random.i64(-20..20);
        let mut builder = BatchBuilder::new(codec, 1 << 20);
        if let Some((producer, first)) = sequence {
            builder = builder.producer(producer, ProducerEpoch(0), first);
        }
        // A batch must fit a segment.
        let segment_bytes = self.plan.cleaning.filter(|_| keys.is_some());
        let bytes_max = segment_bytes.map_or(usize::MAX, |cleaning| cleaning.segment_bytes as usize / 2);
        let mut left = self.random.usize(8..self.plan.batch_bytes_max.min(bytes_max));
        let mut value = vec![0; left];
        for record in 0..records {
            let size = self.random.usize(0..=left);
            left -= size;
            self.random.fill(&mut value[..size]);
            let key = number.to_be_bytes();
            let timestamp = Timestamp(time + record);
            let mut data =
                RecordData { timestamp, key: Some(&key), value: Some(&value[..size]), headers: &[] };
            let mut key = [0];
            let text = number.to_string();
            let mark = [RecordHeader { key: b"n", value: Some(text.as_bytes()) }];
            if let Some(keys) = keys {
                key[0] = self.random.u8(0..keys);
                let one = Keyed { key: u64::from(key[0]), tombstone: self.random.u8(0..4) == 0 };
                // The header tells the batch from all others.
                (data.key, data.headers) = (Some(&key[..]), &mark);
                data.value = data.value.filter(|_| !one.tombstone);
                keyed.push(one);
            }
            assert!(builder.push(data), "a small record fits");
        }
        (records, time, builder.build().expect("a batch of a few records"), keyed)
    }

    fn consume(&mut self, number: usize) {
        match self.random.u8(0..10) {
            0 | 1 => self.ask_offsets(number),
            2 => self.watch(number),
            3 if self.random.bool() => self.delete_records(number),
            _ => self.fetch(number),
        }
    }

    fn fetch(&mut self, number: usize) {
        let count = self.random.usize(1..=3);
        let Some((owner, partitions)) = self.some_partitions(count) else { return };
        let mut asked = Vec::new();
        for id in partitions {
            let model = self.model.partitions.get(&id);
            let built = model.map_or(Offset(0), |partition| partition.built);
            let (floor, start) =
                model.map_or((Offset(0), Offset(0)), |one| (one.starts.told, one.starts.built));
            let position = self.clients.clients[number].positions.get(&id).copied();
            let offset = match (self.random.u8(0..4), position) {
                (0, _) => Offset(self.random.i64(0..=built.0)),
                (_, None) => Offset(self.random.i64(start.0..=built.0)),
                (_, Some(position)) => position,
            };
            asked.push((id, offset, floor));
        }
        let part = |&(partition, offset, _)| FetchPartition {
            partition,
            offset,
            bytes_max: [1, 3000, 20_000][(offset.0 % 3) as usize],
            leader_epoch: None,
        };
        let partitions = asked.iter().map(part).collect();
        let fetch = Fetch { partitions, bytes_max: 30_000, bearer: Bearer::File };
        let asked = Asked::Fetch { partitions: asked, at: self.clock };
        self.ask(number, owner, asked, Command::Fetch(fetch));
    }

    fn watch(&mut self, number: usize) {
        let Some((owner, partitions)) = self.some_partitions(2) else { return };
        let end = |id: &TopicPartition| self.model.partitions.get(id).map_or(Offset(0), |one| one.durable);
        let partitions = partitions.into_iter().map(|id| (id, end(&id))).collect();
        let deadline = Deadline(self.clock + self.random.u64(0..2 * MILLISECOND));
        let watch = Watch { partitions, bytes_min: self.random.u32(1..4000), deadline };
        self.ask(number, owner, Asked::Watch, Command::Watch(watch));
    }

    fn ask_offsets(&mut self, number: usize) {
        let Some((owner, partitions)) = self.some_partitions(1) else { return };
        let Some(&partition) = partitions.first() else { return };
        let model = self.model.partitions.get(&partition);
        let (floor, durable) = model.map_or((Offset(0), Offset(0)), |one| (one.starts.told, one.durable));
        let time = Timestamp(self.now().wall.0 - self.random.i64(-10..60));
        let specs = [OffsetSpec::Earliest, OffsetSpec::Latest, OffsetSpec::At(time), OffsetSpec::At(time)];
        let spec = specs[self.random.usize(0..specs.len())];
        let query = OffsetQuery { partition, spec, leader_epoch: None };
        let asked = Asked::Offsets { partition, spec, floor, durable };
        self.ask(number, owner, asked, Command::ListOffsets(vec![query]));
    }

    fn delete_records(&mut self, number: usize) {
        let Some((owner, partitions)) = self.some_partitions(1) else { return };
        let Some(&partition) = partitions.first() else { return };
        // Of a topic that is compacted and no more nobody may delete.
        let topic = self.model.topics.get(&partition.topic);
        let allowed = !topic.is_some_and(TopicModel::is_only_compacted);
        let Some(model) = self.model.partitions.get_mut(&partition) else { return };
        let durable = model.durable;
        let before = (self.random.u8(0..4) > 0).then(|| Offset(self.random.i64(0..=durable.0)));
        match before.filter(|_| allowed) {
            Some(before) => drop(model.starts.asked.insert(before)),
            None => model.starts.asked_all |= allowed,
        }
        let deletion = RecordsDeletion {
            partition,
            before: before.map_or(DeleteBefore::HighWatermark, DeleteBefore::Offset),
        };
        let asked = Asked::Deletion { partition, before, durable };
        self.ask(number, owner, asked, Command::DeleteRecords(vec![deletion]));
    }
}
