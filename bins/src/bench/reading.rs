//! The reading end: one connection and a thread that reads on and on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::base::{Offset, TopicId};
use engine::record::{RecordError, UncheckedBatch};
use net::client::{At, ClientError, Fetched, Position, Wait, fetch_request, list_offsets_request};
use net::wire::fetch::{FetchRequest, FetchResponse};
use net::wire::list_offsets::ListOffsetsRequest;

use super::Load;
use super::arrivals::Arrivals;
use super::content::Run;
use super::delivery::Delivery;
use super::figures::{Tally, Window};
use super::plan::Route;
use crate::cli::failure::Failure;

/// How long records that are on their way at the end are waited for.
const GRACE: Duration = Duration::from_secs(5);

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

/// Finds where to begin, then reads in a thread of its own.
pub fn start(
    load: &Load,
    route: Route,
    window: Window,
    purpose: Purpose,
    run: Run,
    delivery: &Arc<Delivery>,
) -> Result<Reader, Failure> {
    let wait = Wait {
        time_max: Duration::from_millis(500),
        bytes_min: 1,
        bytes_max: load.fetch_bytes,
        partition_bytes_max: load.fetch_bytes,
    };
    let mut reading = Reading {
        positions: Vec::new(),
        by_name: HashMap::new(),
        by_id: HashMap::new(),
        route,
        wait,
        window,
        purpose,
        run,
        delivery: delivery.clone(),
        arrivals: Arrivals::default(),
        tally: Tally::default(),
    };
    reading.begin()?;
    let thread = thread::spawn(move || {
        if let Err(failure) = reading.run() {
            reading.tally.fail(failure.to_string());
        }
        reading.tally.faults.add(reading.arrivals.faults);
        reading.tally
    });
    Ok(Reader { thread })
}

struct Reading {
    route: Route,
    wait: Wait,
    window: Window,
    purpose: Purpose,
    run: Run,
    delivery: Arc<Delivery>,
    arrivals: Arrivals,
    tally: Tally,
    /// Of each target of the route.
    positions: Vec<Place>,
    /// Places in `route.targets`, for answers that name topics and for those that have their ids.
    by_name: HashMap<(String, i32), usize>,
    by_id: HashMap<(TopicId, i32), usize>,
}

#[derive(Clone, Copy)]
struct Place {
    first: i64,
    next: i64,
}

impl Reading {
    fn begin(&mut self) -> Result<(), Failure> {
        let at = match self.purpose {
            Purpose::Volume => At::Earliest,
            Purpose::Arrival => At::Latest,
        };
        let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (place, target) in self.route.targets.iter().enumerate() {
            by_topic.entry(&target.topic.name).or_default().push(target.partition);
            self.by_name.insert((target.topic.name.clone(), target.partition), place);
            self.by_id.insert((target.topic.id, target.partition), place);
        }
        self.positions = vec![Place { first: 0, next: 0 }; self.route.targets.len()];
        for (topic, partitions) in by_topic {
            let request = list_offsets_request(topic, &partitions, at, 20_000);
            let answer = self.route.connection.call::<ListOffsetsRequest>(&request)?;
            for found in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                ClientError::check(found.error_code, None, || format!("asking for offsets of {topic}"))?;
                if let Some(place) = self.by_name.get(&(topic.to_owned(), found.partition_index)) {
                    self.positions[*place] = Place { first: found.offset, next: found.offset };
                }
            }
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), Failure> {
        let mut end = match self.purpose {
            Purpose::Volume => self.window.until,
            // It ends when everything has come; a broker that owes something is waited for.
            Purpose::Arrival => self.window.until + 2 * GRACE,
        };
        let mut is_last = false;
        while Instant::now() < end {
            let asked = Instant::now();
            let parts = self.fetch()?;
            let now = Instant::now();
            for (place, part) in &parts {
                self.take(*place, part, now)?;
            }
            match self.purpose {
                Purpose::Volume => self.tally.latency(self.window, asked, now),
                Purpose::Arrival if self.delivery.is_written() => {
                    if self.delivery.missing() == 0 {
                        break;
                    }
                    if !is_last {
                        (is_last, end) = (true, now + GRACE);
                    }
                }
                Purpose::Arrival => {}
            }
        }
        Ok(())
    }

    fn fetch(&mut self) -> Result<Vec<(usize, Fetched)>, Failure> {
        let count = self.route.targets.len();
        // The first partitions of a request get the room: each fetch begins with another.
        let turn = self.tally.requests_all as usize % count.max(1);
        let mut request: Option<FetchRequest> = None;
        let mut at_most = i16::MAX;
        for place in (turn..count).chain(0..turn) {
            let target = &self.route.targets[place];
            let position = Position { partition: target.partition, offset: self.positions[place].next };
            let one = fetch_request(&target.topic, &[position], self.wait);
            at_most = at_most.min(target.topic.fetch_version_max());
            match &mut request {
                None => request = Some(one),
                Some(request) => {
                    for topic in one.topics {
                        match request.topics.iter_mut().find(|found| found.topic == topic.topic) {
                            Some(found) => found.partitions.extend(topic.partitions),
                            None => request.topics.push(topic),
                        }
                    }
                }
            }
        }
        let Some(request) = request else { return Ok(Vec::new()) };
        let answer = self.route.connection.call_at_most(&request, at_most)?;
        self.parts(answer)
    }

    fn parts(&self, answer: FetchResponse) -> Result<Vec<(usize, Fetched)>, Failure> {
        ClientError::check(answer.error_code, None, || "reading".to_owned())?;
        let mut parts = Vec::new();
        for topic in answer.responses {
            for data in topic.partitions {
                let partition = data.partition_index;
                let found = match topic.topic_id.is_zero() {
                    true => self.by_name.get(&(topic.topic.to_string(), partition)),
                    false => self.by_id.get(&(topic.topic_id, partition)),
                };
                let Some(place) = found else { continue };
                ClientError::check(data.error_code, None, || {
                    format!("reading partition {partition} of {}", self.route.targets[*place].topic.name)
                })?;
                let fetched = Fetched {
                    partition,
                    high_watermark: data.high_watermark,
                    log_start: data.log_start_offset,
                    records: data.records.map(|records| records.into_bytes()).unwrap_or_default(),
                };
                parts.push((*place, fetched));
            }
        }
        Ok(parts)
    }

    fn take(&mut self, place: usize, part: &Fetched, now: Instant) -> Result<(), Failure> {
        let at = &mut self.positions[place];
        let bytes = part.records.len() as u64;
        let mut count = 0;
        match self.purpose {
            Purpose::Volume => {
                let mut rest = &part.records[..];
                while let Ok((batch, after)) = UncheckedBatch::split_first(rest) {
                    rest = after;
                    let header = *batch.header();
                    // An answer begins with the whole batch that holds the offset asked for.
                    if header.next_offset() <= Offset(at.next) {
                        continue;
                    }
                    self.arrivals.faults.skipped += (header.base_offset.0 - at.next).max(0) as u64;
                    self.arrivals.faults.damaged += u64::from(batch.check().is_err());
                    count += u64::from(header.record_count.unsigned_abs());
                    at.next = header.next_offset().0;
                }
                // At the end it begins anew.
                if bytes == 0 || at.next >= part.high_watermark {
                    at.next = at.first;
                }
            }
            Purpose::Arrival => {
                let (run, window) = (self.run, self.window);
                let (tally, arrivals) = (&mut self.tally, &mut self.arrivals);
                at.next = part.read(at.next, |record| {
                    if let Some(mark) = record.value.and_then(|value| run.mark(value))
                        && arrivals.take(place, &mark)
                    {
                        tally.latency(window, mark.due, now);
                        count += 1;
                    }
                    Ok::<(), RecordError>(())
                })?;
            }
        }
        self.delivery.read(count);
        self.tally.answered(self.window, now, count, bytes);
        Ok(())
    }
}
