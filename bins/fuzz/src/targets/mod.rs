//! The list of targets, one file each.

mod batch;
mod canary;
mod codec;
mod compact;
mod frame;
mod groups;
mod index;
mod journal;
mod metadata;
mod properties;

use crate::{Target, seeds};

pub use codec::{Direction, input as codec_input};

const MIB: usize = 1 << 20;

macro_rules! targets {
    ($($name:ident: $bytes_max:expr, $per_byte:expr;)*) => {
        pub const TARGETS: &[Target] = &[$(Target {
            name: stringify!($name),
            run: $name::run,
            bytes_max: $bytes_max,
            bytes_max_per_byte: $per_byte,
            seeds: seeds::$name,
            kept: include_str!(concat!("../../corpus/", stringify!($name), ".txt")),
        },)*];
    };
}

// An element of one byte on the wire is at most some hundred bytes in memory, and is read three times. The decompressors have
// windows and blocks of their own, of up to 8 MiB each time, and expand to what the target allows them.
targets! {
    frame: MIB, 2048;
    codec: MIB, 2048;
    batch: 256 * MIB, 1024;
    compact: 256 * MIB, 1024;
    index: MIB, 4096;
    journal: 16 * MIB, 4096;
    metadata: MIB, 4096;
    groups: 16 * MIB, 8192;
    properties: 4 * MIB, 4096;
    canary: MIB, 1;
}
