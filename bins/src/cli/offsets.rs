//! `corelog offsets`: the first and next offsets of partitions, or the offset at a place.

use std::io::Write;

use clap::Args;
use net::client::{At, AutoCreation};

use super::Connect;
use super::failure::Failure;
use super::json::Object;
use super::place::{self, Place};
use super::table::Table;

#[derive(Debug, Args)]
pub struct Arguments {
    /// [default: all but the broker's own]
    topics: Vec<String>,
    /// This partition only; may be repeated [default: all]
    #[arg(short, long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// Which offset: earliest, latest, youngest (the record with the largest timestamp), -N for N records before the end, or
    /// @TIME for the first record at that time (milliseconds since 1970, a date, or -1h); the end where no record is
    /// that young [default: both ends]
    #[arg(long, value_name = "WHERE", value_parser = place::parse, allow_hyphen_values = true)]
    at: Option<Place>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let mut client = arguments.connect.client()?;
    let mut topics = arguments.topics.clone();
    if topics.is_empty() {
        let known = client.topics()?;
        topics.extend(known.into_iter().filter(|topic| !topic.is_internal).map(|topic| topic.name));
    }
    let mut table = match arguments.at {
        None => Table::new(&["TOPIC", "PARTITION", "FIRST OFFSET", "NEXT OFFSET", "BETWEEN"]),
        Some(_) => Table::new(&["TOPIC", "PARTITION", "OFFSET"]),
    };
    for name in &topics {
        let topic = client.topic(name, AutoCreation::Forbidden)?;
        let partitions = match arguments.partitions.as_slice() {
            [] => topic.partitions.iter().map(|partition| partition.index).collect(),
            chosen => chosen.to_vec(),
        };
        for partition in &partitions {
            topic.partition(*partition)?;
        }
        let rows: Vec<(i32, Vec<(&str, i64)>)> = match arguments.at {
            Some(at) => {
                let places = at.resolve(&mut client, name, &partitions)?;
                places.into_iter().map(|(partition, offset)| (partition, vec![("offset", offset)])).collect()
            }
            None => {
                let first = client.list_offsets(name, &partitions, At::Earliest)?;
                let next = client.list_offsets(name, &partitions, At::Latest)?;
                let both = first.into_iter().zip(next.into_values());
                both.map(|((partition, first), next)| {
                    let (first, next) = (first.offset, next.offset);
                    (
                        partition,
                        vec![("first_offset", first), ("next_offset", next), ("between", next - first)],
                    )
                })
                .collect()
            }
        };
        for (partition, numbers) in rows {
            if arguments.json {
                let object = Object::new().text("topic", name).number("partition", partition);
                let object =
                    numbers.iter().fold(object, |object, (name, number)| object.number(name, number));
                writeln!(out, "{}", object.end())?;
            } else {
                let mut row = vec![name.clone(), partition.to_string()];
                row.extend(numbers.iter().map(|(_, number)| number.to_string()));
                table.row(row);
            }
        }
    }
    if !arguments.json {
        table.write(out)?;
    }
    Ok(())
}
