//! A member of a classic group, and the requests of its that wait. Plain state; changed by its group.

use std::sync::Arc;

use bytes::Bytes;

use crate::group::consumer::ClassicSeat;
use crate::group::limits::MAP_ENTRY_BYTES;
use crate::group::record::{ClassicMemberMetadata, ClassicProtocol};
use crate::group::request::{Caller, Client, DescribedMember, JoinedMember, Protocol};
use crate::group::timers::{Due, MemberId};

#[derive(Clone, Debug)]
pub struct Member {
    pub id: MemberId,
    /// A static member's (KIP-345).
    pub instance: Option<Arc<str>>,
    pub client: Client,
    pub rebalance_timeout_ms: u64,
    pub session_timeout_ms: u64,
    /// The preferred first, each name once.
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    /// Its JoinGroup waits for the others.
    pub join: Option<Caller>,
    /// Its SyncGroup waits for the leader.
    pub sync: Option<Caller>,
    /// It has not seen a generation yet: a silence counts although it waits, so that a client that is gone does not stay.
    pub is_new: bool,
    pub session: Due,
}

impl Member {
    pub fn is_static(&self) -> bool {
        self.instance.is_some()
    }

    /// The client need not be heard from while it waits for an answer.
    pub fn is_excused(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }

    pub fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|known| &*known.name == protocol).map(|known| &known.metadata)
    }

    /// Before the first generation the first protocol counts.
    pub fn seat(&self, protocol: Option<&str>) -> ClassicSeat {
        let milliseconds = |ms: u64| i32::try_from(ms).unwrap_or(i32::MAX);
        let chosen = protocol.and_then(|protocol| self.metadata(protocol));
        let subscription = chosen.or(self.protocols.first().map(|first| &first.metadata));
        let protocols = self
            .protocols
            .iter()
            .map(|known| ClassicProtocol { name: known.name.to_string(), metadata: known.metadata.to_vec() });
        ClassicSeat {
            id: self.id.clone(),
            instance: self.instance.clone(),
            client: self.client.clone(),
            rebalance_timeout_ms: milliseconds(self.rebalance_timeout_ms),
            subscription: subscription.map_or_else(Vec::new, |metadata| metadata.to_vec()),
            assignment: self.assignment.to_vec(),
            classic: ClassicMemberMetadata {
                session_timeout_ms: milliseconds(self.session_timeout_ms),
                supported_protocols: protocols.collect(),
            },
        }
    }

    pub fn shown_to_leader(&self, protocol: Option<&str>) -> JoinedMember {
        let metadata = protocol.and_then(|protocol| self.metadata(protocol)).cloned().unwrap_or_default();
        JoinedMember { id: self.id.clone(), instance: self.instance.clone(), metadata }
    }

    pub fn describe(&self, protocol: Option<&str>) -> DescribedMember {
        DescribedMember {
            id: self.id.clone(),
            instance: self.instance.clone(),
            client: self.client.clone(),
            metadata: protocol.and_then(|protocol| self.metadata(protocol)).cloned().unwrap_or_default(),
            assignment: self.assignment.clone(),
        }
    }

    /// Memory that it holds, roughly.
    pub fn bytes(&self) -> usize {
        let instance = self.instance.as_ref().map_or(0, |instance| 2 * (instance.len() + MAP_ENTRY_BYTES));
        let protocols: usize = self
            .protocols
            .iter()
            .map(|protocol| size_of::<Protocol>() + protocol.name.len() + protocol.metadata.len())
            .sum();
        size_of::<Member>()
            + MAP_ENTRY_BYTES
            + self.id.len()
            + instance
            + self.client.id.len()
            + self.client.host.len()
            + protocols
            + self.assignment.len()
    }
}
