use std::io::Write;

use super::{CommandError, Status};
use crate::cli::{SchemaArgs, SchemaName};
use crate::{config, inventory, scenario};

pub(super) fn run(args: &SchemaArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let schema = match args.name {
        SchemaName::Config => config::schema(),
        SchemaName::Inventory => inventory::schema(),
        SchemaName::Scenario => scenario::schema(),
    };
    serde_json::to_writer_pretty(&mut *out, &schema).map_err(std::io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(Status::Fine)
}
