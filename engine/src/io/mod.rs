//! The kernel: performs the shard's `Op`s with io_uring and helper threads, and says what the host can do. One set of
//! devices per core. Must never decide anything: what to write where, and what a failure means, is the shard's.

pub mod buffer;
