//! A member of a group: joins, lives, learns what it reads, commits and leaves. Not a thread: `turn` does what is due, and waits no longer
//! than it is told to; between two turns the caller reads and prints. It must come back within the session timeout, or the group takes
//! it for dead.
//!
//! Both protocols look alike to the caller. Whenever what it reads is about to change it hears `MemberChange::Ending`, commits, and forgets
//! where it is; `MemberChange::Assigned` tells what it reads from then on. So a partition is never read by two at once.

mod classic;
mod consumer;
mod range;

use std::time::{Duration, Instant};

use engine::error::ErrorCode;

use super::cluster::{Client, Retries, arbitrary};
use super::committed::{COMMIT_VERSION_MAX, Committer, Offsets, commit_request, outcomes_of_commit};
use super::connection::Connection;
use super::error::ClientError;
use super::groups::Partitions;
use crate::wire::Request;
use classic::Classic;
use consumer::Consumer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A member assigns (JoinGroup, SyncGroup), here by range.
    Classic,
    /// The coordinator assigns (KIP-848).
    Consumer,
}

#[derive(Clone, Debug)]
pub struct MemberOptions {
    pub group: String,
    pub topic: String,
    /// A static member (KIP-345): it may come back within the session timeout, and nobody else takes over meanwhile.
    pub instance: Option<String>,
    pub protocol: Protocol,
    /// The coordinator takes a classic member for dead after so long; of consumer groups the broker's options say it.
    pub session_timeout: Duration,
    /// How long the others wait for it to come into a rebalance.
    pub rebalance_timeout: Duration,
}

/// What a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// All is as it was.
    Nothing,
    /// It is on its way into the group, and reads nothing.
    Waiting,
    /// What it reads is about to change: commit, and forget where you are.
    Ending,
    /// It was taken for dead: others may read already what it read. There is nothing to commit.
    Lost,
    /// It reads `assigned` from now on.
    Assigned,
}

pub struct Member {
    link: Link,
    assigned: Partitions,
    speaks: Speaks,
}

enum Speaks {
    Classic(Classic),
    Consumer(Consumer),
}

/// The way to the coordinator, and who we are there.
struct Link {
    options: MemberOptions,
    /// Empty while the coordinator has to find one.
    id: String,
    /// The generation, or the member's epoch.
    epoch: i32,
    connection: Option<Connection>,
    retries: Retries,
}

impl Member {
    pub fn new(options: MemberOptions) -> Member {
        let (id, speaks) = match options.protocol {
            Protocol::Classic => (String::new(), Speaks::Classic(Classic::new())),
            Protocol::Consumer => (made_up_id(), Speaks::Consumer(Consumer::new())),
        };
        let link = Link { options, id, epoch: -1, connection: None, retries: Retries::default() };
        Member { link, assigned: Partitions::new(), speaks }
    }

    /// Partitions by topic.
    pub fn assigned(&self) -> &Partitions {
        &self.assigned
    }

    /// Does what is due. While it waits to come in it waits for `within` at most.
    pub fn turn(&mut self, client: &mut Client, within: Duration) -> Result<MemberChange, ClientError> {
        let outcome = match &mut self.speaks {
            Speaks::Classic(classic) => classic.turn(client, &mut self.link, &mut self.assigned, within),
            Speaks::Consumer(consumer) => consumer.turn(client, &mut self.link, &mut self.assigned),
        };
        match outcome {
            Ok(change) => {
                self.link.retries = Retries::default();
                Ok(change)
            }
            Err(error) => self.link.survive(client, error).map(|()| match self.assigned.is_empty() {
                true => MemberChange::Waiting,
                false => MemberChange::Nothing,
            }),
        }
    }

    /// Commits offsets, each the next that is wanted. Tried again while the coordinator moves; a group that went on without us is an
    /// error with its code.
    pub fn commit(&mut self, client: &mut Client, offsets: &Offsets) -> Result<(), ClientError> {
        if offsets.is_empty() {
            return Ok(());
        }
        loop {
            let error = match self.commit_once(client, offsets) {
                // The coordinator has another epoch for us: a heartbeat tells it.
                Err(error) if error.code() == Some(ErrorCode::StaleMemberEpoch) => {
                    let Speaks::Consumer(consumer) = &mut self.speaks else { return Err(error) };
                    match consumer.refresh(client, &mut self.link) {
                        Ok(()) => match self.commit_once(client, offsets) {
                            Err(error) => error,
                            Ok(()) => return Ok(()),
                        },
                        Err(error) => error,
                    }
                }
                Err(error) => error,
                Ok(()) => return Ok(()),
            };
            self.link.survive(client, error)?;
        }
    }

    fn commit_once(&mut self, client: &mut Client, offsets: &Offsets) -> Result<(), ClientError> {
        let committer = Committer {
            member_id: &self.link.id,
            instance_id: self.link.options.instance.as_deref(),
            epoch: self.link.epoch,
        };
        let request = commit_request(&self.link.options.group, &committer, offsets);
        let answer = self.link.connection(client)?.call_at_most(&request, COMMIT_VERSION_MAX)?;
        outcomes_of_commit(&self.link.options.group, answer)?.into_values().collect()
    }

    /// Says farewell, so that the others need not wait for the session timeout. A static member of a classic group says nothing: it may
    /// come back.
    pub fn leave(mut self, client: &mut Client) -> Result<(), ClientError> {
        match &mut self.speaks {
            Speaks::Classic(classic) => classic.leave(client, &mut self.link),
            Speaks::Consumer(consumer) => consumer.leave(client, &mut self.link),
        }
    }
}

impl Link {
    fn connection(&mut self, client: &mut Client) -> Result<&mut Connection, ClientError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let node = client.ask_coordinator(&self.options.group)?;
                // Known to the client from here on.
                client.at(Some(node))?;
                client.open(node)?
            }
        };
        Ok(self.connection.insert(connection))
    }

    fn call<R: Request>(&mut self, client: &mut Client, request: &R) -> Result<R::Response, ClientError> {
        self.connection(client)?.call(request)
    }

    /// A passing trouble costs the connection and a pause; anything else, and what does not pass, is told.
    fn survive(&mut self, client: &Client, error: ClientError) -> Result<(), ClientError> {
        let passes = error.ends_connection() || error.is_coordinators_passing_trouble();
        if error.ends_connection() || passes {
            self.connection = None;
        }
        match passes && self.retries.another(client.options().retry_for) {
            true => Ok(()),
            false => Err(self.explained(error)),
        }
    }

    /// Says more where the code alone is a riddle.
    fn explained(&self, error: ClientError) -> ClientError {
        let instance = self.options.instance.as_deref().unwrap_or_default();
        let more = match error.code() {
            Some(ErrorCode::FencedInstanceId) => {
                format!("another process has taken the instance id {instance}; give each process its own")
            }
            Some(ErrorCode::UnreleasedInstanceId) => format!(
                "the instance id {instance} is in use; end the process that has it, or wait for its session timeout"
            ),
            Some(ErrorCode::InconsistentGroupProtocol) => format!(
                "the members of group {} have no assignor in common with this one, which assigns by range; or the group is of \
                 another kind",
                self.options.group
            ),
            Some(ErrorCode::GroupMaxSizeReached) => {
                format!("group {} has as many members as the broker allows", self.options.group)
            }
            Some(ErrorCode::InvalidSessionTimeout) => {
                "the broker allows session timeouts between group.min.session.timeout.ms and \
                 group.max.session.timeout.ms"
                    .to_owned()
            }
            _ => return error,
        };
        match error {
            ClientError::Refused { what, code, .. } => {
                ClientError::Refused { what, code, message: Some(more) }
            }
            other => other,
        }
    }

    fn joining(&self) -> String {
        format!("joining group {}", self.options.group)
    }
}

/// What is due at a time.
fn is_due(at: Option<Instant>) -> bool {
    at.is_none_or(|at| Instant::now() >= at)
}

/// A member id that no other has: 128 random bits in base64 of URLs, as Kafka's clients make them up (KIP-1082).
fn made_up_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut random = [0; 22];
    if getrandom::fill(&mut random).is_err() {
        // The kernel has none: time and process tell members apart well enough.
        for (index, byte) in random.iter_mut().enumerate() {
            *byte = (arbitrary() >> (index % 8 * 4)) as u8;
        }
    }
    random.iter().map(|byte| ALPHABET[usize::from(byte & 63)] as char).collect()
}
