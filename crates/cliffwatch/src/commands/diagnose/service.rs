//! The running service knows best: its memory is of now.

use cliffwatch_model::{Diagnosis, Severity, TableId};
use hyper::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Candidate, Found, pick};
use crate::cli::DiagnoseArgs;
use crate::commands::CommandError;
use crate::commands::client::{Answer, Client, NoAnswer};
use crate::commands::setup::environment;
use crate::config;
use crate::diagnostics::Report;

/// Tables of one page of the list.
const PAGE: usize = 1_000;

/// What is read of a list.
#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// What is read of a table.
#[derive(Deserialize)]
struct Table {
    table_id: TableId,
    scope: Scope,
    kind: String,
    name: String,
    protocol: Option<String>,
    part: Option<std::collections::BTreeMap<String, String>>,
    utilization: Option<f64>,
    worst_alert: Option<Worst>,
}

#[derive(Deserialize)]
struct Scope {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct Worst {
    severity: Severity,
}

/// What is read of an error.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    hint: Option<String>,
}

/// The service's diagnosis; nothing where no service listens.
pub(super) async fn diagnose(args: &DiagnoseArgs) -> Result<Option<Found>, CommandError> {
    let mut report = Report::default();
    let config = config::load(&args.config.flags(), &environment, false, &mut report);
    if report.errors() > 0 {
        return Err(CommandError::Configuration(report.to_text()));
    }
    let client = Client::new(&config).with_token().map_err(CommandError::Failed)?;
    let device = encoded(&args.device);
    match client.get(&format!("/api/v1/devices/{device}")).await {
        Err(NoAnswer::NotThere(_)) => return Ok(None),
        Err(error @ NoAnswer::Failed(_)) => return Err(failed(&client, &error.to_string())),
        Ok(answer) if answer.status == StatusCode::NOT_FOUND => {
            let text = format!("the service at {} knows no device `{}`", client.address, args.device);
            return Err(CommandError::Usage(text));
        }
        Ok(answer) => {
            read::<serde_json::Value>(&client, &answer)?;
        }
    }
    let tables = tables(&client, &device).await?;
    let candidates: Vec<Candidate> = tables.iter().map(Candidate::from).collect();
    let id = match &args.table {
        Some(table) => pick(&candidates, &args.device, table)?.id,
        None => worst(&tables).ok_or_else(|| no_tables(&args.device))?,
    };
    let answer = get(&client, &format!("/api/v1/tables/{id}/diagnosis")).await?;
    let diagnosis: Diagnosis = read(&client, &answer)?;
    Ok(Some(Found { diagnosis, others: tables.len().saturating_sub(1) }))
}

async fn tables(client: &Client<'_>, device: &str) -> Result<Vec<Table>, CommandError> {
    let mut tables = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = get(client, &format!("/api/v1/tables?device={device}&limit={PAGE}{cursor}")).await?;
        let page: List<Table> = read(client, &answer)?;
        tables.extend(page.items);
        match page.next {
            Some(next) => cursor = format!("&cursor={}", encoded(&next)),
            None => return Ok(tables),
        }
    }
}

/// The table with the worst alert, and of those the fullest.
fn worst(tables: &[Table]) -> Option<TableId> {
    let severity = |table: &Table| table.worst_alert.as_ref().map(|worst| worst.severity);
    let fill = |table: &Table| table.utilization.unwrap_or(-1.0);
    let worst = tables.iter().max_by(|a, b| severity(a).cmp(&severity(b)).then(fill(a).total_cmp(&fill(b))));
    worst.map(|table| table.table_id)
}

fn no_tables(device: &str) -> CommandError {
    CommandError::Failed(format!(
        "{device} has no tables yet: `cliffwatch poll {device}` tells whether it can be read"
    ))
}

async fn get(client: &Client<'_>, path: &str) -> Result<Answer, CommandError> {
    client.get(path).await.map_err(|error| failed(client, &error.to_string()))
}

fn read<T: DeserializeOwned>(client: &Client<'_>, answer: &Answer) -> Result<T, CommandError> {
    if answer.status != StatusCode::OK {
        let problem: Option<Problem> = serde_json::from_slice(&answer.body).ok();
        let said = problem.map(|problem| match problem.hint {
            Some(hint) => format!("{} ({hint})", problem.detail),
            None => problem.detail,
        });
        return Err(failed(client, &said.unwrap_or_else(|| format!("it answers {}", answer.status))));
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        failed(client, &format!("its answer cannot be read, is it another version? {error}"))
    })
}

fn failed(client: &Client<'_>, error: &str) -> CommandError {
    CommandError::Failed(format!("the service at {}: {error}", client.address))
}

impl From<&Table> for Candidate {
    fn from(table: &Table) -> Self {
        let mut path = format!("{}/{}/{}/{}", table.scope.kind, table.scope.name, table.kind, table.name);
        let part = table.part.as_ref().map(|part| {
            part.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";")
        });
        for extra in table.protocol.iter().chain(&part) {
            path.push('/');
            path.push_str(extra);
        }
        Self { id: table.table_id, path }
    }
}

/// A value in a URL (RFC 3986, 2.3).
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}
