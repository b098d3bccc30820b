//! `corelog topic`: create, list, describe, alter and delete.

use std::io::Write;

use clap::{Args, Subcommand};
use net::client::{At, AutoCreation, Change, Intent, NewTopic, Partition, Resource, Topic};

use super::Connect;
use super::failure::Failure;
use super::json::Object;
use super::table::Table;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a topic
    Create(Create),
    /// List topics
    List(List),
    /// Show a topic's partitions: leaders, replicas, first and next offsets
    Describe(Describe),
    /// Add partitions to a topic, or change its options
    Alter(Alter),
    /// Delete topics and everything in them
    Delete(Delete),
}

#[derive(Debug, Args)]
pub struct Create {
    name: String,
    /// How many partitions [default: the broker's num.partitions]
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// How many replicas [default: the broker's default.replication.factor]
    #[arg(short, long, value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A topic option, as in retention.ms=60000; may be repeated
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = name_and_value)]
    configs: Vec<(String, String)>,
    /// Succeed if the topic exists already
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
pub struct List {
    /// Show the broker's own topics too
    #[arg(long)]
    internal: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
pub struct Describe {
    #[arg(required = true)]
    names: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
pub struct Alter {
    name: String,
    /// Have so many partitions; keys go elsewhere from then on, and there is no way back
    #[arg(short, long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Set an option, as in retention.ms=60000; may be repeated
    #[arg(short, long = "config", value_name = "NAME=VALUE", value_parser = name_and_value)]
    configs: Vec<(String, String)>,
    /// Set an option back to its default; may be repeated
    #[arg(long, value_name = "NAME")]
    delete_config: Vec<String>,
    /// Let the broker check it, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    connect: Connect,
}

pub fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as name=value".to_owned()),
    }
}

pub fn run(command: Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create(arguments, out),
        Command::List(arguments) => list(&arguments, out),
        Command::Describe(arguments) => describe(&arguments, out),
        Command::Alter(arguments) => alter(arguments, out),
        Command::Delete(arguments) => delete(&arguments, out),
    }
}

fn create(arguments: Create, out: &mut dyn Write) -> Result<(), Failure> {
    let topic = NewTopic {
        name: arguments.name,
        partitions: arguments.partitions.unwrap_or(-1),
        replication_factor: arguments.replication_factor.unwrap_or(-1),
        configs: arguments.configs,
    };
    let created = match arguments.connect.client()?.create_topic(&topic) {
        Err(error)
            if arguments.if_not_exists
                && error.code() == Some(engine::error::ErrorCode::TopicAlreadyExists) =>
        {
            writeln!(out, "Topic {} exists already.", topic.name)?;
            return Ok(());
        }
        outcome => outcome?,
    };
    let partitions = if created.partitions > 0 { created.partitions } else { topic.partitions };
    write!(out, "Created topic {}", topic.name)?;
    match partitions {
        1 => write!(out, " with 1 partition")?,
        2.. => write!(out, " with {partitions} partitions")?,
        _ => {}
    }
    match created.id.is_zero() {
        true => writeln!(out, ".")?,
        false => writeln!(out, ", id {}.", created.id)?,
    }
    Ok(())
}

fn list(arguments: &List, out: &mut dyn Write) -> Result<(), Failure> {
    let mut topics = arguments.connect.client()?.topics()?;
    topics.retain(|topic| arguments.internal || !topic.is_internal);
    if arguments.json {
        for topic in &topics {
            let object = Object::new().text("name", &topic.name).text("id", &topic.id.to_string());
            writeln!(out, "{}", object.number("partitions", topic.partitions.len()).end())?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS", "ID"]);
    for topic in &topics {
        let replicas = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        let (partitions, id) = (topic.partitions.len().to_string(), topic.id.to_string());
        table.row(vec![topic.name.clone(), partitions, replicas.to_string(), id]);
    }
    Ok(table.write(out)?)
}

fn describe(arguments: &Describe, out: &mut dyn Write) -> Result<(), Failure> {
    let mut client = arguments.connect.client()?;
    for (place, name) in arguments.names.iter().enumerate() {
        let topic = client.topic(name, AutoCreation::Forbidden)?;
        let led = topic.partitions.iter().filter(|partition| partition.leader >= 0);
        let led: Vec<i32> = led.map(|partition| partition.index).collect();
        let first = client.list_offsets(name, &led, At::Earliest)?;
        let next = client.list_offsets(name, &led, At::Latest)?;
        let both = |partition: &Partition| {
            Some((first.get(&partition.index)?.offset, next.get(&partition.index)?.offset))
        };
        let ends: Vec<_> = topic.partitions.iter().map(both).collect();
        match arguments.json {
            true => describe_json(&topic, &ends, out)?,
            false => {
                if place > 0 {
                    writeln!(out)?;
                }
                describe_table(&topic, &ends, out)?;
            }
        }
    }
    Ok(())
}

fn describe_table(topic: &Topic, ends: &[Option<(i64, i64)>], out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "Topic {}, id {}", topic.name, topic.id)?;
    let head = ["PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "FIRST OFFSET", "NEXT OFFSET"];
    let mut table = Table::new(&head);
    let nodes = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let number = |number: i64| if number < 0 { "-".to_owned() } else { number.to_string() };
    for (partition, ends) in topic.partitions.iter().zip(ends) {
        let (first, next) = ends.unwrap_or((-1, -1));
        table.row(vec![
            partition.index.to_string(),
            number(partition.leader.into()),
            number(partition.leader_epoch.into()),
            nodes(&partition.replicas),
            nodes(&partition.isr),
            number(first),
            number(next),
        ]);
    }
    Ok(table.write(out)?)
}

fn describe_json(topic: &Topic, ends: &[Option<(i64, i64)>], out: &mut dyn Write) -> Result<(), Failure> {
    let numbers = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>();
    let partitions = topic.partitions.iter().zip(ends).map(|(partition, ends)| {
        let (first, next) = ends.unwrap_or((-1, -1));
        Object::new()
            .number("partition", partition.index)
            .number("leader", partition.leader)
            .number("leader_epoch", partition.leader_epoch)
            .array("replicas", numbers(&partition.replicas))
            .array("isr", numbers(&partition.isr))
            .number("first_offset", first)
            .number("next_offset", next)
            .end()
    });
    let object = Object::new().text("name", &topic.name).text("id", &topic.id.to_string());
    writeln!(out, "{}", object.array("partitions", partitions).end())?;
    Ok(())
}

fn alter(arguments: Alter, out: &mut dyn Write) -> Result<(), Failure> {
    let set = arguments.configs.into_iter().map(|(name, value)| (name, Change::Set(value)));
    let deleted = arguments.delete_config.into_iter().map(|name| (name, Change::Delete));
    let changes: Vec<(String, Change)> = set.chain(deleted).collect();
    if changes.is_empty() && arguments.partitions.is_none() {
        let text = "nothing to alter: give --partitions, --config or --delete-config";
        return Err(Failure::Usage(text.to_owned()));
    }
    let intent = if arguments.dry_run { Intent::Validate } else { Intent::Apply };
    let would = if arguments.dry_run { "Would have changed" } else { "Changed" };
    let (name, mut client) = (&arguments.name, arguments.connect.client()?);
    if let Some(count) = arguments.partitions {
        let before = client.topic(name, AutoCreation::Forbidden)?.partitions.len();
        client.create_partitions(name, count, intent)?;
        writeln!(out, "{would} topic {name} from {before} to {count} partitions.")?;
    }
    if !changes.is_empty() {
        client.alter_configs(&Resource::topic(name), &changes, intent)?;
        let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
        writeln!(out, "{would} {} of topic {name}.", names.join(", "))?;
    }
    Ok(())
}

fn delete(arguments: &Delete, out: &mut dyn Write) -> Result<(), Failure> {
    let mut client = arguments.connect.client()?;
    for name in &arguments.names {
        client.delete_topic(name)?;
        writeln!(out, "Deleted topic {name}.")?;
    }
    Ok(())
}
