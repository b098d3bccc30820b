//! A classic group as it is stored: the record of a generation, and the group that a record makes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::join::timeout;
use super::member::Member;
use super::{ClassicGroup, Phase, Turn};
use crate::base::Timestamp;
use crate::group::effects::Replacement;
use crate::group::record::{GroupMetadataValue, GroupRecord, MemberMetadata};
use crate::group::request::{Client, Protocol};
use crate::group::timers::{Due, MemberId};

impl ClassicGroup {
    /// The group as it is now.
    pub fn record(&self, id: &str) -> GroupRecord {
        self.record_of(id, self.since, |member| member.assignment.clone())
    }

    /// The group as it will be with these assignments; who is not among them gets none.
    pub(super) fn record_with(&self, turn: &Turn<'_>, assignments: &BTreeMap<&str, &Bytes>) -> GroupRecord {
        let assignment =
            |member: &Member| assignments.get(&*member.id).map_or_else(Bytes::new, |bytes| (*bytes).clone());
        self.record_of(turn.id, self.since, assignment)
    }

    /// The group as it will be when this member has its new id.
    pub(super) fn record_replaced(&self, replacement: &Replacement) -> GroupRecord {
        let mut changed = self.clone();
        if let Some(old) = self.members.get(&replacement.old) {
            changed.drop_member(&old.id);
            changed.add_member(Member {
                id: replacement.new.clone(),
                rebalance_timeout_ms: timeout(replacement.join.rebalance_timeout_ms),
                session_timeout_ms: timeout(replacement.join.session_timeout_ms),
                protocols: replacement.join.protocols.clone(),
                ..old.clone()
            });
        }
        if self.is_leader(&replacement.old) {
            changed.leader = Some(replacement.new.clone());
        }
        changed.record(&replacement.group)
    }

    fn record_of(&self, id: &str, since: Timestamp, assignment: impl Fn(&Member) -> Bytes) -> GroupRecord {
        let protocol = self.protocol.as_deref();
        let member = |member: &Member| MemberMetadata {
            member_id: member.id.to_string(),
            group_instance_id: member.instance.as_deref().map(str::to_owned),
            client_id: member.client.id.to_string(),
            client_host: member.client.host.to_string(),
            rebalance_timeout_ms: milliseconds(member.rebalance_timeout_ms),
            session_timeout_ms: milliseconds(member.session_timeout_ms),
            subscription: protocol
                .and_then(|protocol| member.metadata(protocol))
                .map_or_else(Vec::new, |metadata| metadata.to_vec()),
            assignment: assignment(member).to_vec(),
        };
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.as_deref().unwrap_or("").to_owned(),
            generation: self.generation,
            protocol: protocol.map(str::to_owned),
            leader: self.leader.as_deref().map(str::to_owned),
            current_state_timestamp: since,
            members: self.members.values().map(member).collect(),
        };
        GroupRecord::GroupMetadata(id.to_owned(), Some(value))
    }

    /// Takes what a record says: the only change of what is stored, live and at replay. Live, the members that it names are
    /// here and keep what waits of them.
    pub fn install(&mut self, value: &GroupMetadataValue) {
        let named: BTreeSet<&str> = value.members.iter().map(|member| &*member.member_id).collect();
        let gone = |id: &&MemberId| !named.contains(&***id);
        let gone: Vec<MemberId> = self.members.keys().filter(gone).cloned().collect();
        for id in gone {
            self.drop_member(&id);
        }
        self.protocol_type = Some(&*value.protocol_type).filter(|kind| !kind.is_empty()).map(Arc::from);
        self.protocol = value.protocol.as_deref().map(Arc::from);
        self.generation = value.generation;
        self.since = value.current_state_timestamp;
        for stored in &value.members {
            match self.members.get_mut(&*stored.member_id) {
                Some(member) => {
                    self.bytes = self.bytes - member.assignment.len() + stored.assignment.len();
                    member.assignment = Bytes::copy_from_slice(&stored.assignment);
                }
                None => self.add_stored(stored),
            }
        }
        self.leader = value.leader.as_deref().map(Arc::from);
        self.phase = if self.members.is_empty() { Phase::Empty } else { Phase::Stable };
        self.subscription = self.subscribed();
    }

    fn add_stored(&mut self, stored: &MemberMetadata) {
        let instance: Option<Arc<str>> = stored.group_instance_id.as_deref().map(Arc::from);
        // Two members with one instance id were never written; should they be read, the later one counts.
        if let Some(other) = instance.as_ref().and_then(|instance| self.instances.get(instance)).cloned() {
            self.drop_member(&other);
        }
        let rebalance = match stored.rebalance_timeout_ms {
            -1 => stored.session_timeout_ms,
            ms => ms,
        };
        let name = self.protocol.clone().unwrap_or_else(|| "".into());
        self.add_member(Member {
            id: stored.member_id.as_str().into(),
            instance,
            client: Client { id: stored.client_id.as_str().into(), host: stored.client_host.as_str().into() },
            rebalance_timeout_ms: timeout(rebalance),
            session_timeout_ms: timeout(stored.session_timeout_ms),
            protocols: vec![Protocol { name, metadata: Bytes::copy_from_slice(&stored.subscription) }],
            assignment: Bytes::copy_from_slice(&stored.assignment),
            join: None,
            sync: None,
            is_new: false,
            session: Due::default(),
        });
    }

    /// At replay nobody waits and nothing is armed.
    fn drop_member(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else { return };
        self.unsynced.remove(id);
        self.votes.remove(&member.protocols);
        self.joining -= usize::from(member.join.is_some());
        self.bytes -= member.bytes();
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
    }
}

fn milliseconds(ms: u64) -> i32 {
    i32::try_from(ms).unwrap_or(i32::MAX)
}
