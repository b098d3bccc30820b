//! What each target begins with: seeds made from our own encoders and vectors, and the inputs that fuzzing found worth keeping.

use crate::Target;

pub fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let mut inputs = (target.seeds)();
    inputs.extend(target.kept.lines().map(bytes_of));
    inputs
}

/// The bytes that a line of hexadecimal digits stands for.
pub fn bytes_of(line: &str) -> Vec<u8> {
    let digit =
        |digit: u8| (digit as char).to_digit(16).unwrap_or_else(|| panic!("no hexadecimal line: {line}"));
    line.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, &d| byte << 4 | digit(d) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reached, TARGETS, target};

    #[test]
    fn every_kept_input_is_harmless_and_every_target_takes_some() {
        for target in TARGETS.iter().filter(|target| target.name != "canary") {
            let reached: Vec<Reached> = inputs(target).iter().map(|input| target.run(input)).collect();
            let taken = reached.iter().filter(|reached| **reached == Reached::Taken).count();
            // A format that moved on, and seeds that did not, would leave every input at the first check.
            assert!(
                taken * 10 >= reached.len() && taken > 0,
                "{}: {taken} of {}",
                target.name,
                reached.len()
            );
        }
    }

    #[test]
    fn every_prefix_of_a_seed_is_harmless() {
        for target in TARGETS.iter().filter(|target| target.name != "canary") {
            for seed in (target.seeds)().iter().take(20) {
                let step = (seed.len() / 40).max(1);
                for end in (0..seed.len()).step_by(step) {
                    target.run(&seed[..end]);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "the canary")]
    fn the_canary_dies_of_its_input() {
        target("canary").unwrap().run(b"LOG!");
    }
}
