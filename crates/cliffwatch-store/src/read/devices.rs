use super::{Conditions, limit_clause};
use crate::convert::{StoredDevice, device_record};
use crate::engine::Engine;
use crate::{DeviceRecord, Page, PageRequest, StoreError, cursor};

/// Every device that is or was polled, with its newest poll by whichever poller.
pub(crate) async fn devices<E: Engine>(
    connection: &mut E::Connection,
    page: &PageRequest,
) -> Result<Page<DeviceRecord>, StoreError> {
    let limit = cursor::limit(page);
    let mut conditions = Conditions::default();
    if let Some(name) = cursor::read::<String>(page)? {
        conditions.add_text("d.name >", name);
    }
    let sql = format!(
        "SELECT d.name, d.platform, d.address, d.labels, d.retired_at, g.finished_at, g.outcome, g.succeeded_at \
         FROM device AS d LEFT JOIN ( \
             SELECT device_ref, finished_at, outcome, \
                 max(succeeded_at) OVER (PARTITION BY device_ref) AS succeeded_at, \
                 row_number() OVER (PARTITION BY device_ref ORDER BY finished_at DESC, poller_ref) AS place \
             FROM progress \
         ) AS g ON g.device_ref = d.device_ref AND g.place = 1 \
         {} ORDER BY d.name {}",
        conditions.sql(),
        limit_clause(limit)
    );
    let rows: Vec<StoredDevice> = E::fetch(connection, &sql, conditions.arguments).await?;
    let page = cursor::page(rows, limit, |row| row.name.clone());
    Ok(Page { items: page.items.iter().map(device_record).collect::<Result<_, _>>()?, next: page.next })
}
