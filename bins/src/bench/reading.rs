//! The reading end: one connection and a thread that reads on and on.

use std::collections::BTreeMap;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::base::Offset;
use engine::record::{RecordError, headers};
use net::client::{At, Fetched, Position, Wait, fetch_request, list_offsets_request, read_answer};
use net::wire::list_offsets::ListOffsetsRequest;

use super::Load;
use super::content::Run;
use super::figures::{Tally, Window};
use super::plan::Route;
use crate::cli::failure::Failure;

/// How long records that are on their way at the end are waited for.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// From the beginning, over and over: how much comes.
    Volume,
    /// From the end: when each record arrives.
    Arrival,
}

pub struct Reader {
    thread: JoinHandle<Tally>,
}

impl Reader {
    pub fn join(self) -> Tally {
        self.thread.join().unwrap_or_else(|_| Tally::failed("a reading thread panicked"))
    }
}

pub fn start(load: &Load, route: Route, window: Window, purpose: Purpose) -> Reader {
    let wait = Wait {
        time_max: Duration::from_millis(500),
        bytes_min: 1,
        bytes_max: load.fetch_bytes,
        partition_bytes_max: load.fetch_bytes,
    };
    let mut reading = Reading {
        route,
        wait,
        window,
        purpose,
        run: Run::new(window.start),
        tally: Tally::default(),
        positions: BTreeMap::new(),
    };
    let thread = thread::spawn(move || {
        if let Err(failure) = reading.run() {
            reading.tally.fail(failure.to_string());
        }
        reading.tally
    });
    Reader { thread }
}

struct Reading {
    route: Route,
    wait: Wait,
    window: Window,
    purpose: Purpose,
    run: Run,
    tally: Tally,
    positions: BTreeMap<i32, Place>,
}

struct Place {
    first: i64,
    next: i64,
}

impl Reading {
    fn run(&mut self) -> Result<(), Failure> {
        let at = match self.purpose {
            Purpose::Volume => At::Earliest,
            Purpose::Arrival => At::Latest,
        };
        for partition in self.route.partitions.clone() {
            let request = list_offsets_request(&self.route.topic.name, &[partition], at, 20_000);
            let answer = self.route.connection.call::<ListOffsetsRequest>(&request)?;
            let found = answer.topics.first().and_then(|topic| topic.partitions.first());
            let first = found.map_or(0, |found| found.offset);
            self.positions.insert(partition, Place { first, next: first });
        }
        let end = match self.purpose {
            Purpose::Volume => self.window.until,
            Purpose::Arrival => self.window.until + GRACE,
        };
        while Instant::now() < end {
            let asked = Instant::now();
            let fetched = self.fetch()?;
            let now = Instant::now();
            let mut bytes = 0;
            for part in &fetched {
                bytes += part.records.len() as u64;
                self.take(part, now)?;
            }
            if self.purpose == Purpose::Volume {
                self.tally.latency(self.window, asked, now);
            } else if bytes == 0 && now >= self.window.until {
                // A whole long poll without news: nothing is on its way any more.
                break;
            }
        }
        Ok(())
    }

    fn fetch(&mut self) -> Result<Vec<Fetched>, Failure> {
        let mut positions: Vec<Position> = self
            .positions
            .iter()
            .map(|(partition, place)| Position { partition: *partition, offset: place.next })
            .collect();
        // The first partitions of a request get the room: each fetch begins with another.
        let turn = self.tally.requests_all as usize % positions.len().max(1);
        positions.rotate_left(turn);
        let Route { connection, topic, .. } = &mut self.route;
        let request = fetch_request(topic, &positions, self.wait);
        let answer = connection.call_at_most(&request, topic.fetch_version_max())?;
        Ok(read_answer(topic, answer)?)
    }

    fn take(&mut self, part: &Fetched, now: Instant) -> Result<(), Failure> {
        let Some(place) = self.positions.get_mut(&part.partition) else { return Ok(()) };
        let (run, window, tally) = (self.run, self.window, &mut self.tally);
        let bytes = part.records.len() as u64;
        match self.purpose {
            Purpose::Volume => {
                let (mut count, mut next) = (0, place.next);
                for (_, header) in headers(&part.records) {
                    // An answer begins with the whole batch that holds the offset asked for.
                    if header.next_offset() <= Offset(next) {
                        continue;
                    }
                    count += u64::from(header.record_count.unsigned_abs());
                    next = header.next_offset().0;
                }
                // At the end it begins anew.
                place.next = if bytes == 0 || next >= part.high_watermark { place.first } else { next };
                tally.answered(window, now, count, bytes);
            }
            Purpose::Arrival => {
                let mut count = 0;
                place.next = part.read(place.next, |record| {
                    if let Some(due) = record.value.and_then(|value| run.due(value)) {
                        tally.latency(window, due, now);
                        count += 1;
                    }
                    Ok::<(), RecordError>(())
                })?;
                tally.answered(window, now, count, bytes);
            }
        }
        Ok(())
    }
}
