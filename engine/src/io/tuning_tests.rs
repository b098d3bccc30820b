//! Hosts made of files: what is found of them, and that what was found is gone once it is set. Runs in tests only.

use super::*;

/// A host made of files.
struct Host(tempfile::TempDir);

impl Host {
    fn of(files: &[(&str, &str)]) -> Host {
        let host = Host(tempfile::tempdir().expect("tempdir"));
        for (file, text) in files {
            let path = host.0.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
            fs::write(path, format!("{text}\n")).expect("file");
        }
        host
    }

    fn look(&self, cpus: &[usize]) -> Vec<Setting> {
        Tuned { root: self.0.path(), cpus, device: Some("259:1") }.look()
    }

    /// What is left: files with what they should hold.
    fn left(&self, cpus: &[usize]) -> Vec<(String, String)> {
        let left = |setting: Setting| match setting.state {
            State::Left(changes) => changes,
            State::Absent | State::Good(_) => Vec::new(),
        };
        let changes = self.look(cpus).into_iter().flat_map(left);
        changes.map(|change| (change.file.display().to_string(), change.should)).collect()
    }

    fn apply(&self, cpus: &[usize]) {
        for (file, should) in self.left(cpus) {
            fs::write(self.0.path().join(file), should).expect("written");
        }
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(file, should)| ((*file).to_owned(), (*should).to_owned())).collect()
}

const DISK: &str = "sys/dev/block/259:1/queue";

#[test]
fn a_host_that_hides_everything_lacks_nothing_that_can_be_said() {
    let host = Host::of(&[]);
    let settings = host.look(&[0, 1]);
    assert!(!settings.is_empty());
    assert!(settings.iter().all(|setting| setting.state == State::Absent), "{settings:?}");
    assert!(settings.iter().all(|setting| setting.finding().is_none()));
}

#[test]
fn each_single_setting_is_held_against_what_it_should_be() {
    // File, what it may be, what it should not be, what then is wanted.
    let cases = [
        ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance", "powersave", "performance"),
        (
            "sys/kernel/mm/transparent_hugepage/enabled",
            "always [madvise] never",
            "[always] madvise never",
            "madvise",
        ),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]", "[always]", "madvise"),
        ("proc/sys/net/core/somaxconn", "4096", "128", "4096"),
        (
            "proc/sys/net/ipv4/tcp_rmem",
            "4096 131072 33554432",
            "4096\t131072\t6291456",
            "4096 131072 16777216",
        ),
        ("proc/sys/net/ipv4/tcp_wmem", "4096 16384 16777216", "4096\t16384\t4194304", "4096 16384 16777216"),
        ("proc/sys/net/ipv4/tcp_slow_start_after_idle", "0", "1", "0"),
        ("proc/sys/fs/nr_open", "1073741816", "65536", "1048576"),
    ];
    for (file, good, bad, should) in cases {
        assert_eq!(Host::of(&[(file, good)]).left(&[0, 1]), [], "{file}");
        assert_eq!(Host::of(&[(file, bad)]).left(&[0, 1]), pairs(&[(file, should)]));
    }
}

#[test]
fn the_disk_is_looked_at_as_a_whole_and_an_nvme_drive_orders_by_itself() {
    let files = [("scheduler", "none [kyber] mq-deadline"), ("rq_affinity", "1"), ("read_ahead_kb", "4096")];
    for (device, scheduler) in [("nvme0n1", "none"), ("sda", "mq-deadline")] {
        let whole = format!("sys/block/{device}");
        let mut all = vec![(format!("{whole}/part1/partition"), "1")];
        all.extend(files.map(|(file, text)| (format!("{whole}/queue/{file}"), text)));
        let all: Vec<(&str, &str)> = all.iter().map(|(file, text)| (file.as_str(), *text)).collect();
        let host = Host::of(&all);
        fs::create_dir_all(host.0.path().join("sys/dev/block")).expect("directory");
        let link = host.0.path().join("sys/dev/block/259:1");
        std::os::unix::fs::symlink(format!("../../block/{device}/part1"), link).expect("link");
        let expected = [("scheduler", scheduler), ("rq_affinity", "2"), ("read_ahead_kb", "128")];
        let expected = expected.map(|(file, should)| (format!("{whole}/queue/{file}"), should.to_owned()));
        assert_eq!(host.left(&[0]), expected);
        host.apply(&[0]);
        assert_eq!(host.left(&[0]), []);
    }
}

#[test]
fn a_scheduler_that_costs_nothing_is_left_alone() {
    for scheduler in ["[none] mq-deadline", "[mq-deadline] none"] {
        assert_eq!(Host::of(&[(&format!("{DISK}/scheduler"), scheduler)]).left(&[0]), []);
    }
}

/// An interface with so many queues, whose interrupts 30, 31, … are taken by these CPUs.
fn nic(queues: usize, rps: &str, xps: &str, takers: &[usize]) -> Host {
    let path = "sys/class/net/eth0";
    let mut files = vec![
        (format!("{path}/operstate"), "up".to_owned()),
        (format!("{path}/device/vendor"), "0x15b3".to_owned()),
    ];
    for queue in 0..queues {
        files.push((format!("{path}/queues/rx-{queue}/rps_cpus"), rps.to_owned()));
        files.push((format!("{path}/queues/tx-{queue}/xps_cpus"), xps.to_owned()));
    }
    for (at, cpu) in takers.iter().enumerate() {
        let irq = 30 + at;
        files.push((format!("{path}/device/msi_irqs/{irq}"), "msix".to_owned()));
        files.push((format!("proc/irq/{irq}/effective_affinity_list"), cpu.to_string()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    Host::of(&files)
}

#[test]
fn interrupts_are_dealt_anew_only_where_one_core_has_more_than_its_share() {
    let expected = pairs(&[("proc/irq/31/smp_affinity_list", "1"), ("proc/irq/33/smp_affinity_list", "1")]);
    assert_eq!(nic(0, "", "", &[0, 0, 0, 0]).left(&[0, 1]), expected);
    for (takers, cpus) in [(&[1, 0, 1, 0][..], &[0, 1][..]), (&[0, 0], &[0]), (&[5, 6, 7], &[0, 1, 2])] {
        assert_eq!(nic(0, "", "", takers).left(cpus), [], "{takers:?}");
    }
    // One that hardly ever came is nobody's work.
    let host = nic(0, "", "", &[1, 1]);
    assert_eq!(host.left(&[0, 1]), pairs(&[("proc/irq/30/smp_affinity_list", "0")]));
    let counts = host.0.path().join("sys/kernel/irq/30/per_cpu_count");
    fs::create_dir_all(counts.parent().expect("a parent")).expect("directory");
    fs::write(counts, "0,999\n").expect("written");
    assert_eq!(host.left(&[0, 1]), []);
}

#[test]
fn receiving_is_spread_by_the_kernel_where_the_hardware_has_too_few_queues() {
    let file = "sys/class/net/eth0/queues/rx-0/rps_cpus";
    assert_eq!(nic(1, "0", "0", &[]).left(&[0, 1, 33]), pairs(&[(file, "00000002,00000003")]));
    assert_eq!(nic(1, "2,00000003", "0", &[]).left(&[0, 1, 33]), []);
    assert_eq!(nic(2, "0", "3", &[]).left(&[0, 1]), []);
}

#[test]
fn every_core_gets_a_queue_to_send_through() {
    let host = nic(2, "f", "0", &[]);
    let files = ["sys/class/net/eth0/queues/tx-0/xps_cpus", "sys/class/net/eth0/queues/tx-1/xps_cpus"];
    assert_eq!(host.left(&[0, 1, 2, 3]), pairs(&[(files[0], "00000005"), (files[1], "0000000a")]));
    host.apply(&[0, 1, 2, 3]);
    assert_eq!(host.left(&[0, 1, 2, 3]), []);
}

#[test]
fn an_interface_without_hardware_or_without_a_wire_is_passed_over() {
    let host = Host::of(&[
        ("sys/class/net/lo/operstate", "up"),
        ("sys/class/net/lo/queues/rx-0/rps_cpus", "0"),
        ("sys/class/net/eth1/operstate", "down"),
        ("sys/class/net/eth1/device/vendor", "0x8086"),
        ("sys/class/net/eth1/queues/rx-0/rps_cpus", "0"),
    ]);
    assert_eq!(host.left(&[0, 1]), []);
}

#[test]
fn a_finding_names_what_is_so_what_should_be_and_why() {
    let host = Host::of(&[("proc/sys/net/core/somaxconn", "128")]);
    let findings: Vec<Finding> = host.look(&[0]).iter().filter_map(Setting::finding).collect();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].sentence.starts_with("net.core.somaxconn is 128, 4096 is better: connections"));
}

#[test]
fn masks_are_read_and_written_as_the_kernel_does() {
    for (text, numbers) in [("00000000", &[][..]), ("00000003", &[0, 1]), ("00000001,80000000", &[31, 32])] {
        assert_eq!(cpus(text), numbers);
        assert_eq!(mask(numbers.iter().copied()), text);
    }
    assert_eq!(cpus("ff,00000000"), (32..40).collect::<Vec<_>>());
}
