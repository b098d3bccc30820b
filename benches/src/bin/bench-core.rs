//! Prints what one core's device and bus do on this machine. Argument: a directory on the disk to measure (default: the
//! temporary directory).

use benches::devices::{JournalLoad, journal_writes, small_files};
use benches::messages;

fn main() {
    let base = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let fresh = || tempfile::tempdir_in(&base).expect("a directory on the disk to measure");
    let loads = [
        JournalLoad { writes: 5_000, write_bytes: 4 << 10, in_flight: 1, beside_flush: false },
        JournalLoad { writes: 5_000, write_bytes: 4 << 10, in_flight: 8, beside_flush: false },
        JournalLoad { writes: 4_000, write_bytes: 256 << 10, in_flight: 1, beside_flush: false },
        JournalLoad { writes: 8_000, write_bytes: 256 << 10, in_flight: 8, beside_flush: false },
        JournalLoad { writes: 5_000, write_bytes: 4 << 10, in_flight: 1, beside_flush: true },
    ];
    for load in loads {
        let latency = journal_writes(fresh().path(), load);
        println!(
            "journal {:>4} KiB, {} in flight{}: median {:?}, p99 {:?}, worst {:?}, {:.0} MB/s",
            load.write_bytes >> 10,
            load.in_flight,
            if load.beside_flush { ", beside a flush" } else { "" },
            latency.median,
            latency.p99,
            latency.worst,
            latency.bytes_per_second / 1e6
        );
    }
    let [create, write, read] = small_files(fresh().path(), 30_000);
    println!("30,000 small files: create {create:?}, write {write:?}, read {read:?}");
    for burst in [1, 32] {
        let rate = messages::throughput(3_000_000, burst);
        println!("bus, bursts of {burst}: {:.1} M messages/s", rate / 1e6);
    }
    println!("bus, one round between two sleepers: {:?}", messages::round_trip(50_000));
}
