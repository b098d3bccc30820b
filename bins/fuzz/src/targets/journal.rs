//! A start over a data directory with a journal: frames in groups that are authentic, whatever they say, then any file overwritten
//! anywhere (checkpoints and start records with their CRCs put right). A start serves or refuses, and one that served can be done
//! again and finds the same.
//!
//! ```text
//! again and again: what u8 · then
//!   0  a group: core u8 · frames u8, each: kind u8 · partition u8 · records u8 · bytes u8 · fits u8, and where it does not:
//!      segment u16 · position u16 · base u16 · next u16 · owner epoch u8
//!   1  the groups so far are durable: core u8
//!   2  bytes: file u8 · position u16 · whole u8 · bytes (chunk)
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use engine::base::{
    Codec, CoreId, FilePosition, Incarnation, JournalSequence, LeaderEpoch, NodeId, Now, Offset, OwnerEpoch,
    PartitionIndex, Timestamp, TopicId, TopicPartition,
};
use engine::config::Overrides;
use engine::controller::{MetadataRecord, PartitionRecord};
use engine::io::journal::format::{FRAME_HEADER_BYTES, FrameKind};
use engine::io::journal::writer::{Frame, Journal};
use engine::log::{Layout, Log, Placement, segment::BatchFacts};
use engine::record::{BatchBuilder, BatchHeader, RecordData};
use engine::shard::settings::{BrokerOptions, Budget, Pacing, SegmentIo};
use engine::shard::{Boot, BootConfig, BootError, RetentionCheck, boot};

use crate::{Reached, disk::Disk, input::Input};

const EXTENT_BYTES: u64 = 32 << 10;
const EXTENTS: usize = 3;
const CORES: u16 = 2;
const TOPIC: TopicId = TopicId([7; 16]);
const METADATA: TopicPartition = TopicPartition { topic: TopicId::METADATA, partition: PartitionIndex(0) };
const OFFSETS_PER_FRAME_MAX: u8 = 8;
const LAYOUT: Layout =
    Layout { segment_bytes: 1000, segment_ms: i64::MAX, index_bytes: 1 << 20, index_interval: 4096 };

pub fn run(bytes: &[u8]) -> Reached {
    let mut world = World::new(base());
    let mut input = Input::new(bytes);
    while !input.is_empty() {
        match input.u8() % 3 {
            0 => world.group(&mut input),
            1 => world.durable(input.u8()),
            _ => world.overwrite(&mut input),
        }
    }
    let (disk, sound) = (world.disk, world.sound);
    let mut once = disk;
    let started = match start(&mut once) {
        Ok(started) => started,
        Err(error) if sound => panic!("a sound journal is refused: {error}"),
        Err(_) => return Reached::Refused,
    };
    let ends = ends(&started);
    if sound {
        for (id, log) in world.logs.iter().filter(|(id, _)| **id != METADATA) {
            assert_eq!(ends.get(id), Some(&log.next()), "{id:?}");
        }
    }
    let again = start(&mut once.clone()).unwrap_or_else(|error| panic!("a second start fails: {error}"));
    assert_eq!(ends_of_data(&ends), ends_of_data(&self::ends(&again)));
    assert!(again.redone_batches == 0, "everything was redone by the first start");
    if started.redone_batches > 0 { Reached::Taken } else { Reached::Refused }
}

fn ends(boot: &Boot) -> BTreeMap<TopicPartition, Offset> {
    boot.seeds.iter().flat_map(|seed| &seed.logs).map(|(id, log, _)| (*id, log.next())).collect()
}

/// Every start adds a record to the metadata.
fn ends_of_data(ends: &BTreeMap<TopicPartition, Offset>) -> Vec<(TopicPartition, Offset)> {
    ends.iter().filter(|(id, _)| **id != METADATA).map(|(id, end)| (*id, *end)).collect()
}

fn start(disk: &mut Disk) -> Result<Boot, BootError> {
    let budget = Budget {
        unflushed_bytes: EXTENT_BYTES,
        cache_bytes: 2 * EXTENT_BYTES,
        extent_bytes: EXTENT_BYTES,
        extents: EXTENTS,
        staged_bytes: 16 << 10,
        groups_bytes: 1 << 20,
        walk_bytes: 1 << 20,
        opening_bytes: 16 << 10,
        cold_bytes: 160 << 10,
    };
    let config = BootConfig {
        options: Arc::new(BrokerOptions::plain(Overrides::new())),
        cores: CORES,
        budget,
        pacing: Pacing::default(),
        read_bytes: 64 << 10,
        segment_io: SegmentIo::Direct,
        checkpoint_interval_ms: 1000,
        retention_check: RetentionCheck { first_ms: 1000, interval_ms: 1000 },
        secret_seed: 42,
        now: Now { mono_ns: 1, wall: Timestamp(1_700_000_000_000) },
    };
    boot(&mut |ops| disk.perform(ops), &config)
}

/// A directory with one topic of two partitions, one on each core, as a start leaves it.
struct Base {
    disk: Disk,
    incarnation: Incarnation,
    logs: BTreeMap<TopicPartition, Log>,
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut disk = Disk::default();
        let started = start(&mut disk).expect("an empty directory");
        let mut world = World::new(&Base { disk, incarnation: started.incarnation, logs: logs(started) });
        let records = [
            MetadataRecord::Topic { id: TOPIC, name: "t".into() },
            MetadataRecord::Partition(partition(0)),
            MetadataRecord::Partition(partition(1)),
        ];
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
        for record in &records {
            let mut value = Vec::new();
            record.encode(&mut value);
            assert!(builder.push(RecordData { value: Some(&value), ..RecordData::default() }));
        }
        let frame = world.fitting(METADATA, builder.build().expect("a batch"));
        world.write(0, &[frame]);
        let mut disk = world.disk;
        let started = start(&mut disk).expect("a topic in the journal");
        Base { disk, incarnation: started.incarnation, logs: logs(started) }
    })
}

fn logs(boot: Boot) -> BTreeMap<TopicPartition, Log> {
    boot.seeds.into_iter().flat_map(|seed| seed.logs).map(|(id, log, _)| (id, log)).collect()
}

fn partition(index: i32) -> PartitionRecord {
    PartitionRecord {
        topic: TOPIC,
        index: PartitionIndex(index),
        leader: NodeId(1),
        leader_epoch: LeaderEpoch(0),
        partition_epoch: 0,
        core: CoreId(index as u16),
        owner_epoch: OwnerEpoch(0),
        replicas: vec![NodeId(1)],
        isr: vec![NodeId(1)],
    }
}

struct World {
    disk: Disk,
    journals: Vec<Journal>,
    /// What a start must find, as long as it is sound.
    logs: BTreeMap<TopicPartition, Log>,
    sound: bool,
}

impl World {
    fn new(base: &Base) -> World {
        let journal =
            |core| Journal::new(CoreId(core), base.incarnation, EXTENT_BYTES, EXTENTS, 7 + u64::from(core));
        World {
            disk: base.disk.clone(),
            journals: (0..CORES).map(journal).collect(),
            logs: base.logs.clone(),
            sound: true,
        }
    }

    fn group(&mut self, input: &mut Input<'_>) {
        let core = input.u8() % CORES as u8;
        let count = 1 + input.u8() % 4;
        let logs = self.logs.clone();
        let frames: Vec<Frame> = (0..count).map(|_| self.frame(core, input)).collect();
        if !self.write(core.into(), &frames) {
            self.logs = logs;
        }
    }

    fn frame(&mut self, core: u8, input: &mut Input<'_>) -> Frame {
        let kinds = [
            FrameKind::Batch,
            FrameKind::Batch,
            FrameKind::TailImage,
            FrameKind::LogStart,
            FrameKind::Truncate,
        ];
        let kind = kinds[usize::from(input.u8()) % kinds.len()];
        let own = TopicPartition { topic: TOPIC, partition: PartitionIndex(core.into()) };
        let id = match input.u8() % 4 {
            0 | 1 => own,
            2 => METADATA,
            _ => TopicPartition { topic: TOPIC, partition: PartitionIndex((1 - core).into()) },
        };
        let payload = batch(1 + input.u8() % OFFSETS_PER_FRAME_MAX, input.u8());
        if !input.u8().is_multiple_of(4) && kind == FrameKind::Batch && id == own {
            return self.fitting(id, payload);
        }
        self.sound = false;
        let placement =
            Placement { segment: Offset(input.u16().into()), position: FilePosition(input.u16().into()) };
        let (base, next) = (Offset(input.u16().into()), Offset(input.u16().into()));
        let owner_epoch = OwnerEpoch(input.u8().into());
        Frame { kind, owner_epoch, ..batch_frame(id, placement, base, next, payload) }
    }

    /// The batch at the end of its log.
    fn fitting(&mut self, id: TopicPartition, payload: Bytes) -> Frame {
        let log = self.logs.get_mut(&id).expect("the partitions are known");
        let header = BatchHeader::parse(&payload).expect("built here");
        let (size, count, base) = (payload.len() as u32, i64::from(header.record_count), log.next());
        let placement = log.place(size, count, header.max_timestamp, &LAYOUT);
        let next = base.plus(count);
        let facts = BatchFacts { base, next, size, max_timestamp: header.max_timestamp };
        log.apply(&facts, LeaderEpoch(1), placement, LAYOUT.index_interval).expect("placed there");
        batch_frame(id, placement, base, next, payload)
    }

    /// False: the journal is full.
    fn write(&mut self, core: usize, frames: &[Frame]) -> bool {
        let journal = &mut self.journals[core];
        let bytes = 4096 + frames.iter().map(|frame| FRAME_HEADER_BYTES + frame.payload.len()).sum::<usize>();
        if bytes > journal.group_bytes_max() || !journal.has_room(bytes) {
            return false;
        }
        let group = journal.build(frames);
        let file =
            Arc::make_mut(self.disk.files.get_mut(group.file.as_str()).expect("laid out by the start"));
        let at = group.position as usize;
        file[at..at + group.data.len()].copy_from_slice(&group.data);
        true
    }

    fn durable(&mut self, core: u8) {
        let journal = &mut self.journals[usize::from(core) % CORES as usize];
        let next = JournalSequence(journal.durable().0 + 1);
        if next < journal.next_sequence() {
            journal.committed(next);
        }
    }

    fn overwrite(&mut self, input: &mut Input<'_>) {
        let number = usize::from(input.u8()) % self.disk.files.len();
        let position = usize::from(input.u16());
        let whole = input.u8() % 2 == 1;
        let bytes = input.chunk();
        let Some((name, file)) = self.disk.files.iter_mut().nth(number) else { return };
        let file = Arc::make_mut(file);
        let end = position + bytes.len();
        file.resize(file.len().max(end), 0);
        file[position..end].copy_from_slice(bytes);
        if whole {
            put_right(name, file);
        }
        self.sound = false;
    }
}

fn batch_frame(
    partition: TopicPartition,
    placement: Placement,
    base: Offset,
    next: Offset,
    payload: Bytes,
) -> Frame {
    let Placement { segment, position } = placement;
    let (kind, owner_epoch, leader_epoch) = (FrameKind::Batch, OwnerEpoch(1 << 16), LeaderEpoch(1));
    Frame { kind, partition, owner_epoch, segment, position, base, next, leader_epoch, payload }
}

fn batch(records: u8, bytes: u8) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    let value = vec![b'v'; bytes.into()];
    for number in 0..records {
        let timestamp = Timestamp(1_700_000_000_000 + i64::from(number));
        assert!(builder.push(RecordData { timestamp, value: Some(&value), ..RecordData::default() }));
    }
    builder.build().expect("a batch")
}

/// The CRC of a checkpoint or a start record, after its other bytes were changed.
fn put_right(name: &str, file: &mut [u8]) {
    if name.contains("/checkpoint-") && file.len() >= 44 {
        let stated = u32::from_be_bytes([file[36], file[37], file[38], file[39]]) as usize;
        let length = stated.min(file.len() - 44);
        file[36..40].copy_from_slice(&(length as u32).to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&file[..40]), &file[44..44 + length]);
        file[40..44].copy_from_slice(&crc.to_be_bytes());
    }
    if name.contains("/start-") && file.len() >= 20 {
        let crc = crc32c::crc32c(&file[..16]);
        file[16..20].copy_from_slice(&crc.to_be_bytes());
    }
}
