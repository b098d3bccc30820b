//! SIGTERM and SIGINT: the first stops the broker cleanly, the second ends the process at once. Blocked in every thread and
//! taken by one that only waits for them, so no core is ever interrupted.

use std::{io, thread};

use nix::sys::signal::{SigSet, Signal};

/// Blocks the signals for this thread and those it starts. To be called before any other thread exists.
pub fn block() -> io::Result<SigSet> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    Ok(signals)
}

/// Calls `on_first` at the first signal; at the second, ends the process with the code that shells give for it.
pub fn listen(signals: SigSet, on_first: impl FnOnce(Signal) + Send + 'static) -> io::Result<()> {
    let wait = move || {
        if let Ok(first) = signals.wait() {
            on_first(first);
        }
        if let Ok(second) = signals.wait() {
            eprintln!("corelogd: ended at once by a second signal; the next start recovers from the journal");
            std::process::exit(128 + second as i32);
        }
    };
    thread::Builder::new().name("signals".into()).spawn(wait).map(drop)
}
