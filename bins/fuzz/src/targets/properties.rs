//! `server.properties`, and every option of the registries against the values in it. What was parsed can be written in Java's
//! format and is parsed as the same.

use std::fmt::Write;

use engine::config::{
    BrokerConfig, CleanerConfig, GroupOptions, Layers, Overrides, TopicConfig, accept, broker_key,
    check_client_metrics, producer_expiration_ms, properties,
};

use crate::Reached;

pub fn run(bytes: &[u8]) -> Reached {
    let Ok(text) = std::str::from_utf8(bytes) else { return Reached::Refused };
    for line in text.lines() {
        let _ = properties::parse_pair(line);
    }
    let Ok(given) = properties::parse(text) else { return Reached::Refused };
    assert_eq!(properties::parse(&written(&given)).as_ref(), Ok(&given));
    let accepted = accept(&given);
    if let Err(errors) = &accepted {
        assert!(!errors.is_empty());
        errors.iter().for_each(|error| assert!(!error.to_string().is_empty()));
    }
    // Dynamic options come one by one and are not those of the file.
    for layers in [
        Layers { static_broker: &given, ..Layers::EMPTY },
        Layers { dynamic_broker: &given, dynamic_cluster: &given, topic: &given, ..Layers::EMPTY },
    ] {
        resolve(&layers, &given);
    }
    if accepted.is_ok() && !given.is_empty() { Reached::Taken } else { Reached::Refused }
}

fn resolve(layers: &Layers<'_>, given: &Overrides) {
    let _ = BrokerConfig::resolve(layers);
    let _ = TopicConfig::resolve(layers);
    let _ = TopicConfig::from_overrides(given);
    let _ = CleanerConfig::resolve(layers);
    let _ = producer_expiration_ms(layers);
    let _ = GroupOptions::check(layers, given);
    let _ = GroupOptions::read(given);
    let _ = check_client_metrics(given);
    for name in given.keys() {
        let described = layers.describe_broker(name);
        assert_eq!(described.is_some(), broker_key(name).is_some(), "{name}");
        let is_shown = described.is_some_and(|one| one.key.is_sensitive() && one.value.is_some());
        assert!(!is_shown, "{name} is shown");
        layers.describe_cluster(name);
        layers.describe_topic(name);
        layers.describe_group(name, given);
        Layers::describe_client_metrics(given, name);
    }
}

/// As Java's `Properties.store` writes: whatever could be taken for something else is escaped.
fn written(given: &Overrides) -> String {
    let mut text = String::new();
    for (key, value) in given {
        escape(key, &mut text);
        text.push('=');
        escape(value, &mut text);
        text.push('\n');
    }
    text
}

fn escape(part: &str, out: &mut String) {
    for letter in part.chars() {
        match letter {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\x0c' => out.push_str("\\f"),
            ' ' | '=' | ':' | '#' | '!' | '\\' => out.extend(['\\', letter]),
            ' '..='~' => out.push(letter),
            other if u32::from(other) <= 0xffff => {
                write!(out, "\\u{:04x}", u32::from(other)).expect("text takes any")
            }
            other => out.push(other),
        }
    }
}
