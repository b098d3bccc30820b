//! Ctrl-C and SIGTERM for the commands that run long: the first asks for a clean end, the second ends the process. Waited
//! for by a thread of its own, so no system call of the command is cut short.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use super::failure::Failure;

#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicI32>);

impl Interrupt {
    /// To be called before the process has other threads: they inherit that the signals are blocked.
    pub fn listen() -> Result<Interrupt, Failure> {
        let failed = |error| Failure::Failed(format!("cannot wait for signals: {error}"));
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().map_err(failed)?;
        let interrupt = Interrupt::default();
        let flag = interrupt.0.clone();
        thread::spawn(move || {
            if let Ok(first) = signals.wait() {
                flag.store(first as i32, Ordering::Relaxed);
            }
            if let Ok(second) = signals.wait() {
                let _ = writeln!(io::stderr(), "corelog: ended at once by a second signal");
                std::process::exit(128 + second as i32);
            }
        });
        Ok(interrupt)
    }

    pub fn signal(&self) -> Option<Signal> {
        Signal::try_from(self.0.load(Ordering::Relaxed)).ok()
    }
}
