//! Subscriptions by regular expression, in RE2's syntax: matched in linear time, with bounded memory, against whole names.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::topics::Topics;
use crate::error::{ErrorCode, Refusal};

/// What one compiled expression may take; Kafka has no bound, and `[a-z]{1000}{1000}` fits in a frame.
const COMPILED_BYTES_MAX: usize = 256 << 10;

/// Refreshes of one group are at least so far apart, unless an expression is new.
pub(super) const REFRESH_INTERVAL_MIN_MS: i64 = 10_000;

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .nest_limit(64)
        .build()
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    // By itself first: `a)(b` would become valid between the parentheses.
    build(pattern)?;
    build(&format!("\\A(?:{pattern})\\z"))
}

pub(super) fn check(pattern: &str) -> Result<(), Refusal> {
    let refuse = |error: regex::Error| {
        let why = format!("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {error}.");
        Refusal::new(ErrorCode::InvalidRegularExpression, why)
    };
    compile(pattern).map(drop).map_err(refuse)
}

/// The names that match; none for an expression that was stored by a software with other rules.
pub(super) fn resolve(pattern: &str, topics: &dyn Topics) -> BTreeSet<Arc<str>> {
    let mut names = BTreeSet::new();
    match compile(pattern) {
        Ok(regex) => topics.each_name(&mut |name| {
            if regex.is_match(name) {
                names.insert(name.clone());
            }
        }),
        Err(error) => tracing::warn!(pattern, %error, "a stored subscription does not compile"),
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_whole_names_only() {
        let regex = compile("foo|ba.").unwrap();
        for (name, matches) in
            [("foo", true), ("bar", true), ("foobar", false), ("xfoo", false), ("fo", false)]
        {
            assert_eq!(regex.is_match(name), matches, "{name}");
        }
    }

    #[test]
    fn what_is_no_expression_or_too_large_is_refused() {
        for pattern in ["(", "a)(b", "[z-a]", "\\", "[a-z]{1000}{1000}", &"(".repeat(1000)] {
            let refusal = check(pattern).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidRegularExpression, "{pattern}");
        }
        assert_eq!(check(""), Ok(()));
        assert_eq!(check("topic-[0-9]+"), Ok(()));
    }
}
