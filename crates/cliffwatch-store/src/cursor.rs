//! Cursors: the sort key of the last item, as hex of JSON. Opaque to users, checked on the way back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{PAGE_ITEMS_MAX, Page, PageRequest, StoreError};

/// The longest cursor that is read: five names of the longest kind and room for escapes.
const CURSOR_BYTES_MAX: usize = 8_192;

/// How many items a page may have.
pub(crate) fn limit(page: &PageRequest) -> usize {
    page.limit.unwrap_or(PAGE_ITEMS_MAX).clamp(1, PAGE_ITEMS_MAX)
}

/// Where the page before ended.
pub(crate) fn read<K: DeserializeOwned>(page: &PageRequest) -> Result<Option<K>, StoreError> {
    let Some(cursor) = &page.cursor else { return Ok(None) };
    let key = (cursor.len() <= CURSOR_BYTES_MAX).then(|| unhex(cursor)).flatten();
    key.and_then(|json| serde_json::from_slice(&json).ok())
        .map(Some)
        .ok_or_else(|| StoreError::Invalid("the cursor is not one that this list gave".to_owned()))
}

/// The page of `items`, of which one more than `limit` was asked for.
pub(crate) fn page<T, K: Serialize>(mut items: Vec<T>, limit: usize, key: impl Fn(&T) -> K) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| write(&key(last)));
    Page { items, next }
}

/// The cursor after the item with this key.
pub(crate) fn write<K: Serialize>(key: &K) -> String {
    let json = serde_json::to_vec(key).unwrap_or_default();
    json.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cursor: &str) -> PageRequest {
        PageRequest { cursor: Some(cursor.to_owned()), limit: None }
    }

    #[test]
    fn a_cursor_goes_both_ways_and_a_foreign_one_is_refused() {
        let key = (5_i64, "d\u{e9}vice".to_owned());
        assert_eq!(read::<(i64, String)>(&request(&write(&key))).unwrap(), Some(key));
        for foreign in ["", "zz", "7b7", &"00".repeat(5_000), &write(&"other")] {
            assert!(read::<(i64, String)>(&request(foreign)).is_err(), "{foreign}");
        }
    }

    #[test]
    fn a_page_knows_whether_there_is_more() {
        let full = page(vec![1, 2, 3], 2, |n| *n);
        assert_eq!((full.items.clone(), full.next.is_some()), (vec![1, 2], true));
        assert_eq!(page(vec![1, 2], 2, |n| *n).next, None);
    }
}
