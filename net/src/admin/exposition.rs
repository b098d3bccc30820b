//! Prometheus' text format, version 0.0.4: figures of all cores, joined and written. Pure.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt::{Display, Write},
};

use engine::metrics::{Figures, Kind, Label, Metric, Scale, Spread, Value};

use crate::{api, node, server};

/// Every metric that cores count, in the order of the exposition; those of partitions and of the process come behind them.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    let counted = [
        node::measure::ALL,
        node::steps::ALL,
        server::measure::ALL,
        api::measure::ALL,
        engine::shard::measure::ALL,
        engine::telemetry::ALL,
        super::partitions::ALL,
        super::groups::ALL,
        super::process::ALL,
    ];
    counted.into_iter().flatten().copied()
}

/// The text under construction.
#[derive(Debug, Default)]
pub struct Text(String);

/// One family's samples by their labels.
type Family = BTreeMap<Vec<Label>, Value>;

impl Text {
    pub fn begin(&mut self, metric: &Metric) {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.write(format_args!("# HELP {} {}\n# TYPE {} {kind}\n", metric.name, metric.help, metric.name));
    }

    /// A sample whose value is a number.
    pub fn number(&mut self, metric: &Metric, labels: &[(&str, &str)], value: i64) {
        self.write(format_args!("{}", metric.name));
        self.labels(labels.iter().copied(), None);
        self.write(format_args!(" {}\n", Scaled(metric.scale, value)));
    }

    /// Joins the figures of all cores and writes them.
    pub fn figures(&mut self, all: Vec<Figures>) {
        let mut families: HashMap<&'static str, Family> = HashMap::new();
        for Figures { core, samples } in all {
            for mut sample in samples {
                if sample.metric.spread == Spread::Core {
                    sample.labels.insert(0, ("core", Cow::Owned(core.to_string())));
                }
                let family = families.entry(sample.metric.name).or_default();
                match family.get_mut(&sample.labels) {
                    Some(present) => add(present, &sample.value),
                    None => drop(family.insert(sample.labels, sample.value)),
                }
            }
        }
        for metric in metrics() {
            let Some(family) = families.remove(metric.name) else { continue };
            self.begin(metric);
            for (labels, value) in family {
                let labels: Vec<(&str, &str)> =
                    labels.iter().map(|(name, value)| (*name, &**value)).collect();
                match value {
                    Value::Number(value) => self.number(metric, &labels, value),
                    Value::Float(value) => {
                        self.write(format_args!("{}", metric.name));
                        self.labels(labels.iter().copied(), None);
                        self.write(format_args!(" {}\n", Real(value)));
                    }
                    Value::Histogram(histogram) => {
                        let labels = || labels.iter().copied();
                        for (bound, below) in histogram.cumulative() {
                            let bound = Scaled(metric.scale, bound as i64).to_string();
                            self.write(format_args!("{}_bucket", metric.name));
                            self.labels(labels(), Some(&bound));
                            self.write(format_args!(" {below}\n"));
                        }
                        let count = histogram.count();
                        self.write(format_args!("{}_bucket", metric.name));
                        self.labels(labels(), Some("+Inf"));
                        self.write(format_args!(" {count}\n{}_sum", metric.name));
                        self.labels(labels(), None);
                        let sum = i64::try_from(histogram.sum()).unwrap_or(i64::MAX);
                        self.write(format_args!(" {}\n{}_count", Scaled(metric.scale, sum), metric.name));
                        self.labels(labels(), None);
                        self.write(format_args!(" {count}\n"));
                    }
                }
            }
        }
        assert!(families.is_empty(), "metrics that are in no list: {:?}", families.keys());
    }

    pub fn into_string(self) -> String {
        self.0
    }

    fn labels<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>, bound: Option<&'a str>) {
        let all = labels.chain(bound.map(|bound| ("le", bound)));
        let mut is_first = true;
        for (name, value) in all {
            self.0.push(if is_first { '{' } else { ',' });
            is_first = false;
            self.write(format_args!("{name}=\""));
            for letter in value.chars() {
                match letter {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        if !is_first {
            self.0.push('}');
        }
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.0.write_fmt(arguments);
    }
}

fn add(present: &mut Value, more: &Value) {
    match (present, more) {
        (Value::Number(sum), Value::Number(more)) => *sum = sum.saturating_add(*more),
        (Value::Float(sum), Value::Float(more)) => *sum += more,
        (Value::Histogram(sum), Value::Histogram(more)) => sum.merge(more),
        _ => unreachable!("a metric has one kind"),
    }
}

/// A floating point number as the format spells it.
struct Real(f64);

impl Display for Real {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            // NaN is spelled so in both.
            other => write!(f, "{other}"),
        }
    }
}

/// A recorded number in the unit that is told.
struct Scaled(Scale, i64);

impl Display for Scaled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Scale::One => write!(f, "{}", self.1),
            Scale::Seconds => write!(f, "{}", self.1 as f64 / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::{
        base::CoreId,
        metrics::Histogram,
        shard::measure::{COMMIT_SECONDS, MEMORY, REQUEST_SECONDS},
    };

    use super::*;

    fn text(all: Vec<Figures>) -> String {
        let mut text = Text::default();
        text.figures(all);
        text.into_string()
    }

    #[test]
    fn what_is_told_by_core_stays_apart_and_the_rest_is_added_up() {
        let figures = |core, bytes| {
            let mut figures = Figures::new(CoreId(core));
            figures.number(&MEMORY, vec![("use", "cache".into())], bytes);
            let mut histogram = Histogram::new(&[1_000_000, 2_000_000_000]);
            histogram.record(1_500_000);
            figures.histogram(&REQUEST_SECONDS, vec![("api", "Fetch".into())], &histogram);
            figures
        };
        let expected = "# HELP corelog_request_stage_seconds \
             Time of a request in one stage: queue, handle, journal (part of handle), wait (long polls, no part of it), send.\n\
             # TYPE corelog_request_stage_seconds histogram\n\
             corelog_request_stage_seconds_bucket{api=\"Fetch\",le=\"0.001\"} 0\n\
             corelog_request_stage_seconds_bucket{api=\"Fetch\",le=\"2\"} 2\n\
             corelog_request_stage_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} 2\n\
             corelog_request_stage_seconds_sum{api=\"Fetch\"} 0.003\n\
             corelog_request_stage_seconds_count{api=\"Fetch\"} 2\n";
        let told = text(vec![figures(0, 5), figures(1, 7)]);
        assert!(told.starts_with(expected), "{told}");
        assert!(told.contains("corelog_memory_bytes{core=\"0\",use=\"cache\"} 5\n"), "{told}");
        assert!(told.contains("corelog_memory_bytes{core=\"1\",use=\"cache\"} 7\n"), "{told}");
    }

    #[test]
    fn a_histogram_without_values_is_not_told() {
        let mut figures = Figures::new(CoreId(0));
        figures.histogram(&COMMIT_SECONDS, Vec::new(), &Histogram::new(&[1]));
        assert_eq!(text(vec![figures]), "");
    }

    #[test]
    fn label_values_are_escaped() {
        let mut written = Text::default();
        written.number(&MEMORY, &[("use", "a\"b\\c\nd")], -1);
        assert_eq!(written.into_string(), "corelog_memory_bytes{use=\"a\\\"b\\\\c\\nd\"} -1\n");
    }

    #[test]
    fn names_are_prometheus_names_and_there_are_no_two_of_one() {
        let mut seen = BTreeSet::new();
        for metric in metrics() {
            assert!(seen.insert(metric.name), "{} twice", metric.name);
            let is_counter = metric.name.ends_with("_total");
            assert_eq!(is_counter, metric.kind == Kind::Counter, "{}", metric.name);
            assert_eq!(metric.scale == Scale::Seconds, metric.name.contains("_seconds"), "{}", metric.name);
            assert!(!metric.help.is_empty() && !metric.help.contains('\n'), "{}", metric.name);
        }
    }
}
