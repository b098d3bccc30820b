//! What one seed is about: sizes, rounds, faults and latencies, all drawn from the seed. Plain data.

use std::sync::Arc;

use engine::{
    base::Now,
    config::Overrides,
    op::{Class, Op, Sync},
    shard::{
        BootConfig, RetentionCheck,
        settings::{BrokerOptions, Budget, Pacing, SegmentIo},
    },
};
use fastrand::Rng;

use super::{canary::Canary, checkers::recovered::Stop, coordinated::SESSION_MS};

pub const MICROSECOND: u64 = 1_000;
pub const MILLISECOND: u64 = 1_000_000;
pub const CORES_MAX: u16 = 3;
/// Any number does; with this one the seeds that failed once, in the tests, live as they did then.
const CLEANING_SALT: u64 = 0xc1ea;
const GROUPS_SALT: u64 = 0x6709;
/// With this one the seeds that failed once are O_DIRECT, as then.
const SEGMENT_IO_SALT: u64 = 0x5e11;

/// Which Ops fail in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    JournalWrite,
    SegmentWrite,
    Checkpoint,
    Sync,
    /// The file system is full for a while.
    NoSpace,
    ColdRead,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub rounds: u32,
    /// Topics that the administrator wants, and the most partitions of one.
    pub topics: usize,
    pub partitions_max: i32,
    pub producers: usize,
    pub consumers: usize,
    pub round_ns_max: u64,
    pub budget: Budget,
    pub pacing: Pacing,
    pub segment_io: SegmentIo,
    pub checkpoint_interval_ms: u64,
    pub segment_bytes: u32,
    pub index_interval_bytes: u32,
    pub batch_bytes_max: usize,
    /// The device is slow by this factor.
    pub slowness: u64,
    pub shorn: bool,
    /// Rounds see failing Ops.
    pub faulty: bool,
    /// Bits of the journals change while the node is down.
    pub rotten: bool,
    /// Some topics are compacted.
    pub cleaning: Option<Cleaning>,
    /// Members of groups.
    pub members: usize,
    join_delay_ms: u64,
    assignment_interval_ms: u64,
}

/// A world with compacted topics.
#[derive(Clone, Copy, Debug)]
pub struct Cleaning {
    /// Of one partition.
    pub keys: u8,
    pub segment_bytes: u32,
    backoff_ms: u64,
    /// The cleaner knows so many bytes of keys at a time.
    dedupe_bytes: u64,
    bytes_per_second: u64,
}

impl Cleaning {
    /// By a generator of its own: a seed without compaction lives as it did before there was any.
    pub fn draw(seed: u64, canary: Option<Canary>) -> Option<Cleaning> {
        let mut random = Rng::with_seed(seed ^ CLEANING_SALT);
        // A canary sings in the world that it is made for.
        let there = random.u8(0..3) == 0;
        let there = canary.map_or(there, Canary::is_of_compaction);
        there.then(|| Cleaning::some(&mut random))
    }

    fn some(random: &mut Rng) -> Cleaning {
        Cleaning {
            keys: [3, 8, 25][random.usize(0..3)],
            segment_bytes: [2 << 10, 3 << 10, 6 << 10][random.usize(0..3)],
            backoff_ms: [0, 1, 5][random.usize(0..3)],
            dedupe_bytes: [900, 1 << 20, 1 << 20][random.usize(0..3)],
            bytes_per_second: [1 << 21, 1 << 24, 1 << 30][random.usize(0..3)],
        }
    }

    fn options(&self) -> Overrides {
        let options = [
            ("log.cleaner.backoff.ms", self.backoff_ms),
            ("log.cleaner.dedupe.buffer.size", self.dedupe_bytes),
            ("log.cleaner.io.max.bytes.per.second", self.bytes_per_second),
        ];
        options.into_iter().map(|(name, value)| (name.to_owned(), value.to_string())).collect()
    }
}

impl Plan {
    pub fn draw(random: &mut Rng) -> Plan {
        Plan {
            rounds: random.u32(2..=5),
            topics: [2, 3, 3, 5][random.usize(0..4)],
            partitions_max: [2, 4, 4, 12][random.usize(0..4)],
            producers: random.usize(1..=4),
            consumers: random.usize(0..=2),
            round_ns_max: random.u64(5..=40) * MILLISECOND,
            budget: Plan::budget(random),
            pacing: Plan::pacing(random),
            segment_io: SegmentIo::Direct,
            checkpoint_interval_ms: [2, 5, 20, 1000][random.usize(0..4)],
            segment_bytes: [6 << 10, 16 << 10, 48 << 10, 200 << 10][random.usize(0..4)],
            index_interval_bytes: [256, 1024, 4096][random.usize(0..3)],
            batch_bytes_max: [300, 1500, 4000][random.usize(0..3)],
            slowness: [1, 1, 3, 10][random.usize(0..4)],
            shorn: random.u8(0..3) == 0,
            faulty: random.u8(0..4) == 0,
            rotten: random.u8(0..16) == 0,
            cleaning: None,
            members: 0,
            join_delay_ms: 0,
            assignment_interval_ms: 0,
        }
    }

    /// Some topics are compacted: few partitions and frequent checkpoints, so that there is something to clean.
    pub fn cleans(&mut self, cleaning: Cleaning) {
        self.cleaning = Some(cleaning);
        self.partitions_max = self.partitions_max.min(3);
        self.topics = self.topics.min(3);
        self.producers = self.producers.max(2);
        self.checkpoint_interval_ms = self.checkpoint_interval_ms.min(5);
        self.round_ns_max *= 2;
        self.slowness = self.slowness.min(3);
    }

    /// Some worlds have groups, whose log is compacted: by a generator of its own too.
    pub fn coordinates(&mut self, seed: u64, canary: Option<Canary>) {
        let mut random = Rng::with_seed(seed ^ GROUPS_SALT);
        let there = random.u8(0..3) == 0;
        if canary.map_or(there, Canary::is_of_groups) {
            self.members = random.usize(3..=8);
            self.join_delay_ms = random.u64(0..3);
            self.assignment_interval_ms = random.u64(0..3);
            let cleaning = self.cleaning.unwrap_or_else(|| Cleaning::some(&mut random));
            self.cleans(cleaning);
            self.producers = 1;
        }
    }

    /// Some worlds write segments through the page cache, and send from there. Those with groups live as they did before.
    pub fn buffers(&mut self, seed: u64, canary: Option<Canary>) {
        let there = Rng::with_seed(seed ^ SEGMENT_IO_SALT).u8(0..3) == 0;
        if self.members == 0 && canary.map_or(there, Canary::is_of_buffered_segments) {
            self.segment_io = SegmentIo::Buffered;
            self.consumers = self.consumers.max(1);
        }
    }

    fn options(&self) -> Overrides {
        let mut options = self.cleaning.map_or_else(Overrides::new, |cleaning| cleaning.options());
        if self.members > 0 {
            let groups = [
                ("group.initial.rebalance.delay.ms", self.join_delay_ms),
                ("group.min.session.timeout.ms", 1),
                ("group.consumer.min.session.timeout.ms", 1),
                ("group.consumer.session.timeout.ms", SESSION_MS),
                ("group.consumer.min.heartbeat.interval.ms", 1),
                ("group.consumer.heartbeat.interval.ms", 1),
                ("group.consumer.assignment.interval.ms", self.assignment_interval_ms),
            ];
            options.extend(groups.map(|(name, value)| (name.to_owned(), value.to_string())));
        }
        options
    }

    fn pacing(random: &mut Rng) -> Pacing {
        Pacing {
            commit_ahead_bytes: [1, 2 << 10, 8 << 10, u64::MAX][random.usize(0..4)],
            flush_write_bytes: [4 << 10, 8 << 10, 64 << 10][random.usize(0..3)],
            shared_run_bytes: [1, 4 << 10, 16 << 10, usize::MAX][random.usize(0..4)],
            flush_bytes_per_second: [256 << 10, 16 << 20, 1 << 30][random.usize(0..3)],
        }
    }

    /// One core's memory, so small that extents are recycled all the time.
    fn budget(random: &mut Rng) -> Budget {
        let extent_bytes = [64 << 10, 96 << 10, 128 << 10][random.usize(0..3)];
        Budget {
            unflushed_bytes: extent_bytes,
            cache_bytes: 2 * extent_bytes,
            extent_bytes,
            extents: random.usize(3..=4),
            staged_bytes: 16 << 10,
            groups_bytes: 1 << 20,
            walk_bytes: 1 << 20,
            opening_bytes: 16 << 10,
            cold_bytes: 160 << 10,
        }
    }

    pub fn boot_config(&self, now: Now, random: &mut Rng) -> BootConfig {
        BootConfig {
            options: Arc::new(BrokerOptions::plain(self.options())),
            cores: random.u16(1..=CORES_MAX),
            pacing: self.pacing,
            budget: if random.u8(0..8) == 0 { Plan::budget(random) } else { self.budget },
            read_bytes: 64 << 10,
            segment_io: self.segment_io,
            checkpoint_interval_ms: self.checkpoint_interval_ms,
            retention_check: RetentionCheck { first_ms: 2, interval_ms: 3 },
            secret_seed: random.u64(..),
            now,
        }
    }

    pub fn stop(&self, random: &mut Rng) -> Stop {
        [Stop::Clean, Stop::KilledLanded, Stop::Killed, Stop::PowerLost, Stop::PowerLost][random.usize(0..5)]
    }

    pub fn fault(&self, random: &mut Rng) -> Fault {
        let faults = [
            Fault::None,
            Fault::JournalWrite,
            Fault::SegmentWrite,
            Fault::Checkpoint,
            Fault::Sync,
            Fault::NoSpace,
            Fault::ColdRead,
        ];
        if self.faulty { faults[random.usize(0..faults.len())] } else { Fault::None }
    }

    /// How long an Op is under way.
    pub fn latency(&self, op: &Op, random: &mut Rng) -> u64 {
        let (least, most) = match op {
            Op::Write { sync: Sync::Data, .. } => (30, 300),
            Op::Write { .. } => (10, 800),
            Op::Read { class: Class::Latency, .. } => (5, 100),
            Op::Read { .. } => (5, 300),
            Op::SyncFilesystem | Op::Fill { .. } => (300, 4000),
            _ => (5, 400),
        };
        // Now and then a device takes its time.
        let stall = if random.u8(0..50) == 0 { 20 } else { 1 };
        random.u64(least..most) * MICROSECOND * self.slowness * stall
    }
}

impl Fault {
    /// Whether an Op is of the kind that fails; which of them do is up to chance.
    pub fn meets(self, op: &Op) -> bool {
        let file = match op {
            Op::Write { file, .. } | Op::Read { file, .. } | Op::Truncate { file, .. } => file.as_str(),
            _ => "",
        };
        match self {
            Fault::None | Fault::NoSpace => false,
            Fault::JournalWrite => matches!(op, Op::Write { .. }) && file.contains("/extent-"),
            Fault::Checkpoint => matches!(op, Op::Write { .. }) && file.contains("/checkpoint-"),
            Fault::SegmentWrite => {
                !matches!(op, Op::Read { .. }) && !file.is_empty() && !file.starts_with("journal/")
            }
            Fault::Sync => matches!(op, Op::SyncFilesystem),
            Fault::ColdRead => matches!(op, Op::Read { .. } | Op::Open { .. }),
        }
    }
}
