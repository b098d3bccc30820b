//! What was measured, and how it is told.

use std::io::{self, Write};
use std::time::Instant;

use hdrhistogram::Histogram;

use super::Load;
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
        // Both have the same bounds.
        let _ = self.histogram.add(&other.histogram);
    }
}

pub struct Figures {
    what: &'static str,
    load: Load,
    written: Option<Tally>,
    read: Option<Tally>,
    usage: Option<Usage>,
}

impl Figures {
    pub fn new(what: &'static str, load: &Load, usage: Option<Usage>) -> Figures {
        Figures { what, load: load.clone(), written: None, read: None, usage }
    }

    pub fn written(&mut self, tally: Tally) {
        self.written.get_or_insert_default().add(&tally);
    }

    pub fn read(&mut self, tally: Tally) {
        self.read.get_or_insert_default().add(&tally);
    }

    pub fn first_error(&self) -> Option<&str> {
        self.ends().find_map(|(_, tally)| tally.error.as_deref())
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
        let head = [
            "",
            "records/s",
            "MB/s",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
            "overdue",
            "errors",
        ];
        let mut table = Table::new(&head);
        let seconds = self.load.seconds as f64;
        for (name, tally) in self.ends() {
            let mut row = vec![name.to_owned()];
            row.push(format!("{:.0}", tally.records as f64 / seconds));
            row.push(format!("{:.2}", tally.bytes as f64 / 1e6 / seconds));
            row.push(format!("{:.0}", tally.requests as f64 / seconds));
            let histogram = &tally.histogram;
            let known = !histogram.is_empty();
            for ns in quantiles(histogram) {
                row.push(if known { format!("{:.3}", ns as f64 / 1e6) } else { "-".to_owned() });
            }
            row.extend([tally.overdue.to_string(), tally.errors.to_string()]);
            table.row(row);
        }
        table.write(out)?;
        if let Some(usage) = self.usage {
            let (cpu, per_gb, per_million) = self.cpu(usage);
            writeln!(
                out,
                "broker: {cpu:.2} s of CPU, {per_gb:.3} s per GB, {per_million:.3} s per million records; \
                 RSS {:.1} MiB, peak {:.1} MiB",
                usage.rss_bytes as f64 / 1048576.0,
                usage.rss_bytes_peak as f64 / 1048576.0
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
            .number("partitions", load.partitions)
            .number("rate", load.rate)
            .number("record_bytes", load.record_bytes)
            .number("batch_records", load.batch_records)
            .text("acks", &format!("{:?}", load.acks).to_lowercase())
            .text("codec", &format!("{:?}", load.codec).to_lowercase());
        for (name, tally) in self.ends() {
            let [p50, p99, p999, max] = quantiles(&tally.histogram).map(|ns| ns as f64 / 1e3);
            let figures = Object::new()
                .number("records", tally.records)
                .number("bytes", tally.bytes)
                .number("requests", tally.requests)
                .number("measured", tally.histogram.len())
                .number("p50_us", p50)
                .number("p99_us", p99)
                .number("p999_us", p999)
                .number("max_us", max)
                .number("overdue", tally.overdue)
                .number("errors", tally.errors);
            object = object.object(name, figures);
        }
        if let Some(usage) = self.usage {
            let (cpu, per_gb, per_million) = self.cpu(usage);
            let broker = Object::new()
                .number("cpu_s", cpu)
                .number("cpu_s_per_gb", format!("{per_gb:.4}"))
                .number("cpu_s_per_million_records", format!("{per_million:.4}"))
                .number("rss_bytes", usage.rss_bytes)
                .number("rss_bytes_peak", usage.rss_bytes_peak);
            object = object.object("broker", broker);
        }
        writeln!(out, "{}", object.end())
    }

    /// Seconds of CPU, per GB and per million records of the busier end. Zero where nothing moved.
    fn cpu(&self, usage: Usage) -> (f64, f64, f64) {
        let seconds = usage.cpu.as_secs_f64();
        let bytes = self.ends().map(|(_, tally)| tally.bytes).max().unwrap_or(0);
        let records = self.ends().map(|(_, tally)| tally.records).max().unwrap_or(0);
        let per = |count: u64, unit: f64| if count == 0 { 0.0 } else { seconds / (count as f64 / unit) };
        (seconds, per(bytes, 1e9), per(records, 1e6))
    }
}

fn quantiles(histogram: &Histogram<u64>) -> [u64; 4] {
    let at = |quantile| histogram.value_at_quantile(quantile);
    [at(0.5), at(0.99), at(0.999), histogram.max()]
}

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
