//! The broker's process: flags and configuration in, cores running, signals, exit. What a broker does is in `net` and
//! `engine`; this is only how it starts and stops.
//!
//! `flags` → `settings` (checked before anything starts) → `identity` (lock, meta.properties) → `start` (recovery) → `cores`.

mod cores;
mod cpus;
mod descriptors;
mod dry_run;
mod endpoints;
mod flags;
mod identity;
mod logging;
mod settings;
mod signals;
mod sizes;
mod start;

pub use flags::Flags;
pub use start::run;

/// What makes the process end with an error: sentences for a person.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal(pub Vec<String>);

impl Refusal {
    pub fn one(sentence: impl Into<String>) -> Refusal {
        Refusal(vec![sentence.into()])
    }
}
