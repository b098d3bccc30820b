//! The kernel: performs the shard's `Op`s with io_uring and helper threads, and says what the host can do. One set of
//! devices per core. Must never decide anything: what to write where, and what a failure means, is the shard's.
//!
//! `device` is the door; `pump` carries its completions into the executor; `lock`, `host` and `clock` serve the start.

pub mod arena;
pub mod buffer;
pub mod clock;
pub mod device;
mod disk;
mod files;
mod flight;
pub mod host;
pub mod journal;
pub mod limits;
pub mod lock;
mod mount;
mod pipe;
mod pool;
pub mod pump;
pub mod ring;
mod root;
pub mod sends;
pub mod signal;
pub mod socket;
pub mod space;
pub mod storage;
pub mod tuning;
mod worker;
pub mod zero_copy;

pub use buffer::{AlignedBuf, is_aligned};
pub use clock::Clock;
pub use device::Device;
pub use ring::RingConfig;
pub use signal::Signal;
