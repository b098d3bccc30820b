//! One core's figures at one moment: samples of named metrics. Plain data; crosses cores.

use std::borrow::Cow;

use super::Histogram;
use crate::base::CoreId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What a recorded number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Itself: bytes, records, things.
    One,
    /// Recorded in nanoseconds, told in seconds.
    Seconds,
}

/// How the samples of several cores are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Each core's by itself, with its number as a label.
    Core,
    /// Added up.
    Broker,
}

/// One name of the exposition.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub scale: Scale,
    pub spread: Spread,
    pub help: &'static str,
}

pub type Label = (&'static str, Cow<'static, str>);

#[derive(Clone, Debug)]
pub enum Value {
    Number(i64),
    Float(f64),
    Histogram(Histogram),
}

#[derive(Clone, Debug)]
pub struct Sample {
    pub metric: &'static Metric,
    pub labels: Vec<Label>,
    pub value: Value,
}

/// What one core has counted.
#[derive(Clone, Debug)]
pub struct Figures {
    pub core: CoreId,
    pub samples: Vec<Sample>,
}

impl Figures {
    pub fn new(core: CoreId) -> Figures {
        Figures { core, samples: Vec::new() }
    }

    pub fn number(&mut self, metric: &'static Metric, labels: Vec<Label>, value: u64) {
        let value = Value::Number(i64::try_from(value).unwrap_or(i64::MAX));
        self.samples.push(Sample { metric, labels, value });
    }

    pub fn float(&mut self, metric: &'static Metric, labels: Vec<Label>, value: f64) {
        self.samples.push(Sample { metric, labels, value: Value::Float(value) });
    }

    /// Nothing where nothing was recorded: a series begins with its first value.
    pub fn histogram(&mut self, metric: &'static Metric, labels: Vec<Label>, histogram: &Histogram) {
        if histogram.count() > 0 {
            self.samples.push(Sample { metric, labels, value: Value::Histogram(histogram.clone()) });
        }
    }
}
