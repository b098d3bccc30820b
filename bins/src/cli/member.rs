//! `corelog consume --group`: reads what the group gives it, and commits what it has printed: every few seconds, before it gives a
//! partition away, and at the end.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use engine::error::ErrorCode;
use net::client::{
    Client, ClientError, Member, MemberChange, MemberOptions, Offsets, Partitions, Protocol, Wait,
};

use super::consume::{Arguments, Form, Reading, progress};
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::place::Place;
use super::printer::Printer;

/// How much is printed again after a kill, in time.
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// A pause where there is nothing to read, and how long a turn waits for the group.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one that is to stop at the end waits to be given something to read.
const EMPTY_HANDED_MAX: Duration = Duration::from_secs(10);
/// How long others wait for us in a rebalance: longer than any fetch and print takes.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub struct Membership {
    /// Read as a member of this group, share the partitions with its other members, and commit what is printed; --offset then
    /// is where to begin in partitions that the group has no offset of
    #[arg(short, long, value_name = "GROUP", conflicts_with = "partitions")]
    pub group: Option<String>,
    /// Be a static member: come back under this name within the session timeout, and keep the partitions
    #[arg(long, value_name = "NAME", requires = "group")]
    instance_id: Option<String>,
    /// classic: a member assigns the partitions; consumer: the broker does (KIP-848)
    #[arg(long, value_enum, default_value = "classic", requires = "group")]
    group_protocol: GroupProtocol,
    /// After how many seconds of silence the group takes it for dead; of the consumer protocol the broker decides
    #[arg(long, value_name = "SECONDS", requires = "group", default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..=3600))]
    session_timeout: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum GroupProtocol {
    Classic,
    Consumer,
}

/// What one run reads and has printed.
struct Reader<'a> {
    arguments: &'a Arguments,
    group: &'a str,
    member: Member,
    readings: BTreeMap<i32, Reading>,
    /// Where reading ends in each partition, as it was when it was first given to us.
    ends: BTreeMap<i32, i64>,
    /// The next offset of each partition of which something is printed for sure, and not committed.
    printed: Offsets,
    committed_at: Instant,
    /// When the group said last what is ours.
    assigned_at: Option<Instant>,
}

pub fn run(
    arguments: &Arguments,
    group: &str,
    client: &mut Client,
    interrupt: &Interrupt,
    form: &Form,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let membership = &arguments.membership;
    let options = MemberOptions {
        group: group.to_owned(),
        topic: arguments.topic.clone(),
        instance: membership.instance_id.clone(),
        protocol: match membership.group_protocol {
            GroupProtocol::Classic => Protocol::Classic,
            GroupProtocol::Consumer => Protocol::Consumer,
        },
        session_timeout: Duration::from_secs(membership.session_timeout),
        rebalance_timeout: REBALANCE_TIMEOUT,
    };
    // A topic that does not exist is told, not waited for.
    client.topic(&arguments.topic, net::client::AutoCreation::Forbidden)?;
    let mut reader = Reader {
        arguments,
        group,
        member: Member::new(options),
        readings: BTreeMap::new(),
        ends: BTreeMap::new(),
        printed: Offsets::new(),
        committed_at: Instant::now(),
        assigned_at: None,
    };
    let outcome = reader.read(client, interrupt, form, out);
    // Whatever has ended it: what is printed is committed, and the others need not wait for our death.
    let committed = reader.commit(client);
    let left = reader.member.leave(client).map_err(Failure::from);
    outcome.and(committed).and(left)
}

impl Reader<'_> {
    fn read(
        &mut self,
        client: &mut Client,
        interrupt: &Interrupt,
        form: &Form,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let progress = progress(None, self.arguments.count);
        let mut printer = Printer::new(&self.arguments.topic, form, progress, self.arguments.count);
        while printer.wants_more() {
            if let Some(signal) = interrupt.signal() {
                return Err(Failure::Interrupted(signal));
            }
            match self.member.turn(client, PAUSE)? {
                MemberChange::Ending => {
                    self.commit(client)?;
                    self.readings.clear();
                }
                MemberChange::Lost => {
                    let group = self.group;
                    let _ = writeln!(
                        io::stderr(),
                        "corelog: group {group} took this member for dead, and it joins again; some records may be printed twice"
                    );
                    self.printed.clear();
                    self.readings.clear();
                }
                MemberChange::Assigned => {
                    self.readings = self.begin(client)?;
                    self.assigned_at = Some(Instant::now());
                }
                MemberChange::Waiting => continue,
                MemberChange::Nothing => {}
            }
            let positions = printer.positions(&self.readings);
            if positions.is_empty() {
                if self.is_at_end() {
                    return Ok(());
                }
                thread::sleep(PAUSE);
                continue;
            }
            let fetched = match client.fetch(&self.arguments.topic, &positions, Wait::default()) {
                // Retention was faster than we: begin as with an offset that is too old.
                Err(error) if error.code() == Some(ErrorCode::OffsetOutOfRange) => {
                    self.commit(client)?;
                    self.readings = self.begin(client)?;
                    continue;
                }
                fetched => fetched?,
            };
            let mut news = Offsets::new();
            for part in fetched {
                let Some(at) = self.readings.get_mut(&part.partition) else { continue };
                printer.print(&part, at, out)?;
                news.insert((self.arguments.topic.clone(), part.partition), at.next);
            }
            // Printed is what has left the buffer.
            out.flush()?;
            self.printed.extend(news);
            if self.committed_at.elapsed() >= COMMIT_EVERY {
                self.commit(client)?;
            }
        }
        Ok(())
    }

    /// Everything that is ours is read, if it is to end. Who is given nothing at all waits for a while: a coordinator may give a
    /// moment later, or another member end.
    fn is_at_end(&self) -> bool {
        let is_long_empty_handed = || self.assigned_at.is_some_and(|at| at.elapsed() >= EMPTY_HANDED_MAX);
        self.arguments.stop().is_some() && (!self.readings.is_empty() || is_long_empty_handed())
    }

    /// Where to read on in what is ours now.
    fn begin(&mut self, client: &mut Client) -> Result<BTreeMap<i32, Reading>, Failure> {
        let topic = &self.arguments.topic;
        let partitions = self.member.assigned().get(topic).cloned().unwrap_or_default();
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        if let Some(stop) = self.arguments.stop() {
            for (partition, end) in stop.resolve(client, topic, &partitions)? {
                self.ends.entry(partition).or_insert(end);
            }
        }
        let ours = Partitions::from([(topic.clone(), partitions.clone())]);
        let committed = client.committed(self.group, Some(&ours))?;
        let first = Place::Earliest.resolve(client, topic, &partitions)?;
        let next = Place::Latest.resolve(client, topic, &partitions)?;
        let mut begins = BTreeMap::new();
        let mut without = Vec::new();
        for partition in &partitions {
            let log = first.get(partition).copied().unwrap_or(0)..=next.get(partition).copied().unwrap_or(0);
            match committed.get(&(topic.clone(), *partition)) {
                Some(offset) if log.contains(offset) => drop(begins.insert(*partition, *offset)),
                _ => without.push(*partition),
            }
        }
        if !without.is_empty() {
            let places = self.arguments.offset.resolve(client, topic, &without)?;
            // Committed too: where the others or we begin again, `latest` would be another place.
            self.printed.extend(places.iter().map(|(partition, at)| ((topic.clone(), *partition), *at)));
            begins.extend(places);
        }
        let reading = |(partition, next): (i32, i64)| {
            (partition, Reading { next, end: self.ends.get(&partition).copied() })
        };
        Ok(begins.into_iter().map(reading).collect())
    }

    /// A generation that has ended takes no offsets: whoever reads on from the last ones prints some records again, and the next turn
    /// tells us.
    fn commit(&mut self, client: &mut Client) -> Result<(), Failure> {
        self.committed_at = Instant::now();
        let printed = std::mem::take(&mut self.printed);
        match self.member.commit(client, &printed) {
            Err(error) if has_moved_on(&error) => Ok(()),
            outcome => Ok(outcome?),
        }
    }
}

fn has_moved_on(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::RebalanceInProgress
                | ErrorCode::IllegalGeneration
                | ErrorCode::UnknownMemberId
                | ErrorCode::FencedMemberEpoch
                | ErrorCode::StaleMemberEpoch
        )
    )
}
