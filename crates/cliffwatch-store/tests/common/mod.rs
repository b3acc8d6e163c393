//! What the store's tests and benches share: a Postgres of their own, and homes for stores of both engines.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of this")]

pub mod arbitrary;
pub mod fixtures;
pub mod home;
pub mod postgres;

/// Says aloud what a test lacks. Where skips are forbidden, the test fails.
pub fn lacking(what: &str) {
    assert!(
        std::env::var_os("CLIFFWATCH_NO_SKIP").is_none(),
        "this test lacks {what}, and CLIFFWATCH_NO_SKIP forbids to skip it"
    );
    eprintln!("\n=== SKIPPED: this test lacks {what} ===\n");
}
