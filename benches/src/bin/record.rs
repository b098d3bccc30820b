//! `cargo run --release -p corelog-benches --bin record`: what the record batch costs on this machine.

use std::time::Duration;

fn main() {
    for line in benches::record::run(Duration::from_millis(200)) {
        println!("{:<32} {:>10.2?} {:>8.2} GB/s", line.name, line.each, line.gigabytes_per_second());
    }
}
