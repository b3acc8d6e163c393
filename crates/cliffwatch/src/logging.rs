//! Logs: for people on a terminal, one JSON object a line otherwise.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// The variable with the filter, in the syntax of `tracing_subscriber`: `debug`, `cliffwatch_engine=debug`.
pub(crate) const VARIABLE: &str = "CLIFFWATCH_LOG";

const DEFAULT: &str = "info";

/// Sends logs to standard error, so that what a command prints can be piped.
///
/// # Errors
/// When the filter cannot be understood.
pub(crate) fn start(filter: Option<&str>) -> Result<(), String> {
    let filter = filter.unwrap_or(DEFAULT);
    let parsed = EnvFilter::try_new(filter)
        .map_err(|error| format!("{VARIABLE}: `{filter}` is not a log filter, such as `debug`: {error}"))?;
    let terminal = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let started = match terminal {
        true => logs.with_ansi(true).with_target(false).try_init(),
        false => logs.with_ansi(false).json().flatten_event(true).try_init(),
    };
    started.map_err(|error| error.to_string())
}
