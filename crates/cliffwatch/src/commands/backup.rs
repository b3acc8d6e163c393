use std::io::Write;

use cliffwatch_store::StoreError;

use super::setup::{Depth, Setup};
use super::{CommandError, Status, store};
use crate::cli::BackupArgs;
use crate::registry::Registry;

pub(super) async fn run(args: &BackupArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let depth = Depth { secrets: false, devices: false, pins: true };
    let setup = Setup::load_good(&args.config.flags(), &Registry::new(), depth)?;
    let failed = |error: StoreError| {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        CommandError::Failed(format!("backup to `{}`: {error}{hint}", args.file.display()))
    };
    if args.file.exists() {
        return Err(CommandError::Usage(format!("`{}` exists; name a new file", args.file.display())));
    }
    let store = store::opener(&setup.config, true)().await.map_err(failed)?;
    let copied = store.backup(&args.file).await;
    store.close().await;
    copied.map_err(failed)?;
    let bytes = std::fs::metadata(&args.file).map(|file| file.len()).unwrap_or_default();
    writeln!(out, "copied `{}` to `{}`, {bytes} bytes", setup.config.store.value, args.file.display())?;
    out.flush()?;
    Ok(Status::Fine)
}
