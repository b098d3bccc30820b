//! The writing end: one connection, a thread that sends what is due and a thread that takes the answers.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use net::client::{Acks, Incoming, Outgoing, Ticket, base_offset, produce_request};
use net::wire::produce::ProduceRequest;

use super::Load;
use super::content::{Content, Run};
use super::figures::{Tally, Window};
use super::pace::Pace;
use super::plan::Route;
use crate::cli::failure::Failure;

/// What the broker may take for one request; the client waits no longer for an answer than its own default.
const REQUEST_TIMEOUT_MS: i32 = 20_000;

/// How long after the window what was due in it is still sent.
const LATE_MAX: Duration = Duration::from_secs(1);

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
    partition: i32,
    bytes: u64,
    due: Due,
}

/// When the records of a batch were due.
#[derive(Clone, Copy)]
enum Due {
    At {
        pace: Pace,
        first: u64,
        count: u64,
    },
    /// As fast as it goes: when the batch was sent.
    Now {
        sent: Instant,
        count: u64,
    },
}

impl Due {
    fn count(&self) -> u64 {
        match self {
            Due::At { count, .. } | Due::Now { count, .. } => *count,
        }
    }

    fn record(&self, tally: &mut Tally, window: Window, now: Instant) {
        match *self {
            Due::At { pace, first, count } => {
                (first..first + count).for_each(|number| tally.latency(window, pace.due(number), now));
            }
            Due::Now { sent, .. } => tally.latency(window, sent, now),
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

pub fn start(load: &Load, route: Route, place: usize, window: Window) -> Result<Writer, Failure> {
    let Route { connection, topic, partitions } = route;
    let (outgoing, incoming) = connection.split();
    let (tickets, on_their_way) = sync_channel(load.in_flight as usize);
    let name = topic.name.clone();
    let content =
        Content::new(Run::new(window.start), load.codec.into(), load.record_bytes as usize, place as u64);
    let pace =
        (load.rate > 0).then(|| Pace::shared(window.start, load.rate, place, usize::from(load.connections)));
    let mut sending = Sending {
        outgoing,
        topic,
        partitions,
        content,
        pace,
        window,
        linger: Duration::from_millis(load.linger_ms),
        batch_records: u64::from(load.batch_records),
        acks: load.acks.into(),
        tickets,
        sent: Sent::default(),
        turn: 0,
    };
    let sender = thread::spawn(move || sending.run().map_err(|error| error.to_string()));
    let receiver = thread::spawn(move || receive(incoming, &name, &on_their_way, window));
    Ok(Writer { sender, receiver })
}

struct Sending {
    outgoing: Outgoing,
    topic: net::client::Topic,
    partitions: Vec<i32>,
    content: Content,
    pace: Option<Pace>,
    window: Window,
    linger: Duration,
    batch_records: u64,
    acks: Acks,
    tickets: SyncSender<OnItsWay>,
    sent: Sent,
    turn: usize,
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
            let count = pace.count_due(now).min(limit).saturating_sub(first).min(self.batch_records);
            let full = pace.due(first + self.batch_records.min(limit - first) - 1);
            let ready = full.min(pace.due(first) + self.linger);
            if count == 0 || now < ready {
                thread::sleep(ready.saturating_duration_since(now));
                continue;
            }
            let batch = self.content.batch((first..first + count).map(|number| pace.due(number)))?;
            if !self.send(batch, Due::At { pace, first, count })? {
                break;
            }
            first += count;
        }
        self.sent.overdue = limit - first;
        Ok(())
    }

    /// One batch, made once and sent over and over: what the load costs here stays small.
    fn run_unpaced(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let count = self.batch_records;
        let batch = self.content.batch((0..count).map(|_| now))?;
        loop {
            let sent = Instant::now();
            if sent >= self.window.until || !self.send(batch.clone(), Due::Now { sent, count })? {
                return Ok(());
            }
        }
    }

    /// Sends to the next partition in turn; `false` once nobody receives answers any more.
    fn send(&mut self, batch: Bytes, due: Due) -> Result<bool, Failure> {
        let partition = self.partitions[self.turn % self.partitions.len()];
        self.turn += 1;
        let request = produce_request(&self.topic, partition, &batch, self.acks, REQUEST_TIMEOUT_MS);
        let version = self.outgoing.version::<ProduceRequest>(self.topic.produce_version_max())?;
        let ticket = self.outgoing.send_version(&request, version)?;
        let bytes = batch.len() as u64;
        if self.acks == Acks::None {
            self.sent.unanswered.answered(self.window, Instant::now(), due.count(), bytes);
            return Ok(true);
        }
        Ok(self.tickets.send(OnItsWay { ticket, partition, bytes, due }).is_ok())
    }
}

fn receive(mut incoming: Incoming, topic: &str, on_their_way: &Receiver<OnItsWay>, window: Window) -> Tally {
    let mut tally = Tally::default();
    for OnItsWay { ticket, partition, bytes, due } in on_their_way {
        let answer = match incoming.receive(ticket) {
            Ok(answer) => answer,
            Err(error) => {
                tally.fail(error.to_string());
                return tally;
            }
        };
        let now = Instant::now();
        match base_offset(topic, partition, &answer) {
            Ok(_) => {
                tally.answered(window, now, due.count(), bytes);
                due.record(&mut tally, window, now);
            }
            Err(error) => tally.fail(error.to_string()),
        }
    }
    tally
}
