//! Which connection goes to which broker, for which partitions.

use net::client::{AutoCreation, Client, ClientError, Connection, NewTopic, Options, Topic};

use super::Load;
use crate::cli::failure::Failure;

/// One connection and what it is for.
pub struct Route {
    pub connection: Connection,
    pub topic: Topic,
    /// Partitions whose leader is at the other end; never empty.
    pub partitions: Vec<i32>,
}

/// As many connections as asked for, each with all partitions of the broker it goes to: for writers.
pub fn routes(load: &mut Load) -> Result<Vec<Route>, Failure> {
    let (mut client, topic) = reach(load)?;
    let mut routes = Vec::new();
    for place in 0..usize::from(load.connections) {
        let leader = topic.leader((place % topic.partitions.len()) as i32)?;
        let led = topic.partitions.iter().filter(|partition| partition.leader == leader);
        let mut partitions: Vec<i32> = led.map(|partition| partition.index).collect();
        // Each begins elsewhere, or all would write to the same partition at the same time.
        let turn = place % partitions.len().max(1);
        partitions.rotate_left(turn);
        routes.push(Route { connection: client.open(leader)?, topic: topic.clone(), partitions });
    }
    Ok(routes)
}

/// At most as many connections as asked for per broker, with each partition at one of them: for readers.
pub fn shared_out(load: &mut Load) -> Result<Vec<Route>, Failure> {
    let (mut client, topic) = reach(load)?;
    let mut leaders: Vec<i32> = topic.partitions.iter().map(|partition| partition.leader).collect();
    leaders.sort_unstable();
    leaders.dedup();
    let mut routes = Vec::new();
    for leader in leaders {
        let led: Vec<i32> = topic
            .partitions
            .iter()
            .filter(|partition| partition.leader == leader)
            .map(|partition| partition.index)
            .collect();
        let count = usize::from(load.connections).min(led.len());
        for place in 0..count {
            let partitions = led.iter().copied().skip(place).step_by(count).collect();
            routes.push(Route { connection: client.open(leader)?, topic: topic.clone(), partitions });
        }
    }
    Ok(routes)
}

fn reach(load: &mut Load) -> Result<(Client, Topic), Failure> {
    let options = Options { client_id: "corelog-bench".to_owned(), ..Options::default() };
    let mut client = Client::connect(&load.bootstrap_server, options)?;
    let topic = match client.topic(&load.topic, AutoCreation::Forbidden) {
        Err(ClientError::NoTopic(name)) => {
            let partitions = load.partitions;
            client.create_topic(&NewTopic {
                name,
                partitions,
                replication_factor: -1,
                ..NewTopic::default()
            })?;
            // Every leader is in place before load begins.
            client.retrying(|client| {
                client.forget(&load.topic);
                let topic = client.topic(&load.topic, AutoCreation::Forbidden);
                let topic = topic.map_err(|error| match error {
                    ClientError::NoTopic(topic) => ClientError::NoLeader { topic, partition: 0 },
                    error => error,
                })?;
                topic.partitions.iter().try_for_each(|partition| topic.leader(partition.index).map(drop))?;
                Ok(topic)
            })?
        }
        outcome => outcome?,
    };
    // What was asked for only counts where the topic is new.
    load.partitions = topic.partitions.len() as i32;
    Ok((client, topic))
}
