//! A bug that only coverage leads to: `scripts/fuzz canary` must fail, or the other targets' silence means nothing.

use crate::Reached;

pub fn run(bytes: &[u8]) -> Reached {
    let mut found = Reached::Refused;
    if bytes.first() == Some(&b'L') && bytes.get(1) == Some(&b'O') {
        found = Reached::Taken;
        if bytes.get(2) == Some(&b'G') && bytes.get(3) == Some(&b'!') {
            panic!("the canary is caught");
        }
    }
    found
}
