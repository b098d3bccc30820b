//! Fetch sessions (KIP-227): what a reader fetches is remembered between its requests, so that a request names only what
//! has changed, and a response only partitions with news. Pure; one cache per core and listener: elsewhere a session is not found, upon
//! which a reader begins again with a full fetch. A connection that moves to another core takes its sessions along; ids are given
//! out by core, so that they keep them there.
//!
//! Bounded by sessions (`max.incremental.fetch.session.cache.slots`) and by the partitions in them, that is by memory.
//! Whoever finds the cache full is served without a session, unless one may go (Kafka's FetchSessionCache): the longest
//! unused if that is two minutes ago, else a smaller one that is older than two minutes; a follower's before a consumer's.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use engine::{
    base::{CoreId, TopicId},
    error::ErrorCode,
};

use super::fetch_parts::{Named, Part};

/// No session.
pub(super) const NONE: i32 = 0;
/// The epoch of a request that would begin a session, and of one that ends it: both name all that they ask for.
const EPOCH_INITIAL: i32 = 0;
const EPOCH_FINAL: i32 = -1;

/// From this age on a session may make room for others.
const EVICTION_MS: u64 = 120_000;

/// About what one partition of a session takes: its entry twice (once by order, once by name), and its share of the maps.
pub const PARTITION_BYTES: usize = 320;

/// What one cache may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLimits {
    pub sessions: usize,
    /// Of all sessions together.
    pub partitions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Consumer,
    Follower,
}

/// What a request says of its session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub id: i32,
    pub epoch: i32,
    pub named: Named,
    pub reader: Reader,
    /// The connection.
    pub peer: SocketAddr,
}

/// How a request is to be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// All that it names, without a session.
    Sessionless(Vec<Part>),
    /// All that it names, and a session of it if there is room.
    Full(Vec<Part>),
    /// All that the session holds, told only where there is news. The response must find the session at this epoch.
    Incremental { id: i32, epoch: i32, parts: Vec<Part> },
}

impl Context {
    pub(super) fn parts(&self) -> &[Part] {
        match self {
            Context::Sessionless(parts) | Context::Full(parts) | Context::Incremental { parts, .. } => parts,
        }
    }
}

/// What was found of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub error: ErrorCode,
    pub high_watermark: i64,
    pub log_start: i64,
    pub has_records: bool,
}

#[derive(Debug)]
struct Entry {
    part: Part,
    high_watermark: i64,
    log_start: i64,
}

impl Entry {
    /// Notes what was found; whether the reader must hear of it.
    fn is_news(&mut self, told: Told) -> bool {
        let changed = self.high_watermark != told.high_watermark || self.log_start != told.log_start;
        let failed = told.error != ErrorCode::None;
        // When the error has gone, the partition is told of again.
        self.high_watermark = if failed { -1 } else { told.high_watermark };
        self.log_start = told.log_start;
        told.has_records || changed || failed
    }
}

#[derive(Debug)]
pub(super) struct Session {
    /// The connection that last used it.
    peer: SocketAddr,
    epoch: i32,
    named: Named,
    reader: Reader,
    created_ms: u64,
    used_ms: u64,
    /// By the order in which they are served: what had records goes to the end, so that none starves.
    entries: BTreeMap<u64, Entry>,
    places: HashMap<PartName, u64>,
    next: u64,
}

/// A partition by what its session knows topics by.
type PartName = (TopicId, Box<str>, i32);

fn name_of(part: &Part, named: Named) -> PartName {
    match named {
        Named::ById => (part.topic_id, "".into(), part.partition),
        Named::ByName => (TopicId::ZERO, part.topic.as_str().into(), part.partition),
    }
}

impl Session {
    /// A partition from a request: a new one comes last, a known one keeps its place.
    fn set(&mut self, part: Part) {
        let name = name_of(&part, self.named);
        if let Some(entry) = self.places.get(&name).and_then(|place| self.entries.get_mut(place)) {
            entry.part = Part { topic: entry.part.topic.clone(), ..part };
            return;
        }
        self.places.insert(name, self.next);
        // Not a slice of the request's frame, which would live as long.
        let part = Part { topic: part.topic.as_str().into(), ..part };
        self.entries.insert(self.next, Entry { part, high_watermark: -1, log_start: -1 });
        self.next += 1;
    }

    fn forget(&mut self, part: &Part) {
        if let Some(place) = self.places.remove(&name_of(part, self.named)) {
            self.entries.remove(&place);
        }
    }

    /// Notes what was found, in the order of the entries; which of them to tell.
    fn tell(&mut self, found: &[Told]) -> Vec<bool> {
        let news: Vec<bool> =
            self.entries.values_mut().zip(found).map(|(entry, told)| entry.is_news(*told)).collect();
        let served: Vec<u64> =
            self.entries.keys().zip(found).filter(|(_, told)| told.has_records).map(|(at, _)| *at).collect();
        for place in served {
            if let Some(entry) = self.entries.remove(&place) {
                self.places.insert(name_of(&entry.part, self.named), self.next);
                self.entries.insert(self.next, entry);
                self.next += 1;
            }
        }
        news
    }

    fn parts(&self) -> Vec<Part> {
        self.entries.values().map(|entry| entry.part.clone()).collect()
    }

    /// What a bigger one may displace; Kafka's order, but for the session's number.
    fn rank(&self) -> (bool, usize) {
        (self.reader == Reader::Follower, self.entries.len())
    }
}

pub(super) struct FetchSessions {
    limits: SessionLimits,
    /// Ids of this core.
    ids: std::ops::Range<i32>,
    sessions: HashMap<i32, Session>,
    partitions: usize,
}

impl FetchSessions {
    pub(super) fn new(core: CoreId, limits: SessionLimits) -> FetchSessions {
        // Cores have fewer than 2^10 numbers, ids 31 bits.
        let width = 1 << 21;
        let first = i32::from(core.0 & 0x3ff) * width;
        let ids = first.max(1)..first.saturating_add(width);
        FetchSessions { limits, ids, sessions: HashMap::new(), partitions: 0 }
    }

    /// A request comes in: what it names, and what it no longer wants.
    pub(super) fn begin(
        &mut self,
        asked: Asked,
        parts: Vec<Part>,
        forgotten: &[Part],
        now_ms: u64,
    ) -> Result<Context, ErrorCode> {
        if [EPOCH_INITIAL, EPOCH_FINAL].contains(&asked.epoch) {
            // Whatever session is named here has ended.
            self.remove(asked.id);
            return Ok(match asked.epoch {
                EPOCH_FINAL => Context::Sessionless(parts),
                _ => Context::Full(parts),
            });
        }
        let session = self.sessions.get_mut(&asked.id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != asked.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.named != asked.named {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        let before = session.entries.len();
        let named = parts.clone();
        parts.into_iter().for_each(|part| session.set(part));
        forgotten.iter().for_each(|part| session.forget(part));
        self.partitions = self.partitions - before + session.entries.len();
        if session.entries.is_empty() {
            self.remove(asked.id);
            return Ok(Context::Sessionless(named));
        }
        session.epoch = next_epoch(session.epoch);
        session.used_ms = now_ms;
        session.peer = asked.peer;
        let context = Context::Incremental { id: asked.id, epoch: session.epoch, parts: session.parts() };
        if self.partitions > self.limits.partitions && !self.make_room(asked.id, now_ms) {
            // It has grown beyond what all may have: the reader begins again, and without a session.
            self.remove(asked.id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        Ok(context)
    }

    /// A full fetch is answered: its session's id, if it gets one.
    pub(super) fn open(
        &mut self,
        asked: Asked,
        parts: Vec<Part>,
        found: &[Told],
        now_ms: u64,
        random: u32,
    ) -> i32 {
        let mut session = Session {
            peer: asked.peer,
            epoch: next_epoch(EPOCH_INITIAL),
            named: asked.named,
            reader: asked.reader,
            created_ms: now_ms,
            used_ms: now_ms,
            entries: BTreeMap::new(),
            places: HashMap::new(),
            next: 0,
        };
        parts.into_iter().for_each(|part| session.set(part));
        let size = session.entries.len();
        // A partition named twice has one entry and two answers.
        if size == 0 || size != found.len() || size > self.limits.partitions {
            return NONE;
        }
        while self.sessions.len() >= self.limits.sessions || self.partitions + size > self.limits.partitions {
            if !self.evict(session.rank(), NONE, now_ms) {
                return NONE;
            }
        }
        let Some(id) = self.free_id(random) else { return NONE };
        session.tell(found);
        self.partitions += size;
        self.sessions.insert(id, session);
        id
    }

    /// An incremental fetch is answered: which of the parts of its context to tell.
    pub(super) fn tell(&mut self, id: i32, epoch: i32, found: &[Told]) -> Result<Vec<bool>, ErrorCode> {
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        // Another request of this session came in between and has changed what it holds.
        if session.epoch != epoch || session.entries.len() != found.len() {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        Ok(session.tell(found))
    }

    /// The connection leaves: its sessions go with it.
    pub(super) fn take_of(&mut self, peer: SocketAddr) -> Vec<(i32, Session)> {
        let taken: Vec<_> = self.sessions.extract_if(|_, session| session.peer == peer).collect();
        self.partitions -= taken.iter().map(|(_, session)| session.entries.len()).sum::<usize>();
        taken
    }

    /// A connection has come: what there is room for of its sessions stays.
    pub(super) fn put(&mut self, sessions: Vec<(i32, Session)>) {
        for (id, session) in sessions {
            let partitions = self.partitions + session.entries.len();
            let has_room = self.sessions.len() < self.limits.sessions && partitions <= self.limits.partitions;
            if has_room && !self.sessions.contains_key(&id) {
                self.partitions = partitions;
                self.sessions.insert(id, session);
            }
        }
    }

    fn free_id(&self, random: u32) -> Option<i32> {
        let width = (self.ids.end - self.ids.start) as u32;
        let first = self.ids.start + (random % width) as i32;
        let taken = |id: &i32| self.sessions.contains_key(id);
        (first..self.ids.end).chain(self.ids.start..first).find(|id| !taken(id))
    }

    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.entries.len();
        }
    }

    fn make_room(&mut self, keep: i32, now_ms: u64) -> bool {
        while self.partitions > self.limits.partitions {
            let Some(rank) = self.sessions.get(&keep).map(Session::rank) else { return false };
            if !self.evict(rank, keep, now_ms) {
                return false;
            }
        }
        true
    }

    /// Lets one session go, if one may for the sake of another of this rank.
    fn evict(&mut self, rank: (bool, usize), keep: i32, now_ms: u64) -> bool {
        let others = || self.sessions.iter().filter(|(id, _)| **id != keep);
        let is_old = |since: u64| now_ms.saturating_sub(since) > EVICTION_MS;
        let unused = others().min_by_key(|(id, session)| (session.used_ms, **id));
        let doomed = match unused {
            Some((id, session)) if is_old(session.used_ms) => Some(*id),
            _ => {
                let may_go = |session: &Session| {
                    let yields = rank.0 && session.reader == Reader::Consumer;
                    (yields || is_old(session.created_ms)) && session.rank() < rank
                };
                let smaller = others().filter(|(_, session)| may_go(session));
                smaller.min_by_key(|(id, session)| (session.rank(), **id)).map(|(id, _)| *id)
            }
        };
        let Some(id) = doomed else { return false };
        self.remove(id);
        true
    }
}

/// 1 to the largest, and again; 0 begins a session.
fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

#[cfg(test)]
#[path = "fetch_session_tests.rs"]
mod tests;
