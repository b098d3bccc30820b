//! The flow of a Produce that takes longer than its client waits (`timeout_ms`): answered in time, with REQUEST_TIMED_OUT. What was
//! placed stays in the log and becomes durable when it does, as in Kafka: who sends it again is answered like any duplicate. What has
//! not been looked at yet is not taken any more.

use super::{
    Shard,
    command::{Produced, Reply},
    produce::{Pending, unanswered},
};
use crate::{
    base::{Deadline, Now},
    error::ErrorCode,
};

/// The earliest of all deadlines, or one that is over already: they are looked at when it comes. Produces are answered in milliseconds
/// and wait for seconds, so a store for each is all that a deadline costs.
#[derive(Debug, Default)]
pub struct Deadlines {
    earliest: Option<Deadline>,
}

impl Deadlines {
    pub fn add(&mut self, deadline: Option<Deadline>) {
        self.earliest = [self.earliest, deadline].into_iter().flatten().min();
    }

    pub fn next(&self) -> Option<Deadline> {
        self.earliest
    }
}

impl Pending {
    /// While a part of it waits for disk space it is not answered: it may yet be refused.
    fn awaited_deadline(&self) -> Option<Deadline> {
        self.deadline.filter(|_| self.open == 0 && !self.is_answered)
    }
}

impl Shard {
    pub(super) fn expire_produces(&mut self, now: Now) {
        if !self.produces.deadlines.next().is_some_and(|earliest| now.reached(earliest)) {
            return;
        }
        let mut late = Vec::new();
        let mut left = Deadlines::default();
        let mut is_late = |deadline: Option<Deadline>| {
            let is_late = deadline.is_some_and(|deadline| now.reached(deadline));
            if !is_late {
                left.add(deadline);
            }
            is_late
        };
        for (_, pending) in &mut self.produces.pending {
            if is_late(pending.awaited_deadline()) {
                pending.is_answered = true;
                late.push((pending.call, std::mem::take(&mut pending.answers)));
            }
        }
        self.produces.stalled.retain(|(call, request)| {
            let is_late = is_late(request.deadline);
            if is_late {
                late.push((*call, request.partitions.iter().map(|_| unanswered()).collect()));
            }
            !is_late
        });
        self.produces.deadlines = left;
        for (call, answers) in late {
            self.reply(call, Reply::Produced(answers.into_iter().map(timed_out).collect()));
        }
    }
}

fn timed_out(answer: Produced) -> Produced {
    if answer.error != ErrorCode::None {
        return answer;
    }
    let message = "not in stable storage within the request's timeout; it may get there later";
    Produced { error: ErrorCode::RequestTimedOut, message: Some(message.into()), ..unanswered() }
}
