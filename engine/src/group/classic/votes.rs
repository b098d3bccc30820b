//! Which protocols the members of a group share, and which of them they choose. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::member::Member;
use crate::group::request::Protocol;

/// How many members speak each protocol.
#[derive(Clone, Debug, Default)]
pub struct Votes {
    speakers: BTreeMap<Arc<str>, usize>,
}

impl Votes {
    pub fn add(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            *self.speakers.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    pub fn remove(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(speakers) = self.speakers.get_mut(&protocol.name) {
                *speakers -= 1;
                if *speakers == 0 {
                    self.speakers.remove(&protocol.name);
                }
            }
        }
    }

    /// Whether one of these protocols is spoken by all members.
    pub fn has_one_of(&self, protocols: &[Protocol], members: usize) -> bool {
        protocols.iter().any(|protocol| self.speakers.get(&protocol.name) == Some(&members))
    }

    /// The protocol that most members prefer among those that all speak; of several the first by name.
    pub fn choose<'a>(&self, members: impl ExactSizeIterator<Item = &'a Member>) -> Option<Arc<str>> {
        let count = members.len();
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in members {
            let shared = |protocol: &&Protocol| self.speakers.get(&protocol.name) == Some(&count);
            if let Some(protocol) = member.protocols.iter().find(shared) {
                *votes.entry(&protocol.name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, votes)| *votes == most).map(|(name, _)| name.clone())
    }
}
