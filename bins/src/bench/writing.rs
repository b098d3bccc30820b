//! The writing end: one connection, a thread that sends what is due and a thread that takes the answers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use net::client::{Acks, ClientError, Incoming, Outgoing, Ticket};
use net::wire::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use net::wire::{Records, Text};

use super::Load;
use super::content::{Content, Part, Run};
use super::delivery::Delivery;
use super::figures::{Tally, Window};
use super::pace::Pace;
use super::plan::{Route, Target};
use crate::cli::failure::Failure;

/// What the broker may take for one request; the client waits no longer for an answer than its own default.
const REQUEST_TIMEOUT_MS: i32 = 20_000;

/// How long after the window what was due in it is still sent.
const LATE_MAX: Duration = Duration::from_secs(1);

/// Without a rate, with keys: so many requests are made before, and sent over and over.
const KEYED_REQUESTS: usize = 16;

pub struct Writer {
    sender: JoinHandle<Result<Sent, String>>,
    receiver: JoinHandle<Tally>,
}

/// What the sending thread knows at its end.
#[derive(Default)]
struct Sent {
    /// Records, bytes and requests without an answer (`acks=0`), in the window.
    unanswered: Tally,
    /// Records that were due in the window and never sent: the load did not keep its rate.
    overdue: u64,
}

/// A request on its way.
struct OnItsWay {
    ticket: Ticket<ProduceRequest>,
    sent: Request,
}

#[derive(Clone, Copy)]
struct Request {
    records: u64,
    bytes: u64,
    due: Due,
}

/// When the records of a request were due.
#[derive(Clone, Copy)]
enum Due {
    At {
        pace: Pace,
        first: u64,
    },
    /// As fast as it goes: when it was sent.
    Now {
        sent: Instant,
    },
}

impl Request {
    fn record(&self, tally: &mut Tally, window: Window, now: Instant) {
        match self.due {
            Due::At { pace, first } => {
                (first..first + self.records).for_each(|number| tally.latency(window, pace.due(number), now));
            }
            Due::Now { sent } => tally.latency(window, sent, now),
        }
    }
}

impl Writer {
    pub fn join(self) -> Tally {
        let mut tally = self.receiver.join().unwrap_or_else(|_| Tally::failed("a receiving thread panicked"));
        match self.sender.join() {
            Ok(Ok(sent)) => {
                tally.add(&sent.unanswered);
                tally.overdue += sent.overdue;
            }
            Ok(Err(error)) => tally.fail(error),
            Err(_) => tally.fail("a sending thread panicked".to_owned()),
        }
        tally
    }
}

pub fn start(
    load: &Load,
    route: Route,
    place: u16,
    window: Window,
    run: Run,
    delivery: &Arc<Delivery>,
) -> Writer {
    let Route { connection, targets } = route;
    let (outgoing, incoming) = connection.split();
    let (tickets, on_their_way) = sync_channel(load.in_flight as usize);
    let content = Content::new(run, load.make(), place, targets.len());
    let pace = (load.rate > 0)
        .then(|| Pace::shared(window.start, load.rate, usize::from(place), usize::from(load.connections)));
    let mut sending = Sending {
        outgoing,
        targets,
        content,
        pace,
        window,
        linger: Duration::from_millis(load.linger_ms),
        batch_records: u64::from(load.batch_records),
        request_records: u64::from(load.batch_records) * u64::from(load.request_batches),
        acks: load.acks.into(),
        tickets,
        delivery: delivery.clone(),
        sent: Sent::default(),
    };
    delivery.begin_writing();
    let sender = thread::spawn(move || sending.run().map_err(|error| error.to_string()));
    let delivery = delivery.clone();
    let receiver = thread::spawn(move || {
        let tally = receive(incoming, &on_their_way, window, &delivery);
        delivery.end_writing();
        tally
    });
    Writer { sender, receiver }
}

struct Sending {
    outgoing: Outgoing,
    targets: Vec<Target>,
    content: Content,
    pace: Option<Pace>,
    window: Window,
    linger: Duration,
    batch_records: u64,
    request_records: u64,
    acks: Acks,
    tickets: SyncSender<OnItsWay>,
    delivery: Arc<Delivery>,
    sent: Sent,
}

impl Sending {
    fn run(&mut self) -> Result<Sent, Failure> {
        // The kernel may delay a wake-up by 50 µs to save power; that would count as the broker's latency.
        let _ = nix::sys::prctl::set_timerslack(1);
        match self.pace {
            Some(pace) => self.run_paced(pace)?,
            None => self.run_unpaced()?,
        }
        Ok(std::mem::take(&mut self.sent))
    }

    fn run_paced(&mut self, pace: Pace) -> Result<(), Failure> {
        // All that is due before the window ends is sent, though late; but a broker that takes nothing ends the run too.
        let limit = pace.count_due(self.window.until).saturating_sub(1);
        let give_up = self.window.until + LATE_MAX;
        let mut first = 0;
        while first < limit {
            let now = Instant::now();
            if now >= give_up {
                break;
            }
            let count = pace.count_due(now).min(limit).saturating_sub(first).min(self.request_records);
            let full = pace.due(first + self.request_records.min(limit - first) - 1);
            let ready = full.min(pace.due(first) + self.linger);
            if count == 0 || now < ready {
                thread::sleep(ready.saturating_duration_since(now));
                continue;
            }
            let due = (first..first + count).map(|number| pace.due(number));
            let parts = self.content.parts(due, self.batch_records)?;
            if !self.send(&parts, Due::At { pace, first })? {
                break;
            }
            first += count;
        }
        self.sent.overdue = limit - first;
        Ok(())
    }

    /// Batches made once and sent over and over: what the load costs here stays small.
    fn run_unpaced(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let count = if self.content.has_keys() { KEYED_REQUESTS } else { 1 };
        let mut requests = Vec::new();
        for _ in 0..count {
            let due = (0..self.request_records).map(|_| now);
            requests.push(self.content.parts(due, self.batch_records)?);
        }
        for turn in 0.. {
            let sent = Instant::now();
            let parts = &mut requests[turn % count];
            if !self.content.has_keys() {
                parts.iter_mut().for_each(|part| part.target = self.content.next_target());
            }
            let parts = parts.clone();
            if sent >= self.window.until || !self.send(&parts, Due::Now { sent })? {
                break;
            }
        }
        Ok(())
    }

    /// `false` once nobody receives answers any more.
    fn send(&mut self, parts: &[Part], due: Due) -> Result<bool, Failure> {
        let request = request(&self.targets, parts, self.acks);
        let at_most = self.targets.iter().map(|target| target.topic.produce_version_max()).min();
        let version = self.outgoing.version::<ProduceRequest>(at_most.unwrap_or(i16::MAX))?;
        let ticket = self.outgoing.send_version(&request, version)?;
        let records = parts.iter().map(|part| part.records).sum();
        let bytes = parts.iter().map(|part| part.batch.len() as u64).sum();
        if self.acks == Acks::None {
            self.delivery.acknowledge(records);
            self.sent.unanswered.answered(self.window, Instant::now(), records, bytes);
            return Ok(true);
        }
        Ok(self.tickets.send(OnItsWay { ticket, sent: Request { records, bytes, due } }).is_ok())
    }
}

/// One request with all of these batches; what goes to one topic stands together.
fn request(targets: &[Target], parts: &[Part], acks: Acks) -> ProduceRequest {
    let mut topic_data: Vec<TopicProduceData> = Vec::new();
    for part in parts {
        let Target { topic, partition } = &targets[part.target];
        let data =
            PartitionProduceData { index: *partition, records: Some(Records::from(part.batch.clone())) };
        match topic_data.iter_mut().find(|found| *found.name == *topic.name) {
            Some(found) => found.partition_data.push(data),
            None => topic_data.push(TopicProduceData {
                name: Text::from(&topic.name),
                topic_id: topic.id,
                partition_data: vec![data],
            }),
        }
    }
    ProduceRequest { transactional_id: None, acks: acks.code(), timeout_ms: REQUEST_TIMEOUT_MS, topic_data }
}

fn receive(
    mut incoming: Incoming,
    on_their_way: &Receiver<OnItsWay>,
    window: Window,
    delivery: &Delivery,
) -> Tally {
    let mut tally = Tally::default();
    for OnItsWay { ticket, sent } in on_their_way {
        let answer = match incoming.receive(ticket) {
            Ok(answer) => answer,
            Err(error) => {
                tally.fail(error.to_string());
                return tally;
            }
        };
        let now = Instant::now();
        match check(&answer) {
            Ok(()) => {
                delivery.acknowledge(sent.records);
                tally.answered(window, now, sent.records, sent.bytes);
                sent.record(&mut tally, window, now);
            }
            Err(error) => tally.fail(error.to_string()),
        }
    }
    tally
}

/// The first error among the partitions of an answer.
fn check(answer: &ProduceResponse) -> Result<(), ClientError> {
    for topic in &answer.responses {
        for part in &topic.partition_responses {
            ClientError::check(part.error_code, part.error_message.as_deref(), || {
                format!("writing to partition {} of {}", part.index, topic.name)
            })?;
        }
    }
    Ok(())
}
