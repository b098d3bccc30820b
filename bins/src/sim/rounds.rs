//! The life of the node: it starts, serves for a while, and stops, cleanly or not, and starts again, on as many cores as chance will
//! have. After each start what is on the disk is compared with what is known to be true. Lives in the simulator.

use std::sync::Arc;

use engine::{
    base::{NodeId, TopicId, TopicPartition},
    error::IoFailure,
    log::names,
    op::{Done, Op},
    shard::{Boot, Shard, boot},
};

use super::{
    canary::Canary,
    checkers::{
        Promise, Verdict, Violation, acknowledged, compaction, failure, metadata,
        recovered::{self, Stop},
        segments, starts,
    },
    disk::Landing,
    model::Existence,
    plan::{Fault, MILLISECOND},
    rot::Rot,
    world::{Ended, Event, World, short_op},
};

/// A clean stop takes less than this of the node's time, on the slowest of our devices.
const STOP_NS_MAX: u64 = 5_000 * MILLISECOND;
/// As many Ops as no start here needs.
const START_OPS: u64 = 400;

/// Every round, and at last a start that must find everything.
pub fn all(world: &mut World, starts: &mut u32) -> Verdict {
    let mut stop = Stop::Clean;
    for round in 0..world.plan.rounds {
        world.say(|| format!("round {round}"));
        start(world, stop, starts)?;
        stop = serve(world)?;
        end(world, stop)?;
    }
    world.plan.faulty = false;
    start(world, stop, starts)?;
    world.clients.resting = true;
    stop_cleanly(world, false)?;
    end(world, Stop::Clean)
}

/// Starts until a start survives.
fn start(world: &mut World, stop: Stop, starts: &mut u32) -> Verdict {
    world.mutator.before_start(&mut world.disk);
    let mut rot = if world.plan.rotten { Rot::strike(&mut world.disk, &mut world.random) } else { None };
    if let Some(rot) = &rot {
        world.say(|| format!("a bit changes: {rot:?}"));
        if world.mutator.is(Canary::DamageCutSilently) {
            rot.cut(&mut world.disk);
        }
    }
    loop {
        *starts += 1;
        let attempted = attempt(world, rot.is_some())?;
        if attempted.is_none()
            && let Some(rot) = rot.take()
        {
            rot.heal(&mut world.disk);
        }
        match attempted {
            Some(found) => {
                compare(world, stop, &found)?;
                let shards = found.seeds.into_iter().map(Shard::new).collect();
                world.run_process(shards);
                return Ok(());
            }
            None => {
                let power = world.random.bool() || world.mutator.is(Canary::StartActsOnUnsyncedJournals);
                world.say(|| format!("the start dies; power lost: {power}"));
                fall(world, if power { Stop::PowerLost } else { Stop::Killed });
            }
        }
    }
}

/// One start; none: it died, or a device failed.
fn attempt(world: &mut World, rotten: bool) -> Result<Option<Boot>, Violation> {
    world.disk.serving = false;
    let now = world.now();
    let mut config = world.plan.boot_config(now, &mut world.random);
    if world.mutator.is(Canary::StartRaisesNoEpoch) {
        // Only what a broker leads gets a new epoch by its start.
        Arc::make_mut(&mut config.options).node = NodeId(world.random.i32(1..4));
    }
    let frail = world.mutator.is(Canary::StartActsOnUnsyncedJournals);
    let dies_at =
        (world.random.u8(0..if frail { 2 } else { 6 }) == 0).then(|| world.random.u64(0..START_OPS / 4));
    let fails_at =
        (world.plan.faulty && world.random.u8(0..4) == 0).then(|| world.random.u64(0..START_OPS / 4));
    world.say(|| format!("a start on {} cores", config.cores));
    let (mut count, mut dead, mut failed) = (0, false, false);
    let mut perform = |ops: Vec<Op>| {
        let mut order: Vec<usize> = (0..ops.len()).collect();
        world.random.shuffle(&mut order);
        let tickets: Vec<_> = ops
            .iter()
            .map(|op| {
                (!dead && !world.mutator.pretends_at_start(op, count)).then(|| world.disk.submit(op.clone()))
            })
            .collect();
        let mut done: Vec<Done> = ops.iter().map(|_| Done::Completed).collect();
        for index in order {
            count += 1;
            dead |= dies_at.is_some_and(|at| count > at);
            let fails = fails_at == Some(count);
            failed |= fails;
            done[index] = match tickets[index] {
                _ if dead => Done::Failed(killed()),
                None => Done::Completed,
                Some(ticket) if fails => world.disk.fail(ticket, &mut world.random),
                Some(ticket) => world.disk.complete(ticket),
            };
            let line = (short_op(&ops[index]), dead);
            world.say(|| format!("start: {} {}", line.0, if line.1 { "(too late)" } else { "" }));
        }
        ops.iter().zip(done).map(|(op, done)| world.mutator.at_start(op, done)).collect()
    };
    let outcome = boot(&mut perform, &config);
    if let Some(complaint) = world.disk.take_complaint() {
        return Promise::DeviceRules.broken(format!("during a start: {complaint}"));
    }
    match outcome {
        _ if dead => Ok(None),
        Ok(found) => {
            let image = &found.seeds[0].image;
            metadata::after_start(&world.model, image, config.cores)?;
            Ok(Some(found))
        }
        Err(error) => {
            world.say(|| format!("the start is refused: {error}"));
            failure::start_refused(&error.to_string(), u64::from(failed), rotten)?;
            Ok(None)
        }
    }
}

fn killed() -> IoFailure {
    IoFailure { operation: "perform", path: String::new(), errno: libc::EIO, reason: "killed".into() }
}

/// What a start found, against what is true; then the model learns what was lost.
fn compare(world: &mut World, stop: Stop, found: &Boot) -> Verdict {
    let image = found.seeds[0].image.clone();
    for (id, log, _) in found.seeds.iter().flat_map(|seed| &seed.logs) {
        let directory = match image.topic_by_id(id.topic) {
            Some(topic) => names::directory(&topic.name, id.partition),
            None if id.topic == TopicId::METADATA => "__cluster_metadata-0".to_owned(),
            None => return Promise::MetadataKept.broken(format!("{id:?} is served, and in no metadata")),
        };
        let end = log.next();
        world.say(|| format!("{directory} ends at {end}"));
        acknowledged::nothing_durable_is_missing(&world.model, *id, end)?;
        if id.topic != TopicId::METADATA {
            recovered::end(&world.model, *id, stop, end)?;
            starts::recovered(&world.model, *id, stop, log)?;
        }
        let batches = segments::recovered(&world.disk, &world.model, *id, &directory, log)?;
        let changes = compaction::recovered(&world.model, *id, stop, log, &batches)?;
        world.learn(*id, changes);
        let now = world.now().wall;
        world.model.recovered(*id, log, now);
        compaction::compacted(&world.model, *id, log)?;
        if let (Some(model), Some(partition)) = (world.model.partitions.get_mut(id), image.partition(*id)) {
            model.leader_epoch = partition.leader_epoch.0;
        }
    }
    let served =
        |id: &TopicPartition| found.seeds.iter().any(|seed| seed.logs.iter().any(|(one, ..)| one == id));
    for (id, topic) in world.model.topics.clone() {
        let there = image.topic_by_id(id).is_some();
        if let Some(found) = image.topic_by_id(id) {
            world.model.has_partitions(id, found.partitions.len() as i32);
        }
        let existence = if there { Existence::Live } else { Existence::Gone };
        if topic.existence != existence {
            world.model.set_existence(id, existence);
        }
    }
    for id in world.model.partitions.keys() {
        Promise::AcknowledgedKept.holds(served(id), || format!("{id:?} is not served after the start"))?;
    }
    Ok(())
}

/// The node serves; answers how it comes to its end.
fn serve(world: &mut World) -> Result<Stop, Violation> {
    let until = world.clock + world.random.u64(MILLISECOND / 2..world.plan.round_ns_max);
    world.fault = match world.mutator.fault() {
        Some(fault) => fault,
        None => world.plan.fault(&mut world.random),
    };
    let fault = world.fault;
    world.say(|| format!("serves until {until}, fault {fault:?}"));
    if fault == Fault::NoSpace {
        let after = world.random.u64(0..until - world.clock);
        let length = world.random.u64(0..4 * MILLISECOND);
        world.schedule(after, Event::Full(true));
        world.schedule(after + length, Event::Full(false));
    }
    if world.mutator.is(Canary::LateWritesAfterTheLock) {
        // Long enough for the new process to have written.
        let soon = world.clock + (until - world.clock) / 2;
        if world.run(soon, &|_| false)? == Ended::ByFailure {
            return Ok(Stop::Killed);
        }
        world.disk.land_stranded(&mut world.random);
    }
    // Of no use to an honest run: the one moment at which this canary can sing.
    let frail = world.mutator.is(Canary::StartActsOnUnsyncedJournals);
    let moment = |world: &World| frail && world.deletion_under_way;
    if world.run(until, &moment)? == Ended::ByFailure || moment(world) {
        return Ok(Stop::Killed);
    }
    let stop = world.plan.stop(&mut world.random);
    if stop != Stop::Clean {
        return Ok(if world.faults > 0 && stop == Stop::KilledLanded { Stop::Killed } else { stop });
    }
    stop_cleanly(world, true)
}

/// Clients are done, then the shards are told to stop; answers how it ended.
fn stop_cleanly(world: &mut World, interruptible: bool) -> Result<Stop, Violation> {
    let until = world.clock + STOP_NS_MAX;
    let politely = world.random.bool();
    world.clients.resting = true;
    world.say(|| format!("a clean stop, politely: {politely}"));
    if politely {
        if world.run(until, &|world| world.clients.calls.is_empty())? == Ended::ByFailure {
            return Ok(Stop::Killed);
        }
        Promise::Answers.holds(world.clients.calls.is_empty() || world.faults > 0, || {
            format!("these calls are never answered: {:?}", world.clients.calls)
        })?;
    }
    world.compare_groups()?;
    let now = world.now();
    let cores = world.process.as_ref().map_or(0, |process| process.shards.len());
    for core in 0..cores {
        if let Some(process) = &mut world.process {
            process.shards[core].stop(now);
        }
        world.after_turn(core as u16)?;
        world.wake(core as u16);
    }
    let stopped = |world: &World| {
        world.process.as_ref().is_none_or(|process| process.shards.iter().all(Shard::is_stopped))
    };
    if interruptible && world.random.u8(0..4) == 0 {
        let until = world.clock + world.random.u64(0..8 * MILLISECOND);
        let ended = world.run(until, &stopped)?;
        if ended == Ended::ByFailure || !stopped(world) {
            let power = world.random.bool();
            world.say(|| format!("the stop is cut short; power lost: {power}"));
            return Ok(if power { Stop::PowerLost } else { Stop::Killed });
        }
    }
    let until = world.clock + STOP_NS_MAX;
    if world.run(until, &stopped)? == Ended::ByFailure {
        return Ok(Stop::Killed);
    }
    if !stopped(world) && world.faults > 0 {
        return Ok(Stop::Killed);
    }
    Promise::Answers.holds(stopped(world), || "a clean stop does not come to its end".to_owned())?;
    if world.faults > 0 { Ok(Stop::Killed) } else { Ok(Stop::Clean) }
}

/// The process is gone.
fn end(world: &mut World, stop: Stop) -> Verdict {
    world.say(|| format!("the process ends: {stop:?}"));
    world.disk.full = false;
    world.fault = Fault::None;
    fall(world, stop);
    if stop == Stop::Clean {
        segments::closed(&world.disk, &world.model)?;
        if world.random.u8(0..4) == 0 {
            world.say(|| "and the power is lost".to_owned());
            world.disk.lose_power(&mut world.random);
            segments::closed(&world.disk, &world.model)?;
        }
    }
    Ok(())
}

fn fall(world: &mut World, stop: Stop) {
    world.process = None;
    match stop {
        Stop::PowerLost => world.disk.lose_power(&mut world.random),
        Stop::Clean | Stop::KilledLanded => world.disk.kill(Landing::All, &mut world.random),
        Stop::Killed if world.mutator.is(Canary::LateWritesAfterTheLock) => world.disk.strand(),
        Stop::Killed if world.mutator.is(Canary::StartActsOnUnsyncedJournals) => {
            world.disk.kill(Landing::Unflushed, &mut world.random)
        }
        Stop::Killed => world.disk.kill(Landing::Some, &mut world.random),
    }
}
