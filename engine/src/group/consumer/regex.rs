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

/// Expressions of one group on their way through the topics, a few names a turn: an expression and the names are clients', so
/// together they may take longer than a turn may.
#[derive(Debug)]
pub struct Matching {
    topics: Arc<dyn Topics>,
    /// The last name that was looked at.
    after: Option<Arc<str>>,
    expressions: Vec<(Expression, BTreeSet<Arc<str>>)>,
}

#[derive(Debug)]
struct Expression {
    pattern: Arc<str>,
    /// None: it was stored by a software with other rules, and matches nothing.
    regex: Option<Regex>,
}

impl Matching {
    pub fn new(patterns: Vec<Arc<str>>, topics: Arc<dyn Topics>) -> Matching {
        let expressions = patterns.into_iter().map(|pattern| {
            let compiled = compile(&pattern);
            if let Err(error) = &compiled {
                tracing::warn!(%pattern, %error, "a stored subscription does not compile");
            }
            (Expression { pattern, regex: compiled.ok() }, BTreeSet::new())
        });
        Matching { expressions: expressions.collect(), topics, after: None }
    }

    /// Looks at the next names, as many as make this many comparisons. Whether that was all.
    pub fn go_on(&mut self, comparisons_max: usize) -> bool {
        let names_max = (comparisons_max / self.expressions.len().max(1)).max(1);
        let names = self.topics.names_after(self.after.as_deref(), names_max);
        for name in &names {
            for (expression, found) in &mut self.expressions {
                if expression.regex.as_ref().is_some_and(|regex| regex.is_match(name)) {
                    found.insert(name.clone());
                }
            }
        }
        let is_over = names.len() < names_max;
        self.after = names.into_iter().next_back();
        is_over
    }

    /// Of the topics that were looked at.
    pub fn version(&self) -> i64 {
        self.topics.version()
    }

    /// Each expression with what it matches.
    pub fn found(self) -> impl Iterator<Item = (Arc<str>, BTreeSet<Arc<str>>)> {
        self.expressions.into_iter().map(|(expression, found)| (expression.pattern, found))
    }
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
