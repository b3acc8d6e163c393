//! What each command does.

mod access;
mod backup;
mod check;
mod choice;
mod client;
mod decode;
mod diagnose;
mod estimate;
mod health;
mod openapi;
mod poll;
mod probe;
mod replay;
pub(crate) mod samples;
mod schema;
mod serve;
mod setup;
mod show;
mod signals;
mod store;
mod table;
mod test_rules;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::{Cli, Command, ConfigCommand};
use crate::logging;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Fine.
    Fine,
    /// The thing asked about is not fine.
    NotFine,
    /// It cannot even be read.
    Unreadable,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The configuration cannot be used; the report was rendered.
    #[error("{0}")]
    Configuration(String),
    /// What was asked makes no sense.
    #[error("error: {0}")]
    Usage(String),
    /// It was tried and failed.
    #[error("error: {0}")]
    Failed(String),
    /// Nobody reads what is printed.
    #[error("error: cannot print: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command to its end: 0 fine, 1 the thing asked about is not fine, 2 wrong usage or unreadable
/// configuration.
pub(crate) fn run(cli: Cli) -> ExitCode {
    if let Err(problem) = logging::start(std::env::var(logging::VARIABLE).ok().as_deref()) {
        return fail(&CommandError::Usage(problem));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&CommandError::Failed(format!("the runtime cannot start: {error}"))),
    };
    let ended = runtime.block_on(dispatch(cli.command));
    // A second signal ends the process with work under way; nothing waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(Status::Fine) => ExitCode::SUCCESS,
        Ok(Status::NotFine) => ExitCode::from(1),
        Ok(Status::Unreadable) => ExitCode::from(2),
        // `cliffwatch … | head` is no failure.
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn dispatch(command: Command) -> Result<Status, CommandError> {
    let mut out = io::stdout().lock();
    match command {
        Command::Check(args) => check::run(&args, &mut out),
        Command::Access(args) => access::run(&args, &mut out),
        Command::Probe(args) => probe::run(&args, &mut out).await,
        Command::Poll(args) => poll::run(&args, &mut out).await,
        Command::Decode(args) => decode::run(&args, &mut out),
        Command::Config(ConfigCommand::Show(args)) => show::run(&args, &mut out),
        Command::Schema(args) => schema::run(&args, &mut out),
        Command::Openapi => openapi::run(&mut out),
        Command::Diagnose(args) => diagnose::run(&args, &mut out).await,
        Command::Replay(args) => replay::run(&args, &mut out).await,
        Command::TestRules(args) => test_rules::run(&args, &mut out),
        Command::Backup(args) => backup::run(&args, &mut out).await,
        Command::Healthcheck(args) => health::run(&args, &mut out).await,
        Command::Serve(args) => serve::run(&args).await,
    }
}

fn fail(error: &CommandError) -> ExitCode {
    // Where standard error is gone, too, the status is all that is left.
    let _unheard = writeln!(io::stderr(), "{}", error.to_string().trim_end()).is_err();
    match error {
        CommandError::Configuration(_) | CommandError::Usage(_) => ExitCode::from(2),
        CommandError::Failed(_) | CommandError::Output(_) => ExitCode::from(1),
    }
}
