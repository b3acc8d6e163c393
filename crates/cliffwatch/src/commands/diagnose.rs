//! What is wrong with a table, why, and what to do: asked of the running service, or worked out from history.

mod history;
mod service;
mod text;

use std::io::{IsTerminal as _, Write};

use cliffwatch_model::{Diagnosis, TableId};

use super::{CommandError, Status};
use crate::cli::{DiagnoseArgs, TextOrJson};

/// A diagnosis, and what the device has beside the table that it is about.
struct Found {
    diagnosis: Diagnosis,
    /// Tables of the device that were not asked about.
    others: usize,
}

/// A table that a device has.
struct Candidate {
    id: TableId,
    path: String,
}

pub(super) async fn run(args: &DiagnoseArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let found = if args.samples.is_some() || args.since.is_some() {
        history::diagnose(args).await?
    } else {
        match service::diagnose(args).await? {
            Some(found) => found,
            None => {
                note("No service answers there: this is worked out from the store's history.");
                history::diagnose(args).await?
            }
        }
    };
    match args.format {
        TextOrJson::Json => {
            serde_json::to_writer(&mut *out, &found.diagnosis).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        TextOrJson::Text => text::print(&found.diagnosis, found.others, out)?,
    }
    out.flush()?;
    Ok(if found.diagnosis.is_fine() { Status::Fine } else { Status::NotFine })
}

/// For people: a script reads what is printed, and that says as of when it is.
fn note(text: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _unheard = writeln!(stderr, "{text}").is_err();
    }
}

/// The table that is meant: by its id, its path, or a part of the path that only one has.
fn pick<'a>(candidates: &'a [Candidate], device: &str, table: &str) -> Result<&'a Candidate, CommandError> {
    let exact = candidates.iter().find(|it| it.path == table || it.id.to_string() == table);
    if let Some(exact) = exact {
        return Ok(exact);
    }
    let like: Vec<&Candidate> = candidates.iter().filter(|it| it.path.contains(table)).collect();
    match like.as_slice() {
        [one] => Ok(one),
        [] => Err(CommandError::Usage(format!(
            "{device} has no table `{table}`; it has {}",
            listed(candidates.iter())
        ))),
        several => Err(CommandError::Usage(format!(
            "`{table}` is a part of {} tables of {device}: {}",
            several.len(),
            listed(several.iter().copied())
        ))),
    }
}

/// Tables that are named in a message: enough to see how they are called.
const LISTED_MAX: usize = 10;

fn listed<'a>(candidates: impl ExactSizeIterator<Item = &'a Candidate>) -> String {
    let count = candidates.len();
    if count == 0 {
        return "none".to_owned();
    }
    let shown: Vec<String> =
        candidates.take(LISTED_MAX).map(|it| format!("{} ({})", it.path, it.id)).collect();
    let more = count.saturating_sub(LISTED_MAX);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
