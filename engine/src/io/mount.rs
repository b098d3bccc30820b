//! Which mount a path lies on, from /proc/self/mountinfo. Reads text only.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mount {
    pub file_system: String,
    pub point: PathBuf,
    /// `major:minor` of what is mounted.
    pub device: Option<String>,
    /// Of the mount and of the file system.
    pub options: Vec<String>,
}

/// The mount of a canonical path.
pub(super) fn of(path: &Path) -> Option<Mount> {
    mount_in(&fs::read_to_string("/proc/self/mountinfo").ok()?, path)
}

/// The deepest mount point above the path; of several on one point the last, which covers the others.
fn mount_in(mountinfo: &str, path: &Path) -> Option<Mount> {
    mountinfo
        .lines()
        .filter_map(parse)
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.components().count())
}

/// A line: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc(5)).
fn parse(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (device, _root, point, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let mut rest = file_system.split(' ');
    let (name, _source, more) = (rest.next()?, rest.next()?, rest.next().unwrap_or_default());
    Some(Mount {
        file_system: name.to_owned(),
        point: PathBuf::from(unescape(point)),
        device: Some(device.to_owned()),
        options: options.split(',').chain(more.split(',')).map(str::to_owned).collect(),
    })
}

/// Space, tab, newline and backslash stand there as a backslash and three octal digits.
fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, character)| text.replace(code, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_and_latest_mount_above_a_path_is_its_own() {
        let text = "22 1 8:1 / / rw - ext4 /dev/sda1 rw,barrier=0\n\
                    30 22 8:2 / /data rw,noatime shared:1 - xfs /dev/sdb rw\n\
                    31 22 0:40 / /data rw - tmpfs none rw\n\
                    32 22 8:3 / /my\\040disk rw - btrfs /dev/sdc rw\n\
                    broken line\n";
        let of = |path: &str| mount_in(text, Path::new(path)).map(|mount| mount.file_system);
        assert_eq!(of("/var/lib").as_deref(), Some("ext4"));
        assert_eq!(of("/data/topic-0").as_deref(), Some("tmpfs"));
        assert_eq!(of("/database").as_deref(), Some("ext4"));
        assert_eq!(of("/my disk/x").as_deref(), Some("btrfs"));
        let root = mount_in(text, Path::new("/")).expect("root");
        assert_eq!(root.device.as_deref(), Some("8:1"));
        assert!(root.options.contains(&"barrier=0".to_owned()));
    }

    #[test]
    fn this_process_finds_its_own_mount() {
        let mount = of(Path::new("/proc")).expect("mount");
        assert_eq!(mount.file_system, "proc");
    }
}
