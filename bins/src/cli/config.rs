//! `corelog config`: options of topics, brokers and groups, where each value comes from, and changes.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use net::client::{Change, Config, ConfigSource, Intent, Resource, ResourceKind};

use super::Connect;
use super::failure::Failure;
use super::json::Object;
use super::table::Table;
use super::topic::name_and_value;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show options that somebody has set; with --all every one
    Describe(Describe),
    /// Change options; what is not named stays as it is
    Alter(Alter),
}

#[derive(Debug, Args)]
struct Of {
    /// What kind of thing has the options
    #[arg(value_enum)]
    kind: Kind,
    /// Whose options: a topic, a group, a broker's id, or `default` for all brokers
    name: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Topic,
    Broker,
    Group,
    ClientMetrics,
    BrokerLogger,
}

impl Of {
    fn resource(&self) -> Resource {
        let kind = match self.kind {
            Kind::Topic => ResourceKind::Topic,
            Kind::Broker => ResourceKind::Broker,
            Kind::Group => ResourceKind::Group,
            Kind::ClientMetrics => ResourceKind::ClientMetrics,
            Kind::BrokerLogger => ResourceKind::BrokerLogger,
        };
        let everybody = matches!(self.kind, Kind::Broker) && self.name == "default";
        Resource { kind, name: if everybody { String::new() } else { self.name.clone() } }
    }
}

#[derive(Debug, Args)]
pub struct Describe {
    #[command(flatten)]
    of: Of,
    /// These options only
    options: Vec<String>,
    /// Also options that have their default value
    #[arg(short, long)]
    all: bool,
    /// Also where else the value could come from, the strongest first
    #[arg(long)]
    synonyms: bool,
    /// Also what each option is for
    #[arg(long)]
    docs: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Args)]
pub struct Alter {
    #[command(flatten)]
    of: Of,
    /// Set an option, as in retention.ms=60000; may be repeated
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,
    /// Set an option back to what it is without; may be repeated
    #[arg(short, long, value_name = "NAME")]
    delete: Vec<String>,
    /// Add to an option that is a list; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    append: Vec<(String, String)>,
    /// Take from an option that is a list; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    subtract: Vec<(String, String)>,
    /// Let the broker check it, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connect: Connect,
}

pub fn run(command: Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Describe(arguments) => describe(&arguments, out),
        Command::Alter(arguments) => alter(arguments, out),
    }
}

fn describe(arguments: &Describe, out: &mut dyn Write) -> Result<(), Failure> {
    let mut configs = arguments.connect.client()?.describe_configs(&arguments.of.resource())?;
    if let Some(unknown) =
        arguments.options.iter().find(|name| configs.iter().all(|config| config.name != **name))
    {
        let text = format!("{} has no option {unknown}; --all lists what it has", arguments.of.name);
        return Err(Failure::Failed(text));
    }
    let chosen = |config: &Config| match arguments.options.as_slice() {
        [] => arguments.all || config.source != ConfigSource::DEFAULT,
        names => names.contains(&config.name),
    };
    configs.retain(chosen);
    if arguments.json {
        return configs.iter().try_for_each(|config| Ok(writeln!(out, "{}", json(config))?));
    }
    let mut head = vec!["OPTION", "VALUE", "SOURCE", "TYPE", "NOTE"];
    head.extend(arguments.synonyms.then_some("SYNONYMS"));
    head.extend(arguments.docs.then_some("WHAT"));
    let mut table = Table::new(&head);
    for config in &configs {
        let note = match (config.is_sensitive, config.is_read_only) {
            (true, _) => "sensitive",
            (false, true) => "read-only",
            (false, false) => "",
        };
        let mut row = vec![
            config.name.clone(),
            shown(config.value.as_deref(), config.is_sensitive),
            config.source.name().to_owned(),
            config.kind.to_owned(),
            note.to_owned(),
        ];
        if arguments.synonyms {
            let synonyms = config.synonyms.iter().map(|synonym| {
                let value = shown(synonym.value.as_deref(), config.is_sensitive);
                format!("{}:{}={value}", synonym.source.name(), synonym.name)
            });
            row.push(synonyms.collect::<Vec<_>>().join(", "));
        }
        if arguments.docs {
            row.push(config.documentation.clone().unwrap_or_default().replace('\n', " "));
        }
        table.row(row);
    }
    Ok(table.write(out)?)
}

fn shown(value: Option<&str>, is_sensitive: bool) -> String {
    match value {
        Some("") => "\"\"".to_owned(),
        Some(value) => value.to_owned(),
        None if is_sensitive => "(hidden)".to_owned(),
        None => "(none)".to_owned(),
    }
}

fn json(config: &Config) -> String {
    let bytes = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().to_vec());
    let synonyms = config.synonyms.iter().map(|synonym| {
        let object =
            Object::new().text("name", &synonym.name).bytes("value", bytes(&synonym.value).as_deref());
        object.text("source", synonym.source.name()).end()
    });
    Object::new()
        .text("name", &config.name)
        .bytes("value", bytes(&config.value).as_deref())
        .text("source", config.source.name())
        .text("type", config.kind)
        .number("is_read_only", config.is_read_only)
        .number("is_sensitive", config.is_sensitive)
        .array("synonyms", synonyms)
        .bytes("documentation", bytes(&config.documentation).as_deref())
        .end()
}

fn alter(arguments: Alter, out: &mut dyn Write) -> Result<(), Failure> {
    let pairs = |pairs: Vec<(String, String)>, change: fn(String) -> Change| {
        pairs.into_iter().map(move |(name, value)| (name, change(value)))
    };
    let mut changes: Vec<(String, Change)> = pairs(arguments.set, Change::Set).collect();
    changes.extend(pairs(arguments.append, Change::Append));
    changes.extend(pairs(arguments.subtract, Change::Subtract));
    changes.extend(arguments.delete.into_iter().map(|name| (name, Change::Delete)));
    if changes.is_empty() {
        let text = "nothing to alter: give --set, --delete, --append or --subtract";
        return Err(Failure::Usage(text.to_owned()));
    }
    let intent = if arguments.dry_run { Intent::Validate } else { Intent::Apply };
    arguments.connect.client()?.alter_configs(&arguments.of.resource(), &changes, intent)?;
    let names: Vec<&str> = changes.iter().map(|(name, _)| name.as_str()).collect();
    let verb = if arguments.dry_run { "Would have changed" } else { "Changed" };
    Ok(writeln!(out, "{verb} {} of {}.", names.join(", "), arguments.of.name)?)
}
