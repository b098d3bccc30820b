//! Prints what one core's device and bus do on this machine. Argument: a directory on the disk to measure (default: the
//! temporary directory).

use benches::devices::{JournalLoad, Space, journal_writes, small_files};
use benches::messages;

fn main() {
    let base = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let fresh = || tempfile::tempdir_in(&base).expect("a directory on the disk to measure");
    let load = |writes, kib: usize, in_flight| JournalLoad {
        writes,
        write_bytes: kib << 10,
        in_flight,
        into: Space::Written,
        beside_flush: false,
    };
    let loads = [
        load(5_000, 4, 1),
        load(5_000, 4, 8),
        load(4_000, 256, 1),
        load(8_000, 256, 8),
        load(2_000, 512, 2),
        JournalLoad { into: Space::Allocated, ..load(2_000, 512, 2) },
        JournalLoad { beside_flush: true, ..load(5_000, 4, 1) },
    ];
    for load in loads {
        let latency = journal_writes(fresh().path(), load);
        println!(
            "journal {:>4} KiB, {} in flight{}{}: median {:?}, p99 {:?}, worst {:?}, {:.0} MB/s",
            load.write_bytes >> 10,
            load.in_flight,
            if load.into == Space::Allocated { ", into space only allocated" } else { "" },
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
