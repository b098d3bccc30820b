//! `corelog records delete`: moves the beginning of partitions forward.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use net::client::{AutoCreation, Position};

use super::Connect;
use super::failure::Failure;
use super::place::{self, Place};
use super::table::Table;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Delete the records before a place; there is no way back
    Delete(Delete),
}

#[derive(Debug, Args)]
pub struct Delete {
    topic: String,
    /// Of this partition only; may be repeated [default: all]
    #[arg(short, long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// What stays begins here: an offset, latest (nothing stays), -N for the last N records, or @TIME for the first record at
    /// that time (milliseconds since 1970, a date, or -1h)
    #[arg(long, value_name = "WHERE", value_parser = place::parse, allow_hyphen_values = true)]
    before: Place,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connect: Connect,
}

pub fn run(command: &Command, out: &mut dyn Write) -> Result<(), Failure> {
    let Command::Delete(arguments) = command;
    let (name, mut client) = (&arguments.topic, arguments.connect.client()?);
    let topic = client.topic(name, AutoCreation::Forbidden)?;
    let partitions = match arguments.partitions.as_slice() {
        [] => topic.partitions.iter().map(|partition| partition.index).collect(),
        chosen => chosen.to_vec(),
    };
    for partition in &partitions {
        topic.partition(*partition)?;
    }
    let first = Place::Earliest.resolve(&mut client, name, &partitions)?;
    let places = arguments.before.resolve(&mut client, name, &partitions)?;
    let mut table =
        Table::new(&["PARTITION", "FIRST OFFSET", if arguments.dry_run { "WOULD BE" } else { "NOW" }]);
    let before = |partition: &i32| first.get(partition).copied().unwrap_or(-1).to_string();
    if arguments.dry_run {
        for (partition, place) in &places {
            let place = first.get(partition).copied().unwrap_or(-1).max(*place);
            table.row(vec![partition.to_string(), before(partition), place.to_string()]);
        }
        return Ok(table.write(out)?);
    }
    let positions: Vec<Position> =
        places.into_iter().map(|(partition, offset)| Position { partition, offset }).collect();
    let mut failed = false;
    for (partition, outcome) in client.delete_records(name, &positions)? {
        match outcome {
            Ok(now) => table.row(vec![partition.to_string(), before(&partition), now.to_string()]),
            Err(error) => {
                failed = true;
                // The exit code says it too.
                let _ = writeln!(io::stderr(), "corelog: {error}");
            }
        }
    }
    table.write(out)?;
    if failed { Err(Failure::Reported) } else { Ok(()) }
}
