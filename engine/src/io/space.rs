//! How large the volume of a path is. One cheap system call, for whoever asks.

use std::{io, path::Path};

use nix::sys::statvfs::statvfs;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub total_bytes: u64,
    /// What a process without privileges may still write.
    pub usable_bytes: u64,
}

impl Space {
    pub fn of(path: &Path) -> io::Result<Space> {
        let found = statvfs(path).map_err(io::Error::from)?;
        let unit: u64 = found.fragment_size();
        let bytes = |blocks: u64| blocks.saturating_mul(unit);
        Ok(Space { total_bytes: bytes(found.blocks()), usable_bytes: bytes(found.blocks_available()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_at_least_as_large_as_what_is_free_on_it() {
        let space = Space::of(Path::new("/")).expect("a root");
        assert!(space.total_bytes > 0 && space.usable_bytes <= space.total_bytes);
        assert!(Space::of(Path::new("/no/such/path")).is_err());
    }
}
