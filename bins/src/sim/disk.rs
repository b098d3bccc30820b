//! A data directory in memory that performs a shard's Ops as a device and its file system may: in any order, each at a moment between
//! its submission and its Done, with what is not synced lost at a power loss. Lives in the simulator; must never be kinder than a
//! kernel.
//!
//! What is modelled: completed but unsynced writes (any subset of sectors), unsynced names and sizes, writes under way at a stop,
//! RWF_DSYNC that makes its own bytes stable and no others, syncs that cover what had completed when they were asked for, failing
//! Ops, failed syncs that lose what they covered, a full file system. A device that tears within one of its blocks (`Damage::shorn`)
//! leaves noise in sectors that were being written by O_DIRECT at a power loss.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use engine::{
    error::IoFailure,
    limits::BLOCK_BYTES,
    op::{Done, Entry, FileName, FileRange, Op, OpenedFile, Path, Sync},
};
use fastrand::Rng;

use super::{
    file::{Promise, Stamp},
    tree::{NodeId, Tree},
};

/// Names an Op between its submission and its completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

#[derive(Clone, Debug)]
struct Flight {
    op: Op,
    /// The file that a read or write reaches, whatever becomes of its name.
    node: Option<NodeId>,
    /// What had completed when it was submitted.
    since: Stamp,
}

/// What becomes of the Ops that a killed process had under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    All,
    /// Any of them, each with the flush that was to follow, or without.
    Some,
    /// All, and no flush.
    Unflushed,
}

/// What the devices of one seed do beyond losing what was not synced.
#[derive(Clone, Copy, Debug, Default)]
pub struct Damage {
    pub shorn: bool,
}

#[derive(Debug, Default)]
pub struct Disk {
    tree: Tree,
    stamp: u64,
    tickets: u64,
    flights: BTreeMap<Ticket, Flight>,
    /// Of a process that is gone: they land when a canary says so.
    stranded: Vec<Flight>,
    pub damage: Damage,
    /// No space is left: nothing can be allocated.
    pub full: bool,
    /// A process serves: what it writes to segments is allocated before and never under way twice, whatever way it goes. A start redoes.
    pub serving: bool,
    /// Rules of the seam that a submitted Op breaks.
    complaints: Vec<String>,
}

impl Disk {
    /// Takes an Op; it happens at `complete`, or, after a stop, perhaps.
    pub fn submit(&mut self, op: Op) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let node = match &op {
            Op::Write { file, path: Path::Buffered, .. } => self.find_or_create(file),
            Op::Write { file, .. } | Op::Read { file, .. } | Op::Open { file } => {
                self.tree.find(file.as_str())
            }
            _ => None,
        };
        self.check(&op, node);
        self.flights.insert(ticket, Flight { op, node, since: Stamp(self.stamp) });
        ticket
    }

    /// The Op happens now.
    pub fn complete(&mut self, ticket: Ticket) -> Done {
        match self.flights.remove(&ticket) {
            Some(flight) => self.happen(flight),
            None => Done::Completed,
        }
    }

    /// The Op fails: with EIO, and its effect is anybody's guess.
    pub fn fail(&mut self, ticket: Ticket, random: &mut Rng) -> Done {
        let Some(flight) = self.flights.remove(&ticket) else { return Done::Completed };
        match &flight.op {
            Op::SyncFilesystem => self.tree.fail_sync(random),
            Op::SyncFile { file } => {
                let node = self.tree.find(file.as_str());
                if let Some(file) = node.and_then(|node| self.tree.file_mut(node)) {
                    file.fail_sync(random);
                }
            }
            Op::Write { data, position, .. } if random.bool() => {
                let half = data.slice(..data.len() / 1024 * 512);
                let stamp = self.tick();
                if let Some(file) = flight.node.and_then(|node| self.tree.file_mut(node)) {
                    file.write(stamp, *position, &half, Promise::Nothing);
                }
            }
            _ => {}
        }
        let (operation, name) = described(&flight.op);
        refused(operation, name, libc::EIO, "input/output error")
    }

    /// Submits and completes.
    pub fn perform(&mut self, op: Op) -> Done {
        let ticket = self.submit(op);
        self.complete(ticket)
    }

    /// The process is gone, the machine runs on: what was under way happens, or not, in any order.
    pub fn kill(&mut self, landing: Landing, random: &mut Rng) {
        let mut flights: Vec<Flight> = std::mem::take(&mut self.flights).into_values().collect();
        random.shuffle(&mut flights);
        for mut flight in flights {
            let (lands, flushed) = match landing {
                Landing::All => (true, true),
                Landing::Some => (random.bool(), random.bool()),
                Landing::Unflushed => (true, false),
            };
            if let Op::Write { sync, .. } = &mut flight.op
                && !flushed
            {
                *sync = Sync::Later;
            }
            if lands {
                self.happen(flight);
            }
        }
    }

    /// What was under way stays under way.
    pub fn strand(&mut self) {
        self.stranded = std::mem::take(&mut self.flights).into_values().collect();
    }

    pub fn land_stranded(&mut self, random: &mut Rng) {
        let mut flights = std::mem::take(&mut self.stranded);
        random.shuffle(&mut flights);
        for flight in flights {
            self.happen(flight);
        }
    }

    /// The machine stops: only what is stable is left, and what tore.
    pub fn lose_power(&mut self, random: &mut Rng) {
        self.tree.lose_power(random);
        let mut flights: Vec<Flight> = std::mem::take(&mut self.flights).into_values().collect();
        random.shuffle(&mut flights);
        for flight in flights {
            if let (Op::Write { position, data, path, .. }, Some(node)) = (&flight.op, flight.node)
                && let Some(file) = self.tree.file_mut(node)
            {
                // An index is small and written anew at its end only: no device is known to tear behind it.
                let may_shear = *path == Path::Direct || described(&flight.op).1.ends_with(".log");
                file.tear(*position, data, self.damage.shorn && may_shear, random);
            }
        }
    }

    /// A file's bytes as a reader sees them.
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        let file = self.tree.file(self.tree.find(path)?)?;
        Some(file.seen())
    }

    /// What a range of a file holds now, perhaps less than it promises.
    pub fn range(&self, range: &FileRange) -> &[u8] {
        let node = range.file.0.downcast_ref::<NodeId>();
        let seen = node.and_then(|node| self.tree.file(*node)).map_or(&[][..], |file| file.seen());
        let start = (range.position as usize).min(seen.len());
        &seen[start..(start + range.length as usize).min(seen.len())]
    }

    /// A file's bytes as they would be left if the power were lost now, if its name is stable.
    pub fn stable(&self, path: &str) -> Option<&[u8]> {
        let file = self.tree.file(self.tree.find_stable(path)?)?;
        Some(file.stable())
    }

    pub fn names(&self, directory: &str) -> Vec<String> {
        self.tree.list(directory).into_iter().map(|(name, ..)| name).collect()
    }

    /// Changes a bit at rest.
    pub fn rot(&mut self, path: &str, position: u64, bit: u8) {
        if let Some(file) = self.tree.find(path).and_then(|node| self.tree.file_mut(node)) {
            file.rot(position, bit);
        }
    }

    /// Overwrites bytes at rest, as no device does: for canaries.
    pub fn forge(&mut self, path: &str, position: u64, data: &Bytes) {
        let stamp = self.tick();
        if let Some(file) = self.tree.find(path).and_then(|node| self.tree.file_mut(node)) {
            file.write(stamp, position, data, Promise::Stable);
        }
    }

    pub fn take_complaint(&mut self) -> Option<String> {
        self.complaints.pop()
    }

    fn tick(&mut self) -> Stamp {
        self.stamp += 1;
        Stamp(self.stamp)
    }

    fn find_or_create(&mut self, file: &FileName) -> Option<NodeId> {
        let above = self.tree.above(file.as_str());
        above?;
        let stamp = self.tick();
        self.tree.create(stamp, file.as_str())
    }

    /// What every Op must keep to, whoever performs it.
    fn check(&mut self, op: &Op, node: Option<NodeId>) {
        let (position, length, path) = match op {
            Op::Write { position, data, path, .. } => (*position, data.len() as u64, *path),
            Op::Read { position, length, path, .. } => (*position, u64::from(*length), *path),
            _ => return,
        };
        let block = BLOCK_BYTES as u64;
        let (operation, name) = described(op);
        if path == Path::Direct && !(position.is_multiple_of(block) && length.is_multiple_of(block)) {
            self.complaints.push(format!(
                "{operation} of {name} at {position}+{length} is O_DIRECT and not whole blocks"
            ));
        }
        let Op::Write { data, .. } = op else { return };
        if path == Path::Direct && !engine::io::buffer::is_aligned(data) {
            self.complaints
                .push(format!("{operation} of {name} is O_DIRECT from memory that is not aligned"));
        }
        let is_strict = path == Path::Direct || self.serving && name.ends_with(".log");
        for flight in self.flights.values() {
            let Op::Write { position: other, data, .. } = &flight.op else { continue };
            let overlaps = *other < position + length && position < other + data.len() as u64;
            // Redo at a start writes the same bytes twice, through the page cache: harmless.
            if is_strict && flight.node == node && overlaps {
                self.complaints.push(format!("two writes to {name} at {position} are under way at once"));
            }
        }
        let size = node.and_then(|node| self.tree.file(node)).map_or(0, |file| file.size());
        if is_strict && !name.contains("checkpoint-") && position + length > size {
            let end = position + length;
            self.complaints
                .push(format!("{operation} of {name} up to {end} goes beyond the {size} bytes allocated"));
        }
    }

    fn happen(&mut self, flight: Flight) -> Done {
        let stamp = self.tick();
        let (operation, name) = described(&flight.op);
        let missing = |what: &str| refused(operation, name, libc::ENOENT, what);
        match &flight.op {
            Op::Write { position, data, sync, .. } => {
                let Some(file) = flight.node.and_then(|node| self.tree.file_mut(node)) else {
                    return missing("no such file");
                };
                if self.full && position + data.len() as u64 > file.size() {
                    return refused(operation, name, libc::ENOSPC, "no space left on device");
                }
                let promise = if *sync == Sync::Data { Promise::Stable } else { Promise::Nothing };
                file.write(stamp, *position, data, promise);
            }
            Op::Read { position, length, .. } => {
                let Some(file) = flight.node.and_then(|node| self.tree.file(node)) else {
                    return missing("no such file");
                };
                let seen = file.seen();
                let start = (*position as usize).min(seen.len());
                let end = (start + *length as usize).min(seen.len());
                return Done::Read(Bytes::copy_from_slice(&seen[start..end]));
            }
            Op::Open { .. } => {
                return match flight.node {
                    Some(node) => Done::Opened(OpenedFile(Arc::new(node))),
                    None => missing("no such file"),
                };
            }
            Op::Create { allocate: size, .. } | Op::Fill { size, .. } => {
                let Some(node) = self.tree.create(stamp, name) else { return missing("no such directory") };
                let full = self.full && *size > 0;
                let Some(file) = self.tree.file_mut(node) else { return missing("not a file") };
                file.resize(stamp, 0);
                if full {
                    return refused(operation, name, libc::ENOSPC, "no space left on device");
                }
                file.resize(stamp, *size);
                if matches!(flight.op, Op::Fill { .. }) {
                    file.sync(stamp);
                    self.sync_names_above(name, stamp);
                }
            }
            Op::Allocate { size, .. } | Op::Truncate { size, .. } => {
                let grow_only = matches!(flight.op, Op::Allocate { .. });
                let full = self.full;
                let node = self.tree.find(name);
                let Some(file) = node.and_then(|node| self.tree.file_mut(node)) else {
                    return missing("no such file");
                };
                if full && *size > file.size() {
                    return refused(operation, name, libc::ENOSPC, "no space left on device");
                }
                if *size != file.size() && !(grow_only && *size < file.size()) {
                    file.resize(stamp, *size);
                }
            }
            Op::SyncFile { .. } => {
                let node = self.tree.find(name);
                let Some(file) = node.and_then(|node| self.tree.file_mut(node)) else {
                    return missing("no such file");
                };
                file.sync(flight.since);
            }
            Op::SyncDir { .. } => {
                let Some(node) = self.tree.find(name) else { return missing("no such directory") };
                self.tree.sync_names(node, flight.since);
            }
            Op::SyncFilesystem => self.tree.sync(flight.since),
            Op::Remove { .. } | Op::RemoveTree { .. } => {
                self.tree.remove(stamp, name);
            }
            Op::Rename { to, .. } => {
                if self.tree.find(name).is_none() {
                    return missing("no such file or directory");
                }
                if !self.tree.rename(stamp, name, to.as_str()) {
                    return refused(operation, name, libc::EEXIST, "the target exists");
                }
            }
            Op::List { .. } => {
                let entry = |(name, node, is_directory): (String, NodeId, bool)| {
                    let size = self.tree.file(node).map_or(0, |file| file.size());
                    Entry { name, size, is_directory }
                };
                return Done::Listed(self.tree.list(name).into_iter().map(entry).collect());
            }
        }
        Done::Completed
    }

    /// A filled file's name is stable, and those of the directories that lead to it.
    fn sync_names_above(&mut self, name: &str, stamp: Stamp) {
        let mut path = name;
        while let Some((above, _)) = path.rsplit_once('/') {
            if let Some(node) = self.tree.find(above) {
                self.tree.sync_names(node, stamp);
            }
            path = above;
        }
        if let Some(node) = self.tree.find(".") {
            self.tree.sync_names(node, stamp);
        }
    }
}

fn refused(operation: &'static str, path: &str, errno: i32, reason: &str) -> Done {
    Done::Failed(IoFailure { operation, path: path.to_owned(), errno, reason: reason.to_owned() })
}

/// What an Op does, and to what.
pub fn described(op: &Op) -> (&'static str, &str) {
    match op {
        Op::Write { file, sync: Sync::Data, .. } => ("dsync-write", file.as_str()),
        Op::Write { file, .. } => ("write", file.as_str()),
        Op::Read { file, .. } => ("read", file.as_str()),
        Op::Open { file } => ("open", file.as_str()),
        Op::Create { file, .. } => ("create", file.as_str()),
        Op::Allocate { file, .. } => ("allocate", file.as_str()),
        Op::Fill { file, .. } => ("fill", file.as_str()),
        Op::Truncate { file, .. } => ("truncate", file.as_str()),
        Op::SyncFile { file } => ("sync", file.as_str()),
        Op::SyncDir { directory } => ("sync", directory.as_str()),
        Op::SyncFilesystem => ("syncfs", "."),
        Op::Remove { file } => ("remove", file.as_str()),
        Op::RemoveTree { directory } => ("remove", directory.as_str()),
        Op::Rename { from, .. } => ("rename", from.as_str()),
        Op::List { directory } => ("list", directory.as_str()),
    }
}
