//! How a command fails, and what the shell sees of it.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use engine::record::RecordError;
use net::client::ClientError;
use nix::sys::signal::Signal;

#[derive(Debug)]
pub enum Failure {
    /// A sentence for the person.
    Failed(String),
    /// The command line asks for what cannot be; found after parsing.
    Usage(String),
    /// Everything is said already.
    Reported,
    /// A signal ended it, in good order.
    Interrupted(Signal),
    /// Standard output is gone.
    Output(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed(text) | Failure::Usage(text) => f.write_str(text),
            Failure::Reported => f.write_str("damage was found"),
            Failure::Interrupted(signal) => write!(f, "ended by {signal}"),
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

impl Failure {
    pub fn report(self, program: &str) -> ExitCode {
        let code = match &self {
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Reported => return ExitCode::from(1),
            // As shells have it; nobody needs to be told what they did.
            Failure::Interrupted(signal) => return ExitCode::from(128 + *signal as u8),
            // The reader has seen enough.
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Failure::Output(_) => 1,
        };
        // If standard error is gone too, the exit code has to do.
        let _ = writeln!(io::stderr(), "{program}: {self}");
        ExitCode::from(code)
    }

    /// A file that cannot be used.
    pub fn file(what: &str, path: &Path, error: &io::Error) -> Failure {
        Failure::Failed(format!("cannot {what} {}: {error}", path.display()))
    }
}

/// Only writes to standard output fail as a bare `io::Error`; files say their names through `Failure::file`.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        match error {
            ClientError::Address(_) => Failure::Usage(error.to_string()),
            error => Failure::Failed(error.to_string()),
        }
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Failure {
        Failure::Failed(format!("a record cannot be read: {error}"))
    }
}
