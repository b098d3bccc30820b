//! Built by `scripts/fuzz` this is libFuzzer around one target, `CORELOG_FUZZ`; before it begins it writes the target's seeds and
//! kept inputs to the directory `CORELOG_FUZZ_SEEDS`. Built by plain cargo it runs a target once over files, to look at a finding:
//! `corelog-fuzz TARGET FILE…`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(init: fuzz::chosen::prepare(), |input: &[u8]| {
    fuzz::chosen::run(input);
});

#[cfg(not(fuzzing))]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((target, files)) =
        arguments.split_first().and_then(|(name, files)| Some((fuzz::target(name)?, files)))
    else {
        let names: Vec<&str> = fuzz::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: corelog-fuzz TARGET FILE…\ntargets: {}", names.join(" "));
        return std::process::ExitCode::from(2);
    };
    for file in files {
        match std::fs::read(file) {
            Ok(input) => println!("{file}: {:?}", target.run(&input)),
            Err(error) => {
                eprintln!("{file} cannot be read: {error}");
                return std::process::ExitCode::FAILURE;
            }
        }
    }
    std::process::ExitCode::SUCCESS
}
