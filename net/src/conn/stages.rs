//! The times of a connection's requests: read → started (queue), started → answered (handle), answered → given to the kernel
//! (send). Lives on one core.

use std::collections::VecDeque;

use super::{Serve, Told};

/// A request's kind, as whoever answers it numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub u8);

/// A stage that a request has left behind it. Durations are in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub enum Passed<'a> {
    Queue {
        ns: u64,
        request_bytes: usize,
    },
    /// `ns` without the waiting in `told`.
    Handle {
        ns: u64,
        response_bytes: usize,
        told: &'a Told,
    },
    Send {
        ns: u64,
    },
}

/// What is known of a request between its start and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    pub kind: Kind,
    since_ns: u64,
}

#[derive(Default)]
pub struct Stages {
    /// When the frames that wait were read.
    read_ns: u64,
    /// Bytes of answers ever queued and ever sent.
    queued_bytes: u64,
    sent_bytes: u64,
    /// Answers not wholly sent: where each ends in the stream, and since when it waits.
    sending: VecDeque<(u64, Begun)>,
}

impl Stages {
    /// Frames were read; those before them are started.
    pub fn read(&mut self, now_ns: u64) {
        self.read_ns = now_ns;
    }

    pub fn started<S: Serve>(&self, serve: &S, kind: Kind, request_bytes: usize) -> Begun {
        let since_ns = serve.clock_ns();
        let ns = since_ns.saturating_sub(self.read_ns);
        serve.passed(kind, Passed::Queue { ns, request_bytes });
        Begun { kind, since_ns }
    }

    /// Answered, with so many bytes that are now queued.
    pub fn answered<S: Serve>(&mut self, serve: &S, begun: Begun, bytes: usize, told: &Told) {
        let now_ns = serve.clock_ns();
        let ns = now_ns.saturating_sub(begun.since_ns).saturating_sub(told.waited_ns);
        serve.passed(begun.kind, Passed::Handle { ns, response_bytes: bytes, told });
        if bytes > 0 {
            self.queued_bytes += bytes as u64;
            self.sending.push_back((self.queued_bytes, Begun { since_ns: now_ns, ..begun }));
        }
    }

    /// So many bytes left.
    pub fn sent<S: Serve>(&mut self, serve: &S, bytes: usize) {
        self.sent_bytes += bytes as u64;
        let mut now_ns = None;
        while let Some(&(end, begun)) = self.sending.front()
            && end <= self.sent_bytes
        {
            let now_ns = *now_ns.get_or_insert_with(|| serve.clock_ns());
            serve.passed(begun.kind, Passed::Send { ns: now_ns.saturating_sub(begun.since_ns) });
            self.sending.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        io,
        os::fd::AsRawFd,
        rc::Rc,
        task::Waker,
    };

    use bytes::Bytes;
    use engine::{base::CoreId, op::FileRange};

    use super::*;
    use crate::conn::{Extent, Peer, SendRange, Started};

    #[derive(Default)]
    struct Clock {
        ns: Cell<u64>,
        passed: RefCell<Vec<(u8, &'static str, u64)>>,
    }

    impl Serve for Clock {
        fn start(self: &Rc<Self>, _: Peer, _: Bytes) -> (Started, usize) {
            unreachable!("nothing is started here")
        }

        fn admits(&self, _: &Waker) -> bool {
            true
        }

        fn core(&self) -> CoreId {
            CoreId(0)
        }

        fn mono_ns(&self) -> u64 {
            self.ns.get()
        }

        fn clock_ns(&self) -> u64 {
            self.ns.get()
        }

        fn kind(&self, _: &Bytes) -> Kind {
            Kind(0)
        }

        fn extent(&self, _: Kind) -> Extent {
            Extent::Bounded
        }

        fn send_range(&self, _: &FileRange, _: &dyn AsRawFd) -> io::Result<Box<dyn SendRange>> {
            unreachable!("nothing is sent here")
        }

        fn passed(&self, kind: Kind, passed: Passed<'_>) {
            let (stage, ns) = match passed {
                Passed::Queue { ns, .. } => ("queue", ns),
                Passed::Handle { ns, .. } => ("handle", ns),
                Passed::Send { ns } => ("send", ns),
            };
            self.passed.borrow_mut().push((kind.0, stage, ns));
        }
    }

    #[test]
    fn a_stage_lasts_from_the_end_of_the_one_before_and_a_send_until_its_last_byte() {
        let clock = Clock::default();
        let mut stages = Stages::default();
        stages.read(0);
        clock.ns.set(5);
        let first = stages.started(&clock, Kind(1), 10);
        clock.ns.set(7);
        let second = stages.started(&clock, Kind(2), 10);
        clock.ns.set(20);
        stages.answered(&clock, first, 100, &Told { waited_ns: 4, ..Told::default() });
        stages.answered(&clock, second, 50, &Told::default());
        clock.ns.set(21);
        stages.sent(&clock, 99);
        clock.ns.set(30);
        stages.sent(&clock, 1);
        clock.ns.set(40);
        stages.sent(&clock, 50);
        let expected = [
            (1, "queue", 5),
            (2, "queue", 7),
            (1, "handle", 11),
            (2, "handle", 13),
            (1, "send", 10),
            (2, "send", 20),
        ];
        assert_eq!(*clock.passed.borrow(), expected);
    }

    #[test]
    fn an_answer_without_bytes_is_never_sent() {
        let clock = Clock::default();
        let mut stages = Stages::default();
        let begun = stages.started(&clock, Kind(1), 10);
        stages.answered(&clock, begun, 0, &Told::default());
        stages.sent(&clock, 10);
        assert_eq!(clock.passed.borrow().len(), 2);
    }
}
