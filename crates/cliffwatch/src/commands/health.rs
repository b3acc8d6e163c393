use std::io::Write;

use hyper::StatusCode;

use super::client::Client;
use super::setup::environment;
use super::{CommandError, Status};
use crate::cli::ConfigArgs;
use crate::config;
use crate::diagnostics::Report;

/// Asks only for what it needs: a broken inventory does not make the running service sick.
pub(super) async fn run(args: &ConfigArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let mut report = Report::default();
    let config = config::load(&args.flags(), &environment, false, &mut report);
    if report.errors() > 0 {
        return Err(CommandError::Configuration(report.to_text()));
    }
    let client = Client::new(&config);
    let failed = |error: String| CommandError::Failed(format!("no health from {}: {error}", client.address));
    let answer = client.get("/healthz").await.map_err(|error| failed(error.to_string()))?;
    if answer.status != StatusCode::OK {
        return Err(failed(format!("it answers {}", answer.status)));
    }
    writeln!(out, "ok")?;
    out.flush()?;
    Ok(Status::Fine)
}
