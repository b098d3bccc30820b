//! Members of a consumer group that speak the classic protocol, on the way from one to the other: JoinGroup is a heartbeat
//! that says everything, SyncGroup gives what the member has, Heartbeat tells it to join again when there is more to do.

use std::borrow::Cow;

use super::epoch::Epoch;
use super::heartbeat::{Entry, check_instance, made_up_id};
use super::member::{Member, MemberId, MemberState};
use super::protocol::{Subscription, write_owned};
use super::{AlarmChange, ConsumerGroup, Context, Decision, MemberAlarm};
use crate::error::ErrorCode;
use crate::group::classic::CONSUMER;
use crate::group::record::{ClassicMemberMetadata, ClassicProtocol};
use crate::group::request::{Heartbeat, Join, Joined, Leave, MemberIds, Sync, Synced};

impl ConsumerGroup {
    pub fn join_classic(&self, cx: &Context<'_>, join: &Join) -> (Decision, Joined) {
        let refuse = |code| (Decision::default(), Joined::refused(join.member.as_str(), code));
        let is_unknown = join.member.is_empty();
        let id: MemberId = if is_unknown { made_up_id(join.entropy) } else { join.member.as_str().into() };
        if self.check_room(cx, &id).is_err() {
            return refuse(ErrorCode::GroupMaxSizeReached);
        }
        let subscription = join.protocols.first().and_then(|first| Subscription::read(&first.metadata));
        let Some(subscription) = subscription.filter(|_| self.speaks_with(join)) else {
            return refuse(ErrorCode::InconsistentGroupProtocol);
        };
        if is_unknown && join.instance.is_none() && join.ids == MemberIds::Required {
            return (Decision::default(), Joined::refused(id, ErrorCode::MemberIdRequired));
        }
        let mut decision = Decision::default();
        let next = self.enter_classic(cx, join, id, &subscription, &mut decision);
        let next = match next {
            Ok(next) => next,
            Err(code) => return refuse(code),
        };
        let ms = |ms: i32| u64::try_from(ms).unwrap_or(0);
        let changes = [
            AlarmChange::Cancel(MemberAlarm::Join),
            AlarmChange::Set(MemberAlarm::Session, ms(join.session_timeout_ms)),
            AlarmChange::Set(MemberAlarm::Sync, ms(join.rebalance_timeout_ms)),
        ];
        decision.alarms.extend(changes.map(|change| (next.id.clone(), change)));
        let joined = Joined {
            error: ErrorCode::None,
            generation: next.epoch.0,
            protocol_type: Some(CONSUMER.into()),
            protocol: join.protocols.first().map(|protocol| protocol.name.clone()),
            leader: "".into(),
            member: next.id.clone(),
            skip_assignment: false,
            members: Vec::new(),
        };
        (decision, joined)
    }

    /// One of its protocols is one that all classic members have.
    fn speaks_with(&self, join: &Join) -> bool {
        let mut others = self.members.values().filter_map(|member| member.classic.as_ref()).peekable();
        join.protocol_type == CONSUMER
            && (others.peek().is_none() && !join.protocols.is_empty() || {
                let others: Vec<&ClassicMemberMetadata> = others.collect();
                join.protocols.iter().any(|protocol| {
                    others.iter().all(|other| {
                        other.supported_protocols.iter().any(|known| *known.name == *protocol.name)
                    })
                })
            })
    }

    fn enter_classic(
        &self,
        cx: &Context<'_>,
        join: &Join,
        id: MemberId,
        subscription: &Subscription,
        decision: &mut Decision,
    ) -> Result<Member, ErrorCode> {
        let entry = match join.instance.as_deref() {
            None => match self.members.get(&id) {
                Some(member) => Entry { member: Cow::Borrowed(member), replaced: None, is_new: false },
                None => Entry::of_new(id),
            },
            Some(instance) => match self.static_member(instance) {
                None if join.member.is_empty() => Entry::of_new(id),
                None => return Err(ErrorCode::UnknownMemberId),
                Some(existing) if join.member.is_empty() => self.replace(existing, id, decision),
                Some(existing) => {
                    check_instance(existing, &id, instance).map_err(|refusal| refusal.code)?;
                    Entry { member: Cow::Borrowed(existing), replaced: None, is_new: false }
                }
            },
        };
        let mut updated = entry.member.clone().into_owned();
        if let Some(instance) = &join.instance {
            updated.instance = Some(instance.as_str().into());
        }
        if let Some(rack) = &subscription.rack {
            updated.rack = Some(rack.as_str().into());
        }
        updated.rebalance_timeout_ms = join.rebalance_timeout_ms;
        updated.topics = subscription.topics.iter().map(|topic| topic.as_str().into()).collect();
        updated.regex = None;
        updated.client_id = join.client.id.clone();
        updated.client_host = join.client.host.clone();
        let protocols = join.protocols.iter().map(|protocol| ClassicProtocol {
            name: protocol.name.to_string(),
            metadata: protocol.metadata.to_vec(),
        });
        updated.classic = Some(ClassicMemberMetadata {
            session_timeout_ms: join.session_timeout_ms,
            supported_protocols: protocols.collect(),
        });
        let owned = subscription.owned_by_id(cx.topics);
        let next = self.advance(cx, &entry, &updated, Some(&owned), decision);
        next.map(Cow::into_owned).map_err(|refusal| refusal.code)
    }

    pub fn sync_classic(&self, cx: &Context<'_>, sync: &Sync) -> (Decision, Synced) {
        let mut decision = Decision::default();
        match self.check_sync(sync, &mut decision) {
            Err(code) => (decision, Synced::refused(code)),
            Ok((member, classic)) => {
                let changes = [
                    AlarmChange::Cancel(MemberAlarm::Sync),
                    AlarmChange::Set(MemberAlarm::Session, session_ms(classic)),
                ];
                decision.alarms.extend(changes.map(|change| (member.id.clone(), change)));
                let metadata = classic.supported_protocols.first().map(|protocol| &*protocol.metadata);
                let version =
                    metadata.and_then(Subscription::read).map_or(0, |subscription| subscription.version);
                let synced = Synced {
                    error: ErrorCode::None,
                    protocol_type: sync.protocol_type.as_deref().map(Into::into),
                    protocol: sync.protocol.as_deref().map(Into::into),
                    assignment: write_owned(version, &member.assigned, cx.topics).into(),
                };
                (decision, synced)
            }
        }
    }

    fn check_sync(
        &self,
        sync: &Sync,
        decision: &mut Decision,
    ) -> Result<(&Member, &ClassicMemberMetadata), ErrorCode> {
        let (member, classic) = self.guest(&sync.member, sync.instance.as_deref(), sync.generation)?;
        let protocol = classic.supported_protocols.first().map(|protocol| &*protocol.name);
        let differs = |said: &Option<String>, own: Option<&str>| said.is_some() && said.as_deref() != own;
        if differs(&sync.protocol_type, Some(CONSUMER)) || differs(&sync.protocol, protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        // Who must give up joins again by itself when it has.
        if self.assignment_epoch > member.epoch && member.state != MemberState::UnrevokedPartitions {
            decision.alarms.push((member.id.clone(), join_again(member)));
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok((member, classic))
    }

    pub fn heartbeat_classic(&self, heartbeat: &Heartbeat) -> (Decision, ErrorCode) {
        let mut decision = Decision::default();
        let checked = self.guest(&heartbeat.member, heartbeat.instance.as_deref(), heartbeat.generation);
        let (member, classic) = match checked {
            Ok(guest) => guest,
            Err(code) => return (decision, code),
        };
        let session = AlarmChange::Set(MemberAlarm::Session, session_ms(classic));
        decision.alarms.push((member.id.clone(), session));
        let joins_again = member.epoch < self.assignment_epoch
            || match member.state {
                MemberState::UnrevokedPartitions => true,
                MemberState::UnreleasedPartitions => !self.waits_for_others(member),
                MemberState::Stable | MemberState::Unknown => false,
            };
        if !joins_again {
            return (decision, ErrorCode::None);
        }
        decision.alarms.push((member.id.clone(), join_again(member)));
        (decision, ErrorCode::RebalanceInProgress)
    }

    /// A code per member, and those who go.
    pub fn leave_classic(&self, leave: &Leave) -> (Vec<ErrorCode>, Vec<MemberId>) {
        let mut gone = Vec::new();
        let mut one = |member: &str, instance: Option<&str>| -> Result<(), ErrorCode> {
            let found = match instance {
                None => self.members.get(member),
                Some(instance) => self.static_member(instance),
            };
            let found = found.ok_or(ErrorCode::UnknownMemberId)?;
            if let Some(instance) = instance.filter(|_| !member.is_empty()) {
                check_instance(found, member, instance).map_err(|refusal| refusal.code)?;
            }
            gone.push(found.id.clone());
            Ok(())
        };
        let codes = leave.members.iter().map(|leaving| {
            one(&leaving.member, leaving.instance.as_deref()).err().unwrap_or(ErrorCode::None)
        });
        let codes = codes.collect();
        (codes, gone)
    }

    /// The member of the classic protocol that a request is from.
    fn guest(
        &self,
        id: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(&Member, &ClassicMemberMetadata), ErrorCode> {
        let member = match instance {
            None => self.members.get(id),
            Some(instance) => self.static_member(instance),
        };
        let member = member.ok_or(ErrorCode::UnknownMemberId)?;
        if let Some(instance) = instance {
            check_instance(member, id, instance).map_err(|refusal| refusal.code)?;
        }
        let classic = member.classic.as_ref().ok_or(ErrorCode::UnknownMemberId)?;
        if member.epoch == Epoch(generation) {
            Ok((member, classic))
        } else {
            Err(ErrorCode::IllegalGeneration)
        }
    }

    /// Something that the member shall have is still another's.
    fn waits_for_others(&self, member: &Member) -> bool {
        let target = self.target.get(&member.id).into_iter().flatten();
        let mut wanted = target.flat_map(|(topic, set)| set.iter().map(|partition| (*topic, *partition)));
        wanted.any(|partition| self.owners.get(&partition).is_some_and(|owner| *owner != member.id))
    }
}

fn session_ms(classic: &ClassicMemberMetadata) -> u64 {
    u64::try_from(classic.session_timeout_ms).unwrap_or(0)
}

fn join_again(member: &Member) -> AlarmChange {
    let timeout_ms = u64::try_from(member.rebalance_timeout_ms).unwrap_or(0);
    AlarmChange::SetIfIdle(MemberAlarm::Join, timeout_ms)
}
