//! Prints what fetches bring, up to a count of records, and moves each partition's reading behind what is printed.

use std::io::Write;

use engine::record::RecordError;
use net::client::{Fetched, Position};

use super::consume::{Form, Reading};
use super::failure::Failure;
use super::progress::Progress;

pub struct Printer<'a> {
    topic: &'a str,
    form: &'a Form,
    progress: Progress,
    /// How many records more are wanted.
    left: u64,
}

/// Why a walk through records ends early.
enum Stop {
    CountReached,
    Failed(Failure),
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Stop {
        Stop::Failed(error.into())
    }
}

impl<'a> Printer<'a> {
    pub fn new(topic: &'a str, form: &'a Form, progress: Progress, count: Option<u64>) -> Printer<'a> {
        Printer { topic, form, progress, left: count.unwrap_or(u64::MAX) }
    }

    pub fn wants_more(&self) -> bool {
        self.left > 0
    }

    /// Where to fetch from. The first partitions of a request get the room: each fetch begins with another.
    pub fn positions<'r>(&self, readings: impl IntoIterator<Item = (&'r i32, &'r Reading)>) -> Vec<Position> {
        let wanted = readings.into_iter().filter(|(_, at)| at.goes_on());
        let mut positions: Vec<Position> =
            wanted.map(|(partition, at)| Position { partition: *partition, offset: at.next }).collect();
        if !positions.is_empty() {
            let turn = (self.left % positions.len() as u64) as usize;
            positions.rotate_left(turn);
        }
        positions
    }

    /// Prints a partition's records as far as they are wanted.
    pub fn print(&mut self, part: &Fetched, at: &mut Reading, out: &mut dyn Write) -> Result<(), Failure> {
        let (end, mut next) = (at.end.unwrap_or(i64::MAX), at.next);
        let read = part.read(at.next, |record| {
            if self.left == 0 {
                return Err(Stop::CountReached);
            }
            if record.offset.0 < end {
                self.left -= 1;
                self.progress.advance(1);
                let written = self.form.write(self.topic, part.partition, record, out);
                written.map_err(|error| Stop::Failed(error.into()))?;
                next = record.offset.0 + 1;
            }
            Ok(())
        });
        at.next = match read {
            // Past records of others' transactions and past what compaction took; not past the end that was asked for.
            Ok(after) => after.min(end).max(next),
            Err(Stop::CountReached) => next,
            Err(Stop::Failed(failure)) => return Err(self.near(failure, part.partition, next)),
        };
        Ok(())
    }

    /// Says where a record could not be read.
    fn near(&self, failure: Failure, partition: i32, offset: i64) -> Failure {
        match failure {
            Failure::Failed(text) => {
                let near = format!("partition {partition} of {}, at or after offset {offset}", self.topic);
                Failure::Failed(format!("{near}: {text}"))
            }
            other => other,
        }
    }
}
