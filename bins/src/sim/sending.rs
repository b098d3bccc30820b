//! Answers on their way to clients: what is in memory is there at once, what is in a file is read from it when it is sent, later.
//! Lives in the simulator.

use bytes::Bytes;
use engine::shard::command::{CallId, RecordRange, Reply};

use super::{
    checkers::{Verdict, ranges},
    plan::MILLISECOND,
    world::{Event, World},
};

impl World {
    /// An answer leaves the broker.
    pub fn leaves(&mut self, call: CallId, reply: Reply) -> Verdict {
        let were: Vec<_> = ranges_of(&reply).map(|range| self.disk.range(&range.bytes).to_vec()).collect();
        if were.is_empty() {
            return self.answered(call, reply);
        }
        let after = self.random.u64(0..2 * MILLISECOND);
        self.schedule(after, Event::Sent { call, reply, were });
        Ok(())
    }

    /// The last of it is sent: the client got what the files hold now.
    pub fn sent(&mut self, call: CallId, mut reply: Reply, were: &[Vec<u8>]) -> Verdict {
        let Reply::Fetched(answers) = &mut reply else { return Ok(()) };
        let in_files = answers.iter_mut().filter(|answer| answer.range.is_some());
        for (answer, was) in in_files.zip(were) {
            let Some(range) = answer.range.take() else { continue };
            let is = self.disk.range(&range.bytes);
            ranges::sent(range.bytes.length, was, is)?;
            answer.records = vec![Bytes::copy_from_slice(is)];
        }
        self.answered(call, reply)
    }
}

fn ranges_of(reply: &Reply) -> impl Iterator<Item = &RecordRange> {
    let answers = if let Reply::Fetched(answers) = reply { &answers[..] } else { &[] };
    answers.iter().filter_map(|answer| answer.range.as_ref())
}
