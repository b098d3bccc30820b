//! The flow of a start, on one thread, before any core runs: read the newest start's checkpoints and journals, redo what the
//! segments lack (metadata first), raise the leader epochs, deal the partitions to the cores there are now, and commit that as a
//! new incarnation. Until the start record is durable nothing of the old one is touched; a start that dies is done again.
//!
//! Journals of any number of cores are taken; the new number may be larger or smaller.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    ShardSeed,
    control::{METADATA_LOG, METADATA_TOPIC, decide_with, encode_records},
    leftovers,
    replay::{Recovered, Redo, all, buffered},
    retention::RetentionCheck,
    settings::{BrokerOptions, Budget, Pacing, SegmentIo, Settings, ShardConfig},
    start::StartRecord,
    start_records,
};
use crate::{
    base::{
        CoreId, Incarnation, JournalSequence, LeaderEpoch, Now, Offset, OwnerEpoch, PartitionIndex,
        TopicPartition,
    },
    controller::{Image, Instruction, MetadataRecord},
    error::IoFailure,
    io::journal::{
        checkpoint::{self, Checkpoint, Encoder, PartitionCheckpoint},
        format::ExtentHeader,
        reader::{self, Damage, ExtentBytes, Replay},
        writer,
    },
    limits::BLOCK_BYTES,
    log::{Log, names, segment::BatchFacts},
    op::{Class, Done, Entry, FileName, Op, Path, Perform},
    producer::{Producers, limits::PRODUCERS_PER_PARTITION_MAX},
    record::{self, BatchHeader, UncheckedBatch},
};

/// The largest journal extent that a start reads; larger files are not ours.
const EXTENT_READ_BYTES_MAX: u64 = 1 << 30;
/// Metadata is read in pieces of this size.
const METADATA_READ_BYTES: u32 = 8 << 20;

#[derive(Clone, Debug)]
pub struct BootConfig {
    pub options: Arc<BrokerOptions>,
    pub cores: u16,
    /// Per core.
    pub budget: Budget,
    pub pacing: Pacing,
    pub read_bytes: u32,
    pub segment_io: SegmentIo,
    pub checkpoint_interval_ms: u64,
    pub retention_check: RetentionCheck,
    /// Random.
    pub secret_seed: u64,
    pub now: Now,
}

/// A broker ready to run.
pub struct Boot {
    /// One per core, in their order.
    pub seeds: Vec<ShardSeed>,
    pub incarnation: Incarnation,
    pub partitions: usize,
    /// Batches redone from the journals, and their bytes; 0 after a clean stop.
    pub redone_batches: u64,
    pub redone_bytes: u64,
}

/// Why the data directory cannot be served. Nothing was changed that a later start would miss.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("{0}")]
    Io(IoFailure),
    #[error("{0}. Restore the data directory from a replica or a backup.")]
    Journal(Damage),
    #[error(
        "the checkpoint of core {core} is missing or damaged: both slots were read. Restore the data directory from a backup."
    )]
    Checkpoint { core: u16 },
    #[error(
        "start {ran} of this directory has written a journal, and its start record is damaged (journal/start-{}). Restore the data \
         directory from a backup.", ran % 2
    )]
    StartRecord { ran: u64 },
    #[error("{directory} does not fit its journal: {reason}. Restore the data directory from a backup.")]
    Partition { directory: String, reason: String },
    #[error("the metadata log is damaged: {0}. Restore the data directory from a backup.")]
    Metadata(String),
    #[error(
        "the journal holds a frame of kind {0}, which this version does not know: start the version that wrote it"
    )]
    NewerFrame(String),
}

impl From<Damage> for BootError {
    fn from(damage: Damage) -> BootError {
        BootError::Journal(damage)
    }
}

/// One core's share of the last start.
struct OldCore {
    checkpoint: Checkpoint,
    extents: Vec<ExtentHeader>,
}

pub fn boot(perform: Perform<'_>, config: &BootConfig) -> Result<Boot, BootError> {
    // A killed process may have written what no flush followed. What is read from here on must outlive a power loss: directories
    // are removed on the word of a journal.
    all(perform, vec![Op::SyncFilesystem])?;
    let old = start_records::newest(perform)?;
    if let Some(old) = old {
        // What is read may be a page whose sync failed in an earlier start: this one overwrites checkpoints on its word.
        start_records::write(perform, old)?;
    }
    let mut cores = Vec::new();
    if let Some(old) = old {
        for core in 0..old.cores {
            cores.push(read_core(perform, CoreId(core), old.incarnation)?);
        }
    }
    let mut known = merge(&cores);
    let metadata = known.remove(&METADATA_LOG);
    let metadata_log = metadata.as_ref().map(|partition| partition.log.clone());
    let mut redo = redo_metadata(perform, &cores, metadata_log)?;
    let mut image = read_image(perform, &redo)?;
    redo.existing = leftovers::remove_directories(perform, &image)?;
    redo_partitions(perform, &cores, known, &image, config, &mut redo)?;
    leftovers::remove_segments(perform, &mut redo)?;

    let incarnation = Incarnation(old.map_or(0, |old| old.incarnation.0) + 1);
    begin_incarnation(perform, config, incarnation, &mut image, &mut redo)?;
    all(perform, vec![Op::SyncFilesystem])?;
    let numbers = write_checkpoints(perform, config, incarnation, &cores, &image, &redo)?;
    let record = StartRecord { incarnation, cores: config.cores };
    start_records::write(perform, record)?;
    all(perform, vec![Op::SyncDir { directory: FileName::new("journal") }])?;
    // From here on the new incarnation counts, and the old journals are free.
    lay_out_journals(perform, config)?;
    Ok(deal(config, incarnation, image, redo, &numbers))
}

fn read_core(perform: Perform<'_>, core: CoreId, incarnation: Incarnation) -> Result<OldCore, BootError> {
    let mut best: Option<Checkpoint> = None;
    for slot in 0..checkpoint::SLOTS {
        let bytes = read_file(perform, checkpoint::slot_file(core, slot))?;
        let candidate = Checkpoint::decode(&bytes).filter(|checkpoint| checkpoint.incarnation == incarnation);
        best = [best, candidate].into_iter().flatten().max_by_key(|checkpoint| checkpoint.number);
    }
    let checkpoint = best.ok_or(BootError::Checkpoint { core: core.0 })?;
    let files = extent_files(perform, core)?;
    let reads =
        files.iter().map(|(file, _)| read(file.clone(), 0, BLOCK_BYTES as u32, Path::Buffered)).collect();
    let mut headers = Vec::new();
    for done in perform(reads) {
        headers.extend(ExtentHeader::decode(&taken(done)?));
    }
    let extents = reader::order(headers, incarnation, checkpoint.journal_start);
    Ok(OldCore { checkpoint, extents })
}

/// A partition that was moved between cores may be in two checkpoints: the higher owner epoch counts.
fn merge(cores: &[OldCore]) -> BTreeMap<TopicPartition, PartitionCheckpoint> {
    let mut merged: BTreeMap<TopicPartition, PartitionCheckpoint> = BTreeMap::new();
    for partition in cores.iter().flat_map(|core| &core.checkpoint.partitions) {
        let newer =
            merged.get(&partition.partition).is_none_or(|known| known.owner_epoch < partition.owner_epoch);
        if newer {
            merged.insert(partition.partition, partition.clone());
        }
    }
    merged
}

fn redo_metadata(perform: Perform<'_>, cores: &[OldCore], log: Option<Log>) -> Result<Redo, BootError> {
    let fresh = log.is_none();
    let directory = names::directory(METADATA_TOPIC, METADATA_LOG.partition);
    let log = log.unwrap_or_else(|| Log::empty(Offset(0)));
    let recovered = Recovered {
        owner_epoch: OwnerEpoch(0),
        directory: directory.clone(),
        sealed_below: log.active().base,
        log,
        index_interval: Settings::of_metadata().layout.index_interval,
        producers: Producers::default(),
    };
    if fresh {
        all(perform, vec![Op::RemoveTree { directory: FileName::new(directory.clone()) }])?;
        all(perform, vec![Op::Create { file: names::log(&directory, Offset(0)), allocate: 0 }])?;
    }
    let mut redo = Redo::new(BTreeMap::from([(METADATA_LOG, recovered)]));
    redo.existing.insert(directory);
    if let Some(core) = cores.first() {
        replay(perform, CoreId(0), core, &mut redo)?;
    }
    redo.write_out(perform)?;
    Ok(redo)
}

fn redo_partitions(
    perform: Perform<'_>,
    cores: &[OldCore],
    mut known: BTreeMap<TopicPartition, PartitionCheckpoint>,
    image: &Image,
    config: &BootConfig,
    redo: &mut Redo,
) -> Result<(), BootError> {
    let metadata = std::mem::take(&mut redo.partitions);
    for topic in image.topics() {
        let settings = Settings::of(&topic.overrides, image, &config.options);
        for index in (0..topic.partitions.len() as i32).map(PartitionIndex) {
            let id = TopicPartition { topic: topic.id, partition: index };
            let checkpoint = known.remove(&id);
            let owner_epoch = checkpoint.as_ref().map_or(OwnerEpoch(0), |partition| partition.owner_epoch);
            let producers = match checkpoint.as_ref().filter(|partition| !partition.producers.is_empty()) {
                Some(partition) => {
                    Producers::decode(&mut partition.producers.as_slice(), PRODUCERS_PER_PARTITION_MAX)
                        .map_err(|error| BootError::Partition {
                            directory: partition.directory.clone(),
                            reason: error.to_string(),
                        })?
                }
                None => Producers::default(),
            };
            let log = checkpoint.map_or_else(|| Log::empty(Offset(0)), |partition| partition.log);
            let directory = names::directory(&topic.name, index);
            let index_interval = settings.layout.index_interval;
            let sealed_below = log.active().base;
            let recovered =
                Recovered { owner_epoch, directory, log, sealed_below, index_interval, producers };
            redo.partitions.insert(id, recovered);
        }
    }
    for (number, core) in cores.iter().enumerate() {
        replay(perform, CoreId(number as u16), core, redo)?;
    }
    redo.write_out(perform)?;
    redo.drop_breached();
    redo.partitions.extend(metadata);
    Ok(())
}

fn replay(perform: Perform<'_>, core: CoreId, old: &OldCore, redo: &mut Redo) -> Result<(), BootError> {
    let mut replay = Replay::new(old.checkpoint.journal_start);
    for header in &old.extents {
        let file = writer::extent_file(core, header.extent as usize);
        let bytes = read_file(perform, file)?;
        let extent = ExtentBytes { header: *header, bytes };
        replay.extent::<BootError>(&extent, &mut |frame| {
            redo.take(frame)?;
            if redo.is_full() { redo.write_out(perform) } else { Ok(()) }
        })?;
    }
    Ok(())
}

fn read_image(perform: Perform<'_>, redo: &Redo) -> Result<Image, BootError> {
    let mut image = Image::default();
    let Some(metadata) = redo.partitions.get(&METADATA_LOG) else { return Ok(image) };
    for segment in metadata.log.segments() {
        let file = names::log(&metadata.directory, segment.base);
        let mut position = 0u32;
        while position < segment.size.0 {
            let length = METADATA_READ_BYTES.min(segment.size.0 - position);
            let bytes = taken(one(perform, read(file.clone(), u64::from(position), length, Path::Buffered)))?;
            let mut walked = 0;
            for (at, header) in record::headers(&bytes) {
                apply_batch(&mut image, &bytes[at..at + header.size()])?;
                walked = at + header.size();
            }
            if walked == 0 {
                return Err(BootError::Metadata(format!("no batch at byte {position} of {}", file.as_str())));
            }
            position += walked as u32;
        }
    }
    image.stand_at(metadata.log.next());
    Ok(image)
}

fn apply_batch(image: &mut Image, bytes: &[u8]) -> Result<(), BootError> {
    let damaged = |error: &dyn std::fmt::Display| BootError::Metadata(error.to_string());
    let (batch, _) = UncheckedBatch::split_first(bytes).map_err(|error| damaged(&error))?;
    let batch = batch.check().map_err(|error| damaged(&error))?;
    let records = batch.records(crate::limits::EXPANSION_BYTES_MAX).map_err(|error| damaged(&error))?;
    for record in records.iter() {
        let record = record.map_err(|error| damaged(&error))?;
        let change = MetadataRecord::decode(record.value.unwrap_or(&[])).map_err(|error| damaged(&error))?;
        image.apply(&change).map_err(|error| damaged(&error))?;
    }
    Ok(())
}

/// Raises the leader epochs and moves partitions off cores that are gone, as records at the metadata log's end.
fn begin_incarnation(
    perform: Perform<'_>,
    config: &BootConfig,
    incarnation: Incarnation,
    image: &mut Image,
    redo: &mut Redo,
) -> Result<(), BootError> {
    let instruction = Instruction::StartBroker { incarnation };
    let decision = decide_with(image, instruction, &config.options, config.cores);
    let Some(metadata) = redo.partitions.get_mut(&METADATA_LOG) else { return Ok(()) };
    let layout = Settings::of_metadata().layout;
    for records in decision.records.chunks(RECORDS_PER_BATCH) {
        let batch = encode_records(records, config.now.wall);
        let batch = batch
            .ok_or_else(|| BootError::Metadata("the records of this start do not fit a batch".into()))?;
        let header = BatchHeader::parse(&batch).map_err(|error| BootError::Metadata(error.to_string()))?;
        let log = &mut metadata.log;
        let base = log.next();
        let count = records.len() as i64;
        let placement = log.place(batch.len() as u32, count, header.max_timestamp, &layout);
        let mut placed = batch.to_vec();
        record::place(&mut placed, base, LeaderEpoch(0));
        let facts = BatchFacts {
            base,
            next: base.plus(count),
            size: placed.len() as u32,
            max_timestamp: header.max_timestamp,
        };
        log.apply(&facts, LeaderEpoch(0), placement, u32::MAX)
            .map_err(|error| BootError::Metadata(error.to_string()))?;
        let file = names::log(&metadata.directory, placement.segment);
        all(perform, vec![buffered(file, u64::from(placement.position.0), Bytes::from(placed))])?;
        for record in records {
            image.apply(record).map_err(|error| BootError::Metadata(error.to_string()))?;
        }
        image.stand_at(log.next());
    }
    Ok(())
}

/// Keeps one start's records inside metadata batches of a bounded size.
const RECORDS_PER_BATCH: usize = 10_000;

fn core_of(image: &Image, partition: TopicPartition) -> CoreId {
    image.partition(partition).map_or(CoreId(0), |partition| partition.core)
}

/// Into the slots that the old incarnation's newest checkpoints do not use.
fn write_checkpoints(
    perform: Perform<'_>,
    config: &BootConfig,
    incarnation: Incarnation,
    old: &[OldCore],
    image: &Image,
    redo: &Redo,
) -> Result<Vec<u64>, BootError> {
    let mut numbers = Vec::new();
    let mut encoders: Vec<Encoder> = (0..config.cores).map(|_| Encoder::new()).collect();
    for (id, recovered) in &redo.partitions {
        let core = core_of(image, *id);
        let owner_epoch =
            image.partition(*id).map_or(recovered.owner_epoch, |partition| partition.owner_epoch);
        if let Some(encoder) = encoders.get_mut(core.0 as usize) {
            let end = recovered.log.next();
            encoder.parts(*id, owner_epoch, &recovered.directory, &recovered.log, |out| {
                recovered.producers.encode(end, out)
            });
        }
    }
    let mut writes = Vec::new();
    for (core, encoder) in encoders.into_iter().enumerate() {
        let number = old.get(core).map_or(0, |core| core.checkpoint.number) + 1;
        let core = CoreId(core as u16);
        let bytes = encoder.finish(core, incarnation, number, JournalSequence(1));
        let file = checkpoint::slot_file(core, number % checkpoint::SLOTS);
        writes.push((file, Bytes::from(bytes)));
        numbers.push(number);
    }
    // Both slots exist from the start, so that later checkpoints only write.
    let mut missing = Vec::new();
    for core in (0..config.cores).map(CoreId) {
        let present = list(perform, &writer::directory(core))?;
        for slot in 0..checkpoint::SLOTS {
            let file = checkpoint::slot_file(core, slot);
            if !present.iter().any(|entry| file.as_str().ends_with(&format!("/{}", entry.name))) {
                missing.push(Op::Create { file, allocate: BLOCK_BYTES as u64 });
            }
        }
    }
    all(perform, missing)?;
    let files: Vec<FileName> = writes.iter().map(|(file, _)| file.clone()).collect();
    all(perform, writes.into_iter().map(|(file, bytes)| buffered(file, 0, bytes)).collect())?;
    all(perform, files.into_iter().map(|file| Op::SyncFile { file }).collect())?;
    let directories = (0..config.cores).map(|core| FileName::new(writer::directory(CoreId(core))));
    // A core that is new has a new directory too: its name must not be younger than the start record.
    let directories = directories.chain([FileName::new("journal")]);
    all(perform, directories.map(|directory| Op::SyncDir { directory }).collect())?;
    Ok(numbers)
}

/// Extents of the right number and size for every core, and nothing of cores that are gone.
fn lay_out_journals(perform: Perform<'_>, config: &BootConfig) -> Result<(), BootError> {
    let mut ops = Vec::new();
    for core in (0..config.cores).map(CoreId) {
        let present = extent_files(perform, core)?;
        for number in 0..config.budget.extents {
            let file = writer::extent_file(core, number);
            if !present.iter().any(|(name, size)| *name == file && *size == config.budget.extent_bytes) {
                ops.push(Op::Fill { file, size: config.budget.extent_bytes });
            }
        }
        let kept: Vec<FileName> =
            (0..config.budget.extents).map(|number| writer::extent_file(core, number)).collect();
        let surplus = present.into_iter().map(|(file, _)| file).filter(|file| !kept.contains(file));
        ops.extend(surplus.map(|file| Op::Remove { file }));
    }
    for entry in list(perform, "journal")? {
        let number = entry.name.strip_prefix("core-").and_then(|number| number.parse::<u32>().ok());
        if number.is_some_and(|number| number >= u32::from(config.cores)) {
            ops.push(Op::RemoveTree { directory: FileName::new(format!("journal/{}", entry.name)) });
        }
    }
    all(perform, ops)
}

fn deal(config: &BootConfig, incarnation: Incarnation, image: Image, redo: Redo, numbers: &[u64]) -> Boot {
    let image = Arc::new(image);
    let partitions = image.partition_count();
    let seed = |core: u16| ShardSeed {
        config: ShardConfig {
            core: CoreId(core),
            cores: config.cores,
            options: config.options.clone(),
            budget: config.budget,
            pacing: config.pacing,
            read_bytes: config.read_bytes,
            segment_io: config.segment_io,
            checkpoint_interval_ms: config.checkpoint_interval_ms,
            retention_check: config.retention_check,
        },
        image: image.clone(),
        incarnation,
        checkpoint_number: numbers.get(core as usize).copied().unwrap_or(1),
        secret_seed: config.secret_seed.wrapping_add(u64::from(core).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        logs: Vec::new(),
    };
    let mut seeds: Vec<ShardSeed> = (0..config.cores).map(seed).collect();
    let (redone_batches, redone_bytes) = (redo.frames, redo.bytes);
    for (id, recovered) in redo.partitions {
        let core = core_of(&image, id);
        if let Some(seed) = seeds.get_mut(core.0 as usize) {
            seed.logs.push((id, recovered.log, recovered.producers));
        }
    }
    Boot { seeds, incarnation, partitions, redone_batches, redone_bytes }
}

pub(super) fn read(file: FileName, position: u64, length: u32, path: Path) -> Op {
    Op::Read { file, position, length, path, class: Class::Background }
}

pub(super) fn one(perform: Perform<'_>, op: Op) -> Done {
    perform(vec![op]).pop().unwrap_or(Done::Completed)
}

/// What was read; nothing where the file is not there.
pub(super) fn taken(done: Done) -> Result<Bytes, BootError> {
    match done {
        Done::Read(bytes) => Ok(bytes),
        Done::Failed(failure) if failure.is_not_found() => Ok(Bytes::new()),
        Done::Failed(failure) => Err(BootError::Io(failure)),
        Done::Completed | Done::Listed(_) | Done::Opened(_) => Ok(Bytes::new()),
    }
}

pub(super) fn list(perform: Perform<'_>, directory: &str) -> Result<Vec<Entry>, BootError> {
    match one(perform, Op::List { directory: FileName::new(directory.to_owned()) }) {
        Done::Listed(entries) => Ok(entries),
        Done::Failed(failure) => Err(BootError::Io(failure)),
        Done::Completed | Done::Read(_) | Done::Opened(_) => Ok(Vec::new()),
    }
}

/// A file of unknown, bounded size.
pub(super) fn read_file(perform: Perform<'_>, file: FileName) -> Result<Bytes, BootError> {
    taken(one(perform, read(file, 0, EXTENT_READ_BYTES_MAX as u32, Path::Buffered)))
}

/// The journal extents of a core, with their sizes.
fn extent_files(perform: Perform<'_>, core: CoreId) -> Result<Vec<(FileName, u64)>, BootError> {
    let directory = writer::directory(core);
    let entries = list(perform, &directory)?.into_iter();
    let extents =
        entries.filter(|entry| entry.name.starts_with("extent-") && entry.size <= EXTENT_READ_BYTES_MAX);
    Ok(extents.map(|entry| (FileName::new(format!("{directory}/{}", entry.name)), entry.size)).collect())
}
