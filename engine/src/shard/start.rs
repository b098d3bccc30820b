//! How a shard begins: from what start-up recovered. And the start record, which says which start's journals count:
//!
//! ```text
//! journal/start-0, start-1: magic "CLST" · version u16 · cores u16 · incarnation u64 · CRC-32C u32 of all before it; the newer
//! valid one counts
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Checkpoints, Commit, Control, Deletions, Expiry, Fetches, OffsetJobs, Openings, Produces, ReadAhead,
    Retentions, Retirements, Settings, Shard, ShardSeed, Table, Watches,
    cleaner::Cleaner,
    cold_turns::ColdTurns,
    control::{METADATA_LOG, METADATA_TOPIC},
    group::Coordinator,
    measure::Measures,
    partition::Partition,
    publish::Unconfirmed,
};
use crate::telemetry::Telemetry;
use crate::{
    base::{CoreId, Incarnation, LeaderEpoch, Offset, OwnerEpoch, PartitionIndex, TopicPartition},
    io::journal::writer::Journal,
    log::{Log, names},
    op::FileName,
    producer::Producers,
    quota::Connections,
};

const MAGIC: [u8; 4] = *b"CLST";
const VERSION: u16 = 1;
const BYTES: usize = 20;

/// Which start is the newest, and over how many cores its journals lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRecord {
    pub incarnation: Incarnation,
    pub cores: u16,
}

impl StartRecord {
    pub fn file(slot: u64) -> FileName {
        FileName::new(format!("journal/start-{slot}"))
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_be_bytes());
        out.extend_from_slice(&self.cores.to_be_bytes());
        out.extend_from_slice(&self.incarnation.0.to_be_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_be_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Option<StartRecord> {
        let bytes: &[u8; BYTES] = bytes.get(..BYTES)?.try_into().ok()?;
        let sound = bytes[..4] == MAGIC
            && bytes[4..6] == VERSION.to_be_bytes()
            && bytes[16..] == crc32c::crc32c(&bytes[..16]).to_be_bytes();
        sound.then(|| StartRecord {
            cores: u16::from_be_bytes([bytes[6], bytes[7]]),
            incarnation: Incarnation(u64::from_be_bytes(bytes[8..16].try_into().unwrap_or_default())),
        })
    }
}

impl Shard {
    pub fn new(seed: ShardSeed) -> Shard {
        let ShardSeed { config, image, incarnation, checkpoint_number, secret_seed, logs } = seed;
        let (core, budget) = (config.core, config.budget);
        let journal = Journal::new(core, incarnation, budget.extent_bytes, budget.extents, secret_seed)
            .aligning(config.pacing.shared_run_bytes);
        let mut shard = Shard {
            payload_bytes_max: Journal::payload_bytes_max(budget.extent_bytes),
            journal,
            table: Table::default(),
            dirty: BTreeSet::new(),
            unflushed_bytes: 0,
            produces: Produces::default(),
            openings: Openings::default(),
            commit: Commit::default(),
            checkpoint: Checkpoints::new(incarnation, checkpoint_number),
            fetches: Fetches::default(),
            cold_turns: ColdTurns::new(budget.cold_bytes),
            read_ahead: ReadAhead::default(),
            offsets: OffsetJobs::default(),
            watches: Watches::default(),
            deletions: Deletions::default(),
            retentions: Retentions::default(),
            retirements: Retirements::default(),
            cleaner: Cleaner::new(secret_seed.rotate_left(17)),
            expiry: Expiry::default(),
            control: Control::new(core),
            measures: Measures::default(),
            telemetry: Telemetry::default(),
            coordinator: Coordinator::new(&config.options, budget.groups_bytes),
            connections: Connections::default(),
            unconfirmed: Unconfirmed::default(),
            purposes: BTreeMap::new(),
            next_op: 0,
            ops: Vec::new(),
            messages: Vec::new(),
            replies: Vec::new(),
            wake: false,
            failure: None,
            image,
            config,
        };
        shard.limit_connections();
        shard.open_all(logs.into_iter().map(|(id, log, producers)| (id, (log, producers))).collect());
        for slot in shard.table.slots().collect::<Vec<_>>() {
            shard.retire_breached(slot);
        }
        shard
    }

    fn open_all(&mut self, mut logs: BTreeMap<TopicPartition, (Log, Producers)>) {
        if self.config.core == CoreId(0) {
            let (log, producers) = logs.remove(&METADATA_LOG).unwrap_or_else(nothing);
            let directory: Arc<str> = names::directory(METADATA_TOPIC, METADATA_LOG.partition).into();
            let settings = Settings::of_metadata();
            let partition = Partition::new(
                METADATA_LOG,
                directory,
                settings,
                LeaderEpoch(0),
                OwnerEpoch(0),
                log,
                producers,
            );
            self.table.insert(partition);
        }
        let image = self.image.clone();
        for topic in image.topics() {
            let settings = Settings::of(&topic.overrides, &image, &self.config.options);
            for (index, partition) in topic.partitions.iter().enumerate() {
                if partition.core != self.config.core {
                    continue;
                }
                let index = PartitionIndex(index as i32);
                let found = logs.remove(&TopicPartition { topic: topic.id, partition: index });
                let (log, producers) = found.unwrap_or_else(nothing);
                self.open_partition(topic, index, partition, settings, log, producers);
            }
        }
    }
}

fn nothing() -> (Log, Producers) {
    (Log::empty(Offset(0)), Producers::default())
}
