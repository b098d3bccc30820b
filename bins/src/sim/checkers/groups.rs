//! Groups: one partition never has two owners at a time, committed offsets are kept and never go back, generations rise, who is not a
//! member any more does not commit, and what a coordinator knows is what its log says, live and after a replay.

use std::fmt;

use engine::{
    base::{Offset, PartitionIndex},
    group::{
        Groups,
        classic::Phase,
        consumer::{ConsumerGroup, Decision},
        kind::Kind,
        record::GroupRecord,
        request::{OffsetFound, TopicFound},
    },
};

use super::{Promise, Verdict};
use crate::sim::{
    coordinated::{Coordinated, Holding, Part, Position, SESSION_MS},
    model::Model,
    plan::MILLISECOND,
};

/// A record goes into the journal.
pub fn written(known: &Coordinated, record: &GroupRecord) -> Verdict {
    let (group, new) = match record {
        GroupRecord::GroupMetadata(group, Some(value)) => (group, value.generation),
        GroupRecord::ConsumerGroupMetadata(group, Some(value)) => (group, value.epoch),
        _ => return Ok(()),
    };
    let before = known.generation(group).unwrap_or(0);
    Promise::GenerationsRise
        .holds(new >= before, || format!("group {group} was written with {before}, and now with {new}"))
}

/// A member joined; `floor`: a generation of which a member had been told its part when it asked.
pub fn joined(group: &str, generation: i32, floor: i32) -> Verdict {
    Promise::GenerationsRise.holds(generation >= floor, || {
        format!(
            "a member of {group} joins generation {generation}; a part of {floor} was given before it asked"
        )
    })
}

/// A member of a consumer group is told its epoch; `before`: what it had when it asked.
pub fn epoch_told(group: &str, member: &str, epoch: i32, before: i32) -> Verdict {
    Promise::GenerationsRise.holds(epoch >= before, || {
        format!("member {member} of {group} had epoch {before}, and is told {epoch}")
    })
}

/// A member is told its part of a generation.
pub fn synced(known: &Coordinated, group: &str, generation: i32, member: &str, parts: &[i32]) -> Verdict {
    for part in parts {
        let other = known.parts.get(&(group.to_owned(), generation, *part));
        Promise::OneOwner.holds(other.is_none_or(|other| other == member), || {
            format!("in generation {generation} of {group} {member} is told to have part {part}, and {other:?} was")
        })?;
    }
    Ok(())
}

/// A member of a consumer group is told what it may read.
pub fn assigned(
    known: &Coordinated,
    (group, member, instance): (&str, &str, Option<&str>),
    parts: &[Part],
    now: u64,
) -> Verdict {
    let others =
        known.holdings.iter().filter(|((other_group, other), holding): &(&(String, String), &Holding)| {
            let same = instance.is_some() && holding.instance.as_deref() == instance;
            other_group == group && other != member && !same && now < holding.heard + SESSION_MS * MILLISECOND
        });
    for ((_, other), holding) in others {
        let both: Vec<&Part> = parts.iter().filter(|part| holding.parts.contains(part)).collect();
        Promise::OneOwner.holds(both.is_empty(), || {
            format!("{member} of {group} is told to read {both:?}, which {other} has not given up; it was heard at {}", holding.heard)
        })?;
    }
    Ok(())
}

/// A commit of this value is acknowledged; `stale`: why it must not be.
pub fn committed(model: &Model, position: &Position, value: i64, stale: Option<&str>) -> Verdict {
    let known = &model.groups;
    if let Some(why) = stale {
        return Promise::FencedRefused
            .broken(format!("a commit of {value} for {position:?} is taken although {why}"));
    }
    let Some(id) = known.partition_of(&position.0) else { return Ok(()) };
    let durable = model.partitions.get(&id).map_or(Offset(0), |partition| partition.durable);
    let at = known.written_at(position, value);
    Promise::CommitsKept.holds(at.is_some_and(|at| at < durable), || {
        format!("the commit of {value} for {position:?} is acknowledged; it was written at {at:?}, and the disk holds {durable}")
    })
}

/// All offsets of a group are answered. `durable`: what the disk held of their log when they were asked for.
pub fn fetched(model: &Model, group: &str, topics: &[TopicFound], durable: Offset) -> Verdict {
    let known = &model.groups;
    let Some(id) = known.partition_of(group) else { return Ok(()) };
    let now = model.partitions.get(&id).map_or(Offset(0), |partition| partition.durable);
    let found = |topic: &str, partition: PartitionIndex| -> Option<&OffsetFound> {
        let topic = topics.iter().find(|found| found.name == topic)?;
        topic.partitions.iter().find(|found| found.partition == partition)
    };
    for position in known.positions(group) {
        let told = found(&position.1, position.2).map(|found| found.offset).filter(|offset| *offset >= 0);
        let (least, most) = (known.values_below(position, durable), known.values_below(position, now));
        let fits = (least..=most).any(|count| known.value_after(position, count) == told);
        Promise::CommitsKept.holds(fits, || {
            let values: Vec<_> = (least..=most).map(|count| known.value_after(position, count)).collect();
            format!("{position:?} is told to be at {told:?}, and was at one of {values:?}")
        })?;
    }
    for topic in topics {
        for one in topic.partitions.iter().filter(|one| one.offset >= 0) {
            let position = (group.to_owned(), topic.name.clone(), one.partition);
            Promise::CommitsKept.holds(known.written_at(&position, one.offset).is_some(), || {
                format!("{position:?} is told to be at {}, where nobody put it", one.offset)
            })?;
        }
    }
    Ok(())
}

/// What a coordinator knows of groups, when all its records are in the log.
pub fn equal(known: &Coordinated, live: &Groups, partition: PartitionIndex) -> Verdict {
    let Some(replica) = known.replicas.get(&partition) else { return Ok(()) };
    for (id, logged) in replica.iter() {
        let Some(group) = live.group(id) else {
            return Promise::GroupsReplayed
                .broken(format!("group {id} is in the log, and its coordinator does not know it"));
        };
        Promise::GroupsReplayed.holds(group.offsets == logged.offsets, || {
            format!("group {id}: the log says {:?}, its coordinator {:?}", logged.offsets, group.offsets)
        })?;
        let (logged, known) = (Stored::of(id, &logged.kind), Stored::of(id, &group.kind));
        let same = logged == known || matches!(logged, Stored::Nothing) || matches!(known, Stored::OnTheWay);
        Promise::GroupsReplayed
            .holds(same, || format!("group {id}: the log says {logged}, its coordinator {known}"))?;
    }
    match live.of_partition(partition).map(|(id, _)| id).find(|id| replica.group(id).is_none()) {
        Some(id) => Promise::GroupsReplayed.broken(format!("group {id} is known, and in no log")),
        None => Ok(()),
    }
}

/// A group as its records say it.
#[derive(PartialEq)]
enum Stored {
    /// Only offsets.
    Nothing,
    /// From one generation to the next: it is not what is stored.
    OnTheWay,
    Classic(Box<GroupRecord>),
    Consumer(Box<ConsumerGroup>),
}

impl Stored {
    fn of(id: &str, kind: &Kind) -> Stored {
        match kind {
            Kind::Classic(group) if group.protocol_type().is_none() => Stored::Nothing,
            Kind::Classic(group) if matches!(group.phase(), Phase::Stable | Phase::Empty) => {
                Stored::Classic(Box::new(group.record(id)))
            }
            Kind::Classic(_) => Stored::OnTheWay,
            Kind::Consumer(live) => {
                // What is never stored does not count.
                let mut group = live.group.clone();
                group.settle(&Decision { seen: Some(0), ..Decision::default() });
                Stored::Consumer(Box::new(group))
            }
        }
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stored::Nothing => f.write_str("nothing"),
            Stored::OnTheWay => f.write_str("that it is on the way"),
            Stored::Classic(record) => write!(f, "{record:?}"),
            Stored::Consumer(group) => {
                let members: Vec<_> = group.members().collect();
                write!(f, "epoch {} (assigned {}): {members:?}", group.epoch(), group.assignment_epoch())
            }
        }
    }
}
