use std::sync::Arc;

use cliffwatch_engine::StoreOpener;
use cliffwatch_source::{SecretError, SecretRef};
use cliffwatch_store::{OpenOptions, Store, StoreError, StoreUrl};

use crate::config::Config;

/// Opens the configured store. The password is read anew each time: it may have been changed because the
/// store refused the old one.
pub(super) fn opener(config: &Config, read_only: bool) -> StoreOpener {
    let url = config.store.value.clone();
    let password = config.store_password.as_ref().map(|given| given.value.clone());
    Arc::new(move || {
        let (url, password) = (url.clone(), password.clone());
        Box::pin(async move { open(&url, password, read_only).await })
    })
}

async fn open(
    url: &StoreUrl,
    password: Option<SecretRef>,
    read_only: bool,
) -> Result<Arc<dyn Store>, StoreError> {
    let unreadable = |what: String| StoreError::Unavailable { what, hint: Some("see `store_password`") };
    let password = match password {
        // A file or command may take its time.
        Some(reference) => {
            let read = tokio::task::spawn_blocking(move || reference.read()).await;
            let read = read.map_err(|error| unreadable(error.to_string()))?;
            Some(read.map_err(|error: SecretError| unreadable(error.to_string()))?)
        }
        None => None,
    };
    let password = password.as_ref().map(cliffwatch_source::Secret::expose);
    cliffwatch_store::open(url, OpenOptions { password, read_only }).await
}
