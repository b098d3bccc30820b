//! `corelog group reset-offsets`: works out where a group would go on, and moves it there when told to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use net::client::{Client, ClientError, Offsets, Partitions};

use super::super::{Connect, failure::Failure, json::Object, place::Place, table::Table, time};
use super::scope::Scope;
use super::{coded, shown};

#[derive(Debug, Args)]
pub struct Arguments {
    group: String,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    to: To,
    /// Do it; otherwise it is only shown
    #[arg(short = 'x', long)]
    execute: bool,
    /// Print topic,partition,offset a line, which --from-file reads
    #[arg(long, conflicts_with = "json")]
    export: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To the first record
    #[arg(long)]
    to_earliest: bool,
    /// To the end
    #[arg(long)]
    to_latest: bool,
    /// To where it is, and to the end where it has no offset
    #[arg(long)]
    to_current: bool,
    /// To this offset
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// By so many records, forwards or, if negative, back
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// To the first record at this time or later: 2026-01-31T12:00:00Z, or milliseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = to_time)]
    to_datetime: Option<i64>,
    /// To the first record that is no older than this: P7DT1H30M, 1h30m, 90s
    #[arg(long, value_name = "DURATION", value_parser = time::duration)]
    by_duration: Option<i64>,
    /// To what a file says, topic,partition,offset a line
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
}

fn to_time(text: &str) -> Result<i64, String> {
    time::parse(text).map(|time| time.0)
}

/// Where each partition shall go.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// The same for all.
    Place(Place),
    Current,
    Shift(i64),
    Offset(i64),
    Each(Offsets),
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let target = target(arguments)?;
    let (group, mut client) = (&arguments.group, arguments.connect.client()?);
    refuse_with_members(&mut client, group)?;
    let committed = client.committed(group, None)?;
    let partitions = match &target {
        Target::Each(offsets) if arguments.scope.is_empty() => partitions_of(&mut client, offsets)?,
        _ => arguments.scope.existing(&mut client, &committed)?,
    };
    let bounds = bounds(&mut client, &partitions)?;
    let mut wanted = Offsets::new();
    for (topic, list) in &partitions {
        let places = match &target {
            Target::Place(place) => place.resolve(&mut client, topic, list)?,
            _ => BTreeMap::new(),
        };
        for partition in list {
            let key = (topic.clone(), *partition);
            let current = committed.get(&key).copied();
            let end = bounds.get(&key).map_or(0, |(_, end)| *end);
            let offset = match &target {
                Target::Place(_) => places.get(partition).copied(),
                Target::Current => Some(current.unwrap_or(end)),
                Target::Offset(offset) => Some(*offset),
                Target::Each(offsets) => offsets.get(&key).copied(),
                Target::Shift(by) => {
                    let Some(current) = current else { return Err(no_offset(group, &key)) };
                    Some(current.saturating_add(*by))
                }
            };
            if let Some(offset) = offset {
                wanted.insert(key, offset);
            }
        }
    }
    for (key, offset) in &mut wanted {
        if let Some(bounds) = bounds.get(key) {
            *offset = within(key, *offset, *bounds);
        }
    }
    let failed = arguments.execute && execute(&mut client, group, &mut wanted)?;
    tell(arguments, &committed, &wanted, out)?;
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

fn target(arguments: &Arguments) -> Result<Target, Failure> {
    let to = &arguments.to;
    if arguments.scope.is_empty() && to.from_file.is_none() {
        return Err(Failure::Usage("which offsets? Give --topic or --all-topics".to_owned()));
    }
    Ok(match to {
        To { to_earliest: true, .. } => Target::Place(Place::Earliest),
        To { to_latest: true, .. } => Target::Place(Place::Latest),
        To { to_datetime: Some(ms), .. } => Target::Place(Place::Time(*ms)),
        To { by_duration: Some(ms), .. } => {
            Target::Place(Place::Time(time::now().0.saturating_sub(*ms).max(0)))
        }
        To { to_offset: Some(offset), .. } => Target::Offset(*offset),
        To { shift_by: Some(by), .. } => Target::Shift(*by),
        To { from_file: Some(path), .. } => {
            let text = fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
            Target::Each(plan(&text, &arguments.group, path)?)
        }
        To { .. } => Target::Current,
    })
}

/// `topic,partition,offset` a line. Kafka's tool puts the group first where it exports several: then the others' lines are passed over.
fn plan(text: &str, group: &str, path: &Path) -> Result<Offsets, Failure> {
    let mut offsets = Offsets::new();
    for (index, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let (topic, partition, offset) = match fields[..] {
            [""] => continue,
            [other, _, _, _] if other != group => continue,
            [_, topic, partition, offset] | [topic, partition, offset] => (topic, partition, offset),
            _ => ("", "", ""),
        };
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
        let partition = number(partition).and_then(|number| i32::try_from(number).ok());
        let (Some(partition), Some(offset), false) = (partition, number(offset), topic.is_empty()) else {
            let (path, line) = (path.display(), index + 1);
            return Err(Failure::Failed(format!("{path}, line {line}: write it as topic,partition,offset")));
        };
        offsets.insert((topic.to_owned(), partition), offset);
    }
    Ok(offsets)
}

/// As Kafka does: a member would go on where it is, and commit over what is set here.
fn refuse_with_members(client: &mut Client, name: &str) -> Result<(), Failure> {
    let group = match client.group(name) {
        // One that is to come may have offsets before it comes.
        Err(ClientError::NoGroup(_)) => return Ok(()),
        group => group?,
    };
    if group.is_without_members() {
        return Ok(());
    }
    let (count, state) = (group.members.len(), &group.state);
    Err(Failure::Failed(format!(
        "group {name} has members ({count}, its state is {state}), and offsets can be set only while it has none; end them first, \
         `corelog group members {name}` lists them"
    )))
}

fn partitions_of(client: &mut Client, offsets: &Offsets) -> Result<Partitions, Failure> {
    let mut partitions = Partitions::new();
    for (topic, partition) in offsets.keys() {
        client.topic(topic, net::client::AutoCreation::Forbidden)?.partition(*partition)?;
        partitions.entry(topic.clone()).or_default().push(*partition);
    }
    Ok(partitions)
}

/// First and next offsets, by topic and partition.
type Bounds = BTreeMap<(String, i32), (i64, i64)>;

fn bounds(client: &mut Client, partitions: &Partitions) -> Result<Bounds, Failure> {
    let mut bounds = Bounds::new();
    for (topic, list) in partitions {
        let first = Place::Earliest.resolve(client, topic, list)?;
        let next = Place::Latest.resolve(client, topic, list)?;
        for (partition, first) in first {
            let next = next.get(&partition).copied().unwrap_or(first);
            bounds.insert((topic.clone(), partition), (first, next));
        }
    }
    Ok(bounds)
}

/// Says so where an offset has to be moved into the log.
fn within((topic, partition): &(String, i32), offset: i64, (first, next): (i64, i64)) -> i64 {
    let nearest = offset.max(first).min(next);
    if nearest != offset {
        let (side, end) = if offset < first { ("below", "first") } else { ("above", "next") };
        let place = format!("partition {partition} of {topic}");
        let _ = writeln!(
            io::stderr(),
            "corelog: offset {offset} is {side} the {end} offset of {place}; {nearest} is taken"
        );
    }
    nearest
}

fn no_offset(group: &str, (topic, partition): &(String, i32)) -> Failure {
    Failure::Failed(format!(
        "group {group} has no offset of partition {partition} of {topic} that could be shifted; give it one with --to-earliest or \
         --to-latest"
    ))
}

/// Takes what was refused out of `wanted`, and says whether there was any.
fn execute(client: &mut Client, group: &str, wanted: &mut Offsets) -> Result<bool, Failure> {
    let mut failed = false;
    if wanted.is_empty() {
        return Ok(failed);
    }
    for (key, outcome) in client.set_committed(group, wanted)? {
        if let Err(error) = outcome {
            failed = true;
            wanted.remove(&key);
            // The exit code says it too.
            let _ = writeln!(io::stderr(), "corelog: {error}");
        }
    }
    Ok(failed)
}

fn tell(
    arguments: &Arguments,
    committed: &Offsets,
    wanted: &Offsets,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let group = &arguments.group;
    let mut table = Table::new(&["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "NEW-OFFSET"]);
    for (key, offset) in wanted {
        let (current, (topic, partition)) = (committed.get(key).copied(), key);
        if arguments.export {
            writeln!(out, "{topic},{partition},{offset}")?;
        } else if arguments.json {
            let object = Object::new()
                .text("group", group)
                .text("topic", topic)
                .number("partition", partition)
                .number("current_offset", coded(current))
                .number("new_offset", offset)
                .number("executed", arguments.execute);
            writeln!(out, "{}", object.end())?;
        } else {
            let cells =
                [group.clone(), topic.clone(), partition.to_string(), shown(current), offset.to_string()];
            table.row(cells.into());
        }
    }
    if !arguments.export && !arguments.json {
        table.write(out)?;
        if !arguments.execute {
            writeln!(out, "Nothing is changed yet; --execute does it.")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_from_both_of_kafkas_forms() {
        let key = |topic: &str, partition| (topic.to_owned(), partition);
        let of = |text: &str| plan(text, "g", Path::new("p")).map_err(|failure| failure.to_string());
        let expected: Offsets = [(key("t", 0), 5), (key("t", 1), 6)].into();
        assert_eq!(of("t,0,5\n\nt,1,6\n"), Ok(expected.clone()));
        assert_eq!(of("\"g\",\"t\",0,5\r\nother,t,0,9\ng,t,1,6"), Ok(expected));
        for text in ["t,0", "t,x,5", "t,0,-5", ",0,5", "a,b,c,d,e", "t,99999999999,0"] {
            let said = of(&format!("t,0,5\n{text}")).unwrap_err();
            assert!(said.starts_with("p, line 2: "), "{text}: {said}");
        }
    }

    #[test]
    fn an_offset_outside_the_log_is_moved_to_its_nearer_end() {
        let key = ("t".to_owned(), 0);
        assert_eq!([-5, 3, 7, 99].map(|offset| within(&key, offset, (3, 7))), [3, 3, 7, 7]);
    }
}
