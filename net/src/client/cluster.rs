//! The cluster as a client sees it: who its brokers are, who leads which partition, and one connection to each broker in
//! use. Everything known is forgotten when it proves wrong, and asked for again.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::address::Address;
use super::connection::Connection;
use super::error::ClientError;
use super::limits::{BACKOFF_FIRST, BACKOFF_MAX, RETRY_FOR_DEFAULT, TIMEOUT_DEFAULT};
use super::topic::Topic;
use crate::wire::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use crate::wire::{Request, Text};

#[derive(Clone, Debug)]
pub struct Options {
    pub client_id: String,
    /// Bounds each connect, each write and each answer.
    pub timeout: Duration,
    /// How long an operation is tried again after its first failure.
    pub retry_for: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { client_id: "corelog".to_owned(), timeout: TIMEOUT_DEFAULT, retry_for: RETRY_FOR_DEFAULT }
    }
}

/// Whether asking for a topic may create it, where the broker allows that (`auto.create.topics.enable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCreation {
    Allowed,
    Forbidden,
}

/// Which topics Metadata is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Topics<'a> {
    All,
    None,
    One(&'a str),
}

pub struct Client {
    options: Options,
    bootstrap: Vec<Address>,
    /// For what any broker answers.
    any: Option<Connection>,
    brokers: BTreeMap<i32, Address>,
    connections: BTreeMap<i32, Connection>,
    topics: BTreeMap<String, Topic>,
}

impl Client {
    /// Reaches one of the brokers in `bootstrap` (`host:port,…`), without retries: a wrong address should be told at once.
    pub fn connect(bootstrap: &str, options: Options) -> Result<Client, ClientError> {
        let mut client = Client {
            options,
            bootstrap: Address::parse_list(bootstrap)?,
            any: None,
            brokers: BTreeMap::new(),
            connections: BTreeMap::new(),
            topics: BTreeMap::new(),
        };
        client.any()?;
        Ok(client)
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Every broker that the last metadata named.
    pub fn brokers(&self) -> &BTreeMap<i32, Address> {
        &self.brokers
    }

    /// All topics, by name.
    pub fn topics(&mut self) -> Result<Vec<Topic>, ClientError> {
        self.retrying(|client| {
            let answer = client.metadata(Topics::All, AutoCreation::Forbidden)?;
            let existing = answer.topics.iter().filter(|topic| topic.error_code == 0);
            let mut topics = existing.map(Topic::of).collect::<Result<Vec<_>, _>>()?;
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(topics)
        })
    }

    /// One topic, from memory if it is known.
    pub fn topic(&mut self, name: &str, creation: AutoCreation) -> Result<Topic, ClientError> {
        if let Some(topic) = self.topics.get(name) {
            return Ok(topic.clone());
        }
        self.retrying(|client| client.ask_topic(name, creation))
    }

    fn ask_topic(&mut self, name: &str, creation: AutoCreation) -> Result<Topic, ClientError> {
        let answer = self.metadata(Topics::One(name), creation)?;
        let found = answer.topics.iter().find(|topic| topic.name.as_deref() == Some(name));
        let found = found.ok_or_else(|| ClientError::Incomplete {
            operation: "Metadata",
            what: format!("topic {name}"),
        })?;
        if found.error_code == engine::error::ErrorCode::UnknownTopicOrPartition.code()
            && creation == AutoCreation::Forbidden
        {
            return Err(ClientError::NoTopic(name.to_owned()));
        }
        ClientError::check(found.error_code, None, || format!("asking for topic {name}"))?;
        let topic = Topic::of(found)?;
        self.topics.insert(name.to_owned(), topic.clone());
        Ok(topic)
    }

    /// Learns the brokers, whatever the topics.
    pub(super) fn metadata(
        &mut self,
        topics: Topics<'_>,
        creation: AutoCreation,
    ) -> Result<MetadataResponse, ClientError> {
        let by_name = |name| MetadataRequestTopic { name: Some(Text::from(name)), ..Default::default() };
        let request = MetadataRequest {
            topics: match topics {
                Topics::All => None,
                Topics::None => Some(Vec::new()),
                Topics::One(name) => Some(vec![by_name(name)]),
            },
            allow_auto_topic_creation: creation == AutoCreation::Allowed,
            ..Default::default()
        };
        let answer = self.call_any(&request)?;
        ClientError::check(answer.error_code, None, || "asking for metadata".to_owned())?;
        let addresses = answer.brokers.iter().map(|broker| {
            let port = u16::try_from(broker.port)
                .map_err(|_| ClientError::Address(format!("{}:{}", broker.host, broker.port)))?;
            Ok((broker.node_id, Address { host: broker.host.to_string(), port }))
        });
        self.brokers = addresses.collect::<Result<_, ClientError>>()?;
        Ok(answer)
    }

    /// The node that leads a partition.
    pub fn leader(&mut self, topic: &str, partition: i32) -> Result<i32, ClientError> {
        self.topic(topic, AutoCreation::Forbidden)?.leader(partition)
    }

    /// The connection to a node, opened if there is none.
    pub fn node(&mut self, node: i32) -> Result<&mut Connection, ClientError> {
        if !self.connections.contains_key(&node) {
            let connection = self.open(node)?;
            self.connections.insert(node, connection);
        }
        self.connections.get_mut(&node).ok_or_else(|| unknown_node(node))
    }

    /// A connection of one's own to a node.
    pub fn open(&mut self, node: i32) -> Result<Connection, ClientError> {
        let address = self.brokers.get(&node).ok_or_else(|| unknown_node(node))?;
        Connection::open(address, &self.options.client_id, self.options.timeout)
    }

    /// Asks a node and waits; a connection that failed is dropped.
    pub(super) fn call<R: Request>(&mut self, node: i32, request: &R) -> Result<R::Response, ClientError> {
        let outcome = self.node(node)?.call(request);
        self.noting(node, outcome)
    }

    /// Drops the connection that `outcome` proves dead.
    pub(super) fn noting<T>(&mut self, node: i32, outcome: Result<T, ClientError>) -> Result<T, ClientError> {
        if outcome.as_ref().is_err_and(ClientError::ends_connection) {
            self.connections.remove(&node);
        }
        outcome
    }

    pub(super) fn call_any<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        let outcome = self.any()?.call(request);
        self.noting_any(outcome)
    }

    pub(super) fn noting_any<T>(&mut self, outcome: Result<T, ClientError>) -> Result<T, ClientError> {
        if outcome.as_ref().is_err_and(ClientError::ends_connection) {
            self.any = None;
        }
        outcome
    }

    pub(super) fn any(&mut self) -> Result<&mut Connection, ClientError> {
        let connection = match self.any.take() {
            Some(connection) => connection,
            None => self.reach()?,
        };
        Ok(self.any.insert(connection))
    }

    /// The first broker that answers; the last one's error if none does.
    fn reach(&self) -> Result<Connection, ClientError> {
        let mut outcome = Err(ClientError::Address(String::new()));
        for address in self.bootstrap.iter().chain(self.brokers.values()) {
            outcome = Connection::open(address, &self.options.client_id, self.options.timeout);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// What is known of a topic's leaders may be old.
    pub fn forget(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    pub(super) fn forget_all(&mut self) {
        self.topics.clear();
    }

    /// Tries until it succeeds, fails for good, or `retry_for` has passed; asks for leaders anew in between.
    pub fn retrying<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut retries = Retries::default();
        loop {
            match attempt(self) {
                Err(error) if error.is_retriable() && retries.another(self.options.retry_for) => {
                    self.forget_all();
                }
                outcome => return outcome,
            }
        }
    }
}

fn unknown_node(node: i32) -> ClientError {
    ClientError::Incomplete { operation: "Metadata", what: format!("node {node}") }
}

/// How often one operation has failed, and since when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retries {
    count: u32,
    since: Option<Instant>,
}

impl Retries {
    /// Notes a failure; waits, longer each time, and allows another attempt until `retry_for` has passed.
    pub(super) fn another(&mut self, retry_for: Duration) -> bool {
        if self.since.get_or_insert_with(Instant::now).elapsed() >= retry_for {
            return false;
        }
        thread::sleep(BACKOFF_FIRST.saturating_mul(1 << self.count.min(16)).min(BACKOFF_MAX));
        self.count += 1;
        true
    }
}

/// A number that differs from run to run, good enough to spread load.
pub(super) fn arbitrary() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_micros()) ^ u64::from(std::process::id())
}
