//! The way from a descriptor's readiness into the executor: one task per core waits for its devices' signal (and one for
//! its bus) and runs a callback. Must never run work of its own: a turn is the shard's.
//!
//! glommio arms a poll on the descriptor of a new `TcpStream`, whatever it is, and reads once the poll fires. On an
//! eventfd that read fails with ENOTSOCK, which here means "readable". A new stream on a duplicate for each wait: that
//! poll is armed at creation only, and a dropped wait cancels its poll without closing the descriptor.
//! Polling the ring's own descriptor instead would hang: a deferred completion is not run until somebody enters the ring.

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd};
use std::pin::Pin;

use futures_lite::io::AsyncRead;
use glommio::io::BufferedFile;

use super::signal::Signal;
use super::socket::adopt;

/// Waits until a descriptor that is not a socket is readable: an eventfd, a signalfd, a pipe. Consumes nothing.
/// Dropping the future ends the wait. Only within a glommio executor.
pub async fn wait_readable(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut stream = adopt(descriptor.try_clone_to_owned()?);
    match poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut [])).await {
        Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => Ok(()),
        Err(error) => Err(error),
        // A socket after all: readable, and no byte was taken.
        Ok(_) => Ok(()),
    }
}

/// Calls `on_raised` after each raise until it breaks. Between two calls every other task of the core has its turn.
/// One read of the eventfd, which io_uring finishes when the signal is raised, is the whole of a wait and of its clearing.
pub async fn run(signal: &Signal, mut on_raised: impl FnMut() -> ControlFlow<()>) -> io::Result<()> {
    let duplicate = signal.as_fd().try_clone_to_owned()?;
    // SAFETY: the duplicate is open and owned by nobody else from here on; the file closes it.
    let counter = unsafe { BufferedFile::from_raw_fd(duplicate.into_raw_fd()) };
    loop {
        // Cleared before the callback looks: what is raised meanwhile is found by the next read.
        counter.read_at(0, COUNTER_BYTES).await.map_err(io::Error::from)?;
        if on_raised().is_break() {
            return Ok(());
        }
    }
}

/// An eventfd is read whole.
const COUNTER_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
    use nix::sys::resource::{UsageWho, getrusage};

    use super::*;
    use crate::io::{Device, RingConfig};
    use crate::limits::BLOCK_BYTES;
    use crate::op::{Class, Done, FileName, Op, OpId, Path};

    fn executor() -> LocalExecutor {
        LocalExecutorBuilder::new(Placement::Unbound).make().expect("executor")
    }

    #[test]
    fn a_hundred_thousand_ops_come_back_through_the_executor_and_none_is_lost() {
        const OPS: u64 = 100_000;
        const AT_ONCE: u64 = 16;
        let directory = tempfile::tempdir().expect("tempdir");
        let file = FileName::new("data");
        let read = |id: u64| Op::Read {
            file: FileName::new("data"),
            position: id % 16 * BLOCK_BYTES as u64,
            length: BLOCK_BYTES as u32,
            path: if id.is_multiple_of(2) { Path::Buffered } else { Path::Direct },
            class: if id.is_multiple_of(3) { Class::Latency } else { Class::Bulk },
        };
        executor().run(async move {
            let mut device = Device::open(&RingConfig::default(), directory.path(), None).expect("device");
            device.perform(vec![Op::Fill { file, size: 16 * BLOCK_BYTES as u64 }]);
            let signal = device.signal().clone();
            for id in 0..AT_ONCE {
                device.push(OpId(id), read(id));
            }
            device.submit();
            let (mut pushed, mut done, mut out) = (AT_ONCE, 0, Vec::new());
            let mut seen = vec![false; OPS as usize];
            run(&signal, || {
                device.drain(&mut out);
                for (id, outcome) in out.drain(..) {
                    assert!(matches!(outcome, Done::Read(bytes) if bytes.len() == BLOCK_BYTES));
                    assert!(!std::mem::replace(&mut seen[id.0 as usize], true));
                    done += 1;
                    if pushed < OPS {
                        device.push(OpId(pushed), read(pushed));
                        pushed += 1;
                    }
                }
                device.submit();
                if done == OPS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await
            .expect("pump");
            assert!(seen.iter().all(|seen| *seen) && device.in_flight() == 0);
        });
    }

    #[test]
    fn every_raise_of_another_thread_is_followed_by_a_call() {
        const RAISES: u64 = 20_000;
        let (signal, answer) = (Signal::new().expect("eventfd"), Signal::new().expect("eventfd"));
        let (there, back) = (signal.clone(), answer.clone());
        // Each raise waits for the answer to the one before: a lost one stops both sides.
        let raiser = std::thread::spawn(move || {
            (0..RAISES)
                .take_while(|_| {
                    there.raise();
                    let answered = back.wait_blocking(Some(Duration::from_secs(20))).unwrap_or(false);
                    back.clear();
                    answered
                })
                .count() as u64
        });
        let calls = executor().run(async move {
            let mut calls = 0;
            run(&signal, || {
                calls += 1;
                answer.raise();
                if calls == RAISES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await
            .expect("pump");
            calls
        });
        assert_eq!((calls, raiser.join().expect("thread")), (RAISES, RAISES));
    }

    #[test]
    fn waiting_costs_next_to_no_cpu_and_a_dropped_wait_leaves_no_descriptor_behind() {
        let descriptors = || std::fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap_or(0);
        executor().run(async {
            let signal = Signal::new().expect("eventfd");
            let before = descriptors();
            for _ in 0..200 {
                let wait = wait_readable(signal.as_fd());
                let nothing = async {
                    glommio::executor().yield_task_queue_now().await;
                    Ok(())
                };
                futures_lite::future::race(wait, nothing).await.expect("race");
            }
            // Other tests run beside this one: allow theirs.
            assert!(descriptors() < before + 150, "waits leak descriptors");

            let cpu = || {
                let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("rusage");
                let time = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
                time(usage.user_time()) + time(usage.system_time())
            };
            let woken = Rc::new(Cell::new(false));
            let waiter = glommio::spawn_local({
                let (signal, woken) = (signal.clone(), woken.clone());
                async move {
                    wait_readable(signal.as_fd()).await.expect("wait");
                    woken.set(true);
                }
            });
            let started = cpu();
            glommio::timer::Timer::new(Duration::from_millis(300)).await;
            assert!(!woken.get());
            assert!(cpu() - started < 0.1, "an idle wait burnt {} s in 0.3 s", cpu() - started);
            signal.raise();
            waiter.await;
            assert!(woken.get());
        });
    }

    #[test]
    fn a_busy_signal_starves_no_other_task() {
        executor().run(async {
            let signal = Signal::new().expect("eventfd");
            signal.raise();
            let order = Rc::new(RefCell::new(Vec::new()));
            let other = glommio::spawn_local({
                let order = order.clone();
                async move { order.borrow_mut().push("other") }
            });
            let deadline = Instant::now() + Duration::from_secs(20);
            run(&signal, || {
                signal.raise();
                let over = !order.borrow().is_empty() || Instant::now() > deadline;
                if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await
            .expect("pump");
            other.await;
            assert_eq!(*order.borrow(), ["other"]);
            assert!(Instant::now() < deadline);
        });
    }
}
