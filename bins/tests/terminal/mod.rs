//! `corelog` and `corelog-bench` as a person runs them, and a broker of their own in a temporary directory, killed when dropped.
//! Every wait is bounded.

#![allow(dead_code, reason = "each test uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Broker {
    pub process: Child,
    pub address: String,
    pub directory: tempfile::TempDir,
}

impl Broker {
    pub fn start() -> Broker {
        let directory = tempfile::tempdir().unwrap();
        // Free a moment ago: nobody else picks ports of this range by number.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let process = launch(directory.path(), &address);
        Broker { process, address, directory }
    }

    pub fn stop(&mut self, signal: nix::sys::signal::Signal) {
        let id = nix::unistd::Pid::from_raw(self.process.id() as i32);
        nix::sys::signal::kill(id, signal).unwrap();
        self.process.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.process = launch(self.directory.path(), &self.address);
    }

    /// `corelog` with these words, at this broker; the command comes first.
    pub fn corelog(&self, words: &[&str]) -> Said {
        run(corelog().args(words).args(["--bootstrap-server", &self.address]), b"")
    }

    pub fn produce(&self, words: &[&str], input: &[u8]) -> Said {
        run(corelog().arg("produce").args(words).args(["--bootstrap-server", &self.address]), input)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until it listens.
fn launch(directory: &Path, address: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelogd"));
    command
        .args(["--listen", address, "--memory", "64M", "-o", "num.partitions=2"])
        .args(["-o", "group.initial.rebalance.delay.ms=100", "--data-dir"])
        .arg(directory);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (sender, lines) = channel();
    let outputs: [Box<dyn Read + Send>; 2] =
        [Box::new(process.stdout.take().unwrap()), Box::new(process.stderr.take().unwrap())];
    for output in outputs {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    drop(sender);
    let mut said = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains("listening on") => return process,
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let _ = process.kill();
                panic!("the broker does not start: {said:?}");
            }
        }
    }
}

pub fn corelog() -> Command {
    Command::new(env!("CARGO_BIN_EXE_corelog"))
}

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }
}

pub fn run(command: &mut Command, input: &[u8]) -> Said {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = spawned.unwrap();
    let (mut stdin, input) = (process.stdin.take().unwrap(), input.to_vec());
    thread::spawn(move || stdin.write_all(&input));
    let id = nix::unistd::Pid::from_raw(process.id() as i32);
    let (sender, output) = channel::<Output>();
    thread::spawn(move || sender.send(process.wait_with_output().unwrap()));
    let Ok(output) = output.recv_timeout(PATIENCE) else {
        let _ = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL);
        panic!("{command:?} does not end");
    };
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

pub fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}
