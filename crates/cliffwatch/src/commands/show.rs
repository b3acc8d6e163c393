use std::io::Write;

use super::setup::{Depth, Setup};
use super::{CommandError, Status, table};
use crate::cli::{ShowArgs, TextOrJson};
use crate::config::shown;
use crate::registry::Registry;

/// Shows what is in force, also where some of it is wrong: that is when it is asked for.
pub(super) fn run(args: &ShowArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let depth = Depth { secrets: false, devices: false, pins: true };
    let setup = Setup::load(&args.config.flags(), &Registry::new(), depth);
    let values = shown(&setup.config, &setup.report);
    match args.format {
        TextOrJson::Text => {
            let rows = values.iter().map(|shown| {
                let value = match &shown.value {
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                vec![format!("{}:", shown.key), value, format!("# {}", shown.origin)]
            });
            table::write(out, rows)?;
        }
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut *out, &values).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    if setup.report.errors() > 0 {
        return Err(CommandError::Configuration(setup.report.to_text()));
    }
    Ok(Status::Fine)
}
