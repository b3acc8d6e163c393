use std::path::Path;

use crate::client::Response;

/// Set this variable to write what came out as what is expected; then read the difference.
const BLESS: &str = "CLIFFWATCH_BLESS";

/// Compares JSON with its golden file.
pub(crate) fn json(name: &str, response: &Response) {
    let mut got = serde_json::to_string_pretty(&response.json()).unwrap();
    got.push('\n');
    text(&format!("{name}.json"), &got);
}

/// Compares text with its golden file.
pub(crate) fn text(file: &str, got: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/golden").join(file);
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = wanted.lines().zip(got.lines()).enumerate().find(|(_, (wanted, got))| wanted != got);
    let first =
        differing.map(|(line, (wanted, got))| format!("line {}: want {wanted}\n got {got}", line + 1));
    assert!(wanted == got, "{file} differs ({BLESS}=1 accepts): {first:?}");
}
