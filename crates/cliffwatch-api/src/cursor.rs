//! Cursors of lists that are answered from memory: the order and the last item, as hex of JSON. Opaque to
//! users, checked on the way back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{Problem, bad_cursor};

/// The longest cursor that is read: a cursor holds a few names of a table, each up to a few hundred bytes.
const CURSOR_BYTES_MAX: usize = 16_384;

/// Writes a cursor.
pub(crate) fn write<T: Serialize>(place: &T) -> String {
    let json = serde_json::to_vec(place).unwrap_or_default();
    json.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads what [`write`] wrote.
pub(crate) fn read<T: DeserializeOwned>(cursor: &str) -> Result<T, Problem> {
    let json = (cursor.len() <= CURSOR_BYTES_MAX).then(|| unhex(cursor)).flatten();
    json.and_then(|json| serde_json::from_slice(&json).ok()).ok_or_else(bad_cursor)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_goes_both_ways_and_a_foreign_one_is_refused() {
        let place = (5.25, "d\u{e9}vice".to_owned());
        assert_eq!(read::<(f64, String)>(&write(&place)).unwrap(), place);
        for foreign in ["", "zz", "7b7", &"00".repeat(9_000), &write(&"other")] {
            assert!(read::<(f64, String)>(foreign).is_err(), "{foreign}");
        }
    }
}
