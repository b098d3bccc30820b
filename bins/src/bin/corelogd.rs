//! corelogd: Corelog's broker. Everything is in `bins::corelogd`; this is its `main`.

use bins::corelogd::{Flags, run};
use clap::Parser;

// Buffers of all sizes come and go on every core: mimalloc keeps a heap per thread and gives memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    std::process::exit(run(&Flags::parse()));
}
