//! The classic protocol, eagerly: join, and give up everything for it; the leader assigns by range; sync; heartbeats until the next
//! generation. JoinGroup is answered when all have come, so its answer is waited for in pieces.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::error::ErrorCode;

use super::range::{self, Subscriber};
use super::{Link, MemberChange, is_due};
use crate::client::cluster::{AutoCreation, Client};
use crate::client::connection::Ticket;
use crate::client::error::ClientError;
use crate::client::groups::Partitions;
use crate::client::limits::{HEARTBEAT_EVERY, METADATA_AGE_MAX};
use crate::wire::Text;
use crate::wire::consumer_protocol::{Assignment, Subscription, TopicPartitions};
use crate::wire::heartbeat::HeartbeatRequest;
use crate::wire::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use crate::wire::leave_group::{LeaveGroupRequest, MemberIdentity};
use crate::wire::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};

const PROTOCOL_TYPE: &str = "consumer";
const RANGE: &str = "range";
/// Of our subscription: with it the assignment can be told from none.
const SUBSCRIPTION_VERSION: i16 = 1;
/// The first version of LeaveGroup that names members in a list.
const LEAVE_OF_MANY: i16 = 3;

pub struct Classic {
    state: State,
    heartbeat_at: Option<Instant>,
    /// What the leader assigned over: how many partitions each topic had, and when that is looked at again.
    led: Option<(BTreeMap<String, i32>, Instant)>,
}

enum State {
    Outside,
    Joining { ticket: Ticket<JoinGroupRequest>, give_up: Instant },
    Syncing { ticket: Ticket<SyncGroupRequest>, give_up: Instant },
    Inside,
}

impl Classic {
    pub fn new() -> Classic {
        Classic { state: State::Outside, heartbeat_at: None, led: None }
    }

    pub fn turn(
        &mut self,
        client: &mut Client,
        link: &mut Link,
        assigned: &mut Partitions,
        within: Duration,
    ) -> Result<MemberChange, ClientError> {
        // A state that waits is put back by who still waits: an error leaves it outside, or inside.
        match std::mem::replace(&mut self.state, State::Outside) {
            State::Outside => {
                assigned.clear();
                self.state = join(client, link)?;
                Ok(MemberChange::Waiting)
            }
            State::Joining { ticket, give_up } => {
                match link.connection(client)?.receive_within(&ticket, within)? {
                    Some(answer) => self.joined(client, link, answer),
                    None => self.waiting(give_up, link, State::Joining { ticket, give_up }),
                }
            }
            State::Syncing { ticket, give_up } => {
                match link.connection(client)?.receive_within(&ticket, within)? {
                    Some(answer) => self.synced(link, assigned, answer),
                    None => self.waiting(give_up, link, State::Syncing { ticket, give_up }),
                }
            }
            State::Inside => {
                self.state = State::Inside;
                self.live(client, link)
            }
        }
    }

    fn waiting(&mut self, give_up: Instant, link: &Link, state: State) -> Result<MemberChange, ClientError> {
        if Instant::now() >= give_up {
            let address = link.connection.as_ref().map_or("", |connection| connection.address()).to_owned();
            let timeout = link.options.rebalance_timeout + link.options.session_timeout;
            return Err(ClientError::TimedOut { address, operation: "JoinGroup", timeout });
        }
        self.state = state;
        Ok(MemberChange::Waiting)
    }

    fn joined(
        &mut self,
        client: &mut Client,
        link: &mut Link,
        answer: JoinGroupResponse,
    ) -> Result<MemberChange, ClientError> {
        match ErrorCode::from_code(answer.error_code) {
            // The coordinator wants to see us again with the id that it found (KIP-394).
            Some(ErrorCode::MemberIdRequired) => {
                link.id = answer.member_id.to_string();
                return Ok(MemberChange::Waiting);
            }
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                link.id.clear();
                return Ok(MemberChange::Waiting);
            }
            Some(ErrorCode::RebalanceInProgress) => return Ok(MemberChange::Waiting),
            _ => ClientError::check(answer.error_code, None, || link.joining())?,
        }
        link.id = answer.member_id.to_string();
        link.epoch = answer.generation_id;
        self.led = None;
        let assignments = match answer.leader == answer.member_id {
            true if !answer.skip_assignment => self.assign(client, &answer)?,
            // The assignment is what it was; only its watch over the topics is ours again (KIP-814).
            true => {
                self.led = Some((sizes(client, [link.options.topic.clone()])?, next_look()));
                Vec::new()
            }
            false => Vec::new(),
        };
        let request = SyncGroupRequest {
            group_id: Text::from(&link.options.group),
            generation_id: link.epoch,
            member_id: Text::from(&link.id),
            group_instance_id: link.options.instance.as_ref().map(Text::from),
            protocol_type: Some(Text::from_static(PROTOCOL_TYPE)),
            protocol_name: Some(Text::from_static(RANGE)),
            assignments,
        };
        let give_up = Instant::now() + link.options.rebalance_timeout + link.options.session_timeout;
        let ticket = link.connection(client)?.send(&request)?;
        self.state = State::Syncing { ticket, give_up };
        Ok(MemberChange::Waiting)
    }

    /// The leader's work. A member whose subscription cannot be read gets nothing.
    fn assign(
        &mut self,
        client: &mut Client,
        answer: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut members: Vec<Subscriber> = Vec::with_capacity(answer.members.len());
        for member in &answer.members {
            let subscription = Subscription::read(member.metadata.clone()).unwrap_or_default();
            members.push(Subscriber {
                id: member.member_id.to_string(),
                instance: member.group_instance_id.as_ref().map(|instance| instance.to_string()),
                topics: subscription.topics.iter().map(|topic| topic.to_string()).collect(),
            });
        }
        let wanted = members.iter().flat_map(|member| member.topics.iter().cloned());
        let sizes = sizes(client, wanted)?;
        let assigned = range::assign(&members, &sizes);
        self.led = Some((sizes, next_look()));
        members
            .iter()
            .zip(assigned)
            .map(|(member, partitions)| {
                let topics = partitions.iter().map(|(topic, partitions)| TopicPartitions {
                    topic: Text::from(topic),
                    partitions: partitions.clone(),
                });
                let assignment = Assignment { assigned_partitions: topics.collect(), user_data: None };
                let bytes = assignment.bytes(SUBSCRIPTION_VERSION);
                let assignment =
                    bytes.map_err(|source| ClientError::Unsayable { operation: "SyncGroup", source })?;
                Ok(SyncGroupRequestAssignment { member_id: Text::from(&member.id), assignment })
            })
            .collect()
    }

    fn synced(
        &mut self,
        link: &mut Link,
        assigned: &mut Partitions,
        answer: SyncGroupResponse,
    ) -> Result<MemberChange, ClientError> {
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::RebalanceInProgress) => return Ok(MemberChange::Waiting),
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                link.id.clear();
                return Ok(MemberChange::Waiting);
            }
            _ => ClientError::check(answer.error_code, None, || link.joining())?,
        }
        let assignment = Assignment::read(answer.assignment).map_err(|source| ClientError::Garbled {
            address: link.connection.as_ref().map_or("", |connection| connection.address()).to_owned(),
            operation: "SyncGroup",
            source,
        })?;
        *assigned = assignment
            .assigned_partitions
            .into_iter()
            .map(|topic| (topic.topic.to_string(), topic.partitions))
            .collect();
        self.state = State::Inside;
        self.heartbeat_at = Some(Instant::now() + HEARTBEAT_EVERY);
        Ok(MemberChange::Assigned)
    }

    fn live(&mut self, client: &mut Client, link: &mut Link) -> Result<MemberChange, ClientError> {
        if self.topics_have_grown(client)? {
            self.state = State::Outside;
            return Ok(MemberChange::Ending);
        }
        if !is_due(self.heartbeat_at) {
            return Ok(MemberChange::Nothing);
        }
        let request = HeartbeatRequest {
            group_id: Text::from(&link.options.group),
            generation_id: link.epoch,
            member_id: Text::from(&link.id),
            group_instance_id: link.options.instance.as_ref().map(Text::from),
        };
        let answer = link.call(client, &request)?;
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::RebalanceInProgress) => {
                self.state = State::Outside;
                return Ok(MemberChange::Ending);
            }
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                self.state = State::Outside;
                link.id.clear();
                return Ok(MemberChange::Lost);
            }
            _ => ClientError::check(answer.error_code, None, || {
                format!("a heartbeat to group {}", link.options.group)
            })?,
        }
        self.heartbeat_at = Some(Instant::now() + HEARTBEAT_EVERY);
        Ok(MemberChange::Nothing)
    }

    /// Only the leader looks.
    fn topics_have_grown(&mut self, client: &mut Client) -> Result<bool, ClientError> {
        let Some((before, look)) = &mut self.led else { return Ok(false) };
        if !is_due(Some(*look)) {
            return Ok(false);
        }
        *look = next_look();
        for topic in before.keys() {
            client.forget(topic);
        }
        let now = sizes(client, before.keys().cloned())?;
        Ok(now != *before)
    }

    pub fn leave(&mut self, client: &mut Client, link: &mut Link) -> Result<(), ClientError> {
        if link.id.is_empty() || link.options.instance.is_some() {
            return Ok(());
        }
        if !matches!(self.state, State::Inside) {
            // Behind a request that is still waited for the coordinator would not read another one.
            link.connection = None;
        }
        let of_many = link.connection(client)?.version::<LeaveGroupRequest>()? >= LEAVE_OF_MANY;
        let member_id = Text::from(&link.id);
        let mut request =
            LeaveGroupRequest { group_id: Text::from(&link.options.group), ..Default::default() };
        match of_many {
            true => {
                let reason = Some(Text::from_static("the command has ended"));
                request.members = vec![MemberIdentity { member_id, group_instance_id: None, reason }];
            }
            false => request.member_id = member_id,
        }
        let answer = link.call(client, &request)?;
        match ErrorCode::from_code(answer.error_code) {
            // Gone already.
            Some(ErrorCode::UnknownMemberId) => Ok(()),
            _ => ClientError::check(answer.error_code, None, || {
                format!("leaving group {}", link.options.group)
            }),
        }
    }
}

fn next_look() -> Instant {
    Instant::now() + METADATA_AGE_MAX
}

fn join(client: &mut Client, link: &mut Link) -> Result<State, ClientError> {
    let subscription =
        Subscription { topics: vec![Text::from(&link.options.topic)], ..Subscription::default() };
    let metadata = subscription
        .bytes(SUBSCRIPTION_VERSION)
        .map_err(|source| ClientError::Unsayable { operation: "JoinGroup", source })?;
    let ms = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let request = JoinGroupRequest {
        group_id: Text::from(&link.options.group),
        session_timeout_ms: ms(link.options.session_timeout),
        rebalance_timeout_ms: ms(link.options.rebalance_timeout),
        member_id: Text::from(&link.id),
        group_instance_id: link.options.instance.as_ref().map(Text::from),
        protocol_type: Text::from_static(PROTOCOL_TYPE),
        protocols: vec![JoinGroupRequestProtocol { name: Text::from_static(RANGE), metadata }],
        reason: None,
    };
    let give_up = Instant::now() + link.options.rebalance_timeout + link.options.session_timeout;
    let ticket = link.connection(client)?.send(&request)?;
    Ok(State::Joining { ticket, give_up })
}

/// How many partitions topics have; none of one that does not exist.
fn sizes(
    client: &mut Client,
    topics: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, i32>, ClientError> {
    let mut sizes = BTreeMap::new();
    for name in topics {
        if sizes.contains_key(&name) {
            continue;
        }
        let count = match client.topic(&name, AutoCreation::Forbidden) {
            Ok(topic) => i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
            Err(ClientError::NoTopic(_)) => 0,
            Err(error) => return Err(error),
        };
        sizes.insert(name, count);
    }
    Ok(sizes)
}
