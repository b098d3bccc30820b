//! The consumer protocol (KIP-848): heartbeats alone. The coordinator answers with what we shall read; we give up what is not in it,
//! say so in the next heartbeat, and get what others have given up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::error::ErrorCode;

use super::{Link, MemberChange, is_due};
use crate::client::cluster::{AutoCreation, Client};
use crate::client::error::ClientError;
use crate::client::groups::Partitions;
use crate::client::limits::HEARTBEAT_EMPTY_HANDED;
use crate::wire::Text;
use crate::wire::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};

const JOINING: i32 = 0;
const LEAVING: i32 = -1;
/// A static member that may come back.
const PAUSING: i32 = -2;

pub struct Consumer {
    heartbeat_at: Option<Instant>,
    /// What we have by the last assignment; none: not in the group.
    owned: Option<Partitions>,
    /// An assignment that the caller has been told to make room for.
    next: Option<Partitions>,
}

impl Consumer {
    pub fn new() -> Consumer {
        Consumer { heartbeat_at: None, owned: None, next: None }
    }

    pub fn turn(
        &mut self,
        client: &mut Client,
        link: &mut Link,
        assigned: &mut Partitions,
    ) -> Result<MemberChange, ClientError> {
        if let Some(next) = self.next.take() {
            // Read from now on, and told to the coordinator at once.
            self.owned = Some(next.clone());
            *assigned = next;
            self.heartbeat_at = None;
            return Ok(MemberChange::Assigned);
        }
        let is_outside = self.owned.is_none();
        if is_outside {
            assigned.clear();
            link.epoch = JOINING;
        } else if !is_due(self.heartbeat_at) {
            return Ok(MemberChange::Nothing);
        }
        let owns = self.owned.clone().unwrap_or_default();
        let request = self.heartbeat(client, link, &owns)?;
        let answer = link.call(client, &request)?;
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch) if !is_outside => {
                *self = Consumer::new();
                return Ok(MemberChange::Lost);
            }
            _ => check(link, &answer)?,
        }
        self.note(link, &answer);
        let Some(assignment) = &answer.assignment else {
            if is_outside {
                // In, and what to read comes later.
                self.owned = Some(Partitions::new());
            }
            return Ok(if assigned.is_empty() { MemberChange::Waiting } else { MemberChange::Nothing });
        };
        let target = by_name(client, &link.options.topic, assignment)?;
        if is_outside || target != owns {
            self.owned = Some(owns);
            self.next = Some(target);
            return Ok(MemberChange::Ending);
        }
        Ok(MemberChange::Nothing)
    }

    /// Learns our epoch anew; what else the answer says comes again.
    pub fn refresh(&mut self, client: &mut Client, link: &mut Link) -> Result<(), ClientError> {
        let owns = self.owned.clone().unwrap_or_default();
        let request = self.heartbeat(client, link, &owns)?;
        let answer = link.call(client, &request)?;
        check(link, &answer)?;
        self.note(link, &answer);
        // An assignment in it is asked for again by a heartbeat that says everything.
        self.heartbeat_at = None;
        Ok(())
    }

    fn note(&mut self, link: &mut Link, answer: &ConsumerGroupHeartbeatResponse) {
        if let Some(id) = &answer.member_id {
            link.id = id.to_string();
        }
        link.epoch = answer.member_epoch;
        let told = u64::try_from(answer.heartbeat_interval_ms).unwrap_or(0).max(1);
        let is_empty_handed = self.owned.as_ref().is_none_or(Partitions::is_empty);
        let at_most = if is_empty_handed { HEARTBEAT_EMPTY_HANDED } else { Duration::MAX };
        self.heartbeat_at = Some(Instant::now() + Duration::from_millis(told).min(at_most));
    }

    /// Says everything each time: so it does not matter which of our heartbeats the coordinator has seen.
    fn heartbeat(
        &self,
        client: &mut Client,
        link: &Link,
        owns: &Partitions,
    ) -> Result<ConsumerGroupHeartbeatRequest, ClientError> {
        let mut topic_partitions = Vec::new();
        for (name, partitions) in owns {
            let topic_id = client.topic(name, AutoCreation::Forbidden)?.id;
            topic_partitions.push(TopicPartitions { topic_id, partitions: partitions.clone() });
        }
        let timeout_ms = link.options.rebalance_timeout.as_millis();
        Ok(ConsumerGroupHeartbeatRequest {
            group_id: Text::from(&link.options.group),
            member_id: Text::from(&link.id),
            member_epoch: link.epoch,
            instance_id: link.options.instance.as_ref().map(Text::from),
            rebalance_timeout_ms: i32::try_from(timeout_ms).unwrap_or(i32::MAX),
            subscribed_topic_names: Some(vec![Text::from(&link.options.topic)]),
            topic_partitions: Some(topic_partitions),
            ..Default::default()
        })
    }

    pub fn leave(&mut self, client: &mut Client, link: &mut Link) -> Result<(), ClientError> {
        if self.owned.is_none() {
            return Ok(());
        }
        let request = ConsumerGroupHeartbeatRequest {
            group_id: Text::from(&link.options.group),
            member_id: Text::from(&link.id),
            member_epoch: if link.options.instance.is_some() { PAUSING } else { LEAVING },
            instance_id: link.options.instance.as_ref().map(Text::from),
            ..Default::default()
        };
        let answer = link.call(client, &request)?;
        match ErrorCode::from_code(answer.error_code) {
            // Gone already.
            Some(ErrorCode::UnknownMemberId) => Ok(()),
            _ => ClientError::check(answer.error_code, answer.error_message.as_deref(), || {
                format!("leaving group {}", link.options.group)
            }),
        }
    }
}

fn check(link: &Link, answer: &ConsumerGroupHeartbeatResponse) -> Result<(), ClientError> {
    ClientError::check(answer.error_code, answer.error_message.as_deref(), || link.joining())
}

/// The assignment by the name of its topic; partitions of another than ours are none of ours.
fn by_name(client: &mut Client, topic: &str, assignment: &Assignment) -> Result<Partitions, ClientError> {
    let known = client.topic(topic, AutoCreation::Forbidden)?;
    let mut named: Partitions = BTreeMap::new();
    for part in assignment.topic_partitions.iter().filter(|part| part.topic_id == known.id) {
        named.entry(topic.to_owned()).or_default().extend(&part.partitions);
    }
    for partitions in named.values_mut() {
        partitions.sort_unstable();
        partitions.dedup();
    }
    Ok(named)
}
