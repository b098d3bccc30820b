//! `corelog group describe` and `corelog group members`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use clap::Args;
use net::client::{At, AutoCreation, Client, ClientError, Group, GroupMember, Offsets, Partitions};

use super::super::{Connect, failure::Failure, json::Object, table::Table};
use super::{coded, dashed, shown};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    groups: Vec<String>,
    /// All groups
    #[arg(short, long)]
    all: bool,
}

impl Which {
    fn of(&self, client: &mut Client) -> Result<Vec<Group>, Failure> {
        if !self.all {
            return Ok(self.groups.iter().map(|name| client.group(name)).collect::<Result<_, _>>()?);
        }
        let mut groups = Vec::new();
        for listed in client.groups()? {
            // Of another kind than consumers', share groups for one, nothing is known here.
            if !matches!(listed.kind.to_ascii_lowercase().as_str(), "" | "classic" | "consumer") {
                continue;
            }
            match client.group(&listed.name) {
                // Gone since it was listed.
                Err(ClientError::NoGroup(_)) => {}
                group => groups.push(group?),
            }
        }
        Ok(groups)
    }
}

/// One partition that a group reads or has read.
struct Row<'a> {
    topic: &'a str,
    partition: i32,
    current: Option<i64>,
    end: Option<i64>,
    member: Option<&'a GroupMember>,
}

impl Row<'_> {
    fn lag(&self) -> Option<i64> {
        // What was committed may be further than what a truncated log still has.
        Some((self.end? - self.current?).max(0))
    }
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let mut client = arguments.connect.client()?;
    for (place, group) in arguments.which.of(&mut client)?.iter().enumerate() {
        let committed = client.committed(&group.name, None)?;
        let ends = ends(&mut client, group, &committed)?;
        let rows = rows(group, &committed, &ends);
        if arguments.json {
            writeln!(out, "{}", group_json(group, &rows))?;
            continue;
        }
        if place > 0 {
            writeln!(out)?;
        }
        headline(&client, group, out)?;
        table(group, &rows).write(out)?;
    }
    Ok(())
}

fn headline(client: &Client, group: &Group, out: &mut dyn Write) -> Result<(), Failure> {
    let address = client.brokers().get(&group.coordinator).map(|address| format!(" ({address})"));
    let members = match group.members.len() {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    write!(out, "Group {}: {}, {}", group.name, group.state, group.kind.name().to_lowercase())?;
    if !group.assignor.is_empty() {
        write!(out, ", assignor {}", group.assignor)?;
    }
    let coordinator = group.coordinator;
    Ok(writeln!(out, ", {members}, coordinator {coordinator}{}", address.unwrap_or_default())?)
}

/// Where the logs end; nothing of partitions that are gone or have no leader.
fn ends(client: &mut Client, group: &Group, committed: &Offsets) -> Result<Offsets, Failure> {
    let assigned = group.members.iter().flat_map(|member| member.assigned.keys());
    let topics: BTreeSet<&String> = committed.keys().map(|(topic, _)| topic).chain(assigned).collect();
    let mut ends = Offsets::new();
    for name in topics {
        let topic = match client.topic(name, AutoCreation::Forbidden) {
            Err(ClientError::NoTopic(_)) => continue,
            topic => topic?,
        };
        let led = topic.partitions.iter().filter(|partition| partition.leader >= 0);
        let led: Vec<i32> = led.map(|partition| partition.index).collect();
        for (partition, found) in client.list_offsets(name, &led, At::Latest)? {
            ends.insert((name.clone(), partition), found.offset);
        }
    }
    Ok(ends)
}

fn rows<'a>(group: &'a Group, committed: &'a Offsets, ends: &Offsets) -> Vec<Row<'a>> {
    let mut readers: BTreeMap<(&'a str, i32), Option<&'a GroupMember>> =
        committed.keys().map(|(topic, partition)| ((topic.as_str(), *partition), None)).collect();
    for member in &group.members {
        for (topic, partitions) in &member.assigned {
            readers.extend(partitions.iter().map(|partition| ((topic.as_str(), *partition), Some(member))));
        }
    }
    let row = |((topic, partition), member): ((&'a str, i32), Option<&'a GroupMember>)| {
        let key = (topic.to_owned(), partition);
        Row { topic, partition, current: committed.get(&key).copied(), end: ends.get(&key).copied(), member }
    };
    readers.into_iter().map(row).collect()
}

fn table(group: &Group, rows: &[Row<'_>]) -> Table {
    let mut table = Table::new(&[
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    let who = |member: Option<&GroupMember>| match member {
        Some(member) => [member.id.clone(), member.host.clone(), member.client_id.clone()].map(dashed),
        None => [(); 3].map(|()| "-".to_owned()),
    };
    for row in rows {
        let mut cells = vec![group.name.clone(), row.topic.to_owned(), row.partition.to_string()];
        cells.extend([row.current, row.end, row.lag()].map(shown));
        cells.extend(who(row.member));
        table.row(cells);
    }
    for member in group.members.iter().filter(|member| member.assigned.is_empty()) {
        let mut cells = vec![group.name.clone()];
        cells.extend([(); 5].map(|()| "-".to_owned()));
        cells.extend(who(Some(member)));
        table.row(cells);
    }
    table
}

fn group_json(group: &Group, rows: &[Row<'_>]) -> String {
    let partitions = rows.iter().map(|row| {
        let text = |pick: fn(&GroupMember) -> &str| row.member.map(|member| pick(member).as_bytes());
        Object::new()
            .text("topic", row.topic)
            .number("partition", row.partition)
            .number("current_offset", coded(row.current))
            .number("log_end_offset", coded(row.end))
            .number("lag", coded(row.lag()))
            .bytes("consumer_id", text(|member| &member.id))
            .bytes("host", text(|member| &member.host))
            .bytes("client_id", text(|member| &member.client_id))
            .end()
    });
    Object::new()
        .text("group", &group.name)
        .text("type", group.kind.name())
        .text("protocol", &group.protocol_type)
        .text("state", &group.state)
        .text("assignor", &group.assignor)
        .number("coordinator", group.coordinator)
        .number("members", group.members.len())
        .array("partitions", partitions)
        .end()
}

pub fn members(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let mut client = arguments.connect.client()?;
    let groups = arguments.which.of(&mut client)?;
    let mut table = Table::new(&[
        "GROUP",
        "CONSUMER-ID",
        "INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "EPOCH",
        "#PARTITIONS",
        "ASSIGNMENT",
        "TARGET",
    ]);
    for group in &groups {
        for member in &group.members {
            if arguments.json {
                writeln!(out, "{}", member_json(group, member))?;
                continue;
            }
            let instance = member.instance.clone().unwrap_or_default();
            let count: usize = member.assigned.values().map(Vec::len).sum();
            let epoch = Some(i64::from(member.epoch)).filter(|epoch| *epoch >= 0);
            table.row(vec![
                group.name.clone(),
                dashed(member.id.clone()),
                dashed(instance),
                dashed(member.host.clone()),
                dashed(member.client_id.clone()),
                shown(epoch),
                count.to_string(),
                spelled(&member.assigned),
                member.target.as_ref().map_or_else(|| "-".to_owned(), spelled),
            ]);
        }
    }
    if arguments.json { Ok(()) } else { Ok(table.write(out)?) }
}

/// `t:0,1;u:2`, as Kafka's tool prints it.
fn spelled(partitions: &Partitions) -> String {
    let topic = |(topic, partitions): (&String, &Vec<i32>)| {
        let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
        format!("{topic}:{}", partitions.join(","))
    };
    dashed(partitions.iter().map(topic).collect::<Vec<_>>().join(";"))
}

fn member_json(group: &Group, member: &GroupMember) -> String {
    let partitions = |partitions: &Partitions| {
        let topic = |(topic, partitions): (&String, &Vec<i32>)| {
            let partitions = partitions.iter().map(i32::to_string);
            Object::new().text("topic", topic).array("partitions", partitions).end()
        };
        partitions.iter().map(topic).collect::<Vec<_>>()
    };
    let object = Object::new()
        .text("group", &group.name)
        .text("consumer_id", &member.id)
        .bytes("instance_id", member.instance.as_deref().map(str::as_bytes))
        .text("host", &member.host)
        .text("client_id", &member.client_id)
        .number("epoch", coded(Some(i64::from(member.epoch)).filter(|epoch| *epoch >= 0)))
        .array("assignment", partitions(&member.assigned));
    match &member.target {
        Some(target) => object.array("target", partitions(target)).end(),
        None => object.end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::client::GroupKind;

    fn member(id: &str, assigned: &[(&str, &[i32])]) -> GroupMember {
        GroupMember {
            id: id.to_owned(),
            instance: None,
            client_id: "c".to_owned(),
            host: "/127.0.0.1".to_owned(),
            epoch: -1,
            assigned: assigned.iter().map(|(t, p)| ((*t).to_owned(), p.to_vec())).collect(),
            target: None,
        }
    }

    fn group(members: Vec<GroupMember>) -> Group {
        Group {
            name: "g".to_owned(),
            kind: GroupKind::Classic,
            state: "Stable".to_owned(),
            protocol_type: "consumer".to_owned(),
            assignor: "range".to_owned(),
            coordinator: 1,
            epoch: -1,
            members,
        }
    }

    fn offsets(all: &[(&str, i32, i64)]) -> Offsets {
        all.iter().map(|(t, p, offset)| (((*t).to_owned(), *p), *offset)).collect()
    }

    #[test]
    fn a_row_is_told_for_what_is_read_and_for_what_was() {
        let group = group(vec![member("m", &[("t", &[0, 1])]), member("idle", &[])]);
        let (committed, ends) =
            (offsets(&[("t", 0, 3), ("gone", 2, 7)]), offsets(&[("t", 0, 5), ("t", 1, 4)]));
        let mut out = Vec::new();
        table(&group, &rows(&group, &committed, &ends)).write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let told: Vec<Vec<&str>> =
            text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            told,
            [
                ["g", "gone", "2", "7", "-", "-", "-", "-", "-"],
                ["g", "t", "0", "3", "5", "2", "m", "/127.0.0.1", "c"],
                ["g", "t", "1", "-", "4", "-", "m", "/127.0.0.1", "c"],
                ["g", "-", "-", "-", "-", "-", "idle", "/127.0.0.1", "c"],
            ]
        );
    }

    #[test]
    fn an_offset_beyond_the_end_is_no_lag() {
        let group = group(Vec::new());
        let (committed, ends) = (offsets(&[("t", 0, 9)]), offsets(&[("t", 0, 5)]));
        assert_eq!(rows(&group, &committed, &ends)[0].lag(), Some(0));
    }
}
