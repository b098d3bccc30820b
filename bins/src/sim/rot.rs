//! Bit rot: one bit of a journal changes at rest, in a group that a later group proves to have been durable. A start must tell it or
//! not need it; it must never cut the journal there. Lives in the simulator.

use bytes::Bytes;
use engine::{
    base::{Incarnation, JournalSequence},
    io::journal::format::{ExtentHeader, padded},
    limits::BLOCK_BYTES,
};
use fastrand::Rng;

use super::{disk::Disk, forge, journal};

/// The bit that changed.
#[derive(Clone, Debug)]
pub struct Rot {
    path: String,
    position: u64,
    bit: u8,
    /// Where the damaged group begins.
    group: u64,
    incarnation: Incarnation,
    sequence: JournalSequence,
}

impl Rot {
    /// Changes a bit, if a journal has a group that is proven.
    pub fn strike(disk: &mut Disk, random: &mut Rng) -> Option<Rot> {
        let mut proven = Vec::new();
        for (path, bytes) in forge::extents(disk) {
            let bytes = Bytes::from(bytes);
            let Some(extent) = ExtentHeader::decode(&bytes) else { continue };
            let mut position = BLOCK_BYTES;
            let mut groups = Vec::new();
            while let Some(group) = journal::parse(&extent, position as u64, position, &bytes) {
                groups.push((path.clone(), extent, position, group.header));
                position += padded(group.header.length as usize);
            }
            // Durable by the word of a later one in the same extent.
            let proof = groups.iter().map(|(.., header)| header.durable).max();
            proven.extend(groups.into_iter().filter(|(.., header)| Some(header.sequence) <= proof));
        }
        let newest = proven.iter().map(|(_, extent, ..)| extent.incarnation).max()?;
        proven.retain(|(_, extent, ..)| extent.incarnation == newest);
        let (path, extent, group, header) = random.choice(proven)?;
        let position = group as u64 + random.u64(0..u64::from(header.length));
        let bit = random.u8(0..8);
        disk.rot(&path, position, bit);
        let (incarnation, sequence) = (extent.incarnation, header.sequence);
        Some(Rot { path, position, bit, group: group as u64, incarnation, sequence })
    }

    /// Changes it back: what somebody restored.
    pub fn heal(&self, disk: &mut Disk) {
        disk.rot(&self.path, self.position, self.bit);
    }

    /// Removes the proof: what a start that cuts at any bad group would see.
    pub fn cut(&self, disk: &mut Disk) {
        let directory = self.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        for (path, bytes) in forge::extents(disk) {
            let Some(extent) = ExtentHeader::decode(&bytes) else { continue };
            if path == self.path {
                let zeros = vec![0; bytes.len() - self.group as usize];
                disk.forge(&path, self.group, &Bytes::from(zeros));
            } else if path.starts_with(directory)
                && extent.incarnation == self.incarnation
                && extent.first_sequence > self.sequence
            {
                disk.forge(&path, 0, &Bytes::from(vec![0; BLOCK_BYTES]));
            }
        }
    }
}
