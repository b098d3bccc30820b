//! `cargo run --release -p corelog-benches --bin wire`: what the codec costs on this machine.

use std::time::Duration;

fn main() {
    for line in benches::wire::run(Duration::from_millis(200)) {
        println!("{:<44} {:>10.2?} {:>10} bytes", line.name, line.each, line.bytes);
    }
}
