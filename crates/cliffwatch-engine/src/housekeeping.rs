use std::time::Duration;

use cliffwatch_store::Retention;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;

/// How often history that is too old is looked for.
const RETAIN_EVERY: Duration = Duration::from_secs(3_600);
/// The first time, so that a start is not slowed by it.
const RETAIN_FIRST: Duration = Duration::from_secs(300);
/// The pause between two bounded parts of the work, in which commits go through.
const RETAIN_PAUSE: Duration = Duration::from_millis(200);

/// Removes history that is older than it may be, in small parts.
pub(crate) async fn retain(handle: Handle, retention: watch::Receiver<Retention>, stop: CancellationToken) {
    let mut pause = RETAIN_FIRST;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        let kept = *retention.borrow();
        let Some(store) = handle.store() else { continue };
        pause = match store.retain(&kept, handle.clock.now()).await {
            Ok(removed) if removed.more => RETAIN_PAUSE,
            Ok(_) => RETAIN_EVERY,
            Err(error) => {
                tracing::warn!(%error, "Old history could not be removed; it is tried again.");
                RETAIN_EVERY
            }
        };
    }
}
