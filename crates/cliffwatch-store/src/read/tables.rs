use cliffwatch_model::{DeviceName, Platform};

use super::{Conditions, LATEST_ONLY, LATEST_SAMPLES, columns, limit_clause, lookup};
use crate::convert::StoredSample;
use crate::engine::Engine;
use crate::row::row;
use crate::text::word;
use crate::{Page, PageRequest, StoreError, TableNow, cursor};

row! {
    Heading { device: String, platform: String, table_id: String, }
}

/// The latest reading of every live table.
pub(crate) async fn tables<E: Engine>(
    connection: &mut E::Connection,
    device: Option<&DeviceName>,
    page: &PageRequest,
) -> Result<Page<TableNow>, StoreError> {
    let limit = cursor::limit(page);
    let mut conditions = Conditions::default();
    conditions.clause(LATEST_ONLY.to_owned());
    if let Some(device) = device {
        conditions.add_text("d.name =", device.as_str());
    }
    if let Some((device, table)) = cursor::read::<(String, String)>(page)? {
        let device = conditions.bind_text(device);
        let table = conditions.bind_text(table);
        conditions.clause(format!("(d.name, t.table_id) > ({device}, {table})"));
    }
    let sql = format!(
        "SELECT d.name AS device, d.platform, t.table_id, {} FROM {LATEST_SAMPLES} \
         JOIN session_table AS t ON t.table_ref = l.table_ref \
         JOIN device AS d ON d.device_ref = t.device_ref \
         {} ORDER BY d.name, t.table_id {}",
        columns::<StoredSample>("s"),
        conditions.sql(),
        limit_clause(limit)
    );
    let rows: Vec<(Heading, StoredSample)> = E::fetch(connection, &sql, conditions.arguments).await?;
    let page = cursor::page(rows, limit, |(heading, _)| (heading.device.clone(), heading.table_id.clone()));
    let samples: Vec<StoredSample> = page.items.iter().map(|(_, sample)| sample.clone()).collect();
    let mut latest = lookup::table_observations::<E>(connection, &samples).await?;
    let now = |(heading, sample): &(Heading, StoredSample)| {
        let platform = word("platform", &heading.platform, |name| Platform::new(name).ok())?;
        Ok(latest.remove(&lookup::key(sample)).map(|latest| TableNow { platform, latest }))
    };
    let items =
        page.items.iter().map(now).filter_map(Result::transpose).collect::<Result<_, StoreError>>()?;
    Ok(Page { items, next: page.next })
}
