//! `scripts/tune-host` on a host made of files: it says what is left, sets it when it is told to, and never otherwise.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const GOVERNOR: &str = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
const HUGE_PAGES: &str = "sys/kernel/mm/transparent_hugepage/enabled";

fn tune(root: &Path, words: &[&str]) -> (Output, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/tune-host");
    let output = Command::new(script)
        .env("CORELOGD", env!("CARGO_BIN_EXE_corelogd"))
        .arg("--root")
        .arg(root)
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

fn read(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).unwrap().trim().to_owned()
}

#[test]
fn what_is_left_is_told_then_set_then_good() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for (file, text) in [(GOVERNOR, "powersave"), (HUGE_PAGES, "[always] madvise never")] {
        fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        fs::write(root.join(file), text).unwrap();
    }
    // Where this process's own limits are too small, they are set here.
    fs::create_dir_all(root.join("etc/security/limits.d")).unwrap();

    let (output, said) = tune(root, &["--cores", "0"]);
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("left  CPU governor is powersave and should be performance: "), "{said}");
    assert!(said.contains("none  net.core.somaxconn: not here"), "{said}");
    assert_eq!(read(root, GOVERNOR), "powersave");

    let (output, said) = tune(root, &["--cores", "0", "--apply"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("set   CPU governor is powersave and should be performance: "), "{said}");
    assert_eq!((read(root, GOVERNOR), read(root, HUGE_PAGES)), ("performance".into(), "madvise".into()));

    let (output, said) = tune(root, &["--cores", "0"]);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("ok    CPU governor: performance"), "{said}");
}

#[test]
fn a_dry_run_prints_the_same_findings() {
    let directory = tempfile::tempdir().unwrap();
    let said = |flags: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_corelogd"))
            .args(["--cores", "0", "--data-dir"])
            .arg(directory.path())
            .args(flags)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (settings, dry_run) = (said(&["--host-settings", "/"]), said(&["--dry-run"]));
    assert!(settings.contains("CPU governor"), "{settings}");
    for line in settings.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields.len(), 6, "{line}");
        let found = dry_run.contains(&format!("note: {} is ", fields[1]));
        assert_eq!(found, fields[0] == "left", "{line}\n{dry_run}");
    }
}

#[test]
fn what_cannot_be_set_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    // Opened for reading it is the file behind it; for writing there is nothing: a link into /proc that only tells.
    fs::create_dir_all(root.join(GOVERNOR).parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/proc/version", root.join(GOVERNOR)).unwrap();
    fs::create_dir_all(root.join("etc/security/limits.d")).unwrap();
    let (output, said) = tune(root, &["--cores", "0", "--apply"]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("it cannot be set"), "{said}");
}

#[test]
fn a_flag_that_corelogd_does_not_know_tells_nothing_about_the_host() {
    let directory = tempfile::tempdir().unwrap();
    let (output, said) = tune(directory.path(), &["--nonsense"]);
    assert_eq!((output.status.code(), said.as_str()), (Some(2), ""));
}
