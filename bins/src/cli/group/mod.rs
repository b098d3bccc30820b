//! `corelog group`: list, describe, members, reset-offsets, delete-offsets and delete.

mod describe;
mod offsets;
mod reset;
mod scope;

use std::io::Write;

use clap::{Args, Subcommand};
use engine::error::ErrorCode;

use super::Connect;
use super::failure::Failure;
use super::json::Object;
use super::table::Table;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List groups: their types, protocols and states
    List(List),
    /// Show how far groups have read, how far they lag behind, and who reads what
    Describe(describe::Arguments),
    /// Show the members of groups, and what each has to read
    Members(describe::Arguments),
    /// Move a group's offsets; without --execute it only shows what would become of them
    ResetOffsets(reset::Arguments),
    /// Let a group forget its offsets of topics that it does not read any more
    DeleteOffsets(offsets::Arguments),
    /// Delete groups without members, with their offsets
    Delete(Delete),
}

#[derive(Debug, Args)]
pub struct List {
    /// Only groups in this state, as in empty or stable; may be repeated
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
pub struct Delete {
    #[arg(required = true)]
    groups: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

pub fn run(command: &Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list(arguments, out),
        Command::Describe(arguments) => describe::run(arguments, out),
        Command::Members(arguments) => describe::members(arguments, out),
        Command::ResetOffsets(arguments) => reset::run(arguments, out),
        Command::DeleteOffsets(arguments) => offsets::run(arguments, out),
        Command::Delete(arguments) => delete(arguments, out),
    }
}

fn list(arguments: &List, out: &mut dyn Write) -> Result<(), Failure> {
    let mut groups = arguments.connect.client()?.groups()?;
    let is_wanted = |state: &str| arguments.states.iter().any(|wanted| wanted.eq_ignore_ascii_case(state));
    groups.retain(|group| arguments.states.is_empty() || is_wanted(&group.state));
    let mut table = Table::new(&["GROUP", "TYPE", "PROTOCOL", "STATE"]);
    for group in groups {
        if arguments.json {
            let object = Object::new().text("group", &group.name).text("type", &group.kind);
            let object = object.text("protocol", &group.protocol_type).text("state", &group.state);
            writeln!(out, "{}", object.end())?;
            continue;
        }
        table.row([group.name, group.kind, group.protocol_type, group.state].map(dashed).into());
    }
    if arguments.json { Ok(()) } else { Ok(table.write(out)?) }
}

fn delete(arguments: &Delete, out: &mut dyn Write) -> Result<(), Failure> {
    let mut client = arguments.connect.client()?;
    for group in &arguments.groups {
        client.delete_group(group).map_err(|error| match error.code() {
            Some(ErrorCode::NonEmptyGroup) => Failure::Failed(format!(
                "{error}: it has members; end them first, `corelog group members {group}` lists them"
            )),
            _ => error.into(),
        })?;
        match arguments.json {
            true => writeln!(out, "{}", Object::new().text("deleted", group).end())?,
            false => writeln!(out, "Deleted group {group}.")?,
        }
    }
    Ok(())
}

/// Something stands in every cell.
fn dashed(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A number that there may not be, for people.
fn shown(number: Option<i64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// The same in JSON.
fn coded(number: Option<i64>) -> String {
    number.map_or_else(|| "null".to_owned(), |number| number.to_string())
}
