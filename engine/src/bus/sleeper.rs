//! Who sleeps, and who has to wake whom: flags that two cores share. No message passes here.
//!
//! Two races, one pattern. A core announces (`asleep`), then looks at what it would miss (its rings); the other core
//! changes the ring, then looks at the announcement. A SeqCst fence between the two steps on both sides: at least one of
//! them sees the other's first step, so either the sleeper stays awake or the other one wakes it.

use std::sync::atomic::{AtomicBool, Ordering, fence};

use crate::io::Signal;

/// One core's sleep. On cache lines of its own: other cores read it each turn.
#[repr(align(128))]
pub(super) struct Sleeper {
    asleep: AtomicBool,
    pub(super) signal: Signal,
}

impl Sleeper {
    pub(super) fn new(signal: Signal) -> Sleeper {
        Sleeper { asleep: AtomicBool::new(false), signal }
    }

    /// First step of the sleeper; a fence (see `settle`) and a look at the rings must follow.
    pub(super) fn announce(&self) {
        self.asleep.store(true, Ordering::Relaxed);
    }

    pub(super) fn stay_awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Last step of the other side, after its change and a fence. Many may wake at once; one of them pays for it.
    pub(super) fn wake(&self) {
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::AcqRel) {
            self.signal.raise();
        }
    }
}

/// Whether the sender of one ring waits for room in it.
#[repr(align(128))]
#[derive(Default)]
pub(super) struct Shortage(AtomicBool);

impl Shortage {
    pub(super) fn announce(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was announced; taken back by this call.
    pub(super) fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::AcqRel)
    }
}

/// Between the first and the second step, on both sides.
pub(super) fn settle() {
    fence(Ordering::SeqCst);
}
