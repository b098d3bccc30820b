//! What one option is: its type, default, bounds and meaning. The tables are in `topic`, `broker_keys` and `inert`.

use crate::config::error::ConfigError;

/// Kafka's types of options; `id` is DescribeConfigs' number (KIP-569).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    /// Separated by commas.
    List,
    Class,
    Password,
}

impl Type {
    pub fn id(self) -> i8 {
        match self {
            Type::Boolean => 1,
            Type::String => 2,
            Type::Int => 3,
            Type::Short => 4,
            Type::Long => 5,
            Type::Double => 6,
            Type::List => 7,
            Type::Class => 8,
            Type::Password => 9,
        }
    }

    /// A value as Kafka shows it once it has read it: `1E3` is 1000.0, `a, b` is `a,b`.
    pub fn show(self, value: &str) -> String {
        let value = value.trim();
        match self {
            Type::Boolean => value.to_ascii_lowercase(),
            Type::Int | Type::Short | Type::Long => {
                value.parse::<i64>().map_or_else(|_| value.to_owned(), |number| number.to_string())
            }
            Type::Double => value.parse().map_or_else(|_| value.to_owned(), show_double),
            Type::List => entries(value).collect::<Vec<_>>().join(","),
            Type::String | Type::Class | Type::Password => value.to_owned(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Type::Boolean => "BOOLEAN",
            Type::String => "STRING",
            Type::Int => "INT",
            Type::Short => "SHORT",
            Type::Long => "LONG",
            Type::Double => "DOUBLE",
            Type::List => "LIST",
            Type::Class => "CLASS",
            Type::Password => "PASSWORD",
        }
    }
}

/// What a value must satisfy beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// In the range, or this one number beside it.
    BetweenOr(i64, i64, i64),
    /// 0.0 to 1.0.
    Ratio,
    OneOf(&'static [&'static str]),
    /// A list whose entries are among these.
    ListOf(&'static [&'static str]),
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
    /// earliest, latest, or by_duration: with one of ISO 8601.
    OffsetReset,
    /// The one value that Corelog can serve, and why.
    Only(&'static str, &'static str),
}

/// Who may change it while the broker runs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    ReadOnly,
    PerBroker,
    ClusterWide,
}

/// What giving the option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What its documentation says.
    Works,
    /// Nothing yet: what it steers is not built. Accepted with a warning.
    Planned,
    /// Nothing: it steers a part that Corelog does not have. Accepted with a warning.
    Inert,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    pub name: &'static str,
    pub kind: Type,
    /// `None` is Kafka's `null`: unset.
    pub default: Option<&'static str>,
    pub check: Check,
    pub update: Update,
    pub effect: Effect,
    pub doc: &'static str,
}

impl Key {
    pub fn is_sensitive(&self) -> bool {
        self.kind == Type::Password
    }

    pub fn is_list(&self) -> bool {
        self.kind == Type::List
    }

    pub fn is_read_only(&self) -> bool {
        self.update == Update::ReadOnly
    }

    /// Checks type and bounds. The words are Kafka's, so that tools and tests that look for them find them.
    pub fn check(&self, value: &str) -> Result<(), ConfigError> {
        let Some(reason) = self.refusal(value.trim()) else { return Ok(()) };
        let shown = match self.check {
            // Kafka has a sentence of its own for what it cannot do either.
            Check::Only(_, why) => {
                return Err(ConfigError { key: self.name.to_owned(), message: why.to_owned() });
            }
            _ if self.is_sensitive() => "[hidden]".to_owned(),
            // Java shows the value as it has read it.
            Check::ThrottledReplicas => format!("[{}]", entries(value).collect::<Vec<_>>().join(", ")),
            Check::Ratio => value.trim().parse::<f64>().map_or(value.to_owned(), |it| format!("{it:?}")),
            _ => value.to_owned(),
        };
        Err(ConfigError::invalid(self.name, &shown, &reason))
    }

    fn refusal(&self, value: &str) -> Option<String> {
        let number = match self.kind {
            Type::Boolean => {
                let known = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
                if !known {
                    return Some("Expected value to be either true or false".to_owned());
                }
                None
            }
            Type::Short => value.parse::<i16>().map(i64::from).map(Some).unwrap_or(None),
            Type::Int => value.parse::<i32>().map(i64::from).map(Some).unwrap_or(None),
            Type::Long => value.parse::<i64>().ok(),
            Type::Double => value.parse::<f64>().ok().filter(|number| number.is_finite()).map(|_| 0),
            Type::String | Type::List | Type::Class | Type::Password => None,
        };
        if number.is_none() && matches!(self.kind, Type::Short | Type::Int | Type::Long | Type::Double) {
            return Some(format!("Not a number of type {}", self.kind.name()));
        }
        let number = number.unwrap_or(0);
        match self.check {
            Check::Any => None,
            Check::AtLeast(least) | Check::Between(least, _) if number < least => {
                Some(format!("Value must be at least {least}"))
            }
            Check::Between(_, most) if number > most => Some(format!("Value must be no more than {most}")),
            Check::AtLeast(_) | Check::Between(..) => None,
            Check::BetweenOr(least, most, other) => (number != other && !(least..=most).contains(&number))
                .then(|| format!("Value must be between {least} and {most} or equal to {other}")),
            Check::Ratio => match value.parse::<f64>() {
                Ok(ratio) if ratio > 1.0 => Some("Value must be no more than 1".to_owned()),
                Ok(ratio) if ratio >= 0.0 => None,
                _ => Some("Value must be at least 0".to_owned()),
            },
            Check::OneOf(known) => {
                (!known.contains(&value)).then(|| format!("String must be one of: {}", known.join(", ")))
            }
            Check::ListOf(known) => entries(value)
                .any(|entry| !known.contains(&entry))
                .then(|| format!("String must be one of: {}", known.join(", "))),
            Check::ThrottledReplicas => (!are_throttled_replicas(value)).then(|| {
                format!(
                    "{} must be the literal '*' or a list of replicas in the following format: \
                     [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                    self.name
                )
            }),
            Check::OffsetReset => (!is_offset_reset(value)).then(|| {
                format!(
                    "Invalid value `{value}` for configuration {}. The value must be either 'earliest', 'latest' or of \
                     the format 'by_duration:<PnDTnHnMn.nS>'.",
                    self.name
                )
            }),
            Check::Only(only, why) => (value != only).then(|| why.to_owned()),
        }
    }
}

/// As Java's Double.toString.
fn show_double(number: f64) -> String {
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return format!("{number:?}");
    }
    match format!("{number:E}").split_once('E') {
        Some((digits, power)) if !digits.contains('.') => format!("{digits}.0E{power}"),
        Some((digits, power)) => format!("{digits}E{power}"),
        None => number.to_string(),
    }
}

/// The entries of a list value.
pub(super) fn entries(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn is_offset_reset(value: &str) -> bool {
    let is_duration = |text: &str| {
        let Some(text) = text.strip_prefix(['P', 'p']) else { return false };
        text.contains(|letter: char| letter.is_ascii_digit())
            && text.chars().all(|letter| letter.is_ascii_digit() || "DTHMS.dthms".contains(letter))
            && text.ends_with(|letter: char| letter.is_ascii_alphabetic())
    };
    ["earliest", "latest"].contains(&value) || value.strip_prefix("by_duration:").is_some_and(is_duration)
}

fn are_throttled_replicas(value: &str) -> bool {
    value == "*"
        || entries(value).all(|entry| {
            entry.split_once(':').is_some_and(|(partition, broker)| {
                partition.trim().parse::<u32>().is_ok() && broker.trim().parse::<u32>().is_ok()
            })
        })
}

/// The list `current` with `added` behind it, each entry once (IncrementalAlterConfigs APPEND).
pub fn list_append(current: &str, added: &str) -> String {
    let mut all: Vec<&str> = Vec::new();
    for entry in entries(current).chain(entries(added)) {
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    all.join(",")
}

/// The list `current` without the entries of `removed` (IncrementalAlterConfigs SUBTRACT).
pub fn list_subtract(current: &str, removed: &str) -> String {
    let left: Vec<&str> =
        entries(current).filter(|entry| !entries(removed).any(|gone| gone == *entry)).collect();
    left.join(",")
}
