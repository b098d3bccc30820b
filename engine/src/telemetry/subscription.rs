//! What a client is asked to push: every subscription whose patterns all match it, put together (KIP-714; the options of client metrics).

use std::collections::BTreeSet;

use regex::RegexBuilder;

use super::limits::PATTERN_BYTES_MAX;
use crate::base::ClientInstanceId;
use crate::config::Overrides;
use crate::record::crc32c;

const INTERVAL_MS_DEFAULT: u32 = 300_000;
const ALL: &str = "*";

/// Who asks, by the words that patterns are matched with.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    pub client_id: String,
    pub software_name: String,
    pub software_version: String,
    pub address: String,
    pub port: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Differs when anything else in it does.
    pub id: i32,
    /// Of the most eager subscription that matches.
    pub interval_ms: u32,
    /// Prefixes of names; `*` alone is all, none are none.
    pub metrics: Vec<String>,
}

impl Subscription {
    /// Of the options of all subscriptions.
    pub fn of<'a>(
        all: impl Iterator<Item = &'a Overrides>,
        id: ClientInstanceId,
        asker: &Asker,
    ) -> Subscription {
        let (mut interval_ms, mut metrics) = (None::<u32>, BTreeSet::new());
        for options in all.filter(|options| matches(options, id, asker)) {
            let own = options.get("interval.ms").and_then(|text| text.trim().parse().ok());
            let own = own.unwrap_or(INTERVAL_MS_DEFAULT);
            interval_ms = Some(interval_ms.map_or(own, |least| least.min(own)));
            metrics.extend(entries(options.get("metrics")).map(str::to_owned));
        }
        let metrics: Vec<String> = match metrics.contains(ALL) {
            true => vec![ALL.to_owned()],
            false => metrics.into_iter().collect(),
        };
        let interval_ms = interval_ms.unwrap_or(INTERVAL_MS_DEFAULT);
        let said = format!("{id} {interval_ms} {}", metrics.join(","));
        Subscription { id: crc32c(said.as_bytes()).cast_signed(), interval_ms, metrics }
    }
}

fn entries(list: Option<&String>) -> impl Iterator<Item = &str> {
    let list = list.map_or("", String::as_str);
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// Every pattern must match its word wholly; one that does not compile matches nobody.
fn matches(options: &Overrides, id: ClientInstanceId, asker: &Asker) -> bool {
    entries(options.get("match")).all(|entry| {
        let Some((by, pattern)) = entry.split_once('=') else { return false };
        let id = id.to_string();
        let word = match by.trim() {
            "client_instance_id" => &id,
            "client_id" => &asker.client_id,
            "client_software_name" => &asker.software_name,
            "client_software_version" => &asker.software_version,
            "client_source_address" => &asker.address,
            "client_source_port" => &asker.port,
            _ => return false,
        };
        let regex = RegexBuilder::new(&format!("\\A(?:{})\\z", pattern.trim()))
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .nest_limit(64)
            .build();
        regex.is_ok_and(|regex| regex.is_match(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn of(all: &[Overrides]) -> Subscription {
        let asker = Asker {
            client_id: "app-1".to_owned(),
            software_name: "apache-kafka-java".to_owned(),
            ..Asker::default()
        };
        Subscription::of(all.iter(), ClientInstanceId([1; 16]), &asker)
    }

    #[test]
    fn what_matches_is_put_together_and_the_shortest_interval_counts() {
        let found = of(&[
            options(&[("metrics", "b., a."), ("interval.ms", "60000"), ("match", "client_id=app-.*")]),
            options(&[("metrics", "a.,c."), ("match", "client_software_name=.*java")]),
            options(&[("metrics", "d."), ("interval.ms", "100"), ("match", "client_id=app")]),
            options(&[("metrics", "e."), ("match", "client_id=app-1,client_software_name=librdkafka")]),
        ]);
        assert_eq!(
            (found.interval_ms, found.metrics),
            (60_000, ["a.", "b.", "c."].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn without_a_match_nothing_is_asked_for() {
        let none = of(&[]);
        assert_eq!((none.interval_ms, none.metrics.len()), (300_000, 0));
        assert_ne!(none.id, of(&[options(&[("metrics", "*,a.")])]).id);
        assert_eq!(of(&[options(&[("metrics", "*,a.")])]).metrics, ["*"]);
    }
}
