//! One core's journal: a physical redo log for the segments of the core's partitions, read only at recovery.
//! `format` is the bytes, `layout` where payloads stand, `writer` builds groups, `reader` walks them after a start, `checkpoint` says from where.

pub mod checkpoint;
pub mod format;
pub mod layout;
pub mod reader;
pub mod writer;

#[cfg(test)]
mod tests;
