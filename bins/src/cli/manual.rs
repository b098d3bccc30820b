//! Shell completions and man pages, made from the command line's own definition.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;
use super::failure::Failure;

#[derive(Debug, Args)]
pub struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub struct Man {
    /// Where the pages go, one for each command; made if it does not exist
    directory: PathBuf,
}

pub fn completions(arguments: &Completions, out: &mut dyn Write) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "corelog", &mut text);
    Ok(out.write_all(&text)?)
}

pub fn man(arguments: &Man, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = &arguments.directory;
    let made = fs::create_dir_all(directory).and_then(|()| {
        clap_mangen::generate_to(Arguments::command().disable_help_subcommand(true), directory)
    });
    made.map_err(|error| Failure::file("write man pages to", directory, &error))?;
    Ok(writeln!(out, "Wrote the man pages to {}.", directory.display())?)
}
