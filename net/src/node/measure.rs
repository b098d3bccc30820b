//! What one core counts about its turns, and the completion of a snapshot by everybody who counts on this core. Lives on
//! one core.

use std::cell::RefCell;

use engine::{
    metrics::{Figures, Histogram, NANOSECONDS_FINE},
    shard::{command::Reply, measure::QUEUES},
};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};

use super::Node;

engine::metrics! {
    TURN_SECONDS: "corelog_core_turn_seconds" Histogram Seconds Core
        "Time of one turn: completions, messages, deadlines, group commit, submission.";
    CPU_SECONDS: "corelog_core_cpu_seconds_total" Counter Seconds Core
        "CPU time of a core's thread: its rate is the core's utilisation.";
    ZERO_COPY_BYTES: "corelog_zero_copy_bytes_total" Counter One Core
        "Bytes of answers that were lent to the kernel to be sent from memory, and those of them that it had to copy after all.";
}

/// Adds what somebody on this core has counted.
pub type Observer = Box<dyn Fn(&mut Figures)>;

pub(super) struct Measures {
    turn_ns: RefCell<Histogram>,
    observers: RefCell<Vec<Observer>>,
}

impl Default for Measures {
    fn default() -> Measures {
        Measures { turn_ns: RefCell::new(Histogram::new(NANOSECONDS_FINE)), observers: RefCell::default() }
    }
}

impl Measures {
    pub(super) fn turned(&self, ns: u64) {
        self.turn_ns.borrow_mut().record(ns);
    }
}

impl Node {
    /// Has `observer` asked whenever this core's figures are.
    pub fn observe(&self, observer: Observer) {
        self.measures.observers.borrow_mut().push(observer);
    }

    /// Completes the figures that this core's shard answers with; those of other cores are complete.
    pub(super) fn complete_figures(&self, reply: &mut Reply, bus_queued: usize) {
        let Reply::Measured(figures) = reply else { return };
        if figures.core != self.core {
            return;
        }
        figures.histogram(&TURN_SECONDS, Vec::new(), &self.measures.turn_ns.borrow());
        if let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) {
            let time = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
            figures.number(&CPU_SECONDS, Vec::new(), time.unsigned_abs() * 1000);
        }
        for (queue, length) in [("bus", bus_queued), ("calls", self.calls_in_flight())] {
            figures.number(&QUEUES, vec![("queue", queue.into())], length as u64);
        }
        self.loans.borrow().measure(figures);
        self.steps.measure(figures);
        for observer in self.measures.observers.borrow().iter() {
            observer(figures);
        }
    }
}
