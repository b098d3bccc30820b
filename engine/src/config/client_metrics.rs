//! The options of subscriptions to client metrics: Kafka's names, defaults and words
//! (org.apache.kafka.server.metrics.ClientMetricsConfigs).

use crate::config::key::Check::Any;
use crate::config::key::Type::{Int, List};
use crate::config::key::{Effect, Key, Type, Update, entries};
use crate::config::topic::Overrides;
use crate::error::{ErrorCode, Refusal};

const fn key(name: &'static str, kind: Type, default: &'static str, doc: &'static str) -> Key {
    let (check, update, effect) = (Any, Update::ClusterWide, Effect::Works);
    Key { name, kind, default: Some(default), check, update, effect, doc }
}

pub const CLIENT_METRICS_KEYS: &[Key] = &[
    key("interval.ms", Int, "300000", "How often a client pushes what the subscription asks for."),
    key(
        "match",
        List,
        "",
        "Which clients it asks: name=pattern of client_id, client_software_name and the like.",
    ),
    key("metrics", List, "", "The prefixes of the metrics that it asks for; empty: none, *: all."),
];

/// What a client can be told apart by (KIP-714).
const MATCHED: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

pub fn client_metrics_key(name: &str) -> Option<&'static Key> {
    CLIENT_METRICS_KEYS.iter().find(|key| key.name == name)
}

/// Checks a subscription's options; of a wrong interval or name Kafka says INVALID_REQUEST.
pub fn check_client_metrics(subscription: &Overrides) -> Result<(), Refusal> {
    let refused = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    for (name, value) in subscription {
        let Some(key) = client_metrics_key(name) else {
            return refused(format!("Unknown client metrics configuration: {name}"));
        };
        key.check(value)?;
        match name.as_str() {
            "interval.ms"
                if !value.trim().parse::<i64>().is_ok_and(|number| (100..=3_600_000).contains(&number)) =>
            {
                return refused(format!(
                    "Invalid value {} for interval.ms, interval must be between 100 and 3600000 (1 hour)",
                    value.trim()
                ));
            }
            "match" => {
                let is_pattern = |entry: &&str| {
                    entry.split_once('=').is_some_and(|(by, pattern)| {
                        MATCHED.contains(&by.trim()) && !pattern.trim().is_empty() && is_closed(pattern)
                    })
                };
                if let Some(wrong) = entries(value).find(|entry| !is_pattern(entry)) {
                    let message = format!("Illegal client matching pattern: {wrong}");
                    return Err(Refusal::new(ErrorCode::InvalidConfig, message));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether every bracket of a regular expression is closed.
fn is_closed(pattern: &str) -> bool {
    let (mut open, mut in_class, mut escaped) = (0, false, false);
    for letter in pattern.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' if in_class => in_class = false,
            _ if in_class => {}
            '[' => in_class = true,
            '(' => open += 1,
            ')' if open == 0 => return false,
            ')' => open -= 1,
            _ => {}
        }
    }
    open == 0 && !in_class && !escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_subscription_is_refused_in_kafkas_words() {
        let check = |name: &str, value: &str| {
            check_client_metrics(&map(&[(name, value)])).map_err(|refusal| (refusal.code, refusal.message))
        };
        assert_eq!(check("match", "client_id=a[^]b].*, client_software_name=x"), Ok(()));
        assert_eq!(check("interval.ms", "100"), Ok(()));
        for pattern in ["foo", "foo=bar", "client_id=[", "client_id=a)"] {
            let message = format!("Illegal client matching pattern: {pattern}");
            assert_eq!(check("match", pattern), Err((ErrorCode::InvalidConfig, message)));
        }
        let message = "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)";
        assert_eq!(check("interval.ms", "5"), Err((ErrorCode::InvalidRequest, message.to_owned())));
        let message = "Unknown client metrics configuration: nope".to_owned();
        assert_eq!(check("nope", "5"), Err((ErrorCode::InvalidRequest, message)));
    }
}
