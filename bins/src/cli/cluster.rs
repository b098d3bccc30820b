//! `corelog cluster describe`: the brokers, and what each leads and holds.

use std::io::Write;

use clap::{Args, Subcommand};
use net::client::{Broker, Topic};

use super::Connect;
use super::failure::Failure;
use super::json::Object;
use super::table::Table;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show brokers, their addresses, and how many partitions each leads and holds
    Describe(Describe),
}

#[derive(Debug, Args)]
pub struct Describe {
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

/// How many partitions a broker has.
struct Share {
    leads: usize,
    holds: usize,
}

impl Share {
    fn of(broker: &Broker, topics: &[Topic]) -> Share {
        let partitions = || topics.iter().flat_map(|topic| &topic.partitions);
        Share {
            leads: partitions().filter(|partition| partition.leader == broker.id).count(),
            holds: partitions().filter(|partition| partition.replicas.contains(&broker.id)).count(),
        }
    }
}

pub fn run(command: &Command, out: &mut dyn Write) -> Result<(), Failure> {
    let Command::Describe(arguments) = command;
    let mut client = arguments.connect.client()?;
    let cluster = client.cluster()?;
    let topics = client.topics()?;
    let partitions = || topics.iter().flat_map(|topic| &topic.partitions);
    let leaderless = partitions().filter(|partition| partition.leader < 0).count();
    let behind = partitions().filter(|partition| partition.isr.len() < partition.replicas.len()).count();
    let shares: Vec<Share> = cluster.brokers.iter().map(|broker| Share::of(broker, &topics)).collect();
    if arguments.json {
        let brokers = cluster.brokers.iter().zip(&shares).map(|(broker, share)| {
            Object::new()
                .number("id", broker.id)
                .text("address", &broker.address)
                .bytes("rack", broker.rack.as_deref().map(str::as_bytes))
                .number("is_fenced", broker.is_fenced)
                .number("leads", share.leads)
                .number("holds", share.holds)
                .end()
        });
        let object = Object::new()
            .bytes("cluster_id", cluster.id.as_deref().map(str::as_bytes))
            .number("controller", cluster.controller)
            .number("topics", topics.len())
            .number("partitions", partitions().count())
            .number("partitions_without_leader", leaderless)
            .number("partitions_under_replicated", behind)
            .array("brokers", brokers);
        return Ok(writeln!(out, "{}", object.end())?);
    }
    writeln!(out, "Cluster {}", cluster.id.as_deref().unwrap_or("without an id"))?;
    writeln!(
        out,
        "{} topics, {} partitions: {leaderless} without a leader, {behind} under-replicated",
        topics.len(),
        partitions().count()
    )?;
    let mut table = Table::new(&["BROKER", "ADDRESS", "RACK", "LEADS", "HOLDS", "NOTE"]);
    for (broker, share) in cluster.brokers.iter().zip(&shares) {
        let note = match (broker.id == cluster.controller, broker.is_fenced) {
            (_, true) => "fenced",
            (true, false) => "controller",
            (false, false) => "",
        };
        table.row(vec![
            broker.id.to_string(),
            broker.address.clone(),
            broker.rack.clone().unwrap_or_else(|| "-".to_owned()),
            share.leads.to_string(),
            share.holds.to_string(),
            note.to_owned(),
        ]);
    }
    Ok(table.write(out)?)
}
