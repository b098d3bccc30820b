//! The command line of `corelog-sim`. Seeds run on as many threads as the machine has cores; each by itself.

use std::{
    fs,
    ops::Range,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use clap::Parser;

use super::{Report, Run, canary::Canary, run};

/// Simulates one node on a failing disk; every seed is another life of it. Exits 1 with the broken promise and the command that
/// repeats it.
#[derive(Debug, Parser)]
#[command(name = "corelog-sim", version)]
struct Arguments {
    /// One seed.
    #[arg(long, conflicts_with_all = ["seeds", "count"])]
    seed: Option<u64>,
    /// Seeds A..B, B excluded.
    #[arg(long, value_name = "A..B", value_parser = parse_range, conflicts_with = "count")]
    seeds: Option<Range<u64>>,
    /// Seeds 0..COUNT.
    #[arg(long)]
    count: Option<u64>,
    /// Writes one line per event; for one seed. The same seed writes the same bytes.
    #[arg(long, value_name = "FILE", requires = "seed")]
    trace: Option<PathBuf>,
    /// Breaks a rule on purpose: a checker must catch it.
    #[arg(long, value_name = "NAME", value_parser = parse_canary)]
    canary: Option<Canary>,
    /// Names every canary.
    #[arg(long)]
    list_canaries: bool,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.trim().parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    let (from, to) = text.split_once("..").ok_or("write it as A..B")?;
    Ok(number(from)?..number(to)?)
}

fn parse_canary(name: &str) -> Result<Canary, String> {
    Canary::named(name).ok_or_else(|| format!("{name:?} is none: see --list-canaries"))
}

pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list_canaries {
        Canary::ALL.iter().for_each(|canary| println!("{}", canary.name()));
        return ExitCode::SUCCESS;
    }
    // A panic inside a seed is one of its outcomes, told with the seed.
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = match (arguments.seed, arguments.seeds, arguments.count) {
        (Some(seed), ..) => seed..seed.saturating_add(1),
        (_, Some(seeds), _) => seeds,
        (_, _, count) => 0..count.unwrap_or(1000),
    };
    if let Some(path) = arguments.trace {
        return trace(seeds.start, arguments.canary, &path);
    }
    search(seeds, arguments.canary)
}

fn trace(seed: u64, canary: Option<Canary>, path: &PathBuf) -> ExitCode {
    let report = run(Run { seed, canary, traced: true });
    let mut text = report.trace.join("\n");
    text.push('\n');
    if let Err(error) = fs::write(path, text) {
        eprintln!("the trace cannot be written to {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    judge(seed, canary, &report)
}

fn judge(seed: u64, canary: Option<Canary>, report: &Report) -> ExitCode {
    match &report.violation {
        None => {
            println!(
                "seed {seed}: every promise kept through {} starts, {} batches, {} events",
                report.starts, report.batches, report.events
            );
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {seed}: {violation}");
            let canary = canary.map_or(String::new(), |canary| format!(" --canary {}", canary.name()));
            println!("  repeat it: corelog-sim --seed {seed}{canary}");
            ExitCode::FAILURE
        }
    }
}

/// Runs seeds until one fails; the smallest failing one is told.
fn search(seeds: Range<u64>, canary: Option<Canary>) -> ExitCode {
    let started = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicU64::new(u64::MAX);
    let totals = Mutex::new((0u64, 0usize, 0u64));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || seed > failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let report = run(Run { seed, canary, traced: false });
                    if report.violation.is_some() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                    if let Ok(mut totals) = totals.lock() {
                        totals.0 += 1;
                        totals.1 += report.batches;
                        totals.2 += u64::from(report.starts);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    if failed < u64::MAX {
        let report = run(Run { seed: failed, canary, traced: false });
        return judge(failed, canary, &report);
    }
    let (count, batches, starts) = totals.into_inner().unwrap_or_default();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{count} seeds: every promise kept through {starts} starts and {batches} batches, in {seconds:.1} s ({:.0} seeds/s)",
        count as f64 / seconds.max(1e-9)
    );
    ExitCode::SUCCESS
}
