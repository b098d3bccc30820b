//! Which connection goes to which broker, for which partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::error::ErrorCode;
use net::client::{AutoCreation, Client, ClientError, Connection, NewTopic, Options, Topic};

use super::Load;
use crate::cli::failure::Failure;

/// One partition.
#[derive(Clone)]
pub struct Target {
    pub topic: Arc<Topic>,
    pub partition: i32,
}

/// One connection and what it is for.
pub struct Route {
    pub connection: Connection,
    /// Partitions whose leader is at the other end; never empty.
    pub targets: Vec<Target>,
}

/// The cluster, and every partition by its leader.
pub struct Plan {
    client: Client,
    by_leader: BTreeMap<i32, Vec<Target>>,
}

impl Plan {
    /// Creates what topics do not exist.
    pub fn new(load: &Load) -> Result<Plan, Failure> {
        let options = Options { client_id: "corelog-bench".to_owned(), ..Options::default() };
        let mut client = Client::connect(&load.bootstrap_server, options)?;
        let mut by_leader: BTreeMap<i32, Vec<Target>> = BTreeMap::new();
        for number in 0..load.topics {
            let name = match load.topics {
                1 => load.topic.clone(),
                _ => format!("{}-{number}", load.topic),
            };
            let topic = Arc::new(reach(&mut client, load, &name)?);
            for partition in &topic.partitions {
                let target = Target { topic: topic.clone(), partition: partition.index };
                by_leader.entry(topic.leader(partition.index)?).or_default().push(target);
            }
        }
        Ok(Plan { client, by_leader })
    }

    pub fn partition_count(&self) -> usize {
        self.by_leader.values().map(Vec::len).sum()
    }

    /// As many connections as asked for, each with all partitions of the broker it goes to: for writers.
    pub fn writers(&mut self, count: usize) -> Result<Vec<Route>, Failure> {
        let leaders: Vec<i32> = self.by_leader.keys().copied().collect();
        let route = |place: usize| {
            let leader = leaders[place % leaders.len()];
            let targets = self.by_leader.get(&leader).cloned().unwrap_or_default();
            Ok(Route { connection: self.client.open(leader)?, targets })
        };
        (0..count).map(route).collect()
    }

    /// At most as many connections as asked for per broker, with each partition at one of them: for readers.
    pub fn readers(&mut self, count: usize) -> Result<Vec<Route>, Failure> {
        let mut routes = Vec::new();
        for (leader, led) in &self.by_leader {
            let count = count.min(led.len());
            for place in 0..count {
                let targets = led.iter().skip(place).step_by(count).cloned().collect();
                routes.push(Route { connection: self.client.open(*leader)?, targets });
            }
        }
        Ok(routes)
    }
}

fn reach(client: &mut Client, load: &Load, name: &str) -> Result<Topic, Failure> {
    match client.topic(name, AutoCreation::Forbidden) {
        Err(ClientError::NoTopic(_)) => {
            let created = client.create_topic(&NewTopic {
                name: name.to_owned(),
                partitions: load.partitions,
                replication_factor: load.replication_factor,
                configs: load.topic_options.clone(),
            });
            // A broker may not know yet what its controller has made a moment ago.
            if let Err(error) = created
                && error.code() != Some(ErrorCode::TopicAlreadyExists)
            {
                return Err(error.into());
            }
            // Every leader is in place before load begins.
            Ok(client.retrying(|client| {
                client.forget(name);
                let topic = client.topic(name, AutoCreation::Forbidden);
                let topic = topic.map_err(|error| match error {
                    ClientError::NoTopic(topic) => ClientError::NoLeader { topic, partition: 0 },
                    error => error,
                })?;
                topic.partitions.iter().try_for_each(|partition| topic.leader(partition.index).map(drop))?;
                Ok(topic)
            })?)
        }
        outcome => Ok(outcome?),
    }
}
