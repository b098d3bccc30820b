//! The simulated node's administrator: makes topics of every kind, lets them grow, and deletes them. Lives in the simulator.

use engine::{
    base::{CoreId, TopicId},
    config::Durability,
    controller::{DoomedTopic, GrownTopic, Instruction, Mode, NewTopic},
    shard::{command::Command, group::OFFSETS_TOPIC},
};

use super::{
    canary::Canary,
    clients::Asked,
    compacted::Compaction,
    model::{Existence, Forgets},
    world::World,
};

const NAMES: [&str; 6] = ["a", "b-1", "c", "d.x", "e_2", "f-0"];

impl World {
    pub fn administer(&mut self, number: usize) {
        if self.plan.members > 0 && self.model.groups.topic.is_none() {
            return self.create_offsets_topic(number);
        }
        let live = self.model.live_topics();
        let free = self.model.free_names(&NAMES);
        if live.len() < self.plan.topics && !free.is_empty() {
            let name = free[self.random.usize(0..free.len())];
            self.create(number, name);
        } else if !live.is_empty() && self.random.u8(0..4) == 0 {
            let id = live[self.random.usize(0..live.len())];
            self.model.set_existence(id, Existence::Doomed);
            let delete = Instruction::DeleteTopics(vec![DoomedTopic { name: None, id }]);
            self.ask(number, CoreId(0), Asked::Delete(id), Command::Control(delete));
        } else if !live.is_empty() && self.random.u8(0..6) == 0 {
            let id = live[self.random.usize(0..live.len())];
            self.grow(number, id);
        }
    }

    fn grow(&mut self, number: usize, id: TopicId) {
        let Some(topic) = self.model.topics.get(&id) else { return };
        let (name, count) = (topic.name.clone(), topic.partitions + self.random.i32(1..=2));
        if topic.growing.is_some() {
            return;
        }
        self.model.want_growth(id, count);
        let topics = vec![GrownTopic { name, count, assignments: None }];
        let grow = Instruction::CreatePartitions { topics, mode: Mode::Apply };
        self.ask(number, CoreId(0), Asked::Grow(id), Command::Control(grow));
    }

    fn create(&mut self, number: usize, name: &str) {
        self.clients.topic_number += 1;
        let mut id = [0x55; 16];
        id[..8].copy_from_slice(&self.clients.topic_number.to_be_bytes());
        let id = TopicId(id);
        let partitions = self.random.i32(1..=self.plan.partitions_max);
        let durability = if self.random.u8(0..4) == 0 { Durability::Async } else { Durability::Sync };
        let forgets = match self.random.u8(0..4) {
            0 => Forgets::AfterMs(self.random.i64(1..30)),
            1 => Forgets::BeyondBytes(self.random.usize(1..4) * self.plan.segment_bytes as usize),
            _ => Forgets::Nothing,
        };
        let compaction = self.compaction();
        self.model.want_topic(id, name, partitions, durability, forgets, compaction);
        let set = |key: &str, value: String| (key.to_owned(), Some(value));
        let durability = if durability == Durability::Sync { "sync" } else { "async" };
        let (ms, bytes) = match forgets {
            Forgets::Nothing => (-1, -1),
            Forgets::AfterMs(ms) => (ms, -1),
            Forgets::BeyondBytes(bytes) => (-1, bytes as i64),
        };
        let segment_bytes = match self.plan.cleaning.filter(|_| compaction.is_some()) {
            Some(cleaning) => cleaning.segment_bytes,
            None => self.plan.segment_bytes,
        };
        let mut configs = vec![
            set("retention.ms", ms.to_string()),
            set("retention.bytes", bytes.to_string()),
            set("file.delete.delay.ms", self.random.u8(0..4).to_string()),
            set("durability", durability.to_owned()),
            set("segment.bytes", segment_bytes.to_string()),
            set("index.interval.bytes", self.plan.index_interval_bytes.to_string()),
        ];
        if let Some(compaction) = compaction {
            configs.extend(self.compacting(compaction, forgets));
        }
        self.create_as(number, id, name, partitions, configs);
    }

    /// As the broker makes it for the first who asks for a coordinator, but smaller.
    fn create_offsets_topic(&mut self, number: usize) {
        let Some(cleaning) = self.plan.cleaning else { return };
        let id = TopicId([0x6f; 16]);
        let partitions = self.random.i32(1..=3);
        let compaction = Compaction { delete_retention_ms: [0, 3, 86_400_000][self.random.usize(0..3)] };
        let (durability, forgets) = (Durability::Sync, Forgets::Nothing);
        self.model.want_topic(id, OFFSETS_TOPIC, partitions, durability, forgets, Some(compaction));
        (self.model.groups.topic, self.model.groups.partitions) = (Some(id), partitions);
        let set = |key: &str, value: String| (key.to_owned(), Some(value));
        let mut configs = self.compacting(compaction, forgets);
        configs.push(set("segment.bytes", (2 * cleaning.segment_bytes).to_string()));
        configs.push(set("index.interval.bytes", self.plan.index_interval_bytes.to_string()));
        self.create_as(number, id, OFFSETS_TOPIC, partitions, configs);
    }

    fn create_as(
        &mut self,
        number: usize,
        id: TopicId,
        name: &str,
        partitions: i32,
        configs: Vec<(String, Option<String>)>,
    ) {
        let topic = NewTopic {
            name: name.to_owned(),
            id,
            partitions,
            replication_factor: 1,
            assignments: Vec::new(),
            configs,
        };
        let create = Instruction::CreateTopics { topics: vec![topic], mode: Mode::Apply };
        self.ask(number, CoreId(0), Asked::Create(id), Command::Control(create));
    }

    /// Whether and how a new topic is compacted.
    fn compaction(&mut self) -> Option<Compaction> {
        self.plan.cleaning?;
        let delete_retention_ms = [0, 3, 20, 86_400_000][self.random.usize(0..4)];
        (self.random.u8(0..3) > 0).then_some(Compaction { delete_retention_ms })
    }

    /// The options of a compacted topic.
    fn compacting(&mut self, compaction: Compaction, forgets: Forgets) -> Vec<(String, Option<String>)> {
        let set = |key: &str, value: String| (key.to_owned(), Some(value));
        let policy = if forgets == Forgets::Nothing { "compact" } else { "compact,delete" };
        let delete_retention_ms = match self.mutator.is(Canary::TombstoneDroppedEarly) {
            true => 0,
            false => compaction.delete_retention_ms,
        };
        let ratio = [0.0, 0.3, 0.6][self.random.usize(0..3)];
        let lag_ms_min = [0, 0, 2][self.random.usize(0..3)];
        let lag_ms_max = [3, i64::MAX][self.random.usize(0..2)];
        vec![
            set("cleanup.policy", policy.to_owned()),
            set("delete.retention.ms", delete_retention_ms.to_string()),
            set("min.cleanable.dirty.ratio", ratio.to_string()),
            set("min.compaction.lag.ms", lag_ms_min.to_string()),
            set("max.compaction.lag.ms", lag_ms_max.to_string()),
        ]
    }
}
