//! The one target that a fuzzing process runs, by its environment.

use std::sync::OnceLock;
use std::{env, fs};

use crate::{Target, corpus, target};

static CHOSEN: OnceLock<&Target> = OnceLock::new();

fn chosen() -> &'static Target {
    CHOSEN.get_or_init(|| {
        let name = env::var("CORELOG_FUZZ").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("CORELOG_FUZZ={name} is no target"))
    })
}

/// Before the fuzzer reads its directories.
pub fn prepare() {
    let Ok(directory) = env::var("CORELOG_FUZZ_SEEDS") else { return };
    for (number, input) in corpus::inputs(chosen()).iter().enumerate() {
        let file = format!("{directory}/{number:04}");
        fs::write(&file, input).unwrap_or_else(|error| panic!("{file} cannot be written: {error}"));
    }
}

pub fn run(input: &[u8]) {
    chosen().run(input);
}
