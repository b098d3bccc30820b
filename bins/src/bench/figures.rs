//! What was measured, and how it is told.

use std::io::{self, Write};
use std::time::Instant;

use hdrhistogram::Histogram;

use super::Load;
use super::arrivals::Faults;
use super::process::Usage;
use crate::cli::json::Object;
use crate::cli::table::Table;

/// The longest latency that is told apart, in nanoseconds; longer ones count as this.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

/// When load begins, and between when it counts.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub start: Instant,
    pub from: Instant,
    pub until: Instant,
}

impl Window {
    fn holds(&self, time: Instant) -> bool {
        self.from <= time && time < self.until
    }
}

/// What one thread counted.
pub struct Tally {
    pub records: u64,
    pub bytes: u64,
    pub requests: u64,
    /// Also those outside of the window.
    pub requests_all: u64,
    pub overdue: u64,
    errors: u64,
    error: Option<String>,
    pub faults: Faults,
    histogram: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            records: 0,
            bytes: 0,
            requests: 0,
            requests_all: 0,
            overdue: 0,
            errors: 0,
            error: None,
            faults: Faults::default(),
            histogram: Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("constant bounds that fit"),
        }
    }
}

impl Tally {
    pub fn failed(error: &str) -> Tally {
        let mut tally = Tally::default();
        tally.fail(error.to_owned());
        tally
    }

    pub fn fail(&mut self, error: String) {
        self.errors += 1;
        self.error.get_or_insert(error);
    }

    /// An answer that came at `now`.
    pub fn answered(&mut self, window: Window, now: Instant, records: u64, bytes: u64) {
        self.requests_all += 1;
        if window.holds(now) {
            self.records += records;
            self.bytes += bytes;
            self.requests += 1;
        }
    }

    /// Counts where it was due in the window, however late it came.
    pub fn latency(&mut self, window: Window, due: Instant, now: Instant) {
        if window.holds(due) {
            let ns = now.saturating_duration_since(due).as_nanos() as u64;
            self.histogram.saturating_record(ns.clamp(1, LATENCY_NS_MAX));
        }
    }

    pub fn add(&mut self, other: &Tally) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.requests += other.requests;
        self.requests_all += other.requests_all;
        self.overdue += other.overdue;
        self.errors += other.errors;
        if self.error.is_none() {
            self.error.clone_from(&other.error);
        }
        self.faults.add(other.faults);
        // Both have the same bounds.
        let _ = self.histogram.add(&other.histogram);
    }
}

/// One run.
pub struct Figures {
    what: &'static str,
    load: Load,
    partitions: usize,
    written: Option<Tally>,
    read: Option<Tally>,
    /// Acknowledged, and never read.
    missing: u64,
    broker: Option<Usage>,
    generator: Usage,
}

/// One of its numbers, for the summary of several runs.
pub struct Figure {
    pub name: String,
    pub value: f64,
}

impl Figures {
    pub fn new(
        what: &'static str,
        load: &Load,
        partitions: usize,
        (broker, generator): (Option<Usage>, Usage),
    ) -> Figures {
        Figures {
            what,
            load: load.clone(),
            partitions,
            written: None,
            read: None,
            missing: 0,
            broker,
            generator,
        }
    }

    pub fn written(&mut self, tally: Tally) {
        self.written.get_or_insert_default().add(&tally);
    }

    pub fn read(&mut self, tally: Tally) {
        self.read.get_or_insert_default().add(&tally);
    }

    pub fn missing(&mut self, records: u64) {
        self.missing = records;
    }

    /// Why this run proves nothing, or proves something bad.
    pub fn first_error(&self) -> Option<String> {
        let said = self.ends().find_map(|(_, tally)| tally.error.clone());
        let faults = self.faults();
        said.or_else(|| {
            (self.missing + faults.total() > 0).then(|| {
                format!(
                    "{} acknowledged records were not read, {} were skipped, {} came twice or out of order, {} were damaged",
                    self.missing, faults.skipped, faults.disordered, faults.damaged
                )
            })
        })
    }

    fn faults(&self) -> Faults {
        self.ends().fold(Faults::default(), |mut all, (_, tally)| {
            all.add(tally.faults);
            all
        })
    }

    fn ends(&self) -> impl Iterator<Item = (&'static str, &Tally)> {
        let (written, read) = (self.written.as_ref(), self.read.as_ref());
        written.map(|tally| ("written", tally)).into_iter().chain(read.map(|tally| ("read", tally)))
    }

    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.load.json {
            true => self.write_json(out),
            false => self.write_table(out),
        }
    }

    fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut head = vec!["", "records/s", "MB/s", "requests/s"];
        head.extend(["p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "p99.99 ms", "max ms", "overdue", "errors"]);
        let mut table = Table::new(&head);
        let seconds = self.load.seconds as f64;
        for (name, tally) in self.ends() {
            let mut row = vec![name.to_owned()];
            row.push(format!("{:.0}", tally.records as f64 / seconds));
            row.push(format!("{:.2}", tally.bytes as f64 / 1e6 / seconds));
            row.push(format!("{:.0}", tally.requests as f64 / seconds));
            let histogram = &tally.histogram;
            for (_, quantile) in QUANTILES {
                row.push(match histogram.is_empty() {
                    true => "-".to_owned(),
                    false => format!("{:.3}", histogram.value_at_quantile(quantile) as f64 / 1e6),
                });
            }
            row.extend([tally.overdue.to_string(), tally.errors.to_string()]);
            table.row(row);
        }
        table.write(out)?;
        for (name, usage) in self.processes() {
            let cpu = self.cpu(usage);
            writeln!(
                out,
                "{name}: {:.2} s of CPU, {:.3} s per GB, {:.3} µs per record; RSS {:.1} MiB, peak {:.1} MiB; {} context switches, \
                 {} read and {} write calls; disk {:.1} MB read, {:.1} MB written",
                cpu.seconds,
                cpu.per_gigabyte,
                cpu.us_per_record,
                usage.rss_bytes as f64 / 1048576.0,
                usage.rss_bytes_peak as f64 / 1048576.0,
                usage.context_switches,
                usage.read_calls,
                usage.write_calls,
                usage.disk_read_bytes as f64 / 1e6,
                usage.disk_written_bytes as f64 / 1e6,
            )?;
        }
        Ok(())
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let load = &self.load;
        let mut object = Object::new()
            .text("benchmark", self.what)
            .number("seconds", load.seconds)
            .number("connections", load.connections)
            .number("topics", load.topics)
            .number("partitions", self.partitions)
            .number("rate", load.rate)
            .text("record_bytes", &load.record_bytes.to_string())
            .number("batch_records", load.batch_records)
            .number("request_batches", load.request_batches)
            .number("linger_ms", load.linger_ms)
            .number("keys", load.keys)
            .text("acks", &format!("{:?}", load.acks).to_lowercase())
            .text("codec", &format!("{:?}", load.codec).to_lowercase());
        for (name, tally) in self.ends() {
            let histogram = &tally.histogram;
            let mut figures = Object::new()
                .number("records", tally.records)
                .number("bytes", tally.bytes)
                .number("requests", tally.requests)
                .number("measured", histogram.len());
            for (name, quantile) in QUANTILES {
                let us = histogram.value_at_quantile(quantile) as f64 / 1e3;
                figures = figures.number(&format!("{name}_us"), us);
            }
            let points = POINTS.map(|point| {
                format!("[{point},{}]", histogram.value_at_quantile(point / 100.0) as f64 / 1e3)
            });
            figures = figures
                .number("mean_us", format!("{:.1}", histogram.mean() / 1e3))
                .array("percentiles_us", points)
                .number("overdue", tally.overdue)
                .number("errors", tally.errors);
            object = object.object(name, figures);
        }
        if self.what == "latency" || self.what == "consume" {
            let faults = self.faults();
            let checked = Object::new()
                .number("missing", self.missing)
                .number("skipped", faults.skipped)
                .number("disordered", faults.disordered)
                .number("damaged", faults.damaged);
            object = object.object("faults", checked);
        }
        for (name, usage) in self.processes() {
            let cpu = self.cpu(usage);
            let process = usage
                .json()
                .number("cpu_s_per_gb", format!("{:.4}", cpu.per_gigabyte))
                .number("cpu_us_per_record", format!("{:.4}", cpu.us_per_record));
            object = object.object(name, process);
        }
        writeln!(out, "{}", object.end())
    }

    fn processes(&self) -> impl Iterator<Item = (&'static str, Usage)> {
        self.broker.map(|usage| ("broker", usage)).into_iter().chain([("generator", self.generator)])
    }

    /// What several runs are compared by.
    pub fn summed_up(&self) -> Vec<Figure> {
        let seconds = self.load.seconds as f64;
        let mut figures = Vec::new();
        let mut add = |name: String, value: f64| figures.push(Figure { name, value });
        for (end, tally) in self.ends() {
            add(format!("{end}: records/s"), tally.records as f64 / seconds);
            add(format!("{end}: MB/s"), tally.bytes as f64 / 1e6 / seconds);
            for (name, quantile) in QUANTILES {
                add(format!("{end}: {name}, ms"), tally.histogram.value_at_quantile(quantile) as f64 / 1e6);
            }
        }
        for (name, usage) in self.processes() {
            let cpu = self.cpu(usage);
            add(format!("{name}: CPU, % of a core"), cpu.seconds / seconds * 100.0);
            add(format!("{name}: CPU, s per GB"), cpu.per_gigabyte);
            add(format!("{name}: CPU, µs per record"), cpu.us_per_record);
            add(format!("{name}: RSS peak, MiB"), usage.rss_bytes_peak as f64 / 1048576.0);
        }
        figures
    }

    /// Of the busier end. Zero where nothing moved.
    fn cpu(&self, usage: Usage) -> Cpu {
        let seconds = usage.cpu.as_secs_f64();
        let bytes = self.ends().map(|(_, tally)| tally.bytes).max().unwrap_or(0);
        let records = self.ends().map(|(_, tally)| tally.records).max().unwrap_or(0);
        let per = |count: u64, unit: f64| if count == 0 { 0.0 } else { seconds / (count as f64 / unit) };
        Cpu { seconds, per_gigabyte: per(bytes, 1e9), us_per_record: per(records, 1e6) }
    }
}

struct Cpu {
    seconds: f64,
    per_gigabyte: f64,
    us_per_record: f64,
}

const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999), ("max", 1.0)];

/// Enough of them to draw the distribution.
const POINTS: [f64; 17] =
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 100.0];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window(start: Instant) -> Window {
        let from = start + Duration::from_secs(1);
        Window { start, from, until: from + Duration::from_secs(2) }
    }

    #[test]
    fn a_late_answer_counts_from_when_its_record_was_due() {
        let start = Instant::now();
        let mut tally = Tally::default();
        let due = start + Duration::from_millis(1500);
        tally.latency(window(start), due, due + Duration::from_secs(5));
        let seconds = tally.histogram.max() as f64 / 1e9;
        assert!((4.99..5.01).contains(&seconds), "{seconds}");
    }

    #[test]
    fn what_lies_outside_of_the_window_does_not_count() {
        let start = Instant::now();
        let mut tally = Tally::default();
        tally.latency(window(start), start, start + Duration::from_secs(2));
        tally.answered(window(start), start + Duration::from_secs(3), 10, 10);
        assert_eq!((tally.records, tally.requests_all, tally.histogram.len()), (0, 1, 0));
        tally.answered(window(start), start + Duration::from_secs(2), 10, 100);
        assert_eq!((tally.records, tally.bytes), (10, 100));
    }
}
