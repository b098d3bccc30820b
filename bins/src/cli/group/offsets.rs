//! `corelog group delete-offsets`.

use std::io::{self, Write};

use clap::Args;
use engine::error::ErrorCode;

use super::super::{Connect, failure::Failure, json::Object, table::Table};
use super::scope::Scope;

#[derive(Debug, Args)]
pub struct Arguments {
    group: String,
    #[command(flatten)]
    scope: Scope,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    if arguments.scope.is_empty() {
        return Err(Failure::Usage("which offsets? Give --topic or --all-topics".to_owned()));
    }
    let (group, mut client) = (&arguments.group, arguments.connect.client()?);
    // Whether it exists is asked first: of one that does not, the offsets are none, and no error.
    client.group(group)?;
    let committed = client.committed(group, None)?;
    let doomed = arguments.scope.committed(group, &committed)?;
    let mut table = Table::new(&["TOPIC", "PARTITION", "FORGOTTEN-OFFSET"]);
    let mut failed = false;
    for (key, outcome) in client.delete_committed(group, &doomed)? {
        let before = committed.get(&key).copied();
        let (topic, partition) = key;
        if let Err(error) = outcome {
            failed = true;
            let advice = match error.code() {
                Some(ErrorCode::GroupSubscribedToTopic) => {
                    format!(
                        ": its members read it; end them first, `corelog group members {group}` lists them"
                    )
                }
                _ => String::new(),
            };
            // The exit code says it too.
            let _ = writeln!(io::stderr(), "corelog: {error}{advice}");
        } else if arguments.json {
            let object = Object::new().text("topic", &topic).number("partition", partition);
            writeln!(out, "{}", object.number("forgotten_offset", super::coded(before)).end())?;
        } else {
            table.row(vec![topic, partition.to_string(), super::shown(before)]);
        }
    }
    if !arguments.json {
        table.write(out)?;
    }
    if failed { Err(Failure::Reported) } else { Ok(()) }
}
