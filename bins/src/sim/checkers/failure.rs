//! A failing device is met as designed: without a fault no shard fails, no start is refused and no partition goes offline; with one,
//! whoever stops says why.

use super::{Promise, Verdict};

/// A shard says that the process must stop.
pub fn stopped(sentence: &str, faults: u64) -> Verdict {
    Promise::FailureContained
        .holds(faults > 0, || format!("a shard stops although no device failed: {sentence}"))?;
    Promise::FailureContained.holds(sentence.len() > 20 && sentence.contains(' '), || {
        format!("a shard stops and does not say why: {sentence:?}")
    })
}

/// A start is refused: for an Op that failed, or for damage of the journal, which it tells.
pub fn start_refused(sentence: &str, faults: u64, rotten: bool) -> Verdict {
    let damage = sentence.contains("damaged") || sentence.contains("missing");
    Promise::FailureContained.holds(faults > 0 || rotten && damage, || {
        format!("a start is refused although no device failed: {sentence}")
    })
}

/// A command is answered with an error that only a failing device explains.
pub fn storage_error(what: &str, faults: u64) -> Verdict {
    Promise::FailureContained
        .holds(faults > 0, || format!("{what} is answered with a storage error although no device failed"))
}
