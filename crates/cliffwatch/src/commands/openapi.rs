use std::io::Write;

use super::{CommandError, Status};

pub(super) fn run(out: &mut dyn Write) -> Result<Status, CommandError> {
    writeln!(out, "{}", cliffwatch_api::openapi().trim_end())?;
    out.flush()?;
    Ok(Status::Fine)
}
