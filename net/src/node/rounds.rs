//! When the executor looks for I/O. It does where no task is left to run; tasks that keep each other going, or come back
//! without waiting, are held back here once their round has lasted `ROUND_NS`. A round is what runs between two such looks.
//!
//! glommio has a preemption timer for this, which the cores set beyond all time: where it is over before the first task of
//! a round has begun, because the thread did not run meanwhile, glommio takes the round for empty and sleeps until some other
//! event comes, its tasks waiting. At a start none comes. Besides, each round would set the host's timer anew.

use std::{cell::Cell, future::Future, pin::Pin, task::Context, time::Duration};

use glommio::timer::Timer;

use crate::limits;

/// Longer than any process lives.
pub const NO_PREEMPTION: Duration = Duration::from_secs(10 * 365 * 86_400);

#[derive(Default)]
pub(super) struct Rounds {
    begun_ns: Cell<u64>,
}

impl Rounds {
    /// Is it time to look for I/O? Then the task whose context it is shall wait; it is woken after the look, through `held`.
    pub(super) fn hold(&self, held: &mut Option<Timer>, now_ns: u64, context: &mut Context<'_>) -> bool {
        // Counted by glommio: queues begun, since it was asked last. There is one queue, and between its runs is a look for I/O.
        if glommio::executor().executor_stats().scheduler_runs() > 0 {
            self.begun_ns.set(now_ns);
        }
        let is_over = now_ns.saturating_sub(self.begun_ns.get()) > limits::ROUND_NS;
        *held = is_over.then(|| after_look(context));
        is_over
    }
}

/// A timer that is over already, where glommio looks for I/O: a new one would not wait at all.
fn after_look(context: &mut Context<'_>) -> Timer {
    let mut timer = Timer::new(NO_PREEMPTION);
    let polled = Pin::new(&mut timer).poll(context);
    debug_assert!(polled.is_pending());
    timer.reset(Duration::ZERO);
    timer
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::poll_fn, rc::Rc, task::Poll, time::Instant};

    use glommio::{LocalExecutorBuilder, Placement};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn tasks_that_come_back_at_once_keep_nobody_from_io() {
        let executor =
            LocalExecutorBuilder::new(Placement::Unbound).preempt_timer(NO_PREEMPTION).make().unwrap();
        executor.run(async {
            let (rounds, woken) = (Rc::new(Rounds::default()), Rc::new(Cell::new(false)));
            let begun = Instant::now();
            let busy = [(); 3].map(|()| {
                let (rounds, woken, mut held) = (rounds.clone(), woken.clone(), None);
                glommio::spawn_local(poll_fn(move |context| {
                    let now_ns = begun.elapsed().as_nanos() as u64;
                    if !rounds.hold(&mut held, now_ns, context) {
                        if woken.get() || begun.elapsed() > PATIENCE {
                            return Poll::Ready(());
                        }
                        context.waker().wake_by_ref();
                    }
                    Poll::Pending
                }))
            });
            let sleeper = glommio::spawn_local(async move {
                Timer::new(Duration::from_millis(20)).await;
                woken.set(true);
            });
            for task in busy {
                task.await;
            }
            assert!(begun.elapsed() < PATIENCE, "who waits for I/O waits as long as others are busy");
            sleeper.await;
        });
    }
}
