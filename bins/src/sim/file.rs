//! One file of the simulated disk: what a reader sees, what a power loss leaves, and the changes between the two. Lives in the
//! simulator; never decides anything at random but with the generator that it is handed.
//!
//! A power loss keeps any subset of the unsynced writes, per sector of 512 bytes, each sector old or new. Changes of size are kept
//! as a prefix: a file system writes its metadata in order. What was written behind a size that is lost is unreachable.

use bytes::Bytes;
use fastrand::Rng;

pub const SECTOR_BYTES: u64 = 512;

/// A moment of the disk: every change has one, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub u64);

/// What a write's completion promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    Nothing,
    /// Its bytes, and the size to find them, are in stable storage.
    Stable,
}

#[derive(Clone, Debug)]
enum Change {
    Write {
        position: u64,
        data: Bytes,
        /// It moved the end of the file.
        extends: bool,
    },
    Size(u64),
}

#[derive(Clone, Debug)]
struct Pending {
    stamp: Stamp,
    change: Change,
    promise: Promise,
}

#[derive(Clone, Debug, Default)]
pub struct File {
    seen: Vec<u8>,
    stable: Vec<u8>,
    /// Oldest first.
    pending: Vec<Pending>,
}

/// How much of what may be lost is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Nothing,
    Everything,
    /// Each sector by its own luck.
    Some,
}

impl Keep {
    fn draw(random: &mut Rng) -> Keep {
        [Keep::Nothing, Keep::Everything, Keep::Some, Keep::Some][random.usize(0..4)]
    }

    fn one(self, random: &mut Rng) -> bool {
        match self {
            Keep::Nothing => false,
            Keep::Everything => true,
            Keep::Some => random.bool(),
        }
    }
}

impl File {
    pub fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub fn stable(&self) -> &[u8] {
        &self.stable
    }

    pub fn size(&self) -> u64 {
        self.seen.len() as u64
    }

    pub fn write(&mut self, stamp: Stamp, position: u64, data: &Bytes, promise: Promise) {
        if data.is_empty() {
            return;
        }
        let end = position + data.len() as u64;
        let extends = end > self.size();
        put(&mut self.seen, position, data);
        if promise == Promise::Stable {
            // The size to find the bytes: every earlier change of size is stable with them.
            let sizes = self.pending.iter_mut().filter(|pending| matches!(pending.change, Change::Size(_)));
            sizes.for_each(|pending| pending.promise = Promise::Stable);
        }
        self.push(stamp, Change::Write { position, data: data.clone(), extends }, promise);
    }

    pub fn resize(&mut self, stamp: Stamp, size: u64) {
        self.seen.resize(size as usize, 0);
        self.push(stamp, Change::Size(size), Promise::Nothing);
    }

    /// A sync that was asked for after `upto`: what had happened by then is stable now.
    pub fn sync(&mut self, upto: Stamp) {
        let count = self.pending.partition_point(|pending| pending.stamp <= upto);
        for pending in self.pending.drain(..count) {
            apply(&mut self.stable, &pending.change);
        }
        self.settle();
    }

    /// A sync that failed: the bytes that it covered are stable or never will be, and nobody is told again. Sizes are metadata: a
    /// file system that cannot write those stops altogether.
    pub fn fail_sync(&mut self, random: &mut Rng) {
        let sizes = self.pending.iter_mut().filter(|pending| matches!(pending.change, Change::Size(_)));
        sizes.for_each(|pending| pending.promise = Promise::Stable);
        self.keep_some(random);
    }

    pub fn lose_power(&mut self, random: &mut Rng) {
        self.keep_some(random);
        self.seen.clone_from(&self.stable);
    }

    /// A write that was under way at a power loss: each sector is old or new, or, where the device tears within its own block
    /// (`shorn`), neither. Call it after `lose_power`.
    pub fn tear(&mut self, position: u64, data: &Bytes, shorn: bool, random: &mut Rng) {
        let keep = Keep::draw(random);
        for (at, piece) in sectors(position, data) {
            if at + piece.len() as u64 > self.stable.len() as u64 {
                break;
            }
            if shorn && random.u8(0..8) == 0 {
                let noise: Vec<u8> = (0..piece.len()).map(|_| random.u8(..)).collect();
                put(&mut self.stable, at, &noise);
            } else if keep.one(random) {
                put(&mut self.stable, at, piece);
            }
        }
        self.seen.clone_from(&self.stable);
    }

    /// The medium changes a bit of what it keeps.
    pub fn rot(&mut self, position: u64, bit: u8) {
        if let Some(byte) = self.stable.get_mut(position as usize) {
            *byte ^= 1 << (bit % 8);
        }
        if let Some(byte) = self.seen.get_mut(position as usize) {
            *byte ^= 1 << (bit % 8);
        }
    }

    fn push(&mut self, stamp: Stamp, change: Change, promise: Promise) {
        self.pending.push(Pending { stamp, change, promise });
        self.settle();
    }

    /// What is stable and has nothing unstable before it needs no memory of its own.
    fn settle(&mut self) {
        let count = self.pending.iter().take_while(|pending| pending.promise == Promise::Stable).count();
        for pending in self.pending.drain(..count) {
            apply(&mut self.stable, &pending.change);
        }
    }

    fn keep_some(&mut self, random: &mut Rng) {
        let keep = Keep::draw(random);
        let mut reachable = u64::MAX;
        for pending in std::mem::take(&mut self.pending) {
            match pending.change {
                _ if pending.promise == Promise::Stable => apply(&mut self.stable, &pending.change),
                Change::Size(size) => {
                    if reachable == u64::MAX && keep.one(random) {
                        apply(&mut self.stable, &Change::Size(size));
                    } else {
                        reachable = reachable.min(size).min(self.stable.len() as u64);
                    }
                }
                Change::Write { position, data, extends } => {
                    for (at, piece) in sectors(position, &data) {
                        let end = at + piece.len() as u64;
                        let there = end <= self.stable.len() as u64 || extends;
                        if end <= reachable && there && keep.one(random) {
                            put(&mut self.stable, at, piece);
                        }
                    }
                }
            }
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { position, data, .. } => put(bytes, *position, data),
        Change::Size(size) => bytes.resize(*size as usize, 0),
    }
}

fn put(bytes: &mut Vec<u8>, position: u64, data: &[u8]) {
    let (start, end) = (position as usize, position as usize + data.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

/// The pieces of a write that become stable as one.
fn sectors(position: u64, data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = position;
    let mut rest = data;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let length = (SECTOR_BYTES - at % SECTOR_BYTES).min(rest.len() as u64);
        let (piece, behind) = rest.split_at(length as usize);
        let found = (at, piece);
        at += length;
        rest = behind;
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(byte: u8, count: usize) -> Bytes {
        Bytes::from(vec![byte; count])
    }

    #[test]
    fn a_stable_write_makes_itself_stable_and_no_other() {
        let mut lost = false;
        for seed in 0..50 {
            let mut file = File::default();
            file.resize(Stamp(1), 8192);
            file.sync(Stamp(1));
            file.write(Stamp(2), 0, &bytes(1, 4096), Promise::Nothing);
            file.write(Stamp(3), 4096, &bytes(2, 4096), Promise::Stable);
            file.lose_power(&mut Rng::with_seed(seed));
            assert!(file.seen()[4096..].iter().all(|byte| *byte == 2));
            lost |= file.seen()[..4096].contains(&0);
        }
        assert!(lost);
    }

    #[test]
    fn a_sync_covers_what_had_completed_when_it_was_asked_for() {
        let mut late = false;
        for seed in 0..50 {
            let mut file = File::default();
            file.write(Stamp(1), 0, &bytes(1, 512), Promise::Nothing);
            file.write(Stamp(2), 0, &bytes(2, 512), Promise::Nothing);
            file.sync(Stamp(1));
            file.lose_power(&mut Rng::with_seed(seed));
            late |= file.seen()[0] == 1;
            assert_ne!(file.seen()[0], 0);
        }
        assert!(late);
    }

    #[test]
    fn a_stable_write_is_not_undone_by_an_older_one() {
        for seed in 0..50 {
            let mut file = File::default();
            file.write(Stamp(1), 0, &bytes(1, 512), Promise::Nothing);
            file.write(Stamp(2), 0, &bytes(2, 512), Promise::Stable);
            file.lose_power(&mut Rng::with_seed(seed));
            assert_eq!(file.seen(), &bytes(2, 512));
        }
    }

    #[test]
    fn what_lies_behind_a_lost_size_is_lost() {
        for seed in 0..50 {
            let mut file = File::default();
            file.resize(Stamp(1), 4096);
            file.write(Stamp(2), 0, &bytes(1, 4096), Promise::Nothing);
            file.lose_power(&mut Rng::with_seed(seed));
            assert!(matches!(file.size(), 0 | 4096));
        }
    }
}
