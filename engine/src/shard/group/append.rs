//! Records of groups on their way into the log, and the answers that wait for them.

use bytes::Bytes;

use super::{INTERNAL, Ticket};
use crate::{
    base::{Deadline, Now, PartitionIndex, Timestamp, TopicPartition},
    error::ErrorCode,
    group::{
        Groups,
        effects::{Effects, Proposal},
        record::GroupRecord,
        request::{self, Caller},
    },
    record::{BatchBuilder, Codec, RecordData},
    shard::{
        Shard,
        command::{Acks, CallId, Produce, ProducePartition, Produced, Reply},
    },
};

/// A call of the coordinator to its own shard.
#[derive(Debug)]
pub(super) enum InFlight {
    Append { partition: PartitionIndex, parked: Vec<u64> },
    Read { partition: PartitionIndex },
}

/// An answer that waits until what it tells of is durable.
#[derive(Debug)]
pub(super) struct Parked {
    caller: Caller,
    reply: request::Reply,
    /// Appends that it still waits for.
    open: usize,
    /// Then it waits no more; the later it was parked, the later that is.
    pub due: Deadline,
}

impl Shard {
    pub(super) fn ticket(&mut self) -> (Ticket, CallId) {
        let number = self.coordinator.next_ticket;
        self.coordinator.next_ticket += 1;
        (Ticket(number), CallId { origin: INTERNAL, number })
    }

    /// Puts the records on their way, then lets the machine take them.
    pub(super) fn append_records(
        &mut self,
        now: Now,
        proposal: Proposal,
    ) -> Result<Effects, (ErrorCode, Effects)> {
        let partition = proposal.partition;
        let last = match self.stage_records(now, partition, &proposal.records) {
            Ok(last) => last,
            Err(code) => return Err((code, self.coordinator.groups.reject(now, proposal, code))),
        };
        let (replies, effects) = self.coordinator.groups.accept(now, proposal);
        for (caller, reply) in replies {
            self.park(now, caller, reply, last.as_slice());
        }
        Ok(effects)
    }

    /// The last of the appends; none for no records. If the first batch is refused, nothing was staged.
    fn stage_records(
        &mut self,
        now: Now,
        partition: PartitionIndex,
        records: &[GroupRecord],
    ) -> Result<Option<Ticket>, ErrorCode> {
        let home = self.coordinator.homes.get(&partition).filter(|home| home.phase.is_read());
        let id = home.ok_or(ErrorCode::NotCoordinator)?.id;
        let (_, found) = self.table.lookup(id).ok_or(ErrorCode::NotCoordinator)?;
        let bytes_max = found.settings.batch_bytes_max.min(self.payload_bytes_max);
        // A group too large to be stored is Kafka's UNKNOWN_SERVER_ERROR: the client must not think that the request was wrong.
        let batches = encode(records, now.wall, bytes_max).ok_or(ErrorCode::UnknownServerError)?;
        let mut last = None;
        for batch in batches {
            let ticket = self.stage_batch(now, id, batch);
            if let Some(code) = self.refused_at_once(ticket) {
                if last.is_some() {
                    // The machine would be ahead of the log, or behind it: it begins anew from the log.
                    self.reload(now, partition);
                }
                return Err(code);
            }
            let append = InFlight::Append { partition, parked: Vec::new() };
            self.coordinator.in_flight.insert(ticket, append);
            if let Some(home) = self.coordinator.homes.get_mut(&partition) {
                home.last_append = Some(ticket);
                home.appends += 1;
            }
            last = Some(ticket);
        }
        Ok(last)
    }

    fn stage_batch(&mut self, now: Now, partition: TopicPartition, records: Bytes) -> Ticket {
        let (ticket, call) = self.ticket();
        let partitions = vec![ProducePartition { partition, records }];
        self.produce(now, call, Produce { acks: Acks::All, deadline: None, partitions });
        ticket
    }

    /// An append that is refused at once is answered within its call.
    fn refused_at_once(&mut self, ticket: Ticket) -> Option<ErrorCode> {
        let (answered, reply) = self.coordinator.answered.back()?;
        let code = match reply {
            Reply::Produced(answers) if *answered == ticket => append_error(answers)?,
            _ => return None,
        };
        self.coordinator.answered.pop_back();
        Some(code)
    }

    /// Answers when these appends are durable: at once if they are.
    pub(super) fn park(&mut self, now: Now, caller: Caller, reply: request::Reply, tickets: &[Ticket]) {
        let number = self.coordinator.next_parked;
        let mut open = 0;
        for ticket in tickets {
            if let Some(InFlight::Append { parked, .. }) = self.coordinator.in_flight.get_mut(ticket) {
                parked.push(number);
                open += 1;
            }
        }
        if open == 0 {
            self.reply_to(caller, reply);
            return;
        }
        let due = now.after_ms(self.coordinator.groups.config().commit_timeout_ms);
        self.coordinator.next_parked += 1;
        self.coordinator.parked.insert(number, Parked { caller, reply, open, due });
    }

    /// Whoever has waited too long is told so, as Kafka tells it. The records stay on their way, and count when they are there.
    pub(super) fn stop_waiting(&mut self, now: Now) {
        for _ in 0..Groups::ALARMS_PER_TURN {
            let Some(first) = self.coordinator.parked.first_entry() else { return };
            if !now.reached(first.get().due) {
                return;
            }
            let Parked { caller, reply, .. } = first.remove();
            self.reply_to(caller, reply.refused(ErrorCode::CoordinatorNotAvailable));
        }
    }

    /// What the shard answered to the coordinator since the last turn. What is answered meanwhile is for the next.
    pub(super) fn take_answers(&mut self, now: Now) {
        for _ in 0..self.coordinator.answered.len() {
            let Some((ticket, reply)) = self.coordinator.answered.pop_front() else { return };
            match (self.coordinator.in_flight.remove(&ticket), reply) {
                (Some(InFlight::Append { partition, parked }), Reply::Produced(answers)) => {
                    self.appended(now, ticket, partition, parked, append_error(&answers));
                }
                (Some(InFlight::Read { partition }), Reply::Fetched(answers)) => {
                    self.loaded_chunk(now, partition, answers);
                }
                // Of a partition that was let go.
                _ => {}
            }
        }
    }

    fn appended(
        &mut self,
        now: Now,
        ticket: Ticket,
        partition: PartitionIndex,
        parked: Vec<u64>,
        error: Option<ErrorCode>,
    ) {
        if let Some(home) = self.coordinator.homes.get_mut(&partition) {
            home.appends -= 1;
            if home.last_append == Some(ticket) {
                home.last_append = None;
            }
        }
        for number in parked {
            let Some(waiting) = self.coordinator.parked.get_mut(&number) else { continue };
            waiting.open -= 1;
            if (waiting.open == 0 || error.is_some())
                && let Some(Parked { caller, reply, .. }) = self.coordinator.parked.remove(&number)
            {
                let reply = match error {
                    Some(code) => reply.refused(code),
                    None => reply,
                };
                self.reply_to(caller, reply);
            }
        }
        if let Some(code) = error {
            tracing::error!(
                partition = partition.0,
                error = %code,
                "records of groups could not be stored: the groups of the partition are read anew from the log"
            );
            self.reload(now, partition);
        }
    }
}

/// As Kafka's coordinator tells it to clients.
fn append_error(answers: &[Produced]) -> Option<ErrorCode> {
    Some(match answers.first().map(|answer| answer.error) {
        Some(ErrorCode::None) => return None,
        Some(ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError) => ErrorCode::NotCoordinator,
        Some(
            ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut,
        ) => ErrorCode::CoordinatorNotAvailable,
        Some(_) | None => ErrorCode::UnknownServerError,
    })
}

/// The records in as few batches as hold them; none if one record is larger than a batch may be.
fn encode(records: &[GroupRecord], now: Timestamp, bytes_max: usize) -> Option<Vec<Bytes>> {
    let mut batches = Vec::new();
    let mut builder = BatchBuilder::new(Codec::None, bytes_max);
    for record in records {
        let (key, value) = (record.encode_key(), record.encode_value());
        let data =
            RecordData { timestamp: now, key: Some(&key), value: value.as_deref(), ..RecordData::default() };
        if !builder.push(data) {
            let full = std::mem::replace(&mut builder, BatchBuilder::new(Codec::None, bytes_max));
            batches.push(full.build().ok()?);
            if !builder.push(data) {
                return None;
            }
        }
        if builder.size() > bytes_max {
            return None;
        }
    }
    if !builder.is_empty() {
        batches.push(builder.build().ok()?);
    }
    Some(batches)
}
