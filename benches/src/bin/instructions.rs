//! What `scripts/instructions` runs under callgrind: `instructions NAME` does one work, `instructions` lists them.

use std::hint::black_box;

use benches::instructions::{WORKS, Work};

fn main() {
    let Some(name) = std::env::args().nth(1) else {
        WORKS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let (_, prepare) = WORKS.iter().find(|(known, _)| *known == name).expect("a name of the list");
    let mut work = prepare();
    // What is done once only, tables and pages of the allocator, is not counted.
    (0..3).for_each(|_| work());
    counted_by_callgrind(&mut work);
}

/// Callgrind counts from here until this returns: by its name.
#[inline(never)]
fn counted_by_callgrind(work: &mut Work) {
    work();
    // Without something behind it the call is a jump, and callgrind never sees the return.
    black_box(work);
}
