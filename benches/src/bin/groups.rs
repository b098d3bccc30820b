//! `cargo run --release -p corelog-benches --bin groups`: what groups and compaction cost one core of this machine.

fn main() {
    for line in benches::groups::run(benches::groups::Sizes::FULL) {
        println!("{line}");
    }
}
