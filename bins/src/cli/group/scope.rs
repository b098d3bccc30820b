//! Which partitions a command is about: `--topic t`, `--topic t:0,2`, or every topic that the group has offsets of.

use std::collections::BTreeSet;

use clap::Args;
use net::client::{AutoCreation, Client, ClientError, Offsets, Partitions};

use super::super::failure::Failure;

/// A topic, and which of its partitions; none: all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub topic: String,
    pub partitions: Vec<i32>,
}

/// For `value_parser`.
pub fn parse(text: &str) -> Result<Chosen, String> {
    let wrong = || format!("{text} is no topic; write a name, or name:0,1 for some of its partitions");
    let (topic, partitions) = match text.split_once(':') {
        None => (text, Vec::new()),
        Some((topic, list)) => {
            let number = |text: &str| text.parse::<i32>().ok().filter(|number| *number >= 0);
            let list = list.split(',').map(|text| number(text.trim()).ok_or_else(wrong));
            (topic, list.collect::<Result<_, _>>()?)
        }
    };
    if topic.is_empty() {
        return Err(wrong());
    }
    Ok(Chosen { topic: topic.to_owned(), partitions })
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Scope {
    /// A topic, or some of its partitions as in name:0,1; may be repeated
    #[arg(short = 'T', long = "topic", value_name = "TOPIC[:N,…]", value_parser = parse)]
    topics: Vec<Chosen>,
    /// Every topic that the group has offsets of
    #[arg(short, long)]
    all_topics: bool,
}

impl Scope {
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && !self.all_topics
    }

    /// Partitions to give offsets to: they must exist.
    pub fn existing(&self, client: &mut Client, committed: &Offsets) -> Result<Partitions, Failure> {
        if self.all_topics {
            return all_of(client, committed);
        }
        let mut partitions = Partitions::new();
        for chosen in &self.topics {
            let topic = client.topic(&chosen.topic, AutoCreation::Forbidden)?;
            let all = || topic.partitions.iter().map(|partition| partition.index).collect();
            let wanted: Vec<i32> = match chosen.partitions.as_slice() {
                [] => all(),
                some => some.to_vec(),
            };
            for partition in &wanted {
                topic.partition(*partition)?;
            }
            partitions.entry(chosen.topic.clone()).or_default().extend(wanted);
        }
        Ok(tidied(partitions))
    }

    /// Partitions whose offsets are to go: those that the group has, whether or not the topic still exists.
    pub fn committed(&self, group: &str, committed: &Offsets) -> Result<Partitions, Failure> {
        let mut partitions = Partitions::new();
        let mut take = |topic: &str, partition| {
            partitions.entry(topic.to_owned()).or_default().push(partition);
        };
        if self.all_topics {
            committed.keys().for_each(|(topic, partition)| take(topic, *partition));
        }
        for chosen in &self.topics {
            let known = committed.keys().filter(|(topic, _)| *topic == chosen.topic);
            let known: Vec<i32> = known.map(|(_, partition)| *partition).collect();
            let missing = chosen.partitions.iter().find(|partition| !known.contains(partition));
            if known.is_empty() || missing.is_some() {
                let of = missing.map_or_else(String::new, |partition| format!("partition {partition} of "));
                let topic = &chosen.topic;
                return Err(Failure::Failed(format!(
                    "group {group} has no offset of {of}topic {topic}; `corelog group describe {group}` shows those it has"
                )));
            }
            let wanted = if chosen.partitions.is_empty() { &known } else { &chosen.partitions };
            wanted.iter().for_each(|partition| take(&chosen.topic, *partition));
        }
        Ok(tidied(partitions))
    }
}

fn all_of(client: &mut Client, committed: &Offsets) -> Result<Partitions, Failure> {
    let topics: BTreeSet<&String> = committed.keys().map(|(topic, _)| topic).collect();
    let mut partitions = Partitions::new();
    for name in topics {
        match client.topic(name, AutoCreation::Forbidden) {
            // Offsets outlive their topic for a while.
            Err(ClientError::NoTopic(_)) => {}
            topic => {
                let all = topic?.partitions.iter().map(|partition| partition.index).collect();
                partitions.insert(name.clone(), all);
            }
        }
    }
    Ok(partitions)
}

fn tidied(mut partitions: Partitions) -> Partitions {
    for list in partitions.values_mut() {
        list.sort_unstable();
        list.dedup();
    }
    partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_name_its_partitions() {
        let chosen = |topic: &str, partitions: &[i32]| Chosen {
            topic: topic.to_owned(),
            partitions: partitions.to_vec(),
        };
        assert_eq!(parse("t"), Ok(chosen("t", &[])));
        assert_eq!(parse("t:0,2"), Ok(chosen("t", &[0, 2])));
        for text in ["", ":0", "t:", "t:x", "t:-1", "t:0,,1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn offsets_that_there_are_not_are_named() {
        let committed: Offsets = [(("t".to_owned(), 0), 5), (("u".to_owned(), 1), 6)].into();
        let of = |text: &str| {
            let scope = Scope { topics: vec![parse(text).unwrap()], all_topics: false };
            scope.committed("g", &committed).map_err(|failure| failure.to_string())
        };
        assert_eq!(of("t"), Ok([("t".to_owned(), vec![0])].into()));
        assert!(of("t:0,1").unwrap_err().contains("no offset of partition 1 of topic t"));
        assert!(of("v").unwrap_err().contains("no offset of topic v"));
    }
}
