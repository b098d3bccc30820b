//! How long the steps of a core's tasks hold it: wall time of every step, and how much of it was CPU time. Everybody else on
//! the core waits meanwhile. A step is one poll of a task. Lives on one core.
//!
//! The thread's CPU clock is a system call of about 0.3 µs, ten times the monotonic clock. It is read at most once in
//! `STEP_LONG_NS` before a step and once after each step that took longer than that: a shorter one counts as if all of it
//! were CPU time, and the CPU time of a longer one is told too high by less than `STEP_LONG_NS`, never too low.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    rc::Rc,
    task::Poll,
};

use engine::{
    base::CoreId,
    io::clock,
    metrics::{Figures, Histogram, NANOSECONDS},
};

use super::{Node, load::Load};
use crate::limits;

engine::metrics! {
    STEP_CPU_SECONDS: "corelog_core_step_cpu_seconds" Histogram Seconds Core
        "CPU time of one step of a task, by task: turn, connection, accept, sweep, operator. At most 100 µs too high.";
    STEP_SECONDS: "corelog_core_step_seconds" Histogram Seconds Core
        "Wall time of one step of a task, by task: all others on the core wait meanwhile.";
}

/// Whose step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The shard's turns.
    Turn,
    Connection,
    Accept,
    Sweep,
    /// The operators' HTTP.
    Operator,
}

const NAMES: [&str; 5] = ["turn", "connection", "accept", "sweep", "operator"];

pub(super) struct Steps {
    times: [RefCell<Times>; NAMES.len()],
    cpu_read: Cell<CpuRead>,
    load: RefCell<Load>,
    said: Cell<Option<u64>>,
    unsaid: Cell<u64>,
}

struct Times {
    wall_ns: Histogram,
    cpu_ns: Histogram,
}

/// The thread's CPU clock as last read, and when that was.
#[derive(Clone, Copy, Default)]
struct CpuRead {
    cpu_ns: u64,
    at_ns: u64,
}

impl Default for Steps {
    fn default() -> Steps {
        let times = || Times { wall_ns: Histogram::new(NANOSECONDS), cpu_ns: Histogram::new(NANOSECONDS) };
        Steps {
            times: [(); NAMES.len()].map(|()| RefCell::new(times())),
            cpu_read: Cell::default(),
            load: RefCell::default(),
            said: Cell::default(),
            unsaid: Cell::default(),
        }
    }
}

impl Steps {
    fn begin(&self, now_ns: u64, cpu_ns: impl FnOnce() -> u64) {
        if now_ns.saturating_sub(self.cpu_read.get().at_ns) > limits::STEP_LONG_NS {
            self.cpu_read.set(CpuRead { cpu_ns: cpu_ns(), at_ns: now_ns });
        }
    }

    /// The step's CPU time.
    fn end(&self, task: Task, begun_ns: u64, now_ns: u64, cpu_ns: impl FnOnce() -> u64) -> u64 {
        let wall_ns = now_ns.saturating_sub(begun_ns);
        self.load.borrow_mut().add(now_ns, wall_ns);
        let mut spent_ns = wall_ns;
        if wall_ns > limits::STEP_LONG_NS {
            let read = CpuRead { cpu_ns: cpu_ns(), at_ns: now_ns };
            spent_ns = wall_ns.min(read.cpu_ns.saturating_sub(self.cpu_read.replace(read).cpu_ns));
        }
        let mut times = self.times[task as usize].borrow_mut();
        times.wall_ns.record(wall_ns);
        times.cpu_ns.record(spent_ns);
        spent_ns
    }

    pub(super) fn takes_connection(&self, now_ns: u64) -> bool {
        self.load.borrow_mut().take_one(now_ns)
    }

    /// Shall this stall be said? Then how many were not said since the last that was.
    fn admit(&self, now_ns: u64) -> Option<u64> {
        if self.said.get().is_some_and(|then| now_ns.saturating_sub(then) < limits::STALL_COMPLAINT_NS) {
            self.unsaid.set(self.unsaid.get() + 1);
            return None;
        }
        self.said.set(Some(now_ns));
        Some(self.unsaid.take())
    }

    fn complain(&self, core: CoreId, task: Task, cpu_ns: u64, begun_ns: u64, now_ns: u64) {
        let Some(unsaid) = self.admit(now_ns) else { return };
        let (name, ms) = (NAMES[task as usize], |ns: u64| ns as f64 / 1e6);
        let wall_ms = ms(now_ns.saturating_sub(begun_ns));
        tracing::warn!(
            "core {core} was held by one step of {name} for {:.1} ms of CPU time, {wall_ms:.1} ms in all: others on it \
             waited; {unsaid} more like it since the last such line",
            ms(cpu_ns)
        );
    }

    pub(super) fn measure(&self, out: &mut Figures) {
        for (name, times) in NAMES.into_iter().zip(&self.times) {
            let times = times.borrow();
            out.histogram(&STEP_CPU_SECONDS, vec![("task", name.into())], &times.cpu_ns);
            out.histogram(&STEP_SECONDS, vec![("task", name.into())], &times.wall_ns);
        }
    }
}

impl Node {
    /// Runs a task of this core, its steps timed.
    pub fn timed<F: Future>(
        self: &Rc<Self>,
        task: Task,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let node = self.clone();
        // Boxed: inside an async block the future would have room twice.
        let mut future = Box::pin(future);
        let mut held = None;
        poll_fn(move |cx| {
            let steps = &node.steps;
            let begun_ns = node.clock_ns();
            if node.rounds.hold(&mut held, begun_ns, cx) {
                return Poll::Pending;
            }
            steps.begin(begun_ns, clock::thread_cpu_ns);
            let polled = future.as_mut().poll(cx);
            let now_ns = node.clock_ns();
            let cpu_ns = steps.end(task, begun_ns, now_ns, clock::thread_cpu_ns);
            if cpu_ns > limits::STALL_NS {
                steps.complain(node.core, task, cpu_ns, begun_ns, now_ns);
            }
            polled
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: u64 = limits::STEP_LONG_NS;

    fn sums(steps: &Steps, task: Task) -> (u64, u64) {
        let times = steps.times[task as usize].borrow();
        (times.cpu_ns.sum(), times.wall_ns.sum())
    }

    #[test]
    fn a_short_step_reads_no_cpu_clock_where_it_was_read_lately() {
        let steps = Steps::default();
        steps.begin(10 * LONG, || 7);
        for begun in [10 * LONG, 10 * LONG + 50, 11 * LONG] {
            steps.begin(begun, || panic!("read again"));
            assert_eq!(steps.end(Task::Turn, begun, begun + 40, || panic!("read after a short step")), 40);
        }
        assert_eq!(sums(&steps, Task::Turn), (120, 120));
        assert_eq!(sums(&steps, Task::Connection), (0, 0));
    }

    #[test]
    fn a_long_step_counts_what_its_thread_ran_and_no_more_than_it_lasted() {
        let steps = Steps::default();
        // The thread ran for 3 of 10: it was preempted, or waited for a page.
        steps.begin(5 * LONG, || 1000);
        assert_eq!(steps.end(Task::Connection, 5 * LONG, 15 * LONG, || 1000 + 3 * LONG), 3 * LONG);
        // The clock read after it serves the next, which another short step came before: what that ran counts too, up to the wall time.
        steps.begin(15 * LONG + 900, || panic!("read again"));
        let ran = 1000 + 5 * LONG + 900;
        assert_eq!(steps.end(Task::Turn, 15 * LONG + 900, 17 * LONG + 900, || ran), 2 * LONG);
        assert_eq!(sums(&steps, Task::Connection), (3 * LONG, 10 * LONG));
    }

    #[test]
    fn stalls_are_said_once_in_a_while_and_the_others_counted() {
        let steps = Steps::default();
        let every = limits::STALL_COMPLAINT_NS;
        assert_eq!(steps.admit(0), Some(0));
        assert_eq!((steps.admit(1), steps.admit(every - 1)), (None, None));
        assert_eq!(steps.admit(every), Some(2));
        assert_eq!(steps.admit(2 * every), Some(0));
    }
}
