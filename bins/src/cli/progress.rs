//! How far a long command is, on standard error, where that is a terminal; otherwise nothing.

use indicatif::{ProgressBar, ProgressStyle};

pub struct Progress(ProgressBar);

impl Progress {
    pub fn none() -> Progress {
        Progress(ProgressBar::hidden())
    }

    /// Bytes of an input, of `total` if its size is known.
    pub fn of_bytes(total: Option<u64>) -> Progress {
        Progress::drawn(
            total,
            "{wide_bar} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left  {msg}",
            "{spinner} {bytes}, {binary_bytes_per_sec}  {msg}",
        )
    }

    pub fn of_records(total: Option<u64>) -> Progress {
        Progress::drawn(
            total,
            "{wide_bar} {human_pos} of {human_len} records, {per_sec}, {eta} left",
            "{spinner} {human_pos} records, {per_sec}",
        )
    }

    pub fn of_seconds(total: u64) -> Progress {
        Progress::drawn(Some(total), "{wide_bar} {pos} of {len} s, {msg}", "{spinner} {pos} s, {msg}")
    }

    fn drawn(total: Option<u64>, bar: &str, spinner: &str) -> Progress {
        let progress = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let template = if total.is_some() { bar } else { spinner };
        // A template that does not parse costs its looks only.
        if let Ok(style) = ProgressStyle::with_template(template) {
            progress.set_style(style);
        }
        Progress(progress)
    }

    pub fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    pub fn show(&self, position: u64, text: String) {
        self.0.set_position(position);
        self.0.set_message(text);
    }

    pub fn say(&self, text: String) {
        self.0.set_message(text);
    }
}

/// Gone when the command is done: what it leaves on the terminal is its output.
impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
