//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Flags;

/// Catches NAT and session-table exhaustion before connections fail.
#[derive(Debug, Parser)]
#[command(name = "cliffwatch", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The service: polls, stores, evaluates, serves REST and /metrics.
    Serve(ServeArgs),
    /// Validates configuration, inventory and rules without touching the network.
    Check(CheckArgs),
    /// Connects once and tells what can be read, which right is missing, and which host key to pin.
    #[command(mut_arg("inventory", |arg| arg.num_args(1)))]
    Probe(ProbeArgs),
    /// Lists everything that can ever be sent to a device, offline: for change control.
    #[command(mut_arg("inventory", |arg| arg.num_args(1)))]
    Access(AccessArgs),
    /// Polls once and prints the readings.
    // A list of paths would swallow the names of devices that follow it.
    #[command(mut_arg("inventory", |arg| arg.num_args(1)))]
    Poll(PollArgs),
    /// Makes the same JSON as `poll` from captured replies, offline.
    Decode(DecodeArgs),
    /// What is wrong with a table, why, and what to do; status 1 where somebody should act.
    #[command(mut_arg("inventory", |arg| arg.num_args(1)))]
    Diagnose(DiagnoseArgs),
    /// Runs rules over history.
    Replay(ReplayArgs),
    /// Plays scenarios and compares what the rules make of them with what they must: for CI.
    TestRules(TestRulesArgs),
    /// The configuration in force.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints the JSON schema of a file.
    Schema(SchemaArgs),
    /// Prints the OpenAPI document of the REST interface.
    Openapi,
    /// Asks the running service on its listen address whether it is healthy.
    Healthcheck(ConfigArgs),
    /// Copies the store to a new file while it is in use.
    #[command(mut_arg("inventory", |arg| arg.num_args(1)))]
    Backup(BackupArgs),
}

/// Where the configuration comes from; every flag outranks the environment and the file.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration; `cliffwatch.yaml` of the working directory where there is one.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Inventory files, and folders of files.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub inventory: Vec<PathBuf>,
    /// `sqlite:FILE` or `postgres://user@host/db`.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// `IP:PORT` to serve on.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How to print what is wrong.
    #[arg(long, value_enum, default_value_t)]
    pub format: TextOrJson,
    /// Do not look whether secrets can be read: for machines that do not have them, such as CI.
    #[arg(long)]
    pub skip_secrets: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    /// A platform, or a device of the inventory: what its settings let be sent. Every platform where left out.
    #[arg(value_name = "DEVICE|PLATFORM")]
    pub name: Option<String>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How to print the list.
    #[arg(long, value_enum, default_value_t)]
    pub format: TextOrJson,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// The devices to probe.
    #[arg(value_name = "DEVICE", required_unless_present = "all", conflicts_with = "all")]
    pub devices: Vec<String>,
    /// Every device of the inventory.
    #[arg(long)]
    pub all: bool,
    /// With --all: only devices with this label; several must all be there.
    #[arg(long = "match", value_name = "LABEL=VALUE", requires = "all", value_parser = label)]
    pub labels: Vec<(String, String)>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How to print what was found; JSON is one object a line.
    #[arg(long, value_enum, default_value_t)]
    pub format: TextOrJson,
    /// Keep the raw replies, redacted, in DIR/DEVICE, as `decode` reads them.
    #[arg(long, value_name = "DIR")]
    pub capture: Option<PathBuf>,
    /// Replace files that an earlier --capture left.
    #[arg(long, requires = "capture")]
    pub overwrite: bool,
    /// Write the host keys that are not trusted yet to a new known_hosts file, to be reviewed.
    #[arg(long, value_name = "FILE")]
    pub pins: Option<PathBuf>,
}

/// `LABEL=VALUE`.
fn label(text: &str) -> Result<(String, String), String> {
    let (label, value) = text.split_once('=').ok_or("write LABEL=VALUE")?;
    Ok((label.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct PollArgs {
    /// The devices to poll; all of them where none is named.
    #[arg(value_name = "DEVICE")]
    pub devices: Vec<String>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How to print the readings.
    #[arg(long, value_enum, default_value_t)]
    pub format: TableOrJson,
    /// End with status 1 when a table is that full (critical: 90 %).
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,
}

#[derive(Debug, Args)]
pub(crate) struct DecodeArgs {
    /// The platform that the replies come from.
    pub platform: String,
    /// The folder with the replies.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DiagnoseArgs {
    /// The device.
    pub device: String,
    /// The table: its id, its path (`netns/host/conntrack/nf_conntrack`) or a part of it; the one in most trouble where
    /// left out.
    pub table: Option<String>,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub format: TextOrJson,
    /// Do not ask the running service: read so much of the store's history, up to now. Where no service answers, 7d.
    #[arg(long, value_name = "SPAN", conflicts_with = "samples")]
    pub since: Option<String>,
    /// A file with poll JSON, one object a line, instead; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub samples: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The rules to run, instead of those in force.
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// How much of the store's history: `30d`.
    #[arg(long, value_name = "SPAN", conflicts_with = "samples")]
    pub since: Option<String>,
    /// A file with poll JSON, one object a line, instead of the store; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub samples: Option<PathBuf>,
    /// How to print the events.
    #[arg(long, value_enum, default_value_t)]
    pub format: TextOrJson,
}

#[derive(Debug, Args)]
pub(crate) struct TestRulesArgs {
    /// Scenario files; `cliffwatch schema scenario` says what they may hold.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// How to print what became of them.
    #[arg(long, value_enum, default_value_t)]
    pub format: TextOrJson,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Prints every value in force and where it comes from. Secrets are shown as references.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    pub format: TextOrJson,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Which file.
    #[arg(value_enum)]
    pub name: SchemaName,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The new file.
    pub file: PathBuf,
    #[command(flatten)]
    pub config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableOrJson {
    #[default]
    Table,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    Config,
    Inventory,
    Scenario,
}

impl ConfigArgs {
    /// As the configuration takes them.
    pub(crate) fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            inventory: self.inventory.clone(),
            rules: Vec::new(),
            store: self.store.clone(),
            listen: self.listen.clone(),
        }
    }
}
